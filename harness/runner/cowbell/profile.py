# SPDX-License-Identifier: GPL-2.0-only
"""cowbell profile: what filesystems answer in the same situations, from their result files.

gather() turns result lines into facts, one for each question and file; rows() sets facts side by
side and takes points that agree as one; the rest shows rows. All of it comes from result files.
"""

import argparse
import json
import re
import shutil
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, Sequence

from .command import exit_with
from .results import Line, ResultFile, columns, read_results
from .tools import RunnerError, UsageError, complain

NAME = "cowbell profile"
# Each call with the word of `needs` that says whether the filesystem has got it.
CALLS = {"clone": "clone", "clone_range": "clone", "dedupe": "dedupe", "copy_range": "copy_range",
         "sendfile": "sendfile", "splice": "splice", "fallocate": "unshare",
         "reflink": "ocfs2_reflink"}
TITLES = {"clone": "clone: FICLONE", "clone_range": "clone_range: FICLONERANGE",
          "dedupe": "dedupe: FIDEDUPERANGE", "copy_range": "copy_range: copy_file_range(2)",
          "sendfile": "sendfile: sendfile(2)", "splice": "splice: splice(2)",
          "fallocate": "fallocate: FALLOC_FL_UNSHARE_RANGE and other modes",
          "reflink": "reflink: OCFS2_IOC_REFLINK", "other": "other: without any of these calls"}
PLAIN = re.compile(r"ok|\d+|\[SAME \d+( x\d+)?(, SAME \d+( x\d+)?)*\]")
# What oracles observe, and what a reader calls it.
ORACLES = {"sharing_blocks": "to be shared", "optional_sharing_blocks": "may be shared",
           "space_taken_bytes": "space taken"}
PROBED = "whether there is the call at all"
PROMISED = " as promised"
RED = ("fail", "xfail")
# 4095 is a block less one byte; 3000 is not one less a thousand.
JUST_BELOW = 16
LONGEST_CELL = 40
WIDEST_COLUMN = 20
LEAST_LEFT = 20
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, order=True)
class Question:
    """What was asked: a call in a case, at one of its points and steps."""

    call: str
    case: str
    labels: Labels
    # The step, or the key of what was observed.
    what: str


@dataclass
class Fact:
    """What a file says to a question: an answer from each round, and notes on it."""

    answers: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    # It was not tried: the filesystem lacks the call, or another need was not met.
    skipped: bool = False

    def add(self, answer: str, *notes: str) -> None:
        """One more round."""
        self.answers += [answer] * (answer not in self.answers)
        self.notes += [note for note in notes if note not in self.notes]

    def text(self) -> str:
        """All answers that there were."""
        return " or ".join(self.answers)


@dataclass
class Row:
    """Points of a case that got the same answers."""

    call: str
    case: str
    checks: str
    # An oracle has observed it, no call has answered it.
    oracle: bool
    points: list[str]
    situation: str
    cells: tuple[str, ...]
    notes: tuple[tuple[str, ...], ...]
    differs: bool


@dataclass
class Profile:
    """All that was gathered: facts by question and file, and what the cases check."""

    columns: list[str]
    facts: dict[Question, dict[int, Fact]] = field(default_factory=dict)
    # Questions that were asked on purpose, so that even plain success is worth telling.
    asked: set[Question] = field(default_factory=set)
    checks: dict[str, str] = field(default_factory=dict)
    # Of each file, by the name of the point, its lines.
    lines: list[dict[str, list[Line]]] = field(default_factory=list)

    def fact(self, question: Question, number: int) -> Fact:
        """The fact of a file, made if it is new."""
        return self.facts.setdefault(question, {}).setdefault(number, Fact())


def split_name(name: str) -> tuple[str, Labels]:
    """A point's case and labels: "a/b[len=1,how=x]"."""
    case, _, rest = name.partition("[")
    parts = re.split(r",(?=[A-Za-z_][\w-]*=)", rest.removesuffix("]")) if rest else []
    return case, tuple((key, value) for key, _, value in (part.partition("=") for part in parts))


