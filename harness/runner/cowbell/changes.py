# SPDX-License-Identifier: GPL-2.0-only
"""cowbell changes: what behaves otherwise from one kernel to the next, from result files.

Of each filesystem that was run on several kernels: every verdict, every answer of a call and every
observation that differs, or that a kernel does not show although it has passed the case. What is a
matter of time and chance is left out by its name: see NOISE.
"""

import argparse
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Iterable, Sequence

from . import profile
from .command import exit_with
from .results import Line, ResultFile, kernel_order, read_results, short_releases
from .tools import RunnerError, UsageError, complain

NAME = "cowbell changes"
# Observations that say how long, how often, or how much by chance; a kernel that is otherwise the
# same has others in the next run. Of rounds, whether anything was torn is what the verdict tells.
NOISE = re.compile(r".*_ns|rounds.*|overlaps|hits|signals|results|states|first_torn|"
                   r"space_taken_bytes")
# The same for texts: bytes that happen to be free.
NOISE_TEXT = re.compile(r"\[\d+ bytes available\]")
VERDICT = "verdict"


@dataclass
class Changes:
    """What changed in one filesystem."""

    filesystem: str
    # Releases, and what readers call them, old to new.
    kernels: list[str]
    names: list[str]
    # Cells are in the order of kernels.
    rows: list[profile.Row]


def is_behaviour(key: str, value: object) -> bool:
    """Whether an observation is a property of the kernel rather than of the run."""
    return not NOISE.fullmatch(key) and not NOISE_TEXT.fullmatch(str(value))


def behaviour_of(line: Line) -> Line:
    """A result without observations and answers that are none."""
    observed = {key: value for key, value in line.get("observed", {}).items()
                if is_behaviour(key, value)}
    answers = {step: text for step, text in line.get("answers", {}).items()
               if is_behaviour(step.split(" ")[-1], text)}
    return {**line, **({"observed": observed} if "observed" in line else {}),
            **({"answers": answers} if "answers" in line else {})}


def by_kernel(files: Iterable[ResultFile]) -> list[ResultFile]:
    """One file for each kernel, old to new: several runs of one count as rounds."""
    found: dict[str, ResultFile] = {}
    for file in files:
        cases = [behaviour_of(line) for line in file.cases]
        old = found.get(file.kernel)
        found[file.kernel] = replace(old or file, cases=[*(old.cases if old else ()), *cases])
    return sorted(found.values(), key=lambda file: kernel_order(file.kernel))


def add_verdicts(gathered: profile.Profile, files: Sequence[ResultFile]) -> None:
    """Make facts of verdicts; a case that a dead guest never came to has none."""
    for number, file in enumerate(files):
        for line in file.cases:
            if line["verdict"] != "miss":
                question = profile.Question(VERDICT, *profile.split_name(line["case"]), VERDICT)
                gathered.fact(question, number).add(line["verdict"], *notes_of(line))
    profile.fill_gaps(gathered)


def count_silence(gathered: profile.Profile) -> None:
    """Have it count where a kernel does not show what another does, and has passed the case."""
    for question, facts in gathered.facts.items():
        for fact in facts.values():
            # Of all else that is not there the notes say why.
            if question.case and fact.text() == "-" and not fact.notes:
                fact.skipped = False


def notes_of(line: Line) -> list[str]:
    """Why a verdict is what it is."""
    if line["verdict"] in profile.RED:
        return profile.red_notes(line)
    return [str(line["reason"])] if line.get("reason") else []


def is_change(row: profile.Row) -> bool:
    """Whether cells differ, other than by an answer that the driver left out as plain success."""
    cells = {cell for cell in row.cells if cell != "-" and not cell.startswith("(")}
    plain = "ok" in cells and all(profile.PLAIN.fullmatch(cell) for cell in cells)
    return row.differs and not (plain and len(cells) > 1)


def shown(row: profile.Row, heading: str) -> profile.Row:
    """A row below a heading of its filesystem's."""
    call = row.call if row.call != "other" else ""
    situation = ": ".join(filter(None, (call, row.situation)))
    return replace(row, call=heading, situation=situation, oracle=False, differs=False)


def changes_of(name: str, files: Sequence[ResultFile]) -> Changes:
    """What changed in one filesystem between its files, one for each kernel. Raises UsageError."""
    gathered = profile.gather(files)
    count_silence(gathered)
    add_verdicts(gathered, files)
    rows = [row for row in profile.rows(gathered, [profile.unit_bytes(file) for file in files])
            if is_change(row)]
    rows.sort(key=lambda row: (row.case, row.call != VERDICT))
    kernels = [file.kernel for file in files]
    short = short_releases(kernels)
    return Changes(name, kernels, [short[kernel] for kernel in kernels],
                   [shown(row, f"{name}: what changed between kernels") for row in rows])


def find_changes(files: Sequence[ResultFile]) -> list[Changes]:
    """What changed in each filesystem that has been run on several kernels. Raises UsageError."""
    groups: dict[str, list[ResultFile]] = {}
    for file in files:
        if file.cases:
            name = " ".join(filter(None, (file.label, str(file.run.get("mutant", "")))))
            groups.setdefault(name, []).append(file)
    merged = {name: by_kernel(group) for name, group in groups.items()}
    return [changes_of(name, group) for name, group in merged.items() if len(group) > 1]


def as_text(found: Sequence[Changes]) -> str:
    """For a terminal."""
    return "\n\n".join(profile.as_text(one.rows, one.names, False) if one.rows else
                       f"{one.filesystem}: nothing changed between {', '.join(one.names)}"
                       for one in found)


def as_markdown(found: Sequence[Changes]) -> str:
    """As tables in Markdown."""
    return "\n\n".join(profile.as_markdown(one.rows, one.names, False) if one.rows else
                       f"## {one.filesystem}: nothing changed between {', '.join(one.names)}"
                       for one in found)


def as_json(found: Sequence[Changes]) -> str:
    """As one JSON object; here all notes are told."""
    return json.dumps({"filesystems": [
        {"filesystem": one.filesystem, "kernels": one.kernels, "changes": [
            {"case": row.case, "checks": row.checks, "situation": row.situation,
             "points": row.points, "found": dict(zip(one.kernels, row.cells)),
             "notes": {kernel: list(note) for kernel, note in zip(one.kernels, row.notes) if note}}
            for row in one.rows]} for one in found]}, indent=1, ensure_ascii=False)


FORMATS = {"text": as_text, "markdown": as_markdown, "json": as_json}


def main(argv: Sequence[str]) -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(
        prog=NAME, description="Shows what filesystems do otherwise from one kernel to the next.")
    parser.add_argument("files", nargs="+", metavar="FILE", type=Path,
                        help="written by cowbell run --json, on several kernels")
    parser.add_argument("--format", choices=FORMATS, default="text")
    args = parser.parse_args(argv)
    try:
        found = find_changes([read_results(path) for path in args.files])
        if not found:
            raise UsageError("these files hold no filesystem that was run on several kernels")
    except RunnerError as error:
        complain(NAME, error)
        return error.status
    print(FORMATS[args.format](found))
    return 0


def run() -> None:
    """Entry of the executable."""
    exit_with(main)
