# SPDX-License-Identifier: GPL-2.0-only
"""cowbell bisect kernels: between which of a row of kernels a case changes its behaviour."""

import argparse
import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Hashable, Sequence

from . import bisect_search as search
from .bisect_case import Behaviour, Files, Finding, Trial, read_finding, run_trial
from .kernels import Entry, Kernel, available, choose, find_kernel
from .results import file_name, option_value, read_results
from .tools import EXIT_FAILED, EXIT_SKIPPED, RunnerError, UsageError, last_line, words

DIRTY = "-dirty"
# What makes filesystems in the guest; the driver's name does not tell when it changes.
HERE = Path(__file__).resolve().parent
RUNNER_FILES = (*sorted(HERE.glob("filesystems*.py")), HERE / "fs.py", HERE / "state.py")
# Of a pair: lines of what was observed.
VALUES_SHOWN = 20


@dataclass(frozen=True)
class Candidate:
    """A kernel of the row, which need not be here yet."""

    label: str
    version: tuple[int, ...]
    # What find_kernel() is asked for.
    name: str
    release: str
    # Whether another kernel may have this release tomorrow, since it was built here.
    built: bool = False
    # When its image was put where it is, if another one of this release may take its place.
    since: float = 0.0

    @classmethod
    def of_entry(cls, entry: Entry) -> "Candidate":
        """One that can be had by its release."""
        since = 0.0
        if "installed" in entry.where:
            # Not the time of modification: that is the package's.
            since = find_kernel(entry.release).image.stat().st_ctime
        return cls(entry.title, entry.version, entry.release, entry.release, since=since)

    @classmethod
    def of_kernel(cls, kernel: Kernel, name: str) -> "Candidate":
        """One that was named by a path."""
        return cls(kernel.release, kernel.version, name, kernel.release, built=True)


def find_candidate(text: str, entries: Sequence[Entry]) -> Candidate:
    """The kernel that a text names. Raises UsageError."""
    entry = choose(text, entries)
    if entry:
        return Candidate.of_entry(entry)
    return Candidate.of_kernel(find_kernel(text), text)


def make_row(args: argparse.Namespace) -> list[Candidate]:
    """The kernels from A to B, oldest first. Raises UsageError unless A is older."""
    entries = available(offline=args.cached)
    ends = [find_candidate(text, entries) for text in (args.good, args.bad)]
    if ends[0] == ends[1]:
        raise UsageError(f"{args.good} and {args.bad} are both {ends[0].label}")
    if ends[0].version > ends[1].version:
        raise UsageError(f"{args.good} ({ends[0].label}) is newer than {args.bad} "
                         f"({ends[1].label}); the older one comes first")
    middle = [find_candidate(text, entries) for text in words(args.list)] if args.list else \
        [Candidate.of_entry(entry) for entry in entries]
    inner = {one for one in middle if ends[0].version < one.version < ends[1].version}
    return [ends[0], *sorted(inner, key=lambda one: (one.version, one.label)), ends[1]]


