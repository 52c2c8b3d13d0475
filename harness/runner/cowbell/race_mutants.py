# SPDX-License-Identifier: GPL-2.0-only
"""cowbell race-mutants: how surely the cases with actors notice bugs of races (docs/mutants.md).

A race is won by chance, so each mutant is run many times, with a seed of its own each time, at the
default budget. It counts as killed if nearly all runs notice.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Sequence

from .driver import find_driver
from .mutants import Baseline, Mutant, choose, count_acts, find_library, list_points, preload
from .results import read_results
from .tools import EXIT_FAILED, EXIT_HARNESS, RunnerError, UsageError, complain

NAME = "cowbell race-mutants"
# Of so many runs, so many may notice nothing.
REPEAT = 20
MISSES_ALLOWED = 1
# One of the bugs is a deadlock, which ends by this.
POINT_SECONDS = 5
RUN_SECONDS = 300


@dataclass
class Tally:
    """What came of the runs of one mutant."""

    mutant: Mutant
    # Cases with actors that use the op with the bug.
    cases: int = 0
    runs: int = 0
    # Which case was the first to fail, and how often; and why, for the last time.
    kills: dict[str, int] = field(default_factory=dict)
    reason: str = ""
    # Runs of the harness that came to no verdict.
    errors: int = 0
    acts: int = 0
    wall_s: float = 0.0

    @property
    def killed(self) -> int:
        """How many runs noticed."""
        return sum(self.kills.values())

    def good(self) -> bool:
        """Did nearly all runs notice?"""
        return self.runs > 0 and self.runs - self.killed <= MISSES_ALLOWED * self.runs / REPEAT

    def line(self, width: int) -> str:
        """For the table."""
        ranking = sorted(self.kills, key=lambda name: -self.kills[name])
        by = ", ".join(f"{name} {self.kills[name]}" for name in ranking[:3])
        rest = f" and {len(ranking) - 3} more" if len(ranking) > 3 else ""
        said = f"by {by}{rest}" if by else f"{self.cases} cases, acted {self.acts} times"
        trouble = f", {self.errors} with errors" if self.errors else ""
        return (f"{self.mutant.name:<{width}}  {self.killed:>2}/{self.runs:<2}  "
                f"{self.wall_s / max(self.runs, 1):5.1f} s a run{trouble}  {said}")

    def json(self) -> dict[str, Any]:
        """As an entry of race-mutants.json."""
        return {"mutant": self.mutant.name, "subject": self.mutant.subject,
                "loses": self.mutant.loses, "runs": self.runs, "killed": self.killed,
                "killed_by": self.kills, "last_reason": self.reason, "errors": self.errors,
                "acts": self.acts, "wall_s": round(self.wall_s, 3)}


def list_race_mutants(library: Path) -> list[Mutant]:
    """The mutants that are about races. Raises RunnerError."""
    done = subprocess.run(("/bin/true",), env=preload(library, "list-race"), capture_output=True,
                          text=True, check=False)
    mutants = [Mutant(*line.split("\t")) for line in done.stdout.splitlines()]
    if not mutants:
        raise RunnerError(f"{library}: holds no mutants of races")
    return mutants


def race_points(driver: Path, select: Sequence[str]) -> dict[str, list[str]]:
    """For each op, the points with actors that use it. Raises UsageError."""
    points: dict[str, list[str]] = {}
    for point in list_points(driver, select):
        if point.strength != "observe" and "actors" in json.loads(Path(point.file).read_text()):
            for name in point.ops:
                points.setdefault(name, []).append(point.name)
    return points


def run_once(args: argparse.Namespace, tally: Tally, names: Sequence[str], seed: int) -> None:
    """Run the points under a mutant until one fails, likely ones first. Raises RunnerError."""
    likely = [name for name in names if name.partition("[")[0] in tally.kills]
    killed = tally.killed
    tally.runs += 1
    if likely:
        run_points(args, tally, likely, seed)
    if tally.killed == killed:
        run_points(args, tally, [name for name in names if name not in likely], seed)


def run_points(args: argparse.Namespace, tally: Tally, names: Sequence[str], seed: int) -> None:
    """Run points until one fails and take what came of it into the tally. Raises RunnerError."""
    with tempfile.TemporaryDirectory(prefix="cowbell-race-mutants-") as folder:
        acts, results = Path(folder) / "acts", Path(folder) / "results.jsonl"
        environment = {**preload(args.library, tally.mutant.name), "COWBELL_MUTANT_ACTED":
                       str(acts)}
        command = [str(args.driver), "run", "--dir", args.dir, "--dedicated", "--seed", str(seed),
                   "--timeout", str(POINT_SECONDS), "--stop-on-fail", "--json", str(results),
                   *names]
        start = time.monotonic()
        try:
            done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, check=False,
                                  timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            raise RunnerError(f"{tally.mutant.name}: no end within {RUN_SECONDS} s") from None
        tally.wall_s += time.monotonic() - start
        if not results.exists():
            raise RunnerError(f"{tally.mutant.name}: {done.stderr.strip() or done.stdout}")
        tally.acts += count_acts(acts)
        cases = read_results(results).cases
        tally.errors += any(case["verdict"] == "error" for case in cases)
        failed = next((case for case in cases if case["verdict"] == "fail"
                       and case.get("reason") != "kmsg"), None)
        if failed and tally.acts:
            name = failed["case"].partition("[")[0]
            tally.kills[name] = tally.kills.get(name, 0) + 1
            tally.reason = f"{failed['case']}: {failed.get('seen', failed.get('reason', ''))}"


def baseline_of(args: argparse.Namespace, names: Sequence[str]) -> Baseline:
    """How the points do without a mutant. Raises RunnerError."""
    with tempfile.TemporaryDirectory(prefix="cowbell-race-mutants-") as folder:
        results = Path(folder) / "results.jsonl"
        subprocess.run([str(args.driver), "run", "--dir", args.dir, "--dedicated", "--timeout",
                        str(POINT_SECONDS), "--json", str(results), *names],
                       stdin=subprocess.DEVNULL, capture_output=True, check=False,
                       timeout=RUN_SECONDS)
        if not results.exists():
            raise RunnerError("the driver does not run")
        found = read_results(results)
        return Baseline({case["case"]: case["verdict"] for case in found.cases},
                        needs=found.run.get("needs", {}))


def run_all(args: argparse.Namespace) -> int:
    """Run all mutants and print a line for each; the exit status. Raises RunnerError."""
    mutants = choose(list_race_mutants(args.library), args.mutants)
    points = race_points(args.driver, args.cases)
    names = sorted({name for mutant in mutants for name in points.get(mutant.subject, [])})
    baseline = baseline_of(args, names) if names else Baseline()
    width = max(len(mutant.name) for mutant in mutants)
    tallies = []
    for mutant in mutants:
        if not baseline.met(mutant):
            print(f"{mutant.name:<{width}}  not tried: {mutant.needs} is not met here", flush=True)
            continue
        ours = [name for name in points.get(mutant.subject, []) if baseline.passed(name)]
        tally = Tally(mutant, len({name.partition("[")[0] for name in ours}))
        for number in range(args.repeat if ours else 0):
            run_once(args, tally, ours, args.seed + number)
        tallies.append(tally)
        print(tally.line(width), flush=True)
    return report(args, tallies)


def report(args: argparse.Namespace, tallies: Sequence[Tally]) -> int:
    """Write race-mutants.json, print the end of the table; the exit status."""
    args.results.mkdir(parents=True, exist_ok=True)
    path = args.results / "race-mutants.json"
    path.write_text(json.dumps({"kernel": os.uname().release, "seed": args.seed,
                                "gap_us": os.environ.get("COWBELL_GAP_US", "50"),
                                "mutants": [tally.json() for tally in tallies]},
                               indent=1) + "\n")
    missed = [tally for tally in tallies if not tally.good()]
    print(f"\n{len(tallies) - len(missed)} of {len(tallies)} mutants of races killed as surely as "
          f"{REPEAT - MISSES_ALLOWED} times in {REPEAT}; results: {path}")
    for tally in missed:
        print(f"missed: {tally.mutant.name} ({tally.mutant.subject}): {tally.killed} of "
              f"{tally.runs}; {tally.mutant.loses}")
    return EXIT_FAILED if missed else 0


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command line. Raises UsageError."""
    parser = argparse.ArgumentParser(
        prog=NAME, description="Runs the cases with actors again and again on kernels with a bug "
        "that shows only in races. Exit codes: 0 nearly all runs noticed each, 1 too few did.")
    parser.add_argument("--dir", default=os.environ.get("COWBELL_DIR"),
                        help="a directory on the filesystem (COWBELL_DIR)")
    parser.add_argument("--repeat", metavar="N", type=int, default=REPEAT,
                        help=f"runs of each mutant ({REPEAT})")
    parser.add_argument("--case", metavar="CASE", dest="cases", action="append", default=[],
                        help="only these cases, as cowbell run; several times")
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="of the first run (1)")
    parser.add_argument("--results", metavar="DIR", type=Path,
                        default=Path(os.environ.get("RESULTS") or "results"),
                        help="where race-mutants.json goes (RESULTS; default results)")
    parser.add_argument("--cowbell", metavar="PATH", help="the driver (default build/cowbell)")
    parser.add_argument("--library", metavar="PATH", help="the interposer (next to the driver)")
    parser.add_argument("mutants", nargs="*", metavar="MUTANT",
                        help="name or op, or a pattern of either (default all)")
    args = parser.parse_args(argv)
    if not args.dir or args.repeat < 1:
        raise UsageError("--dir must be given, or COWBELL_DIR; --repeat must be at least 1")
    args.driver = find_driver(args.cowbell)
    args.library = find_library(args.driver, args.library)
    return args


def main(argv: Sequence[str]) -> int:
    """The command; its exit status."""
    try:
        return run_all(parse(argv))
    except RunnerError as error:
        complain(NAME, error)
        return error.status
    except OSError as error:
        complain(NAME, error)
        return EXIT_HARNESS


def run() -> None:
    """Entry of the executable."""
    sys.exit(main(sys.argv[1:]))
