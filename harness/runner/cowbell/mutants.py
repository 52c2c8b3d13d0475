# SPDX-License-Identifier: GPL-2.0-only
"""cowbell mutants: kernels with one bug each, and which cases notice (docs/mutants.md).

Each mutant has a driver of its own, with the interposer preloaded, that runs the cases which use
the call with the bug. A mutant is killed by a case that fails under it and passes without.
"""

import argparse
import contextlib
import fnmatch
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Sequence, TypeVar

from . import fs, kernel, state
from .command import BUDGET_MIN, Interrupted, add_run_options, check_budget, ends_well
from .driver import find_driver
from .filesystems import DEFAULT_SIZE_BYTES, Filesystem, find_filesystem
from .results import ResultFile, read_results
from .tools import (EXIT_FAILED, EXIT_HARNESS, EXIT_SKIPPED, RunnerError, UsageError, exit_status,
                    last_line, require_root)

NAME = "cowbell mutants"
LIBRARY = "libcowbell-mutants.so"
# The folder of cowbell-mutants itself.
INSTALLED = Path(__file__).resolve().parents[1]
DEFAULT_FILESYSTEM = "xfs"
# A point under a mutant may hang for good; those without need a small part of this.
POINT_SECONDS = 20
DRIVER_SECONDS = 600
NAMES_SHOWN = 3
# Of each case so many points are tried first, none of which took longer than this by itself.
SAMPLE_POINTS = 2
SAMPLE_NS = 100_000_000
# Of the budget of races and sweeps, this part is enough to see that they pass without a mutant.
BASELINE_BUDGET = 0.1
# Exit codes of a driver that has come to its end.
ENDED = (0, EXIT_FAILED, EXIT_SKIPPED, EXIT_HARNESS)

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Mutant:
    """A kernel with one bug."""

    name: str
    # The op whose cases must notice.
    subject: str
    # What a user would lose.
    loses: str
    # What a filesystem must be able to do for it to show, as "needs" of a case; nothing is any.
    needs: str = ""


@dataclass(frozen=True)
class Point:
    """A case at one place of its cross product."""

    name: str
    file: str
    strength: str
    ops: frozenset[str]
    # A race or a sweep of signals, which lasts as long as the budget says.
    timed: bool = False

    @property
    def case(self) -> str:
        """The name without the place in the cross product."""
        return self.name.partition("[")[0]


@dataclass
class Outcome:
    """What came of one mutant."""

    mutant: Mutant
    # Points that were run and use the subject.
    points: int = 0
    # Points that failed because of the mutant, and seconds until each had.
    kills: dict[str, float] = field(default_factory=dict)
    # What the first of them said.
    reason: str = ""
    # Points that ended as an error of the harness: no kills.
    errors: int = 0
    # How often the mutant did what the kernel does not.
    acts: int = 0
    wall_s: float = 0.0
    # Why there is no result; nothing if there is one.
    broken: str = ""

    @property
    def verdict(self) -> str:
        """killed, survived, or error."""
        if self.broken:
            return "error"
        return "killed" if self.kills else "survived"

    @property
    def killers(self) -> list[str]:
        """The cases that killed it, first ones first."""
        return list(dict.fromkeys(name.partition("[")[0] for name in self.kills))

    @property
    def why(self) -> str:
        """Who killed it, or why nobody did."""
        if self.broken:
            return self.broken
        if self.kills:
            cases = self.killers
            more = f" and {len(cases) - NAMES_SHOWN} more" if len(cases) > NAMES_SHOWN else ""
            return f"by {len(self.kills)} points of {', '.join(cases[:NAMES_SHOWN])}{more}"
        if not self.points:
            return f"no case uses {self.mutant.subject}"
        if not self.acts:
            return f"none of {self.points} points gave it occasion to act"
        return f"it acted {self.acts} times in {self.points} points, and none noticed"

    def json(self) -> dict[str, Any]:
        """As an entry of mutants.json."""
        return {"mutant": self.mutant.name, "subject": self.mutant.subject,
                "loses": self.mutant.loses, "verdict": self.verdict, "why": self.why,
                "points": self.points, "errors": self.errors, "acts": self.acts,
                "wall_s": round(self.wall_s, 3), "first_reason": self.reason,
                "kills": [{"case": name, "after_s": round(after_s, 3)}
                          for name, after_s in self.kills.items()]}


