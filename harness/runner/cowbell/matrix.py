# SPDX-License-Identifier: GPL-2.0-only
"""cowbell matrix: the cases on one filesystem after the other, on one kernel after the other, and a
table of it all."""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence

from .command import Interrupted, add_run_options, check_budget, ends_well, seconds
from .driver import LONG, driver_command, find_driver, list_points, require_words, start
from .filesystems import Filesystem, find_filesystem
from .guests import (HOST, POLL_SECONDS, STALL_SECONDS, GuestKernel, Guests, Job, find_kernels)
from .results import VERDICTS, ResultFile, file_name, read_results
from .summary import summarize
from .tools import (EXIT_FAILED, EXIT_HARNESS, EXIT_SKIPPED, RunnerError, exit_status, last_line,
                    lock_folder, require_root, words)

NAME = "cowbell matrix"
DEFAULT_FILESYSTEMS = ("xfs", "xfs:1k", "xfs:noreflink", "btrfs", "btrfs:compress", "ext4", "tmpfs",
                       "overlay", "overlay:btrfs")


@dataclass(frozen=True)
class Outcome:
    """What came of one filesystem on one kernel."""

    # What it is called: xfs, or 6.12/xfs.
    name: str
    # Exit status of the driver, or of cowbell fs if it did not get that far.
    status: int
    # None if there is no result file.
    results: ResultFile | None
    # The last line of the output, and where all of it is.
    said: str
    output: Path
    # What a guest's kernel complained about while no case ran; where its console is.
    complaints: Sequence[str] = ()
    console: Path | None = None
    # Why the guest ended in it, or nothing.
    died: str = ""

    @property
    def skipped(self) -> bool:
        """Whether the filesystem could not be made there."""
        return self.status == EXIT_SKIPPED and self.results is None

    @property
    def verdict(self) -> int:
        """Exit status for this filesystem alone: 0, EXIT_FAILED or EXIT_HARNESS."""
        if self.complaints:
            return EXIT_FAILED
        if self.status == EXIT_SKIPPED:
            return 0
        if self.status == 0 and not (self.results and self.results.cases):
            return EXIT_HARNESS
        if self.status in (0, EXIT_FAILED):
            return self.status
        return EXIT_HARNESS

    def text(self) -> str:
        """One line for the progress."""
        if self.skipped:
            return f"skipped: {self.said}"
        if self.results is None:
            return f"no results, exit status {self.status}: {self.said}"
        counts = self.results.counts()
        text = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
        text = f"{text or 'no results'} ({self.results.wall_s():.1f} s)"
        red = any(counts[verdict] for verdict in ("fail", "error", "miss"))
        if self.verdict and not red:
            text += f", exit status {self.status}, see {self.output}" if not self.complaints \
                else f"; the kernel complained, see {self.console}: {self.complaints[0]}"
        return text + (f": {self.died}" if self.died else "")


def wait_for(child: subprocess.Popen[bytes]) -> int:
    """Wait for a child to end; if told to end before it, pass that on and wait all the same."""
    try:
        return exit_status(child.wait())
    except Interrupted as told:
        child.send_signal(told.number)
        child.wait()
        raise


def driver_words(args: argparse.Namespace, filesystem: Filesystem, release: str) -> list[str]:
    """The driver's options, and the cases."""
    more = require_words(filesystem, release)
    more += ["--seed", args.seed] if args.seed else []
    more += ["--budget", args.budget] if args.budget else []
    return ["--jobs", str(args.jobs), *more, *args.cases]


def try_results(path: Path) -> ResultFile | None:
    """A result file, if there is one."""
    try:
        return read_results(path)
    except RunnerError:
        return None


def run_here(filesystem: Filesystem, args: argparse.Namespace) -> Outcome:
    """Run the cases on one filesystem of this machine. Raises Interrupted."""
    stem = args.results / file_name(filesystem.name)
    results, output = stem.with_suffix(".jsonl"), stem.with_suffix(".txt")
    results.unlink(missing_ok=True)
    command = driver_command(args.driver, filesystem, results,
                             *driver_words(args, filesystem, os.uname().release))
    with output.open("wb") as file:
        status = wait_for(start(command, file))
    said = last_line(output.read_text(errors="replace"))
    return Outcome(filesystem.name, status, try_results(results), said, output)


