# SPDX-License-Identifier: GPL-2.0-only
"""cowbell coverage: which statement about the calls is checked by which cases.

The statements are the numbered lines of docs/contract.md, properties.md and bugs.md; what a case
checks is said by its "why". docs/coverage-exceptions.json says why a statement has no case.
"""

import argparse
import json
import re
import subprocess
import textwrap
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterable, Mapping, Sequence

from .command import exit_with
from .driver import CHECKOUT, find_driver
from .tools import EXIT_FAILED, RunnerError, complain, last_line

NAME = "cowbell coverage"
EXCEPTIONS = "coverage-exceptions.json"
# Where `make install` puts the pages, seen from the top of a checkout or of PREFIX.
DOC_FOLDERS = ("docs", "share/doc/cowbell")
# Each page, and the forms of the numbers in its tables with the kind that "why" calls them by.
PAGES = {
    "contract.md": ((r"[CFDSPO]\d+", "contract"),),
    "properties.md": ((r"\d+", "property"), (r"N\d+", "gap")),
    "bugs.md": ((r"B-[\w-]+", "bug"),),
}
# A bug has been; nothing says that it must have a case.
REQUIRED = ("contract", "property", "gap")
THEMES = (*range(1, 13), *range(18, 21), 24, 25)
GAPS = (*range(14, 32), *range(34, 37))
# What belongs to each target, and the least part of it, in percent, that cases must check.
TARGETS = (
    ("contract", 95, lambda one: one.kind == "contract"),
    ("properties, T1-T12, T18-T20, T24, T25", 90,
     lambda one: one.kind == "property" and one.group in {f"T{number}" for number in THEMES}),
    ("gaps, N14-N31, N34-N36", 80,
     lambda one: one.kind == "gap" and one.name in {f"N{number}" for number in GAPS}),
)
WIDTH = 100


@dataclass(frozen=True)
class Statement:
    """One numbered line of a page."""

    kind: str
    name: str
    text: str
    # Of the section that it stands in.
    group: str
    title: str

    @property
    def id(self) -> str:
        """As a case cites it."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True)
class Reason:
    """Why a statement has no case."""

    needs: str
    because: str
    # Whether it could be checked on this kernel, if the harness were able to.
    here: bool


@dataclass(frozen=True)
class Case:
    """One case file; all of its points together."""

    name: str
    checks: str
    strength: str
    why: tuple[str, ...]
    points: int


@dataclass
class Coverage:
    """What is known, and what is wrong with it."""

    statements: dict[str, Statement]
    reasons: dict[str, Reason]
    cases: list[Case]
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Find out who checks what."""
        self.checked: dict[str, list[str]] = {one: [] for one in self.statements}
        for case in self.cases:
            for source in case.why:
                if source in self.checked:
                    self.checked[source].append(case.name)
                elif source.partition(":")[0] in (*REQUIRED, "bug"):
                    self.problems.append(f"{case.name}: \"why\" names {source}, which is in no "
                                         f"page of docs/")
        for one in self.statements.values():
            self._judge(one)
        for known in self.reasons.keys() - self.statements.keys():
            self.problems.append(f"{EXCEPTIONS}: there is no {known}")

    def _judge(self, one: Statement) -> None:
        cases, reason = self.checked[one.id], self.reasons.get(one.id)
        if reason and cases:
            self.problems.append(f"{EXCEPTIONS}: {one.id} needs {reason.needs}, it says, but "
                                 f"{cases[0]} checks it")
        elif not reason and not cases and one.kind in REQUIRED:
            self.problems.append(f"{one.id} is neither checked nor in {EXCEPTIONS}: {one.text}")

    def tally(self, statements: Iterable[Statement]) -> "Tally":
        """Count some of the statements."""
        counts = Counter(self.state(one) for one in statements)
        return Tally(sum(counts.values()), counts["checked"], counts["later"], counts["elsewhere"],
                     counts["missing"])

    def state(self, one: Statement) -> str:
        """Checked, to be checked later, only to be checked elsewhere, missing, or not required."""
        if self.checked[one.id]:
            return "checked"
        reason = self.reasons.get(one.id)
        if not reason:
            return "missing" if one.kind in REQUIRED else "not required"
        return "later" if reason.here else "elsewhere"

    def groups(self) -> dict[tuple[str, str], list[Statement]]:
        """The statements by kind and section, in the order of the pages."""
        found: dict[tuple[str, str], list[Statement]] = {}
        for one in self.statements.values():
            found.setdefault((one.kind, one.title), []).append(one)
        return found