def find_library(driver: Path, given: str | None) -> Path:
    """The interposer: the path given, or next to the driver, or where it is installed.

    Raises UsageError if there is none.
    """
    places = [Path(given)] if given else [driver.parent / LIBRARY, INSTALLED / LIBRARY]
    for place in places:
        if place.is_file():
            return place.absolute()
    raise UsageError(f"{places[0]} is not there; make builds it")


def preload(library: Path, mutant: str) -> dict[str, str]:
    """The environment in which a program runs on a mutant."""
    return {**os.environ, "LD_PRELOAD": str(library), "COWBELL_MUTANT": mutant}


def list_mutants(library: Path) -> list[Mutant]:
    """All mutants that a library holds. Raises RunnerError."""
    done = subprocess.run(("true",), env=preload(library, "list"), capture_output=True, text=True,
                          check=False)
    mutants = [Mutant(*line.split("\t")) for line in done.stdout.splitlines()]
    if not mutants:
        raise RunnerError(f"{library}: {last_line(done.stderr) or 'holds no mutants'}")
    return mutants


def choose(mutants: list[Mutant], patterns: Sequence[str]) -> list[Mutant]:
    """Those whose name or subject a pattern matches; all without patterns. Raises UsageError."""
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(name, pattern) for mutant in mutants
                   for name in (mutant.name, mutant.subject)):
            raise UsageError(f"no mutant '{pattern}' (--list shows all)")
    return [mutant for mutant in mutants if not patterns or any(
        fnmatch.fnmatchcase(name, pattern) for pattern in patterns
        for name in (mutant.name, mutant.subject))]


def list_points(driver: Path, select: Sequence[str]) -> list[Point]:
    """The points that a driver knows, or those selected. Raises UsageError."""
    done = subprocess.run((driver, "list", "--json", *select), capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise UsageError(last_line(done.stderr) or f"{driver} list --json failed")
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    return [Point(entry["case"], entry["file"], entry["strength"], frozenset(entry["ops"]),
                  entry["timed"]) for entry in entries]


class Bench:
    """Filesystems, and drivers that run on them, one at a time on each."""

    def __init__(self, args: argparse.Namespace) -> None:
        """Make nothing yet."""
        self.args = args
        self.runs: queue.SimpleQueue[state.Run] = queue.SimpleQueue()
        self.children: set[subprocess.Popen[bytes]] = set()

    def mount(self, stack: contextlib.ExitStack) -> None:
        """Make as many filesystems as there are jobs. Raises RunnerError."""
        filesystem: Filesystem = self.args.fs
        size_bytes = max(DEFAULT_SIZE_BYTES, filesystem.least_bytes)
        for number in range(self.args.jobs):
            # Later ones are in the first one's namespace, which the threads inherit.
            self.runs.put(stack.enter_context(
                state.mounted(filesystem, size_bytes, 2, NAME, private=number == 0, view=True)))

    def drive(self, names: Sequence[str], environment: dict[str, str], folder: Path,
              *more: str) -> ResultFile:
        """Run points on a filesystem that is free. Raises RunnerError if that came to no end."""
        run = self.runs.get()
        try:
            return self.drive_on(run, names, environment, folder, *more)
        finally:
            self.runs.put(run)

    def drive_on(self, run: state.Run, names: Sequence[str], environment: dict[str, str],
                 folder: Path, *more: str) -> ResultFile:
        """Run points on a filesystem. Raises RunnerError."""
        values = fs.values_for(run)
        results, output = folder / "results.jsonl", folder / "output.txt"
        hook = [word for name in run.filesystem.hooks
                for word in ("--hook", f"{name}={values[name]}")]
        command = [str(self.args.driver), "run", "--dedicated", "--dir", values["dir"],
                   "--dir2", values["dir2"], "--view", values["view"], *hook,
                   "--seed", self.args.seed, "--budget", self.args.budget,
                   "--timeout", str(POINT_SECONDS), *more,
                   "--json", str(results), *names]
        status = self.wait_for(command, {**os.environ, **environment}, output)
        if status not in ENDED:
            said = last_line(output.read_text(errors="replace"))
            raise RunnerError(f"the driver ended with {status}: {said}")
        return read_results(results)

    def wait_for(self, command: Sequence[str], environment: dict[str, str],
                 output: Path) -> int:
        """Run a driver to its end; the exit status. Raises RunnerError if it takes too long."""
        parent = os.getpid()
        with output.open("wb") as file:
            child = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=file,
                stderr=subprocess.STDOUT, start_new_session=True,
                preexec_fn=lambda: kernel.die_with_parent(parent, signal.SIGTERM))
        self.children.add(child)
        try:
            return exit_status(child.wait(DRIVER_SECONDS))
        except subprocess.TimeoutExpired:
            child.terminate()
            child.wait()
            raise RunnerError(f"no end within {DRIVER_SECONDS} s") from None
        finally:
            self.children.discard(child)

    def stop(self) -> None:
        """End all drivers."""
        for child in list(self.children):
            child.terminate()


