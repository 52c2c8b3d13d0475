# SPDX-License-Identifier: GPL-2.0-only
"""What a case shows on a kernel: running it in a guest, and what a bisection reads from it."""

import json
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Iterable, Sequence

from . import fs, vm
from .completion import complete_results
from .driver import Point, driver_command
from .filesystems import Filesystem
from .guests import POINT_SECONDS
from .kernels import Kernel
from .kmsg import DEATHS
from .results import Line, find_started, lines_of, read_results
from .tools import (EXIT_FAILED, EXIT_SKIPPED, EXIT_USAGE, RunnerError, Unsupported, UsageError,
                    last_line)

# What a verdict says of the filesystem, whatever a quirk expected of it; the others say nothing.
MEANING = {"fail": "fail", "xfail": "fail", "pass": "pass", "xpass": "pass", "done": "done"}
# Of the command in the guest, if the results tell all.
ANSWERS = (0, EXIT_FAILED, EXIT_SKIPPED)
# With so little room on a disk, it was that that made something fail.
ROOM_BYTES = 1 << 20
# Measured, so never the same twice.
MEASURED = "_ns"
# Of races: how many rounds no instant explains, and the first of them in words. How many and which
# is chance; whether there are any is behaviour.
TORN, FIRST_TORN = "rounds_torn", "first_torn"


@dataclass(frozen=True)
class Trial:
    """What is run on a kernel."""

    driver: Path
    filesystem: Filesystem
    # A case, or one of its points.
    case: str
    # The points that it names, and what they need.
    points: tuple[Point, ...]
    needs: frozenset[str] = frozenset()
    # How often.
    rounds: int = 1
    # Whether to run all rounds although one has failed.
    all_rounds: bool = False
    seed: str = ""
    budget: str = ""
    # Of the guest, in seconds.
    timeout_s: float | None = None

    def command(self, results: Path, damage: Path) -> list[str]:
        """The command for the guest. What the case does not need is not made there: boots cost."""
        run = ["--jobs", "1", "--announce", "--timeout", str(POINT_SECONDS), "--despite-quirks",
               "--repeat", str(self.rounds)]
        run += [] if self.all_rounds else ["--stop-on-fail"]
        run += ["--seed", self.seed] if self.seed else []
        run += ["--budget", self.budget] if self.budget else []
        return driver_command(self.driver, self.filesystem, results, *run, self.case,
                              check_log=damage, needs=self.needs)


@dataclass(frozen=True)
class Behaviour:
    """What a case showed: verdicts, and what was observed."""

    # "fail", "pass", "done": the worst of all points and rounds.
    verdict: str
    # Why it failed.
    reason: str
    # What was observed and answered, by point and name.
    values: tuple[tuple[str, str], ...]
    # What two kernels must have alike to behave alike.
    key: tuple[object, ...]
    # How many points were skipped.
    skipped: int

    def text(self) -> str:
        """In one line."""
        seen = ", ".join(str(part) for part in self.key[1:]) if len(self.key) < 4 else ""
        more = f" ({self.skipped} points skipped)" if self.skipped else ""
        return f"{self.verdict:<4}  {self.reason or seen}".rstrip() + more


@dataclass(frozen=True)
class Finding:
    """A behaviour, or why none can be told."""

    behaviour: Behaviour | None
    why: str = ""
    # The results, if there are any.
    cases: Sequence[Line] = ()
    # Why the last round did not come to its end; empty if it did.
    cut: str = ""

    def text(self) -> str:
        """In one line."""
        return self.behaviour.text() if self.behaviour else f"cannot tell: {self.why}"


def find_case(driver: Path, case: str) -> tuple[tuple[Point, ...], frozenset[str], list[Path]]:
    """The points of a case, all that they need, and its file; of all cases, if it is a pattern.

    Raises UsageError without any.
    """
    done = subprocess.run((driver, "list", "--json", case), capture_output=True, text=True,
                          check=False)
    if done.returncode:
        said = last_line(done.stderr) or f"{driver} list: exit status {done.returncode}"
        raise UsageError(said.removeprefix("cowbell: "))
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    return (tuple(Point.of_entry(entry) for entry in entries),
            frozenset(need for entry in entries for need in entry["needs"]),
            [Path(name) for name in sorted({entry["file"] for entry in entries})])