@dataclass(frozen=True)
class Store:
    """The folder with results of one case on one filesystem, one file for each kernel."""

    folder: Path
    trial: Trial
    # Of the driver.
    version: str
    # Results older than this are of another case, driver or filesystem.
    since: float

    def path(self, release: str) -> Path:
        """The result file of a kernel."""
        return self.folder / f"{release.replace('/', '-')}.jsonl"

    def damage(self, release: str) -> Path:
        """What fsck said there, if anything."""
        return self.path(release).with_suffix(".damage.txt")

    def find(self, one: Candidate, observe: str) -> Finding | None:
        """What is stored of a kernel, if it is what a run now would show."""
        path = self.path(one.release)
        if one.built or not path.exists() or \
                path.stat().st_mtime < max(self.since, one.since):
            return None
        try:
            run = read_results(path).run
            given = [option_value(run["command"], option) for option in ("--seed", "--budget")]
            if run["cowbell"] != self.version or run["kernel"]["release"] != one.release or \
                    run["repeat"] < self.trial.rounds or \
                    given != [self.trial.seed, self.trial.budget]:
                return None
            finding = read_finding(path, observe, self.damage(one.release))
            return finding if finding.behaviour else None
        except (RunnerError, KeyError, TypeError):
            return None

    def keep(self, release: str, files: Files) -> None:
        """Store what a run left."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.damage(release).unlink(missing_ok=True)
        for source, target in ((files.damage, self.damage(release)),
                               (files.results, self.path(release))):
            if source.exists():
                new = target.with_name(f".new-{target.name}")
                shutil.copyfile(source, new)
                new.rename(target)


def driver_version(driver: Path) -> str:
    """What the driver calls itself in results. Raises RunnerError."""
    done = subprocess.run((driver, "version"), capture_output=True, text=True, check=False)
    found = re.fullmatch(r"cowbell (\S+)", last_line(done.stdout))
    if not found:
        raise RunnerError(f"{driver} version: {last_line(done.stdout + done.stderr)}")
    return found[1]


def make_store(args: argparse.Namespace, trial: Trial, case_files: Sequence[Path]) -> Store:
    """Where the results of a trial are kept."""
    version = driver_version(trial.driver)
    # Two drivers that were built of changed files may have the same name.
    files = [*case_files, *RUNNER_FILES, *([trial.driver] if version.endswith(DIRTY) else [])]
    case = re.sub(r"[^\w.=,+-]+", "-", trial.case).strip("-")
    return Store(args.results / "bisect" / file_name(trial.filesystem.name) / case, trial, version,
                 max(path.stat().st_mtime for path in files))


class Row:
    """The kernels and what is known of them."""

    def __init__(self, args: argparse.Namespace, candidates: Sequence[Candidate],
                 store: Store) -> None:
        """Know nothing but what is stored."""
        self.args, self.candidates, self.store = args, candidates, store
        self.findings: list[Finding | None] = [
            None if args.again else store.find(one, args.observe) for one in candidates]
        self.stored = [finding is not None for finding in self.findings]
        self.ran = 0
        self.width = max(len(one.label) for one in candidates)

    def keys(self) -> list[Hashable]:
        """The row as bisect_search takes it."""
        return [search.UNTRIED if finding is None else
                finding.behaviour.key if finding.behaviour else search.UNTOLD
                for finding in self.findings]

    def line(self, place: int, after: str = "") -> str:
        """What is known of a kernel."""
        finding = self.findings[place]
        text = finding.text() if finding else "not run"
        return f"  {self.candidates[place].label:<{self.width}}  {text}{after}"

    def try_one(self, place: int) -> None:
        """Run the case on a kernel and say how it went. Raises RunnerError, Interrupted."""
        began = time.monotonic()
        candidate = self.candidates[place]
        kernel = find_kernel(candidate.name)
        with tempfile.TemporaryDirectory(prefix="cowbell-bisect-") as folder:
            files = Files(Path(folder))
            finding = run_trial(kernel, self.store.trial, files, self.args.observe)
            # What cannot tell today may tell tomorrow.
            if finding.behaviour and not candidate.built:
                self.store.keep(candidate.release, files)
        self.findings[place] = finding
        self.ran += 1
        print(self.line(place, f"  ({time.monotonic() - began:.1f} s)"), flush=True)

    def search(self) -> None:
        """Try kernels until nothing is left to find out. Raises RunnerError, Interrupted."""
        for place, stored in enumerate(self.stored):
            if stored:
                print(self.line(place, "  (stored)"), flush=True)
        while (place := search.next_to_try(self.keys(), self.args.all)) is not None:
            self.try_one(place)
            if place in (0, len(self.candidates) - 1) and self.keys()[place] is search.UNTOLD:
                break


def differing(mine: Behaviour, its: Behaviour) -> list[str]:
    """What only one of two kernels showed, by the names that both know if there are any."""
    values = [(name, value) for name, value in mine.values if (name, value) not in its.values]
    common = {name for name, _ in its.values}
    both = [(name, value) for name, value in values if name in common]
    return [f"{name}  {value}" for name, value in both or values]


def show_side(row: Row, place: int, other: int) -> list[str]:
    """A kernel of a pair: its verdict, and what it showed that the other did not."""
    mine, its = (row.findings[at].behaviour for at in (place, other))
    assert mine and its
    lines = [f"  {row.candidates[place].label:<{row.width}}  {mine.verdict:<4}  {mine.reason}"
             .rstrip()]
    values = differing(mine, its)
    lines += [f"      {value}" for value in values[:VALUES_SHOWN]]
    if len(values) > VALUES_SHOWN:
        lines.append(f"      and {len(values) - VALUES_SHOWN} more")
    return lines


def show_change(row: Row, change: search.Change) -> list[str]:
    """A pair of neighbours and what both showed."""
    left, right = (row.candidates[place].label for place in (change.left, change.right))
    lines = [f"changes between {left} and {right}"]
    untold = [row.candidates[place].label for place in change.between()]
    if untold:
        lines[0] += f"; on which side of it {', '.join(untold)} belong cannot be told"
    return [*lines, *show_side(row, change.left, change.right),
            *show_side(row, change.right, change.left)]


def conclude(row: Row) -> int:
    """Say what was found; the exit status."""
    keys = row.keys()
    for place in (0, len(keys) - 1):
        finding = row.findings[place]
        if finding and not finding.behaviour:
            print(f"cannot tell at the end {row.candidates[place].label}: {finding.why}")
            return EXIT_SKIPPED
    found = list(search.changes(keys))
    for change in found:
        print("\n".join(show_change(row, change)))
    first, last = row.candidates[0].label, row.candidates[-1].label
    unknown = keys.count(search.UNTRIED)
    if search.flips_back(keys):
        print("it flips back: a behaviour comes again after another one")
    if not found:
        print(f"does not change between {first} and {last}: {len(search.told(keys))} kernels are "
              "alike" + (f"; {unknown} in between were not run (--all runs them)"
                         if unknown else ""))
    elif unknown and not row.args.all:
        print(f"{unknown} kernels were not run; a behaviour that flips back there is not seen "
              "without --all")
    return 0 if found else EXIT_FAILED


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--good", "--old", metavar="A", required=True, dest="good",
                        help="the oldest kernel")
    parser.add_argument("--bad", "--new", metavar="B", required=True, dest="bad",
                        help="the newest kernel")
    parser.add_argument("--observe", metavar="KEY", default="",
                        help="tell behaviours apart by this too, of what is observed or answered")
    parser.add_argument("--list", metavar="K,...", default="",
                        help="these in between (default: all that cowbell kernel list shows)")
    parser.add_argument("--cached", action="store_true", help="only kernels that are here")
    parser.add_argument("--all", action="store_true", help="run every kernel, show the whole row")
    parser.add_argument("--again", action="store_true", help="use no stored results")
    parser.add_argument("--results", metavar="DIR", type=Path,
                        default=Path(os.environ.get("RESULTS") or "results"),
                        help="where results are kept, and found again (RESULTS; default results)")


def bisect_kernels(args: argparse.Namespace, trial: Trial, case_files: Sequence[Path]) -> int:
    """The verb; its exit status. Raises RunnerError, Interrupted."""
    began = time.monotonic()
    candidates = make_row(args)
    row = Row(args, candidates, make_store(args, trial, case_files))
    print(f"{trial.case} on {trial.filesystem.name}: {len(candidates)} kernels from "
          f"{candidates[0].label} to {candidates[-1].label}", flush=True)
    row.search()
    if args.all:
        print("in order:")
        for place in range(len(candidates)):
            print(row.line(place))
    status = conclude(row)
    print(f"{row.ran} kernels run, {sum(row.stored)} stored; "
          f"{time.monotonic() - began:.1f} s")
    return status