@dataclass(frozen=True)
class Tally:
    """How many statements of some are checked."""

    all: int
    checked: int
    later: int
    elsewhere: int
    missing: int

    @property
    def percent(self) -> int:
        """Of what can be checked on this kernel, rounded down."""
        here = self.all - self.elsewhere
        return 100 * self.checked // here if here else 100

    def as_json(self) -> dict[str, int]:
        """All numbers by name."""
        return {"all": self.all, "checked": self.checked, "later": self.later,
                "elsewhere": self.elsewhere, "missing": self.missing, "percent": self.percent}


def read_page(path: Path) -> list[Statement]:
    """The numbered lines of a page's tables."""
    found, group, title = [], "", ""
    for line in read_text(path).splitlines():
        heading = re.match(r"## ((?:(\w+): )?.*)$", line)
        if heading:
            title, group = heading.group(1), heading.group(2) or ""
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("| ") or cells[0] == "id":
            continue
        kinds = [kind for form, kind in PAGES[path.name] if re.fullmatch(form, cells[0])]
        if not kinds and set(cells[0]) != {"-"}:
            raise RunnerError(f"{path.name}: \"{cells[0]}\" is no number that belongs here")
        if kinds:
            if len(cells) != 3 or not all(cells):
                raise RunnerError(f"{path.name}: {cells[0]} must have a statement and a source")
            found.append(Statement(kinds[0], cells[0], cells[1], group, title))
    return found


def read_statements(docs: Path) -> dict[str, Statement]:
    """The statements of all pages by their ids."""
    found: dict[str, Statement] = {}
    for page in PAGES:
        for one in read_page(docs / page):
            if one.id in found:
                raise RunnerError(f"{page}: {one.name} is there twice")
            found[one.id] = one
    return found


