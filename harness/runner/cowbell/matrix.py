# SPDX-License-Identifier: GPL-2.0-only
"""cowbell matrix: the cases on one filesystem after the other, and a table of it all."""

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from .command import Interrupted, add_run_options, ends_well
from .driver import driver_command, find_driver, start
from .filesystems import Filesystem, find_filesystem
from .results import VERDICTS, ResultFile, file_name, read_results
from .summary import summarize
from .tools import (EXIT_FAILED, EXIT_HARNESS, EXIT_SKIPPED, RunnerError, exit_status, last_line,
                    require_root, words)

NAME = "cowbell matrix"
DEFAULT_FILESYSTEMS = ("xfs", "xfs:1k", "xfs:noreflink", "btrfs", "btrfs:compress", "ext4", "tmpfs",
                       "overlay", "overlay:btrfs")


@dataclass(frozen=True)
class Outcome:
    """What came of one filesystem."""

    # Exit status of the driver, or of cowbell fs if it did not get that far.
    status: int
    # None if there is no result file.
    results: ResultFile | None
    # The last line of the output, and where all of it is.
    said: str
    output: Path

    @property
    def skipped(self) -> bool:
        """Whether the filesystem could not be made on this machine."""
        return self.status == EXIT_SKIPPED and self.results is None

    @property
    def verdict(self) -> int:
        """Exit status for this filesystem alone: 0, EXIT_FAILED or EXIT_HARNESS."""
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
            text += f", exit status {self.status}, see {self.output}"
        return text


def wait_for(child: subprocess.Popen[bytes]) -> int:
    """Wait for a child to end; if told to end before it, pass that on and wait all the same."""
    try:
        return exit_status(child.wait())
    except Interrupted as told:
        child.send_signal(told.number)
        child.wait()
        raise


def run_one(filesystem: Filesystem, args: argparse.Namespace) -> Outcome:
    """Run the cases on one filesystem. Raises Interrupted."""
    stem = args.results / file_name(filesystem.name)
    results, output = stem.with_suffix(".jsonl"), stem.with_suffix(".txt")
    results.unlink(missing_ok=True)
    more = ["--seed", args.seed] if args.seed else []
    more += ["--budget", args.budget] if args.budget else []
    command = driver_command(args.driver, filesystem, results, "--jobs", str(args.jobs), *more,
                             *args.cases)
    with output.open("wb") as file:
        status = wait_for(start(command, file))
    said = last_line(output.read_text(errors="replace"))
    try:
        return Outcome(status, read_results(results), said, output)
    except RunnerError:
        return Outcome(status, None, said, output)


def run_all(args: argparse.Namespace) -> list[Outcome]:
    """Run the cases on each filesystem in turn and say how it went. Raises Interrupted."""
    outcomes = []
    for filesystem in args.filesystems:
        print(f"{filesystem.name:<16}", end=" ", flush=True)
        outcome = run_one(filesystem, args)
        print(outcome.text(), flush=True)
        outcomes.append(outcome)
    return outcomes


def finish(args: argparse.Namespace, outcomes: Sequence[Outcome]) -> int:
    """Print the table; the exit status."""
    files = [outcome.results for outcome in outcomes if outcome.results]
    if files:
        print(f"\n{summarize(files)}")
    print(f"results: {args.results}")
    verdicts = {outcome.verdict for outcome in outcomes}
    if all(outcome.status == EXIT_SKIPPED for outcome in outcomes):
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
    parser.add_argument("cases", nargs="*", metavar="CASE", help="as cowbell run (default all)")
    args = parser.parse_args(argv)
    args.filesystems = [find_filesystem(name) for name in words(args.fs) or DEFAULT_FILESYSTEMS]
    args.driver = find_driver(args.cowbell)
    return args


def main(argv: Sequence[str]) -> int:
    """The command; its exit status."""
    args = parse(argv)
    require_root()
    args.results.mkdir(parents=True, exist_ok=True)
    return finish(args, run_all(args))


def run() -> None:
    """Entry of the executable."""
    sys.exit(ends_well(main, NAME, sys.argv[1:]))