def join_name(case: str, labels: Labels) -> str:
    """The point's name again."""
    return case + (f"[{','.join(f'{key}={value}' for key, value in labels)}]" if labels else "")


def blocks_text(value: dict[str, int]) -> str:
    """What FIEMAP told of blocks: "shared 2, copied 1"."""
    return ", ".join(f"{word} {count}" for word, count in value.items() if count) or "no blocks"


def observed_text(key: str, value: object) -> str:
    """What an oracle has observed."""
    if key in ORACLES and isinstance(value, dict):
        return blocks_text(value)
    if key.endswith("_bytes"):
        return f"{value} bytes"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def red_notes(line: Line) -> list[str]:
    """Why a result is red."""
    seen = timeless(f"seen: {line.get('seen', line.get('reason', ''))}")
    return [seen + (f"; allowed: {line['allowed']}" if line.get("allowed") else ""),
            *([f"known: {line['quirk']['reason']}"] if "quirk" in line else [])]


def timeless(text: str) -> str:
    """A text without what is different in each run."""
    return re.sub(r" by \d+ ns", "", text)


def gather_line(profile: Profile, number: int, line: Line) -> None:
    """Take in the facts of one result."""
    case, labels = split_name(line["case"])
    answers: dict[str, str] = line.get("answers", {})
    observed = dict(line.get("observed", {}))
    beyond = observed.pop("beyond_model", None)
    beyond_note = timeless(f"beyond the model: {beyond}")
    red_at = line.get("place", "end") if line["verdict"] in RED else ""
    steps = [(*key.split(" "), "", "")[:3] for key in answers]
    call = first_call(steps, labels)
    if line.get("checks"):
        profile.checks[case] = line["checks"]
    for i, ((place, op, key), answer) in enumerate(zip(steps, answers.values())):
        observed.pop(key, None)
        call = op if op in CALLS else call
        question = Question(call if key else op, case, labels,
                            key if op not in CALLS and key else place)
        notes = []
        if beyond is not None and i == len(steps) - 1:
            answer, notes, beyond = f"{answer} beyond", [beyond_note], None
        if place == red_at:
            answer, notes, red_at = f"{answer}!", red_notes(line), ""
        profile.asked.update([question] if key else [])
        profile.fact(question, number).add(answer, *notes)
    for key, value in observed.items():
        question = Question(call, case, labels, ORACLES.get(key, key))
        profile.asked.update([question] if key != "sharing_blocks" else [])
        profile.fact(question, number).add(observed_text(key, value))
    if red_at:
        profile.fact(Question(call, case, labels, f"{red_at}{PROMISED}"), number).add(
            "no!", *red_notes(line))
    if beyond is not None:
        profile.fact(Question(call, case, labels, "result"), number).add("beyond", beyond_note)


def first_call(steps: Sequence[Sequence[str]], labels: Labels) -> str:
    """What a case is about until a step says otherwise."""
    named = [op for _, op, _ in steps] + [value for key, value in labels if key == "call"]
    return next((name for name in named if name in CALLS), "other")


def gather_probe(profile: Profile, number: int, run: Line) -> None:
    """What the run's first line says of the calls as such."""
    for call, need in CALLS.items():
        answer = str(run.get("needs", {}).get(need, ""))
        # The prober tries FICLONE; what is so of FICLONERANGE the cases tell.
        if answer and call != "clone_range":
            profile.fact(Question(call, "", (), ""), number).add(
                refused(answer) if answer.startswith("no") else answer)


def refused(reason: str) -> str:
    """The errno that a reason ends with, or the reason."""
    match = re.search(r"\b(E[A-Z0-9]+)$", reason)
    return match.group(1) if match else reason