def read_reasons(path: Path) -> dict[str, Reason]:
    """The exceptions; each must need one of the things that the file itself lists."""
    def closed(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        names = Counter(name for name, _ in pairs)
        twice = [name for name, count in names.items() if count > 1]
        if twice:
            raise RunnerError(f"{path.name}: {twice[0]} is there twice")
        return dict(pairs)

    try:
        data = json.loads(read_text(path), object_pairs_hook=closed)
        needs: dict[str, bool] = {word: bool(entry["here"]) for word, entry in
                                  data["needs"].items()}
        reasons = {}
        for one, entry in data["exceptions"].items():
            word, because = entry["needs"], entry["because"].strip()
            if word not in needs:
                raise RunnerError(f"{path.name}: {one} needs \"{word}\", which is not listed there")
            if not because:
                raise RunnerError(f"{path.name}: {one} does not say why")
            reasons[one] = Reason(word, because, needs[word])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunnerError(f"{path.name}: {type(error).__name__}: {error}") from None
    unused = needs.keys() - {reason.needs for reason in reasons.values()}
    if unused:
        raise RunnerError(f"{path.name}: nothing needs \"{min(unused)}\"")
    return reasons


def read_text(path: Path) -> str:
    """The text of a file."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise RunnerError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def list_points(driver: Path, *select: str) -> list[Mapping[str, Any]]:
    """What the driver lists; nothing if it knows none of those selected."""
    try:
        done = subprocess.run([driver, "list", "--json", *select], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise RunnerError(f"{driver}: {error.strerror}") from None
    if done.returncode != 0 and not select:
        said = last_line(done.stderr) or f"exit status {done.returncode}"
        raise RunnerError(f"cowbell list: {said}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def read_cases(driver: Path) -> list[Case]:
    """All cases that the driver knows, with the long ones, which it lists only to who asks."""
    try:
        points = {point["case"]: point for point in
                  (*list_points(driver), *list_points(driver, "tag:long"))}
        counts = Counter(name.partition("[")[0] for name in points)
        found = {}
        for full_name, point in points.items():
            name = full_name.partition("[")[0]
            found[name] = Case(name, point["checks"], point["strength"], tuple(point["why"]),
                               counts[name])
    except (ValueError, KeyError, TypeError) as error:
        raise RunnerError(f"cowbell list: {type(error).__name__}: {error}") from None
    return sorted(found.values(), key=lambda case: case.name)


def target_rows(coverage: Coverage) -> list[tuple[str, int, Tally]]:
    """Each target: its name, the percentage wanted, and what there is."""
    return [(name, wanted, coverage.tally(filter(belongs, coverage.statements.values())))
            for name, wanted, belongs in TARGETS]


def table(coverage: Coverage) -> list[str]:
    """A row of numbers for each group, and the targets."""
    rows = [(f"{kind}: {title}", coverage.tally(members), "")
            for (kind, title), members in coverage.groups().items()]
    rows += [(f"= {name}", tally, f"wanted {wanted}%: " +
              ("reached" if tally.percent >= wanted else "MISSED"))
             for name, wanted, tally in target_rows(coverage)]
    width = max(len(name) for name, _, _ in rows)
    lines = [f"{'':<{width}}  checked  later  elsewhere  missing"]
    for name, tally, note in rows:
        lines.append(f"{name:<{width}} {tally.checked:>4}/{tally.all:<3} {tally.later:>6} "
                     f"{tally.elsewhere:>10} {tally.missing:>8} {tally.percent:>4}%  {note}"
                     .rstrip())
    return lines


def said_of(coverage: Coverage, one: Statement) -> str:
    """Who checks a statement, or why nobody does."""
    cases, reason = coverage.checked[one.id], coverage.reasons.get(one.id)
    if cases:
        return ", ".join(cases)
    if reason:
        return f"needs {reason.needs}: {reason.because}"
    return "no case" if one.kind in REQUIRED else "-"


def wanted_statements(coverage: Coverage, missing: bool) -> list[Statement]:
    """All statements, or those that no case checks."""
    return [one for one in coverage.statements.values()
            if not missing or (not coverage.checked[one.id] and one.kind in REQUIRED)]


def as_text(coverage: Coverage, missing: bool) -> str:
    """For a terminal."""
    lines = []
    for one in wanted_statements(coverage, missing):
        text = said_of(coverage, one) + (f" [{one.text}]" if missing else "")
        lines += textwrap.wrap(text, WIDTH, initial_indent=f"{one.id:<16} ",
                               subsequent_indent=" " * 17, break_long_words=False,
                               break_on_hyphens=False)
    return "\n".join(lines + ([] if missing else ["", *table(coverage)]))


def as_markdown(coverage: Coverage, missing: bool) -> str:
    """As tables, for a page."""
    lines = ["# Coverage", "",
             "| target | checked | later | elsewhere | missing | of what runs here | wanted |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for name, wanted, tally in target_rows(coverage):
        lines.append(f"| {name} | {tally.checked}/{tally.all} | {tally.later} | {tally.elsewhere} "
                     f"| {tally.missing} | {tally.percent}% | {wanted}% |")
    listed = set(wanted_statements(coverage, missing))
    for (kind, title), members in coverage.groups().items():
        rows = [f"| {one.name} | {one.text} | {said_of(coverage, one)} |"
                for one in members if one in listed]
        if rows:
            lines += ["", f"## {kind}: {title}", "", "| id | statement | checked by |",
                      "| --- | --- | --- |", *rows]
    return "\n".join(lines)


def as_json(coverage: Coverage, missing: bool) -> str:
    """For programs."""
    listed = {}
    for one in wanted_statements(coverage, missing):
        reason = coverage.reasons.get(one.id)
        listed[one.id] = {"statement": one.text, "group": one.title,
                          "state": coverage.state(one), "cases": coverage.checked[one.id]}
        if reason:
            listed[one.id] |= {"needs": reason.needs, "because": reason.because}
    return json.dumps({
        "statements": listed,
        "groups": {f"{kind}: {title}": coverage.tally(members).as_json()
                   for (kind, title), members in coverage.groups().items()},
        "targets": {name: tally.as_json() | {"wanted": wanted}
                    for name, wanted, tally in target_rows(coverage)},
        "problems": coverage.problems}, indent=1)


def catalogue(cases: Sequence[Case]) -> str:
    """A page of all cases by folder."""
    areas: dict[str, list[Case]] = {}
    for case in cases:
        areas.setdefault(case.name.rpartition("/")[0], []).append(case)
    points = sum(case.points for case in cases)
    lines = ["# The cases", "", f"{len(cases)} cases with {points} points, written by "
             "`make catalogue` from the case files. `must` is documented, `should` was intended,",
             "`observe` is promised by nobody and only recorded. Sources are lines of "
             "[contract.md](contract.md),", "[properties.md](properties.md), [bugs.md](bugs.md), "
             "manual pages and commits."]
    for area, members in sorted(areas.items()):
        lines += ["", f"## {area}", "", "| case | checks that | strength | points | sources |",
                  "| --- | --- | --- | --- | --- |"]
        for case in members:
            checks = case.checks.replace("|", "\\|")
            lines.append(f"| {case.name.rpartition('/')[2]} | {checks} | {case.strength} "
                         f"| {case.points} | {', '.join(case.why)} |")
    return "\n".join(lines)


def find_docs(given: Path | None) -> Path:
    """The folder of the pages: the one given, the checkout's, or the installed one."""
    folders = [given] if given else [CHECKOUT / folder for folder in DOC_FOLDERS]
    for folder in folders:
        if (folder / EXCEPTIONS).exists():
            return folder
    raise RunnerError(f"{folders[0] / EXCEPTIONS} is not there")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog=NAME, description="Tells which statements about the "
                                     "calls are checked by which cases; exits 1 if one is neither "
                                     "checked nor excepted, or what is said is not so.")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="as tables")
    form.add_argument("--json", action="store_true", help="for programs")
    form.add_argument("--catalogue", action="store_true", help="a page of all cases instead")
    parser.add_argument("--missing", action="store_true", help="only what no case checks")
    parser.add_argument("--gate", action="store_true", help="exit 1 also if a target is missed")
    parser.add_argument("--docs", metavar="DIR", type=Path, help="where the pages are")
    parser.add_argument("--cowbell", metavar="FILE", help="the driver")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """The command; its exit status."""
    args = parse(argv)
    try:
        cases = read_cases(find_driver(args.cowbell))
        if args.catalogue:
            print(catalogue(cases))
            return 0
        docs = find_docs(args.docs)
        coverage = Coverage(read_statements(docs), read_reasons(docs / EXCEPTIONS), cases)
    except RunnerError as error:
        complain(NAME, error)
        return error.status
    form = as_json if args.json else as_markdown if args.markdown else as_text
    print(form(coverage, args.missing), flush=True)
    for problem in coverage.problems:
        complain(NAME, problem)
    missed = [name for name, wanted, tally in target_rows(coverage) if tally.percent < wanted]
    for name in missed if args.gate else ():
        complain(NAME, f"the target for {name} is missed")
    return EXIT_FAILED if coverage.problems or (args.gate and missed) else 0


def run() -> None:
    """Entry of the executable."""
    exit_with(main)
