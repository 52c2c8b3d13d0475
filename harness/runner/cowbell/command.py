# SPDX-License-Identifier: GPL-2.0-only
"""What the commands of the runner have in common: options, signals, and how they end."""

import argparse
import contextlib
import math
import os
import signal
import sys
from pathlib import Path
from typing import Callable, Iterator, NoReturn, Sequence

from .tools import EXIT_HARNESS, RunnerError, UsageError, complain

# What the driver takes for --budget.
BUDGET_MIN, BUDGET_MAX = 0.001, 100000
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def endings_held() -> Iterator[set[int | signal.Signals]]:
    """Keep ENDING waiting while a child is started: it would be left alone if it is not known yet.

    Gives the mask of before, which the child must set for itself.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Interrupted(Exception):
    """A signal asked this command to end."""

    def __init__(self, number: int) -> None:
        """Keep the signal's number."""
        super().__init__(number)
        self.number = number


def positive(text: str) -> int:
    """A number from 1 on, for argparse. Raises ValueError."""
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


def seconds(text: str) -> float:
    """A time that is over some day, for argparse. Raises UsageError."""
    with contextlib.suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise UsageError(f"{text} is not a number of seconds")


def check_budget(text: str | None) -> None:
    """See to it that the driver will take this factor, if there is one. Raises UsageError."""
    try:
        good = not text or BUDGET_MIN <= float(text) <= BUDGET_MAX
    except ValueError:
        good = False
    if not good:
        raise UsageError(f"--budget {text}: must be a factor from {BUDGET_MIN} to {BUDGET_MAX}")


def add_run_options(parser: argparse.ArgumentParser, jobs: str, seed: str | None) -> None:
    """Options of commands that start drivers; `jobs` says what there are several of at a time."""
    parser.add_argument("--jobs", metavar="N", type=positive, default=2, help=f"{jobs} (2)")
    parser.add_argument("--seed", metavar="N", default=seed,
                        help=f"as cowbell run{f' ({seed})' if seed else ''}")
    parser.add_argument("--results", metavar="DIR", type=Path,
                        default=Path(os.environ.get("RESULTS") or "results"),
                        help="where results go (RESULTS; default results)")
    parser.add_argument("--cowbell", metavar="PATH", help="the driver (default build/cowbell)")


def raise_interrupted(number: int, _frame: object) -> None:
    """Signal handler: leave what is being done."""
    raise Interrupted(number)


def ends_well(main: Callable[[Sequence[str]], int], who: str, argv: Sequence[str]) -> int:
    """Call a command that signals may interrupt; the exit status, after a line for an error."""
    for number in ENDING:
        signal.signal(number, raise_interrupted)
    try:
        return flushed(main(argv))
    except Interrupted as told:
        complain(who, "interrupted")
        return 128 + told.number
    except RunnerError as error:
        complain(who, error)
        return error.status
    except OSError as error:
        complain(who, error)
        return EXIT_HARNESS
    finally:
        with contextlib.suppress(OSError):
            flushed(0)


def flushed(status: int) -> int:
    """An exit status, once all that was printed is out. Raises OSError.

    What cannot be printed is dropped: Python would try again at its exit, and change the status.
    """
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise
    return status


def exit_with(main: Callable[[Sequence[str]], int]) -> NoReturn:
    """Entry of a command that prints much: whoever reads it may have seen enough before its end."""
    try:
        sys.exit(main(sys.argv[1:]))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