@dataclass
class Baseline:
    """How the points do without a mutant, by name."""

    verdicts: dict[str, str] = field(default_factory=dict)
    wall_ns: dict[str, int] = field(default_factory=dict)
    # Why points failed.
    reasons: dict[str, str] = field(default_factory=dict)
    # What the filesystem can do: word and answer.
    needs: dict[str, str] = field(default_factory=dict)

    def met(self, mutant: Mutant) -> bool:
        """Can this mutant show here?"""
        return not self.needs.get(mutant.needs, "yes").startswith("no")

    def passed(self, name: str) -> bool:
        """Did this point pass?"""
        return self.verdicts.get(name) == "pass"


def run_baseline(bench: Bench, points: Sequence[Point]) -> Baseline:
    """Run the points without a mutant, races and sweeps for a small part of their time.

    Raises RunnerError.
    """
    if not points:
        return Baseline()
    budget = max(BASELINE_BUDGET * float(bench.args.budget), BUDGET_MIN)
    with tempfile.TemporaryDirectory(prefix="cowbell-mutants-") as folder:
        results = bench.drive([point.name for point in points], {}, Path(folder), "--jobs",
                              str(bench.args.jobs), "--budget", f"{budget:g}")
    return Baseline({case["case"]: case["verdict"] for case in results.cases},
                    {case["case"]: case.get("wall_ns", 0) for case in results.cases},
                    {case["case"]: case.get("reason", "") for case in results.cases
                     if case["verdict"] == "fail"}, results.run.get("needs", {}))