def run_in_guests(kernel: GuestKernel, args: argparse.Namespace) -> Iterator[Outcome]:
    """Run the cases on all filesystems with another kernel. Raises Interrupted."""
    folder = (args.results / kernel.name).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [Job(args.driver, filesystem, folder, args.points,
                driver_words(args, filesystem, kernel.release))
            for filesystem in args.filesystems]
    guests = Guests(kernel, jobs, folder, args.guest_timeout)
    try:
        for job in jobs:
            while not job.over:
                guests.advance()
                time.sleep(POLL_SECONDS)
            yield outcome_of(kernel, job)
    finally:
        guests.tidy()


def outcome_of(kernel: GuestKernel, job: Job) -> Outcome:
    """What came of a filesystem in a guest."""
    results = try_results(job.results)
    status = job.status
    if status is None:
        red = results is not None and results.counts()["fail"] > 0
        status = EXIT_SKIPPED if job.skipped else EXIT_FAILED if red else EXIT_HARNESS
    output = job.output.read_text(errors="replace") if job.output.exists() else ""
    return Outcome(f"{kernel.name}/{job.filesystem.name}", status, results,
                   job.why or last_line(output), job.output,
                   () if job.why else job.outside(), job.console, job.why)


def outcomes_of(args: argparse.Namespace) -> Iterator[Outcome]:
    """Run the cases on each kernel and filesystem in turn. Raises Interrupted."""
    for kernel in args.kernels:
        if kernel:
            yield from run_in_guests(kernel, args)
        else:
            yield from (run_here(filesystem, args) for filesystem in args.filesystems)


def run_all(args: argparse.Namespace) -> list[Outcome]:
    """Run all, and say how each went. Raises Interrupted."""
    names = [f"{kernel.name}/{filesystem.name}" if kernel else filesystem.name
             for kernel in args.kernels for filesystem in args.filesystems]
    width = max(16, *map(len, names))
    outcomes, found = [], outcomes_of(args)
    for name in names:
        print(f"{name:<{width}}", end=" ", flush=True)
        outcomes.append(next(found))
        print(outcomes[-1].text(), flush=True)
    # What ends the last guest.
    assert next(found, None) is None
    return outcomes


def finish(args: argparse.Namespace, outcomes: Sequence[Outcome]) -> int:
    """Print the table; the exit status."""
    files = [outcome.results for outcome in outcomes if outcome.results]
    if files:
        print(f"\n{summarize(files)}")
    print(f"results: {args.results}")
    verdicts = {outcome.verdict for outcome in outcomes}
    if verdicts == {0} and all(outcome.status == EXIT_SKIPPED for outcome in outcomes):
        return EXIT_SKIPPED
    return EXIT_FAILED if EXIT_FAILED in verdicts else max(verdicts)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command line. Raises UsageError."""
    parser = argparse.ArgumentParser(prog=NAME, description="Makes one filesystem after the other, "
                                     "runs the cases on each and shows a table.")
    parser.add_argument("--fs", metavar="FS,...", default=os.environ.get("FS", ""),
                        help=f"which (FS; default {' '.join(DEFAULT_FILESYSTEMS)})")
    add_run_options(parser, "as cowbell run", None)
    parser.add_argument("--budget", metavar="FACTOR", default=os.environ.get("BUDGET", ""),
                        help="as cowbell run: how much races and sweeps try (BUDGET; default 1)")
    parser.add_argument("--kernel", metavar="K,...", default=os.environ.get("KERNELS", ""),
                        help="on these kernels, each but host in a guest (KERNELS; default host; "
                        "see cowbell kernel)")
    parser.add_argument("--guest-timeout", metavar="S", type=seconds, default=STALL_SECONDS,
                        help="take a guest for dead if nothing comes from it for so long "
                        f"({STALL_SECONDS:g})")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="as cowbell run (default all)")
    args = parser.parse_args(argv)
    check_budget(args.budget)
    args.filesystems = [find_filesystem(name) for name in words(args.fs) or DEFAULT_FILESYSTEMS]
    args.driver = find_driver(args.cowbell)
    args.kernels = find_kernels(words(args.kernel) or [HOST])
    # What will be missing if a guest dies.
    args.points = [] if args.kernels == [None] else [
        point for point in list_points(args.driver, *args.cases)
        if args.cases or LONG not in point.tags]
    return args


def main(argv: Sequence[str]) -> int:
    """The command; its exit status."""
    args = parse(argv)
    if None in args.kernels:
        require_root()
    args.results.mkdir(parents=True, exist_ok=True)
    # Held until this process ends; folders of other kernels are locked by who writes there.
    if None in args.kernels:
        lock_folder(args.results)
    return finish(args, run_all(args))


def run() -> None:
    """Entry of the executable."""
    sys.exit(ends_well(main, NAME, sys.argv[1:]))
