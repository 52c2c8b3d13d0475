# SPDX-License-Identifier: GPL-2.0-only
"""cowbell bisect step: builds a kernel, runs a case on it, and answers `git bisect run`."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from . import fs, kernel as system, vm
from .bisect_case import (MEANING, Files, Finding, Trial, broken, require_room, run_trial,
                          values_of)
from .bisect_rounds import CONFIDENCE, rate_at_least, rounds_needed
from .command import endings_held
from .kernels import BadTree, Kernel, find_kernel
from .results import Line
from .tools import (EXIT_FAILED, RunnerError, Unsupported, UsageError, exit_status,
                    last_line)

GOOD, BAD, CANNOT_TELL, ABORT = 0, 1, 125, 200
WORDS = {GOOD: "good", BAD: "bad", CANNOT_TELL: "cannot tell"}
CALIBRATION_ROUNDS_MAX = 10000
# Of options that only a case has: not the parser's, so that it can be told whether they are given.
DEFAULTS = {"good_is": "pass", "error_rate": 0.01, "flaky_rate": 1.0}


def build(command: str, folder: Path) -> bool:
    """Build the revision; whether that worked. Raises RunnerError if the disk is full."""
    parent, child = os.getpid(), None

    def prepare() -> None:
        system.die_with_parent(parent, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        with endings_held() as before:
            child = subprocess.Popen(("/bin/sh", "-c", command), stdin=subprocess.DEVNULL,
                                     start_new_session=True, preexec_fn=prepare)
        status = exit_status(child.wait())
    finally:
        if child and child.poll() is None:
            # All that it started: the keys of the terminal do not reach them.
            os.killpg(child.pid, signal.SIGTERM)
            child.wait()
    if status:
        require_room(folder)
        print(f"the build failed, exit status {status}", flush=True)
    return status == 0


@contextmanager
def files_in(keep: Path | None, name: str) -> Iterator[Files]:
    """A folder for what a trial leaves: a new one below `keep`, or one that goes away."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="cowbell-bisect-") as folder:
            yield Files(Path(folder))
        return
    folder, number = keep / name, 1
    while folder.exists():
        number += 1
        folder = keep / f"{name}-{number}"
    folder.mkdir(parents=True)
    yield Files(folder)
    print(f"kept in {folder}", flush=True)