def sample(points: Sequence[Point], baseline: Baseline, limit_ns: int | None) -> list[Point]:
    """Some points of each case, spread over its cross product.

    With a limit, none that took longer by itself, and none that lasts as long as it may.
    """
    cases: dict[str, list[Point]] = {}
    for point in points:
        if limit_ns is None or not point.timed and baseline.wall_ns.get(point.name, 0) <= limit_ns:
            cases.setdefault(point.case, []).append(point)
    chosen = []
    for group in cases.values():
        count = min(SAMPLE_POINTS, len(group))
        places = {index * (len(group) - 1) // max(count - 1, 1) for index in range(count)}
        chosen += [group[place] for place in sorted(places)]
    return chosen


def count_acts(path: Path) -> int:
    """How often a mutant acted: a number in binary that the interposer left."""
    return int.from_bytes(path.read_bytes(), sys.byteorder) if path.exists() else 0


def run_points(bench: Bench, outcome: Outcome, points: Sequence[Point],
               *more: str) -> frozenset[str]:
    """Run points under a mutant and take what came of it into its outcome; the names of those run.

    Raises RunnerError.
    """
    if not points:
        return frozenset()
    with tempfile.TemporaryDirectory(prefix="cowbell-mutants-") as name:
        path = Path(name) / "acts"
        environment = {**preload(bench.args.library, outcome.mutant.name),
                       "COWBELL_MUTANT_ACTED": str(path)}
        results = bench.drive([point.name for point in points], environment, Path(name),
                              "--jobs", "1", *more)
        judge(outcome, results, count_acts(path))
    return frozenset(case["case"] for case in results.cases)


def run_until_killed(bench: Bench, outcome: Outcome, points: Sequence[Point]) -> None:
    """Run points under a mutant that nothing has killed, until one does. Raises RunnerError."""
    while points and not outcome.kills:
        # The driver stops at the first fail, which need not be a kill.
        done = run_points(bench, outcome, points, "--stop-on-fail")
        points = [point for point in points if done and point.name not in done]


def judge(outcome: Outcome, results: ResultFile, acts: int) -> None:
    """Find the kills among points that pass without. Raises RunnerError if no mutant was there.

    What fails although the mutant did nothing, or for a line in the kernel's log, fails for
    something else that goes on in this machine.
    """
    if results.run.get("mutant") != outcome.mutant.name:
        raise RunnerError("the results are not of a run under this mutant")
    after_ns = 0
    outcome.acts += acts
    for case in results.cases:
        after_ns += case.get("wall_ns", 0)
        outcome.points += 1
        outcome.errors += case["verdict"] == "error"
        if case["verdict"] == "fail" and acts and case.get("reason") != "kmsg":
            outcome.reason = outcome.reason or case.get("reason", "")
            outcome.kills[case["case"]] = after_ns / 1e9


def excused(point: Point) -> bool:
    """Does the case say why no mutant can make it fail?"""
    return "no_mutant" in json.loads(Path(point.file).read_text())


@dataclass
class Trial:
    """All that is run, and what came of it."""

    bench: Bench
    # Only those that pass without a mutant stay: no others can kill one.
    points: Sequence[Point]
    baseline: Baseline
    # `must` cases of which a point passes, and that do not say why they could kill nothing.
    due: set[str] = field(init=False)
    # Those of them that have killed nothing yet.
    idle: set[str] = field(init=False)
    # Those of which no point passes: this filesystem says nothing about them.
    unjudged: set[str] = field(init=False)

    def __post_init__(self) -> None:
        """Find the cases that have to prove that they can fail."""
        files = {point.case: point for point in self.points if point.strength == "must"}
        self.points = [point for point in self.points if self.baseline.passed(point.name)]
        due = {case for case, point in files.items() if not excused(point)}
        self.due = due.intersection(point.case for point in self.points)
        self.idle = set(self.due)
        self.unjudged = due - self.due

    def points_of(self, mutant: Mutant) -> list[Point]:
        """Those that use the op with the bug."""
        return [point for point in self.points if mutant.subject in point.ops]

    def wanted(self, points: Sequence[Point]) -> list[Point]:
        """Those of a mutant that are run even if another one kills it."""
        args = self.bench.args
        if args.all or args.first:
            return list(points) if args.all else []
        quick = sample(points, self.baseline, SAMPLE_NS)
        return [point for point in quick if partial(args) or point.case in self.idle]

    def run(self, mutant: Mutant) -> Outcome:
        """Run those that are wanted under a mutant; if it lives, more of them until it does not."""
        ours = self.points_of(mutant)
        outcome = Outcome(mutant)
        start = time.monotonic()
        try:
            done = run_points(self.bench, outcome, self.wanted(ours))
            for group in (sample(ours, self.baseline, SAMPLE_NS),
                          sample(ours, self.baseline, None), ours):
                left = [point for point in group if point.name not in done]
                run_until_killed(self.bench, outcome, left)
                done |= {point.name for point in left}
        except RunnerError as error:
            outcome.broken = str(error)
        outcome.wall_s = time.monotonic() - start
        self.idle.difference_update(outcome.killers)
        return outcome

    def look_again(self, outcome: Outcome, whole: bool) -> None:
        """Run `must` cases that have killed nothing under a mutant: slow points, too, or all."""
        ours = [point for point in self.points_of(outcome.mutant) if point.case in self.idle]
        if ours and not outcome.broken:
            with contextlib.suppress(RunnerError):
                run_points(self.bench, outcome,
                           ours if whole else sample(ours, self.baseline, None))
            self.idle.difference_update(outcome.killers)

    def confirm(self, outcomes: Sequence[Outcome]) -> None:
        """See races and sweeps that have killed pass without a mutant in the whole of their time.

        What does not is no kill, and its case may have to prove itself by another. Raises
        RunnerError.
        """
        timed = {point.name for point in self.points if point.timed}
        names = sorted({name for outcome in outcomes for name in outcome.kills if name in timed})
        if not names:
            return
        with tempfile.TemporaryDirectory(prefix="cowbell-mutants-") as folder:
            results = self.bench.drive(names, {}, Path(folder), "--jobs",
                                       str(self.bench.args.jobs))
        for case in results.cases:
            if case["verdict"] == "fail":
                self.baseline.reasons[case["case"]] = case.get("reason", "")
                for outcome in outcomes:
                    outcome.kills.pop(case["case"], None)
        self.idle = self.due.difference(*(outcome.killers for outcome in outcomes))


def run_all(trial: Trial, mutants: Sequence[Mutant]) -> list[Outcome]:
    """Run all mutants, some at a time, and print a line for each. Raises Interrupted."""
    width = max(len(mutant.name) for mutant in mutants)

    def one(mutant: Mutant) -> Outcome:
        outcome = trial.run(mutant)
        print(f"{mutant.name:<{width}}  {outcome.verdict:<8} {outcome.wall_s:5.1f} s  "
              f"{outcome.why}", flush=True)
        return outcome

    return at_once(trial.bench, one, mutants)


def at_once(bench: Bench, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Do some work for all items, as many at a time as there are jobs. Raises Interrupted."""
    with ThreadPoolExecutor(bench.args.jobs) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        except Interrupted:
            for future in futures:
                future.cancel()
            bench.stop()
            raise
    return [future.result() for future in futures]


def partial(args: argparse.Namespace) -> bool:
    """Is too little run to say of a case that it kills nothing?"""
    return bool(args.mutants or args.cases or args.first)


def report(trial: Trial, outcomes: Sequence[Outcome], wall_s: float) -> int:
    """Write mutants.json, print the end of the table; the exit status."""
    args, baseline = trial.bench.args, trial.baseline
    idle = [] if partial(args) else sorted(trial.idle)
    survivors = [outcome for outcome in outcomes if outcome.verdict != "killed"]
    args.results.mkdir(parents=True, exist_ok=True)
    path = args.results / "mutants.json"
    path.write_text(json.dumps({
        "filesystem": args.fs.name, "kernel": os.uname().release, "seed": int(args.seed),
        "wall_s": round(wall_s, 3), "baseline_points": len(baseline.verdicts),
        "baseline_fails": baseline.reasons, "must_cases_that_kill_none": idle,
        "must_cases_not_judged_here": sorted(trial.unjudged),
        "mutants": [outcome.json() for outcome in outcomes]}, indent=1) + "\n")
    print(f"\n{len(outcomes) - len(survivors)} of {len(outcomes)} mutants killed on "
          f"{args.fs.name} in {wall_s:.0f} s; results: {path}")
    for outcome in survivors:
        print(f"{outcome.verdict}: {outcome.mutant.name} ({outcome.mutant.subject}): "
              f"{outcome.why}; {outcome.mutant.loses}")
    for name, reason in baseline.reasons.items():
        print(f"fails without a mutant: {name}: {reason}")
    for name in idle:
        print(f"must, but kills no mutant: {name}")
    if trial.unjudged and not partial(args):
        print(f"not judged, as no point of theirs passes on {args.fs.name}: "
              f"{len(trial.unjudged)} must cases")
    if any(outcome.broken for outcome in outcomes):
        return EXIT_HARNESS
    return EXIT_FAILED if survivors or baseline.reasons or idle else 0


def run_matrix(args: argparse.Namespace) -> int:
    """Do all of it; the exit status. Raises RunnerError, Interrupted."""
    require_root()
    start = time.monotonic()
    points = list_points(args.driver, args.cases)
    chosen = choose(list_mutants(args.library), args.mutants)
    if args.mutants:
        subjects = {mutant.subject for mutant in chosen}
        points = [point for point in points if point.ops & subjects]
    bench = Bench(args)
    with contextlib.ExitStack() as stack:
        bench.mount(stack)
        baseline = run_baseline(bench, points)
        trial = Trial(bench, points, baseline)
        tried = [mutant for mutant in chosen if baseline.met(mutant)]
        if len(tried) < len(chosen):
            print(f"not tried, as {args.fs.name} has not got what they need: "
                  f"{len(chosen) - len(tried)} mutants")
        if not tried:
            return EXIT_SKIPPED
        outcomes = run_all(trial, tried)
        if not (partial(args) or args.all):
            at_once(bench, lambda outcome: trial.look_again(outcome, False), outcomes)
            at_once(bench, lambda outcome: trial.look_again(outcome, True), outcomes)
        trial.confirm(outcomes)
    return report(trial, outcomes, time.monotonic() - start)


def print_list(args: argparse.Namespace) -> None:
    """Print the mutants, one a line."""
    for mutant in choose(list_mutants(args.library), args.mutants):
        print(f"{mutant.name:<44} {mutant.subject:<12} {mutant.loses}")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command line. Raises UsageError."""
    parser = argparse.ArgumentParser(prog=NAME, description="Runs the cases on kernels with one "
                                     "bug each and shows which case notices which. Exit codes: 0 "
                                     "all were noticed; 1 one was not, a case fails without, or a "
                                     "case that must hold notices none.")
    parser.add_argument("--fs", default=os.environ.get("FS") or DEFAULT_FILESYSTEM,
                        metavar="TYPE[:VARIANT]", help="where (FS; default xfs)")
    add_run_options(parser, "mutants at a time, each with filesystems of its own", "1")
    parser.add_argument("--budget", metavar="FACTOR", default=os.environ.get("BUDGET") or "1",
                        help="as cowbell run: how much races and sweeps try (BUDGET; default 1)")
    parser.add_argument("--case", metavar="CASE", dest="cases", action="append", default=[],
                        help="only these cases, as cowbell run; several times")
    parser.add_argument("--first", action="store_true",
                        help="one kill for each mutant will do, whoever has killed none")
    parser.add_argument("--all", action="store_true",
                        help="run all points under each mutant, killed or not")
    parser.add_argument("--library", metavar="PATH", help=f"{LIBRARY} (next to the driver)")
    parser.add_argument("--list", action="store_true", help="show the mutants")
    parser.add_argument("mutants", nargs="*", metavar="MUTANT",
                        help="name or op, or a pattern of either (default all)")
    args = parser.parse_args(argv)
    check_budget(args.budget)
    args.fs = find_filesystem(args.fs)
    args.driver = find_driver(args.cowbell)
    args.library = find_library(args.driver, args.library)
    return args


def main(argv: Sequence[str]) -> int:
    """The command; its exit status."""
    args = parse(argv)
    if args.list:
        print_list(args)
        return 0
    return run_matrix(args)


def run() -> None:
    """Entry of the executable."""
    sys.exit(ends_well(main, NAME, sys.argv[1:]))