def fill_gaps(profile: Profile) -> None:
    """Say of each question what became of it in the files that do not answer it."""
    for question, facts in profile.facts.items():
        name = join_name(question.case, question.labels)
        for number in range(len(profile.columns)):
            if number in facts:
                continue
            fact = profile.fact(question, number)
            lines = profile.lines[number].get(name, [])
            plain = question.what.endswith(PROMISED) or not any(
                "answers" in line for line in lines)
            for line in lines:
                absent(fact, question, line, plain)
            if not lines and question.case:
                absent(fact, question, {"verdict": "skip", "reason": "not in the file"}, False)
            if not fact.answers:
                fact.skipped = True
                fact.add("-")


def absent(fact: Fact, question: Question, line: Line, plain: bool) -> None:
    """What a result tells that does not answer the question itself.

    The driver leaves out answers of points in which all simply succeeded.
    """
    reason = str(line.get("reason", line["verdict"]))
    if line["verdict"] in ("pass", "xpass", "done"):
        if plain and question.what.endswith(PROMISED):
            fact.add("yes")
        elif plain and question.what.startswith("steps["):
            fact.add("ok")
        return
    fact.skipped = True
    need = CALLS.get(question.call, "")
    if line["verdict"] == "skip" and need and re.match(rf"{need}\b.*\bE[A-Z0-9]+$", reason):
        fact.add(f"({refused(reason)})", reason)
    else:
        fact.add("-", reason)


def check_line(path: Path, line: Line, of_what: str) -> None:
    """Raise UsageError for a line that has a key which makes no sense there."""
    def texts(value: object) -> bool:
        return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
    sound = {
        "answers": lambda value: texts(value) and all(" " in step for step in value),
        "observed": lambda value: isinstance(value, dict),
        "checks": lambda value: isinstance(value, str),
        "place": lambda value: isinstance(value, str),
        "quirk": lambda value: texts(value) and "reason" in value,
        "needs": texts,
        "filesystem": lambda value: isinstance(value, dict),
        "kernel": lambda value: isinstance(value, dict),
    }
    for key, good in sound.items():
        if key in line and not good(line[key]):
            raise UsageError(f"{path}: not a result file: {key} of {of_what} make no sense")


def gather(files: Sequence[ResultFile]) -> Profile:
    """All facts of all files. Raises UsageError for a file that is not whole."""
    for file in files:
        if file.end is None:
            raise UsageError(f"{file.path}: {file.flaw()}")
        check_line(file.path, file.run, "the run")
    profile = Profile(columns(files))
    for number, file in enumerate(files):
        gather_probe(profile, number, file.run)
        profile.lines.append({})
        for line in file.cases:
            check_line(file.path, line, line["case"])
            profile.lines[number].setdefault(line["case"], []).append(line)
            gather_line(profile, number, line)
    fill_gaps(profile)
    return profile


def in_units(text: str, unit: int) -> str:
    """A text with its numbers in allocation units, where they are that large: 3B, 2B+9, 1B-1."""
    def convert(match: re.Match[str]) -> str:
        count, rest = divmod(int(match.group()), unit)
        if unit - rest <= JUST_BELOW:
            count, rest = count + 1, rest - unit
        return match.group() if not count else f"{count}B" + (f"{rest:+}" if rest else "")
    return re.sub(r"(?<![\w.])[1-9]\d*\b", convert, text)


def comparable(facts: Sequence[Fact], units: Sequence[int]) -> tuple[str, ...]:
    """The cells of a row, in allocation units if that makes more of them agree."""
    raw = tuple(fact.text() for fact in facts)
    converted = tuple(in_units(text, unit) for text, unit in zip(raw, units))
    tried = [i for i, fact in enumerate(facts) if not fact.skipped]
    fewer = len({converted[i] for i in tried}) < len({raw[i] for i in tried})
    return converted if fewer else raw


def counts(text: str) -> bool:
    """Did a call succeed that tells how much? That depends on the size of a unit."""
    return text != "ok" and bool(PLAIN.fullmatch(text))