def revision(tree: Path, kernel: Kernel) -> str:
    """What to call the results of a revision: its commit, if there is one, and its release."""
    # What is built elsewhere (make O=) is of the repository that `git bisect run` runs in.
    for folder in (tree, Path(".")):
        done = subprocess.run(("git", "-C", folder, "rev-parse", "--short", "HEAD"),
                              capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return f"{done.stdout.strip()}-{kernel.release}"
    return kernel.release


def round_number(line: Line) -> int:
    """Which round a result is of."""
    return line.get("round", 1)


class Judge:
    """Says of each result what it means for --good-is."""

    def __init__(self, good_is: str) -> None:
        """Take the option apart. Raises UsageError."""
        self.key, equals, self.value = good_is.partition("=")
        self.by_value = bool(equals)
        if not self.by_value and good_is not in ("pass", "fail"):
            raise UsageError(f"--good-is {good_is}: pass, fail, or KEY=VALUE")

    def is_sign(self, line: Line) -> bool | None:
        """Does a result show what one round is enough to show? None if it shows nothing.

        A failure is such a sign, and so is another value than that of KEY=VALUE.
        """
        if self.by_value:
            seen = values_of(line).get(self.key)
            return None if seen is None else seen != self.value
        meaning = MEANING.get(line["verdict"])
        return None if meaning is None else meaning == "fail"

    def rounds(self, finding: Finding) -> dict[int, bool]:
        """Of each round that shows something whether it shows the sign.

        That it does not, only a round tells that came to its end, by all points not skipped.
        """
        shown: dict[int, list[bool | None]] = defaultdict(list)
        for line in finding.cases:
            sign = self.is_sign(line)
            if sign is not None or line["verdict"] != "skip":
                shown[round_number(line)].append(sign)
        if finding.cut and shown:
            shown[max(shown)].append(None)
        return {number: any(signs) for number, signs in shown.items()
                if any(signs) or None not in signs}

    def answer(self, sign: bool) -> int:
        """The exit code for a kernel that showed the sign, or never did."""
        return BAD if sign == (self.by_value or self.key == "pass") else GOOD


def bad_of_boot(finding: Finding, judge: Judge) -> str:
    """Why a kernel has failed of which no point did, or nothing if it has not.

    The filesystem was damaged, or the kernel died when a point of it had run.
    """
    behaviour = finding.behaviour
    if judge.by_value or not behaviour or behaviour.verdict != "fail":
        return ""
    return behaviour.reason


def decide(finding: Finding, judge: Judge, rounds: int) -> tuple[int, str]:
    """The exit code for what was found, and a word about it."""
    shown = judge.rounds(finding)
    if any(shown.values()):
        first = min(number for number, sign in shown.items() if sign)
        line = next(line for line in finding.cases
                    if round_number(line) == first and judge.is_sign(line))
        seen = f"{judge.key} {values_of(line)[judge.key]}" if judge.by_value else \
            line.get("reason", "failed")
        where = f" in round {first} of {rounds}" if rounds > 1 else ""
        return judge.answer(True), f"{line['case']}: {seen}{where}"
    after = bad_of_boot(finding, judge)
    if after:
        return judge.answer(True), after
    behaviour = finding.behaviour
    if not behaviour:
        return CANNOT_TELL, finding.why
    if len(shown) < rounds:
        return CANNOT_TELL, finding.cut or broken(finding.cases) or (
            f"{len(shown)} of {rounds} rounds say something" + (
                f" of {judge.key}" if judge.by_value else ""))
    return judge.answer(False), f"{rounds} rounds" if rounds > 1 else behaviour.text().strip()


def calibrate(finding: Finding, judge: Judge, error: float) -> int:
    """Say how often the bug shows; the exit status."""
    shown = judge.rounds(finding)
    seen = sum(shown.values())
    after = bad_of_boot(finding, judge)
    if after and not seen:
        print(f"bad, but not in a round: {after}\nthat shows once for each boot, however many "
              "rounds are run: no rate can be given")
        return EXIT_FAILED
    if not shown:
        raise RunnerError(f"nothing to calibrate with: {finding.why or 'no results'}")
    print(f"bad in {seen} of {len(shown)} rounds")
    if not seen:
        print("that is no bad end, or more rounds are needed")
        return EXIT_FAILED
    rate = rate_at_least(seen, len(shown))
    # Rounded down, so that it still is a lower bound.
    shown_rate = int(rate * 1000) / 1000 or rate
    print(f"the rate is {seen / len(shown):.3g}, and {shown_rate:.3g} at least ({CONFIDENCE:.0%} "
          f"sure)\nuse --flaky-rate {shown_rate:.3g}: "
          f"{rounds_needed(shown_rate, error)} rounds for an error rate of {error:g}")
    return 0


def gate_command(args: argparse.Namespace, driver: Path, files: Files) -> list[str]:
    """The command for the guest that measures until it is clear to which end it belongs."""
    words = [str(fs.SCRIPT), args.fs, "--check-log", str(files.damage), "--", str(driver), "gate"]
    for option, paths in (("--good", args.good), ("--bad", args.bad)):
        words += [option, *(str(path.absolute()) for path in paths)]
    for option in ("metric", "budget"):
        if getattr(args, option):
            words += [f"--{option}", str(getattr(args, option))]
    return [*words, "--", str(driver), "bench", "--dir", "{dir}", "--json", "{json}", args.bench]


def measure(kernel: Kernel, args: argparse.Namespace, driver: Path, files: Files) -> int:
    """Boot a kernel and have cowbell gate measure there; its exit code. Raises RunnerError."""
    settings = vm.Settings(writable=[files.folder], timeout_s=args.timeout, log=files.console)
    with files.output.open("wb") as output:
        def write(data: bytes) -> None:
            output.write(data)
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
        try:
            outcome = vm.boot(kernel, gate_command(args, driver, files), settings, write, write)
        except Unsupported as error:
            print(f"cannot tell: {error}")
            return CANNOT_TELL
    if vm.tripped(outcome):
        print(f"cannot tell: the emulation failed: {vm.tripped(outcome)}")
        return CANNOT_TELL
    if outcome.status is None:
        why = f"no end after {args.timeout:g} s" if outcome.timed_out else outcome.died
        print(f"cannot tell: {why}")
        return CANNOT_TELL
    if files.damage.exists():
        said = files.damage.read_text()
        print(f"cannot tell: {'damaged: ' if fs.is_damage(said) else ''}{last_line(said)}")
        return CANNOT_TELL
    # 77: the filesystem cannot be made on this kernel; 99: it cannot be unmounted or checked.
    return outcome.status if outcome.status in (GOOD, BAD, ABORT) else CANNOT_TELL


def fill_defaults(args: argparse.Namespace) -> None:
    """Give the options of a case that are not given the values that they then have."""
    for name, value in DEFAULTS.items():
        if getattr(args, name) is None:
            setattr(args, name, value)


def rounds_for(args: argparse.Namespace) -> int:
    """How many rounds a step takes. Raises UsageError."""
    if args.calibrate:
        if not 0 < args.calibrate <= CALIBRATION_ROUNDS_MAX:
            raise UsageError(f"--calibrate {args.calibrate}: 1 to {CALIBRATION_ROUNDS_MAX} rounds")
        return args.calibrate
    try:
        return rounds_needed(args.flaky_rate, args.error_rate)
    except ValueError as error:
        raise UsageError(f"--flaky-rate {args.flaky_rate:g}, --error-rate {args.error_rate:g}: "
                         f"{error}") from None


def check_measuring(args: argparse.Namespace) -> None:
    """Look at the options of a step that measures. Raises UsageError."""
    if bool(args.case) == bool(args.bench):
        raise UsageError("either --case or --bench is needed")
    given = [name for name in ("good", "bad", "metric", "budget") if getattr(args, name)]
    if args.case and given:
        raise UsageError(f"--{given[0]} belongs to --bench")
    if args.bench and not (args.good and args.bad):
        raise UsageError("--bench needs results of both ends: --good FILE... --bad FILE...")
    given = [name for name in DEFAULTS if getattr(args, name) is not None]
    given += [name for name in ("seed", "calibrate") if getattr(args, name)]
    if args.bench and given:
        raise UsageError(f"--{given[0].replace('_', '-')} belongs to --case")
    for path in (*args.good, *args.bad):
        if not path.is_file():
            raise UsageError(f"{path} is not there")


def run_step(args: argparse.Namespace, trial: Trial | None, driver: Path) -> int:
    """Build, boot, run, judge; the exit code. Raises RunnerError, Interrupted."""
    judge = Judge(args.good_is)
    if args.build and not build(args.build, args.tree):
        return CANNOT_TELL
    try:
        kernel = find_kernel(args.kernel or str(args.tree.absolute()))
    except BadTree as error:
        print(f"cannot tell: {error}", flush=True)
        return CANNOT_TELL
    with files_in(args.keep, revision(args.tree, kernel)) as files:
        if trial is None:
            return measure(kernel, args, driver, files)
        finding = run_trial(kernel, trial, files)
    if args.calibrate:
        return calibrate(finding, judge, args.error_rate)
    code, why = decide(finding, judge, trial.rounds)
    print(f"{WORDS[code]}: {kernel.release}: {why}", flush=True)
    return code


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--build", metavar="CMD", default="",
                        help="for the shell: builds the revision; 125 if it fails")
    parser.add_argument("--kernel", metavar="K", default="",
                        help="what CMD makes, if it is no kernel tree; as cowbell kernel")
    parser.add_argument("--tree", metavar="DIR", type=Path, default=Path("."),
                        help="the kernel tree (.)")
    parser.add_argument("--good-is", metavar="HOW",
                        help="pass (the default), fail, or KEY=VALUE of what is observed")
    parser.add_argument("--error-rate", metavar="P", type=float,
                        help="how seldom a bug that shows at --flaky-rate may be missed (0.01)")
    parser.add_argument("--flaky-rate", metavar="R", type=float,
                        help="in what part of the rounds the bug shows (1: in each)")
    parser.add_argument("--calibrate", metavar="N", type=int, nargs="?", const=100, default=0,
                        help="run N rounds (100) of a bad kernel and say what --flaky-rate is")
    parser.add_argument("--bench", metavar="SUITE", default="",
                        help="measure this suite instead of running a case")
    parser.add_argument("--metric", metavar="NAME", default="",
                        help="with --bench: of cowbell gate")
    for end in ("good", "bad"):
        parser.add_argument(f"--{end}", metavar="FILE", type=Path, nargs="+", default=[],
                            help=f"with --bench: results of the {end} end, 3 or more")
    parser.add_argument("--keep", metavar="DIR", type=Path,
                        help="keep results and console of each step here")