def as_text(value: object) -> str:
    """A value of a result as a reader wants it."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def values_of(line: Line) -> dict[str, str]:
    """What a result says that was observed and answered, by name; nothing that was measured."""
    seen = {**line.get("answers", {}), **line.get("observed", {})}
    # An answer whose step is observed is there twice.
    doubles = {f" {name}" for name in line.get("observed", {})}
    return {name: as_text(value) for name, value in seen.items()
            if not name.endswith(MEASURED) and not any(name.endswith(end) for end in doubles)}


def collect(lines: Iterable[Line], observe: str) -> tuple[dict[str, set[str]], set[str]]:
    """Values of all rounds by "point: name"; and those names that tell behaviours apart."""
    values: dict[str, set[str]] = {}
    telling = set()
    for line in lines:
        for name, value in values_of(line).items():
            full = f"{line['case']}: {name}"
            values.setdefault(full, set()).add(value)
            if name == observe or not observe and line["strength"] == "observe" \
                    and name != FIRST_TORN:
                telling.add(full)
    return values, telling


def telling_text(name: str, seen: set[str]) -> str:
    """How the values of all rounds tell behaviours apart."""
    if name.endswith(f": {TORN}") and seen != {"0"}:
        return f"{name} more than 0"
    return f"{name} {any_of(seen)}"


def any_of(seen: set[str]) -> str:
    """The values of all rounds in one."""
    return " or ".join(sorted(seen))


def skip_reasons(lines: Iterable[Line]) -> str:
    """Why points were skipped."""
    return "; ".join(dict.fromkeys(line.get("reason", "skipped") for line in lines))


def broken(lines: Sequence[Line]) -> str:
    """Why a result says nothing, if there is one that should have said something."""
    return next((f"{line['case']}: {verdict}: {line.get('reason', '')}"
                 for verdict in ("error", "miss") for line in lines
                 if line["verdict"] == verdict), "")


def judge(lines: Sequence[Line], observe: str = "", damage: str = "") -> Finding:
    """What the results of one case on one kernel say.

    One fail decides, in whatever point and round. `observe` names what of observed and answers
    tells behaviours apart; without it all that cases of strength observe say does. `damage` is what
    fsck said, if it did.
    """
    found = {MEANING.get(line["verdict"], line["verdict"]): line for line in reversed(lines)}
    if not found and not damage:
        return Finding(None, "no results")
    verdict = next((word for word in ("fail", "error", "miss", "pass", "done") if word in found),
                   "skip")
    reason = found[verdict].get("reason", "") if verdict == "fail" else ""
    if damage and verdict != "fail":
        verdict, reason = "fail", f"damaged: {last_line(damage)}"
    if verdict in ("error", "miss"):
        return Finding(None, broken(lines), lines)
    skipped = [line for line in lines if line["verdict"] == "skip"]
    if verdict == "skip":
        return Finding(None, f"skipped: {skip_reasons(skipped)}", lines)
    values, telling = collect(lines, observe)
    if observe and not telling and verdict != "fail":
        return Finding(None, f"nothing observed is called {observe}", lines)
    flat = {name: any_of(seen) for name, seen in sorted(values.items())}
    shown = [telling_text(name, values[name]) for name in flat if name in telling]
    if not observe:
        shown += [f"{line['case']} skipped" for line in skipped if line["strength"] == "observe"]
    return Finding(Behaviour(verdict, reason, tuple(flat.items()), (verdict, *shown),
                             len(skipped)), "", lines)


@dataclass(frozen=True)
class Files:
    """What a trial leaves in its folder."""

    folder: Path

    @property
    def results(self) -> Path:
        """The driver's results."""
        return self.folder / "results.jsonl"

    @property
    def damage(self) -> Path:
        """What fsck said, if anything was wrong."""
        return self.folder / "damage.txt"

    @property
    def console(self) -> Path:
        """What the kernel said."""
        return self.folder / "console.txt"

    @property
    def output(self) -> Path:
        """What the driver printed."""
        return self.folder / "output.txt"


def require_room(folder: Path) -> None:
    """Raise RunnerError if the disk of a folder is full: what failed then says nothing."""
    if shutil.disk_usage(folder).free < ROOM_BYTES:
        raise RunnerError(f"the disk of {folder} is full")


def read_finding(path: Path, observe: str, damage: Path, fault: str = "") -> Finding:
    """What a result file says; `fault` is what else went wrong."""
    try:
        results = read_results(path)
    except UsageError as error:
        return Finding(None, fault or str(error))
    said = damage.read_text() if damage.exists() else ""
    if said and not fs.is_damage(said):
        # The exit status does not tell it where that of the driver is not 0.
        fault = fault or last_line(said)
    finding = judge(results.cases, observe, "" if fault else said)
    # A failure decides, whatever ended the run after it.
    failed = finding.behaviour and finding.behaviour.verdict == "fail"
    why = fault or results.flaw()
    if why and not failed:
        # The driver's exit status says only that there was an error, and not which.
        return Finding(None, broken(results.cases) or why, results.cases, why)
    return replace(finding, cut=why)


def note_death(files: Files, points: Sequence[Point], outcome: vm.Outcome) -> None:
    """Complete what a guest has left that died when points had begun to run."""
    why = f"the guest died: {outcome.died}"
    if not find_started(lines_of(files.results)):
        # Of what a point had left: as bad as what fsck finds.
        files.damage.write_text(f"{why}\n")
    complete_results(files.results, points, why, "\n".join(outcome.complaints).splitlines())


def run_trial(kernel: Kernel, trial: Trial, files: Files, observe: str = "") -> Finding:
    """Boot a kernel and run the case there; all that comes of it goes into a folder.

    Raises RunnerError for a fault of the harness, Interrupted.
    """
    settings = vm.Settings(writable=[files.folder], timeout_s=trial.timeout_s, log=files.console)
    with files.output.open("wb") as output:
        def write(data: bytes) -> None:
            output.write(data)
        try:
            outcome = vm.boot(kernel, trial.command(files.results, files.damage), settings,
                              write, write)
        except Unsupported as error:
            return Finding(None, str(error))
    require_room(files.folder)
    if vm.tripped(outcome):
        # Whatever the case has shown, a kernel in that state may have shown it for that alone.
        return Finding(None, f"the emulation failed: {vm.tripped(outcome)}")
    said = last_line(files.output.read_text(errors="replace"))
    lines = lines_of(files.results)
    began = any(line["kind"] == "start" for line in lines)
    fault = ""
    if began and any(death in outcome.died for death in DEATHS):
        note_death(files, trial.points, outcome)
    elif outcome.timed_out:
        fault = f"no end after {trial.timeout_s:g} s"
    elif outcome.status is None:
        fault = outcome.died
    elif outcome.status not in ANSWERS or not lines:
        fault = f"exit status {outcome.status}: {said}"
    if lines:
        return read_finding(files.results, observe, files.damage, fault)
    if outcome.status == EXIT_USAGE:
        raise RunnerError(f"in the guest: {said}")
    return Finding(None, f"no results, {fault}" if outcome.status is not None else fault)