def worth(profile: Profile, question: Question, cells: Iterable[str], differs: bool) -> bool:
    """Is a row news? Success that was to be expected is not."""
    if question in profile.asked or differs or not question.case:
        return True
    if question.what == ORACLES["sharing_blocks"]:
        return any("copied" in cell or "unknown" in cell for cell in cells)
    return not all(map(PLAIN.fullmatch, cells))


def products(points: Sequence[tuple[str, ...]]) -> list[list[tuple[str, ...]]]:
    """Points as cross products: for each, the values that each place takes."""
    if not points[0]:
        return [[]]
    tails: dict[str, list[tuple[str, ...]]] = {}
    for point in points:
        tails.setdefault(point[0], []).append(point[1:])
    same: dict[frozenset[tuple[str, ...]], list[str]] = {}
    for value, rest in tails.items():
        same.setdefault(frozenset(rest), []).append(value)
    return [[tuple(values), *product] for values in same.values()
            for product in products(list(dict.fromkeys(tails[values[0]])))]


def situation(questions: Sequence[Question], everything: Sequence[Question]) -> str:
    """The labels that tell these questions from the others of their case."""
    shapes = dict.fromkeys(tuple(key for key, _ in q.labels) for q in questions)
    texts = []
    for keys in shapes:
        def flat(question: Question) -> tuple[str, ...]:
            return (*(value for _, value in question.labels), question.what)
        whole = [flat(q) for q in everything if tuple(key for key, _ in q.labels) == keys]
        own = [flat(q) for q in questions if tuple(key for key, _ in q.labels) == keys]
        for product in products(own):
            words = [f"{key}={' or '.join(values)}" if key else " or ".join(values)
                     for i, (key, values) in enumerate(zip((*keys, ""), product))
                     if len(values) < len({point[i] for point in whole})]
            texts.append(", ".join(words))
    return "; ".join(text for text in texts if text)


def rows(profile: Profile, units: Sequence[int]) -> list[Row]:
    """Facts side by side, in order: by call, what differs first, then by case."""
    cases: dict[tuple[str, str, bool], list[Question]] = {}
    for question in sorted(profile.facts):
        oracle = question.what in ORACLES.values()
        cases.setdefault((question.call, question.case, oracle), []).append(question)
    found = []
    for (call, case, oracle), questions in cases.items():
        groups: dict[tuple[tuple[str, ...], tuple[tuple[str, ...], ...], bool],
                     list[Question]] = {}
        for question in questions:
            facts = [profile.facts[question][i] for i in range(len(profile.columns))]
            cells = comparable(facts, units)
            tried = [i for i, fact in enumerate(facts) if not fact.skipped]
            differs = len({cells[i] for i in tried}) > 1
            if question not in profile.asked and len({units[i] for i in tried}) > 1:
                differs = differs and not all(counts(facts[i].text()) for i in tried)
            if tried and worth(profile, question, [facts[i].text() for i in tried], differs):
                notes = tuple(tuple(fact.notes) for fact in facts)
                groups.setdefault((cells, notes, differs), []).append(question)
        for (cells, notes, differs), same in groups.items():
            names = dict.fromkeys(join_name(case, question.labels) for question in same)
            found.append(Row(call, case, profile.checks.get(case, case) if case else PROBED,
                             oracle, list(names) if case else [], situation(same, questions),
                             cells, notes, differs))
    order = [*CALLS, "other"]
    return sorted(found, key=lambda row: (
        order.index(row.call) if row.call in order else len(order), row.call,
        row.oracle, bool(row.case), not row.differs, row.case, row.situation, row.cells))


