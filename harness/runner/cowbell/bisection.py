# SPDX-License-Identifier: GPL-2.0-only
"""cowbell bisect: which change of a kernel changed what a case shows (docs/bisect.md)."""

import argparse
import sys
import traceback
from pathlib import Path
from typing import NoReturn, Sequence

from . import bisect_kernels, bisect_step
from .bisect_case import Trial, find_case
from .command import Interrupted, ends_well, flushed, seconds
from .driver import find_driver
from .filesystems import find_filesystem
from .initramfs import find_busybox
from .tools import UsageError, complain
from .vm import find_qemu

NAME = "cowbell bisect"
STEP_SECONDS = 900.0

HELP = """\
step is for `git bisect run`: it builds a kernel, runs a case on it in a guest, and exits with 0 if
it is good, 1 if it is bad, 125 if it cannot tell, 200 if the bisection must stop. kernels finds by
itself between which distribution kernels a case changes its behaviour. See docs/bisect.md.
"""


class Parser(argparse.ArgumentParser):
    """A parser that raises UsageError, as a step must not exit with 2: that would say "bad"."""

    def error(self, message: str) -> NoReturn:
        """Tell what is wrong with the command line. Raises UsageError."""
        raise UsageError(f"{message} (see {self.prog} --help)")


def add_common(parser: argparse.ArgumentParser) -> None:
    """Options of both verbs."""
    parser.add_argument("--fs", metavar="TYPE[:VARIANT]", required=True,
                        help="a filesystem of cowbell fs")
    parser.add_argument("--seed", metavar="N", default="", help="as cowbell run")
    parser.add_argument("--budget", metavar="FACTOR", default="",
                        help="as cowbell run; with --bench, seconds as cowbell gate")
    parser.add_argument("--timeout", metavar="S", type=seconds, default=STEP_SECONDS,
                        help=f"kill a guest so many seconds after it came up ({STEP_SECONDS:g})")
    parser.add_argument("--cowbell", metavar="PATH", help="the driver (default build/cowbell)")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command line. Raises UsageError."""
    parser = Parser(prog=NAME, description=HELP,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(metavar="step|kernels", dest="verb", required=True,
                                  parser_class=Parser)
    step = verbs.add_parser("step", help="a step of git bisect run")
    step.add_argument("--case", metavar="NAME", default="", help="a case, or one of its points")
    bisect_step.add_arguments(step)
    add_common(step)
    row = verbs.add_parser("kernels", help="bisect over distribution kernels")
    row.add_argument("--case", metavar="NAME", required=True, help="a case, or one of its points")
    row.add_argument("--rounds", metavar="N", type=int, default=1,
                     help="of each kernel; one that fails decides (1)")
    bisect_kernels.add_arguments(row)
    add_common(row)
    return parser.parse_args(argv)


def make_trial(args: argparse.Namespace, driver: Path, rounds: int, all_rounds: bool) -> Trial:
    """What is run on each kernel. Raises UsageError."""
    points, needs, _ = find_case(driver, args.case)
    return Trial(driver, find_filesystem(args.fs), args.case, points, needs, rounds, all_rounds,
                 args.seed, args.budget, args.timeout)


def main(argv: Sequence[str]) -> int:
    """The command; its exit status."""
    args = parse(argv)
    driver = find_driver(args.cowbell)
    # Before anything is built.
    find_qemu()
    find_busybox()
    find_filesystem(args.fs)
    if args.verb == "kernels":
        if args.rounds < 1:
            raise UsageError(f"--rounds {args.rounds}: one at least")
        trial = make_trial(args, driver, args.rounds, True)
        case_files = find_case(driver, args.case)[2]
        return bisect_kernels.bisect_kernels(args, trial, case_files)
    bisect_step.check_measuring(args)
    bisect_step.fill_defaults(args)
    rounds = bisect_step.rounds_for(args)
    # A failure decides, unless it is counted, or values count and verdicts do not.
    all_rounds = bool(args.calibrate) or "=" in args.good_is
    trial = make_trial(args, driver, rounds, all_rounds) if args.case else None
    return bisect_step.run_step(args, trial, driver)


def main_of_step(argv: Sequence[str]) -> int:
    """The verb step: every fault aborts the bisection, as git takes 1 to 124 for bad."""
    try:
        return flushed(main(argv))
    except (Interrupted, SystemExit):
        raise
    except Exception as error:  # pylint: disable=broad-except
        if not isinstance(error, (OSError, RuntimeError)) and not hasattr(error, "status"):
            traceback.print_exc()
        complain(NAME, f"{error}: the bisection is aborted")
        return bisect_step.ABORT


def run() -> None:
    """Entry of the executable."""
    words = sys.argv[1:]
    sys.exit(ends_well(main_of_step if words[:1] == ["step"] else main, NAME, words))
