# SPDX-License-Identifier: GPL-2.0-only
"""cowbell history: the rounds of races that failed, as timelines.

A result of a race that failed keeps the round (docs/results.md): who called what, when, and what
the files held before and after. Each call is one line here, with a bar that shows when it ran.
"""

import argparse
import fnmatch
import sys
from collections.abc import Sequence
from pathlib import Path

from .results import Line, ResultFile, read_results
from .tools import RunnerError, UsageError, complain

NAME = "cowbell history"
BAR_COLUMNS = 40
NS_PER_US = 1000


def bar(start_ns: int, end_ns: int, whole_ns: int) -> str:
    """A row of BAR_COLUMNS characters: where [start, end] lies in [0, whole]."""
    first = min(start_ns * BAR_COLUMNS // max(whole_ns, 1), BAR_COLUMNS - 1)
    last = min(max(end_ns * BAR_COLUMNS // max(whole_ns, 1), first), BAR_COLUMNS - 1)
    return "." * first + "#" * (last - first + 1) + "." * (BAR_COLUMNS - last - 1)


def call_text(call: Line) -> str:
    """What was called and what came of it."""
    if "put" in call:
        # where it landed, in place of the window that it could have landed in
        return f"put {call['put']}: {call['call']} -> sectors {call['sectors']}"
    text = f"{call['call']} -> {call['result']}"
    if "saw" in call:
        text += f"; size {call['size_bytes']}; " + "; ".join(call["saw"])
    return text


def state(title: str, files: Line) -> list[str]:
    """What the files held, a line for each."""
    return [f"  {title:<7} {name} ({held['size_bytes']} bytes): " + "; ".join(held["holds"])
            for name, held in files.items()]


def timeline(file: ResultFile, case: Line) -> str:
    """One failed round: what was wrong, and its calls in the order in which they began."""
    history = case["history"]
    calls = history["calls"]
    whole_ns = max((call["ret_ns"] for call in calls), default=0)
    width = max((len(call["actor"]) for call in calls), default=0)
    lines = [f"{case['verdict']}  {file.label}  {case['case']}, round {history['round']}",
             f"  {case.get('seen') or case.get('reason', '')}"]
    lines += state("before", history["before"])
    for call in calls:
        start, end = call["inv_ns"], call["ret_ns"]
        lines.append(f"  {start / NS_PER_US:10.3f} .. {end / NS_PER_US:10.3f} us  "
                     f"{bar(start, end, whole_ns)}  {call['actor']:<{width}}  {call_text(call)}")
    lines += state("after", history["after"])
    if case.get("repeat"):
        lines.append(f"  again   {file.again(case)}")
    return "\n".join(lines)


def timelines(files: Sequence[ResultFile], select: str) -> list[str]:
    """Of all results that keep a round and whose case matches the pattern."""
    return [timeline(file, case) for file in files for case in file.cases
            if "history" in case and (case["case"] == select or
                                      fnmatch.fnmatchcase(case["case"], select))]


def main(argv: Sequence[str]) -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(
        prog=NAME, description="Shows the rounds of races that failed as timelines.")
    parser.add_argument("files", nargs="+", metavar="FILE", type=Path,
                        help="written by cowbell run --json")
    parser.add_argument("--case", default="*", metavar="PATTERN", help="only these cases")
    args = parser.parse_args(argv)
    try:
        found = timelines([read_results(path) for path in args.files], args.case)
        if not found:
            raise UsageError("no result in "
                             + ", ".join(str(path) for path in args.files)
                             + " keeps the history of a round")
        print("\n\n".join(found))
    except RunnerError as error:
        complain(NAME, error)
        return error.status
    return 0


def run() -> None:
    """Entry of the executable."""
    try:
        sys.exit(main(sys.argv[1:]))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
