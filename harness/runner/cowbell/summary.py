# SPDX-License-Identifier: GPL-2.0-only
"""cowbell summary: a table of result files, and what failed in them."""

import argparse
from pathlib import Path
from typing import Sequence

from .command import exit_with
from .results import BAD_VERDICTS, VERDICTS, Line, ResultFile, columns, read_results
from .tools import RunnerError, complain

NAME = "cowbell summary"
LISTED = (*BAD_VERDICTS, "xpass")
TOLD = ("reason", "place", "done", "seen", "allowed")
COLUMNS = ("pass", "done", "skip", "xfail", "xpass", "miss", "error", "fail")


def table(files: Sequence[ResultFile]) -> str:
    """A row for each file: how many results of each verdict, and the wall time."""
    names = columns(files)
    width = max(len("filesystem"), *map(len, names))
    rows = [f"{'filesystem':<{width}}" + "".join(f"{name:>7}" for name in COLUMNS) + "      time"]
    for label, file in zip(names, files):
        counts = file.counts()
        row = f"{label:<{width}}" + "".join(f"{counts[name]:>7}" for name in COLUMNS)
        row += f"{file.wall_s():>8.1f} s"
        rows.append(row + (f"  ({file.flaw()})" if file.flaw() else ""))
    return "\n".join(rows)


def total(files: Sequence[ResultFile]) -> str:
    """One line for all files together."""
    counts = {verdict: sum(file.counts()[verdict] for file in files) for verdict in VERDICTS}
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    return f"{sum(counts.values())} results in {sum(file.wall_s() for file in files):.1f} s: " \
        f"{said or 'none'}"


def failure(label: str, case: Line, again: str) -> str:
    """What is to be said about one red result: what was done, seen, allowed, and how to repeat."""
    around = f" (round {case['round']})" if "round" in case else ""
    lines = [f"{case['verdict']}: {label}: {case['case']}{around}"]
    told = {key: case.get(key) for key in TOLD}
    if told["seen"] and told["allowed"]:
        # The reason is then made of the same words.
        del told["reason"]
    for key, value in (*told.items(), ("again", again)):
        if value:
            lines.append(f"    {key + ':':<9}{value}")
    return "\n".join(lines)


def group_of(case: Line) -> tuple[int, str]:
    """Red results of one verdict in points of one case belong together; the gravest come first."""
    return LISTED.index(case["verdict"]), case["case"].partition("[")[0]


def failures(files: Sequence[ResultFile]) -> list[str]:
    """All red results, the gravest first; of each case and file one in full, the others by name."""
    names = columns(files)
    groups: dict[tuple[tuple[int, str], int], list[Line]] = {}
    for number, file in enumerate(files):
        for case in file.cases:
            if case["verdict"] in LISTED:
                groups.setdefault((group_of(case), number), []).append(case)
    texts = []
    for (_, number), (first, *others) in sorted(groups.items(), key=lambda entry: entry[0]):
        file = files[number]
        text = failure(names[number], first, file.again(first))
        also = dict.fromkeys(case["case"] for case in others if case["case"] != first["case"])
        texts.append(text + "".join(f"\n    {'also:':<9}{name}" for name in also))
    return texts


def summarize(files: Sequence[ResultFile]) -> str:
    """The table, the failures below it, and the total."""
    return "\n\n".join((table(files), *failures(files), total(files)))


def main(argv: Sequence[str]) -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(prog=NAME, description="Shows result files as a table.")
    parser.add_argument("files", nargs="+", metavar="FILE", type=Path,
                        help="written by cowbell run --json")
    args = parser.parse_args(argv)
    try:
        print(summarize([read_results(path) for path in args.files]))
    except RunnerError as error:
        complain(NAME, error)
        return error.status
    return 0


def run() -> None:
    """Entry of the executable."""
    exit_with(main)