class Notes:
    """Numbered notes below the table; equal ones have one number."""

    def __init__(self, reasons: bool) -> None:
        """Begin without any; with reasons, what was skipped gets its reason too."""
        self.reasons = reasons
        self.numbers: dict[str, int] = {}

    def mark(self, text: str) -> str:
        """What refers to a note."""
        return f"[{self.numbers.setdefault(text, len(self.numbers) + 1)}]"

    def cell(self, cell: str, notes: Sequence[str]) -> str:
        """A cell as it is shown."""
        told = notes if self.reasons or not (cell == "-" or cell.startswith("(")) else ()
        if len(cell) > LONGEST_CELL:
            cell = "see " + self.mark(cell)
        return " ".join((cell, *map(self.mark, told)))


def headed(found: Sequence[Row]) -> Iterable[tuple[str, list[Row]]]:
    """Rows by call, with a title."""
    sections: dict[str, list[Row]] = {}
    for row in found:
        title = TITLES.get(row.call, row.call) + (", blocks and space" if row.oracle else "")
        sections.setdefault(title, []).append(row)
    yield from sections.items()


def widths(names: Sequence[str], cells: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """How wide columns must be to leave enough to the left of them; None if that is too much."""
    for least in (False, True):
        found = [max(min(WIDEST_COLUMN, len(cell)) if not least else
                     max(map(len, cell.split()), default=0)
                     for cell in (name, *(row[i] for row in cells)))
                 for i, name in enumerate(names)]
        if sum(found) + 2 * len(found) + LEAST_LEFT <= room:
            return found
    return None


def wrapped(texts: Sequence[str], columns_wide: Sequence[int]) -> list[str]:
    """One row of a table, in as many lines as its longest cell takes."""
    cells = [textwrap.wrap(text, wide, break_on_hyphens=False) or [""]
             for text, wide in zip(texts, columns_wide)]
    high = max(map(len, cells))
    return ["  ".join(f"{(cell[i] if i < len(cell) else ''):<{wide}}"
                      for cell, wide in zip(cells, columns_wide)).rstrip()
            for i in range(high)]


def listed(names: Sequence[str], cells: Sequence[str], left: str, room: int) -> list[str]:
    """A row for which the terminal is too narrow: each answer with those that give it."""
    lines = textwrap.wrap(left, room, subsequent_indent="      ") if left.strip(" !") else \
        [left.rstrip()] if left.strip() else []
    for cell in dict.fromkeys(cells):
        who = ", ".join(name for name, other in zip(names, cells) if other == cell)
        lines += textwrap.wrap(f"{cell}: {who}", room, initial_indent="      ",
                               subsequent_indent="          ")
    return lines


def text_section(title: str, found: Sequence[Row], names: Sequence[str], notes: Notes,
                 room: int) -> str:
    """The rows of one call as text."""
    shown = [[notes.cell(cell, note) for cell, note in zip(row.cells, row.notes)]
             for row in found]
    wide = widths(names, shown, room)
    left = room - sum(wide) - 2 * len(wide) if wide else 0
    beside = bool(wide) and len(title) <= left
    lines = [] if beside else [title]
    if wide:
        lines += wrapped([title if beside else "", *names], [left, *wide])
    lines.append("-" * (room if wide else len(title)))
    last = None
    for row, cells in zip(found, shown):
        if (row.case, row.differs) != last:
            lines += textwrap.wrap(row.checks + (f" ({row.case})" if row.case else ""), room,
                                   subsequent_indent="  ", break_on_hyphens=False)
        last = (row.case, row.differs)
        start = f"{'!' if row.differs else ' '}   "
        if wide:
            words = textwrap.wrap(row.situation, left - 4, break_on_hyphens=False) or [""]
            body = wrapped(["", *cells], [left, *wide])
            for i in range(max(len(words), len(body))):
                word = (start if i == 0 else "    ") + (words[i] if i < len(words) else "")
                lines.append((f"{word:<{left}}" + (body[i][left:] if i < len(body) else ""))
                             .rstrip())
        else:
            lines += listed(names, cells, start + row.situation, room)
    return "\n".join(lines)


def as_text(found: Sequence[Row], names: Sequence[str], reasons: bool) -> str:
    """The profile for a terminal."""
    room = shutil.get_terminal_size((100, 24)).columns
    notes = Notes(reasons)
    parts = [text_section(title, some, names, notes, room) for title, some in headed(found)]
    told = [textwrap.fill(f"[{number}] {text}", room, subsequent_indent="    ")
            for text, number in notes.numbers.items()]
    return "\n\n".join((*parts, *(["\n".join(told)] if told else [])))


def as_markdown(found: Sequence[Row], names: Sequence[str], reasons: bool) -> str:
    """The profile as tables in Markdown."""
    def table_row(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    notes = Notes(reasons)
    parts = []
    for title, some in headed(found):
        lines = [f"## {title}", "", table_row(("", "situation", *names)),
                 "| --- " * (len(names) + 2) + "|"]
        for row in some:
            words = [row.checks, f"(`{row.case}`)" if row.case else "",
                     f"`{row.situation}`" if row.situation else ""]
            lines.append(table_row(("!" if row.differs else "", " ".join(filter(None, words)),
                                    *map(notes.cell, row.cells, row.notes))))
        parts.append("\n".join(lines))
    told = [f"{number}. {text}" for text, number in notes.numbers.items()]
    return "\n\n".join((*parts, *(["\n".join(told)] if told else [])))


def as_json(found: Sequence[Row], names: Sequence[str], _reasons: bool) -> str:
    """The profile as one JSON object; here all notes are told."""
    return json.dumps({"columns": list(names), "rows": [
        {"call": row.call, "case": row.case, "checks": row.checks, "situation": row.situation,
         "points": row.points, "differs": row.differs, "answers": dict(zip(names, row.cells)),
         "notes": {name: list(note) for name, note in zip(names, row.notes) if note}}
        for row in found]}, indent=1, ensure_ascii=False)


FORMATS = {"text": as_text, "markdown": as_markdown, "json": as_json}


def chosen(found: Sequence[Row], calls: Sequence[str], differences: bool) -> list[Row]:
    """The rows asked for. Raises UsageError for a call that no row is about."""
    there = dict.fromkeys(row.call for row in found)
    for call in calls:
        if call not in there:
            raise UsageError(f"nothing is recorded of a call {call}; there are "
                             f"{', '.join(there) or 'none'}")
    wanted = calls or [*CALLS, "other"]
    return [row for row in found
            if row.call in wanted and (row.differs or not differences)]


def unit_bytes(file: ResultFile) -> int:
    """The filesystem's allocation unit; 1, which leaves numbers alone, if it is not told."""
    unit = file.run.get("filesystem", {}).get("unit_bytes", 0)
    return unit if isinstance(unit, int) and unit > 1 else 1 << 63


def main(argv: Sequence[str]) -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(
        prog=NAME, description="Shows what filesystems answer in the same situations.")
    parser.add_argument("files", nargs="+", metavar="FILE", type=Path,
                        help="written by cowbell run --json")
    parser.add_argument("--call", action="append", default=[], metavar="CALL",
                        help="only this call; may be given again")
    parser.add_argument("--differences", action="store_true",
                        help="only where filesystems differ")
    parser.add_argument("--reasons", action="store_true", help="say why something was not tried")
    parser.add_argument("--format", choices=FORMATS, default="text")
    args = parser.parse_args(argv)
    try:
        files = [read_results(path) for path in args.files]
        profile = gather(files)
        for file in files:
            if file.flaw():
                complain(NAME, f"{file.path}: {file.flaw()}")
        found = chosen(rows(profile, [unit_bytes(file) for file in files]), args.call,
                       args.differences)
    except RunnerError as error:
        complain(NAME, error)
        return error.status
    print(FORMATS[args.format](found, profile.columns, args.reasons) or "no differences")
    return 0


def run() -> None:
    """Entry of the executable."""
    exit_with(main)
