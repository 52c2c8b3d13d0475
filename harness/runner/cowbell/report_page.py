# SPDX-License-Identifier: GPL-2.0-only
"""The HTML page of a report. SECTIONS is its table of contents; an entry adds a section.

Texts of the page that are not results, its style and its script are files in reports/page.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Callable, Iterable, Sequence

from . import changes, profile
from .report_bench import Cell, Measured, labels, show
from .report_plots import Compared, Drawn, inline, palette
from .results import BAD_VERDICTS, VERDICTS, Line, ResultFile

# One letter for each verdict, in order of gravity: what the page's script gets.
CODES = "femXxpds"
ABSENT = "."
# So many failures are shown at once; the others open.
UNFOLDED = 4
# What a row of the summary may say of a run; what all runs agree on is said once above it.
RUN_FACTS: dict[str, Callable[[Line], object]] = {
    "kernel": lambda run: run.get("kernel", {}).get("release"),
    "guest": lambda run: {"tcg": "emulated", "kvm": "KVM"}.get(str(run.get("vm"))),
    "architecture": lambda run: run.get("kernel", {}).get("machine"),
    "filesystem": lambda run: run.get("filesystem", {}).get("type"),
    "device": lambda run: run.get("filesystem", {}).get("device_kind"),
    "unit": lambda run: run.get("filesystem", {}).get("unit_bytes"),
    "CPU": lambda run: " × ".join(str(run.get("machine", {})[key]) for key in ("cpus", "cpu")
                                  if key in run.get("machine", {})),
    "clock": lambda run: run.get("machine", {}).get("clock"),
    "cowbell": lambda run: run.get("cowbell"),
    "mutant": lambda run: run.get("mutant"),
}
# The same, of less interest.
RUN_DETAILS: dict[str, Callable[[Line], object]] = {
    "started": lambda run: str(run.get("started", "")).replace("T", " "),
    "seed": lambda run: run.get("seed"),
    "mount options": lambda run: run.get("filesystem", {}).get("mount_options"),
}


@dataclass
class Report:
    """All that a page is made of."""

    # Files with verdicts, and what each is called.
    files: list[ResultFile]
    names: list[str]
    measured: list[Measured] = field(default_factory=list)
    compared: list[Compared] = field(default_factory=list)
    drawn: list[Drawn] = field(default_factory=list)

    def runs(self) -> list[tuple[str, Line]]:
        """Every run by its name, with its first line."""
        return [*((name, file.run) for name, file in zip(self.names, self.files)),
                *((one.label, one.run) for one in self.measured)]


@dataclass
class Told:
    """Results of one verdict in the points of one case: in each file a list of them."""

    verdict: str
    case: str
    by_file: dict[int, list[Line]] = field(default_factory=dict)

    @property
    def anchor(self) -> str:
        """Where on the page it is."""
        return f"{self.verdict}-" + re.sub(r"[^a-z0-9-]+", "-", self.case.lower())


def table(head: Iterable[str], rows: Iterable[str], label: str, kind: str = "") -> str:
    """A table in a box of its own that scrolls."""
    cells = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    return f'<div class="scroll" role="region" aria-label="{escape(label)}" tabindex="0">' \
        f'<table class="{kind}"><thead><tr>{cells}</tr></thead><tbody>{"".join(rows)}</tbody>' \
        "</table></div>"


def row(head: str, cells: Iterable[str], kind: str = "") -> str:
    """A row of a table: its head, and cells that are HTML with their <td>."""
    return f'<tr class="{kind}"><th scope="row">{head}</th>{"".join(cells)}</tr>'


def cell(text: object, kind: str = "") -> str:
    """A cell with a text."""
    return f'<td class="{kind}">{escape(str(text))}</td>'


def case_of(name: str) -> str:
    """The case of a point."""
    return name.partition("[")[0]


def gathered(report: Report, verdicts: Sequence[str]) -> list[Told]:
    """Results with these verdicts by verdict and case, the gravest first."""
    found: dict[tuple[str, str], Told] = {}
    for number, file in enumerate(report.files):
        for line in file.cases:
            if line["verdict"] in verdicts:
                key = line["verdict"], case_of(line["case"])
                told = found.setdefault(key, Told(*key))
                told.by_file.setdefault(number, []).append(line)
    return sorted(found.values(), key=lambda told: (VERDICTS.index(told.verdict), told.case))


# The summary

def counts_text(counts: dict[str, int]) -> str:
    """Counts of verdicts as HTML."""
    return ", ".join(f'<b class="v-{verdict}">{count}</b> {verdict}'
                     for verdict, count in counts.items() if count) or "none"


def facts(report: Report, of: dict[str, Callable[[Line], object]]) -> tuple[
        dict[str, str], dict[str, list[str]]]:
    """What is the same for all runs, and what is not, by its name."""
    same, different = {}, {}
    for name, get in of.items():
        values = [str(get(run) if get(run) is not None else "") for _, run in report.runs()]
        if len(set(values)) > 1:
            different[name] = values
        elif values and values[0]:
            same[name] = values[0]
    return same, different


def summary_section(report: Report) -> str:
    """What ran, and what came of it."""
    total = {verdict: sum(file.counts()[verdict] for file in report.files)
             for verdict in VERDICTS}
    banner = "".join(f'<li class="b-{verdict}"><b class="v-{verdict}">{count}</b> {verdict}</li>'
                     for verdict, count in total.items() if count)
    bad = sum(total[verdict] for verdict in BAD_VERDICTS)
    said = f"{bad} results are no good." if bad else "Nothing failed."
    parts = [f'<p>{sum(total.values())} results of {len(report.files)} runs. {said}</p>'
             f'<ul class="banner" aria-label="Results by verdict">{banner}</ul>'] \
        if report.files else []
    same, different = facts(report, RUN_FACTS)
    also_same, also_different = facts(report, RUN_DETAILS)
    agreed = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>"
                     for key, value in (same | also_same).items())
    parts.append(f'<dl class="facts">{agreed}</dl>')
    shown = [verdict for verdict in VERDICTS if total[verdict]]
    outcomes = [outcome(file, shown) for file in report.files]
    outcomes += [f'<td colspan="{len(shown) + 1}">{len(one.cells)} cells measured, '
                 f"{len(one.skipped)} skipped</td>" for one in report.measured]
    rows = [row(escape(name), [text, *(cell(values[i]) for values in different.values())])
            for i, ((name, _), text) in enumerate(zip(report.runs(), outcomes))]
    head = [f'<span class="v-{verdict}">{verdict}</span>' for verdict in shown]
    parts.append(table(("run", *head, "time", *map(escape, different)), rows, "Runs", "runs"))
    if also_different:
        more = [row(escape(name), [cell(values[i]) for values in also_different.values()])
                for i, (name, _) in enumerate(report.runs())]
        parts.append("<details><summary>more about each run</summary>" + table(
            ("run", *map(escape, also_different)), more, "More about each run") + "</details>")
    return "".join(parts)


def outcome(file: ResultFile, verdicts: Sequence[str]) -> str:
    """The cells that tell what came of a run: a count for each verdict, and the time."""
    flaw = f'<br><span class="missing">{escape(file.flaw())}</span>' if file.flaw() else ""
    counts = file.counts()
    return "".join(f'<td class="number{f" v-{verdict}" if counts[verdict] else " note"}">'
                   f"{counts[verdict]}</td>" for verdict in verdicts) + \
        f'<td class="number">{file.wall_s():.1f} s{flaw}</td>'


# The matrix

def point_codes(report: Report) -> dict[str, tuple[str, list[tuple[int, str]]]]:
    """Of each point the verdict's letter in each run, and who gives which reason. Of several
    rounds the gravest counts."""
    found: dict[str, tuple[list[str], dict[int, str]]] = {}
    for number, file in enumerate(report.files):
        for line in file.cases:
            codes, reasons = found.setdefault(line["case"], ([ABSENT] * len(report.files), {}))
            code = CODES[VERDICTS.index(line["verdict"])]
            if codes[number] == ABSENT or CODES.index(code) < CODES.index(codes[number]):
                codes[number] = code
                reasons.pop(number, None)
                if line.get("reason"):
                    reasons[number] = str(line["reason"])
    return {name: ("".join(codes), sorted(reasons.items()))
            for name, (codes, reasons) in found.items()}


def matrix_data(report: Report) -> dict[str, object]:
    """What the page's script makes the matrix of."""
    reasons: dict[str, int] = {}
    areas: dict[str, dict[str, dict[str, object]]] = {}
    checks = {case_of(line["case"]): str(line["checks"]) for file in report.files
              for line in file.cases if line.get("checks")}
    told: dict[str, dict[str, str]] = {}
    for one in gathered(report, (*BAD_VERDICTS, "xpass", "xfail")):
        told.setdefault(one.case, {})[one.verdict] = one.anchor
    for name, (codes, why) in point_codes(report).items():
        case = case_of(name)
        entry = areas.setdefault(case.partition("/")[0], {}).setdefault(
            case, {"name": case, "checks": checks.get(case, ""), "told": told.get(case, {}),
                   "points": []})
        entry["points"].append([  # type: ignore[attr-defined]
            name[len(case) + 1:].removesuffix("]"), codes,
            [(number, reasons.setdefault(reason, len(reasons))) for number, reason in why]])
    return {"runs": report.names, "verdicts": VERDICTS, "codes": CODES,
            "areas": [(area, [cases[case] for case in sorted(cases)])
                      for area, cases in sorted(areas.items())], "reasons": list(reasons)}


def as_script_data(value: object) -> str:
    """JSON that can stand in a script element, whatever it says."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c") \
        .replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def matrix_section(report: Report, frame: str) -> str:
    """Cases by run; without scripts the areas only."""
    if not report.files:
        return ""
    total = Counter(line["verdict"] for file in report.files for line in file.cases)
    toggles = "".join(
        f'<button type="button" class="toggle" data-verdict="{verdict}" aria-pressed="false">'
        f'<span class="dot v-{verdict}" aria-hidden="true"></span>{verdict}</button>'
        for verdict in VERDICTS if total[verdict])
    areas: dict[str, list[Counter[str]]] = {}
    for number, file in enumerate(report.files):
        for line in file.cases:
            area = line["case"].partition("/")[0]
            areas.setdefault(area, [Counter() for _ in report.files])[number][
                line["verdict"]] += 1
    rows = "".join(row(escape(area), (
        f'<td class="counts">{counts_text({v: counts[v] for v in VERDICTS})}</td>'
        for counts in found), "area") for area, found in sorted(areas.items()))
    return filled(frame, {"toggles": toggles, "areas": rows, "columns": "".join(
        f'<th scope="col">{escape(name)}</th>' for name in report.names)})


# Failures and quirks

def told_list(report: Report, number: int, line: Line) -> str:
    """What is to be said about one result: done, seen, allowed, how to do it again, trace."""
    entries = [(key, str(line[key])) for key in ("place", "done", "seen", "allowed")
               if line.get(key)]
    if not (line.get("seen") and line.get("allowed")) and line.get("reason"):
        entries.append(("reason", str(line["reason"])))
    parts = "".join(f"<dt>{key}</dt><dd><code>{escape(text)}</code></dd>"
                    for key, text in entries)
    again = report.files[number].again(line)
    if again:
        parts += f'<dt>again</dt><dd><code class="again">{escape(again)}</code></dd>'
    parts = f'<dl class="told">{parts}</dl>'
    longer = {"trace": line.get("trace"), "kernel log": line.get("kmsg"), "stacks": [
        f"{who}\n{stack}" for who, stack in line.get("stacks", {}).items()]}
    return parts + "".join(
        f"<details><summary>{key}</summary><pre>{escape(chr(10).join(map(str, text)))}</pre>"
        "</details>" for key, text in longer.items() if text)


def name_list(lines: Sequence[Line]) -> str:
    """The names of points, once each."""
    names = dict.fromkeys(line["case"] for line in lines)
    return '<ul class="names">' + "".join(f"<li><code>{escape(name)}</code></li>"
                                          for name in names) + "</ul>"


def failure(report: Report, told: Told, unfold: bool) -> str:
    """A case that failed: of each run the first point in full, and the names of the others."""
    first = next(iter(told.by_file.values()))[0]
    where = ", ".join(f"{escape(report.names[number])} <small>({len(lines)})</small>"
                      for number, lines in told.by_file.items())
    parts = [f'<details class="failure v-{told.verdict}" id="{told.anchor}"'
             f'{" open" if unfold else ""}><summary><span class="tag b-{told.verdict} '
             f'v-{told.verdict}">{told.verdict}</span> <b>{escape(told.case)}</b> '
             f'<span class="note">{where}</span></summary>'
             f"<p>{escape(str(first.get('checks', '')))}</p>"]
    for place, (number, lines) in enumerate(told.by_file.items()):
        what = f"{escape(report.names[number])}: <code>{escape(lines[0]['case'])}</code>"
        points = len({line["case"] for line in lines})
        others = f"<details><summary>all {points} points</summary>{name_list(lines)}</details>" \
            if points > 1 else ""
        inside = told_list(report, number, lines[0]) + others
        parts.append(f"<details><summary>{what}</summary>{inside}</details>" if place else
                     f"<h4>{what}</h4>{inside}")
    return "".join(parts) + "</details>"


def failures_section(report: Report, _: str) -> str:
    """All that is red, explained."""
    found = gathered(report, (*BAD_VERDICTS, "xpass"))
    if not found:
        return "<p>Nothing failed.</p>" if report.files else ""
    return "".join(failure(report, told, number < UNFOLDED) for number, told in enumerate(found))


def quirks_section(report: Report, _: str) -> str:
    """Known deviations: reason, source, where; what exactly was seen can be opened."""
    found: dict[tuple[str, str], list[Told]] = {}
    for told in gathered(report, ("xfail",)):
        quirk = next(iter(told.by_file.values()))[0].get("quirk", {})
        found.setdefault((str(quirk.get("reason", "")), str(quirk.get("link", ""))),
                         []).append(told)
    parts = []
    for (reason, link), some in found.items():
        where = Counter({report.names[number]: 0 for told in some for number in told.by_file})
        for told in some:
            where.update({report.names[number]: len(lines)
                          for number, lines in told.by_file.items()})
        parts.append(
            f"<h3>{escape(reason[:1].upper() + reason[1:])}</h3><p class=\"note\">"
            f"{source(link)} Seen in {', '.join(f'{escape(n)} ({c})' for n, c in where.items())}."
            "</p>" + "".join(failure(report, told, False) for told in some))
    return "".join(parts)


def source(link: str) -> str:
    """A link, or the name of a source; nothing but addresses of the web can be followed."""
    if re.match(r"https?://[^\s\"'<>]+$", link):
        return f'<a href="{escape(link)}" rel="noreferrer">{escape(link)}</a>.'
    return f"{escape(link)}." if link else ""


# Benchmarks

def figure(drawn: Drawn, colours: dict[str, str], first: bool) -> str:
    """A picture with its title and files."""
    name = drawn.chart.name
    files = "".join(f' <a href="plots/{name}.{kind}">{kind}</a>'
                    for kind in (("svg", "gp", "dat") if drawn.svg else ("gp", "dat")))
    inside = f'<div class="canvas">{inline(drawn, colours, first)}</div>' if drawn.svg else \
        f'<p class="missing">No picture: {escape(drawn.problem)}.</p>'
    return f'<figure id="plot-{name}"><h4>{escape(drawn.chart.title)}</h4>{inside}' \
        f"<figcaption>{files}</figcaption></figure>"


def plots_section(report: Report, folder: str) -> str:
    """All pictures, by kind."""
    colours = palette(Path(folder))
    parts, last, first = [], None, True
    for drawn in report.drawn:
        if drawn.plot is not last:
            parts.append(f"{'</div>' if last else ''}<h3>{escape(drawn.plot.title)}</h3>"
                         f'<p class="note">{escape(drawn.plot.caption)}</p><div class="plots">')
        parts.append(figure(drawn, colours, first))
        first = first and not drawn.svg
        last = drawn.plot
    return "".join(parts) + ("</div>" if last else "")


def bench_section(report: Report, _: str) -> str:
    """A table for each suite: medians of each cell in each run, and the mechanism observed."""
    parts = []
    for suite in dict.fromkeys(suite for one in report.measured for suite in one.suites()):
        rows: dict[tuple[str, str], list[str]] = {}
        for number, one in enumerate(report.measured):
            cells = [found for found in one.cells if found.suite == suite and found.medians()]
            for found, label in zip(cells, labels(cells)):
                key = label, found.metric
                rows.setdefault(key, ["<td>–</td>"] * len(report.measured))[number] = \
                    bench_cell(found)
        many = len({metric for _, metric in rows}) > 1
        parts.append(f"<details><summary>{escape(suite)}: {len(rows)} rows</summary>" + table(
            ("cell", *(escape(one.label) for one in report.measured)),
            (row(escape(f"{label}, {metric}" if many else label), cells)
             for (label, metric), cells in rows.items()), suite, "numbers") + "</details>")
    parts.append(derived_table(report.measured))
    skipped: dict[str, list[str]] = {}
    for one in report.measured:
        for name, reason in one.skipped:
            skipped.setdefault(reason, []).append(f"{one.label}: {name}")
    parts += [f"<details><summary>{len(names)} not measured: {escape(reason)}</summary>"
              '<ul class="names">' + "".join(f"<li>{escape(name)}</li>" for name in names)
              + "</ul></details>" for reason, names in skipped.items()]
    return "".join(parts)


def derived_table(files: Sequence[Measured]) -> str:
    """What runs computed across cells: slopes, crossovers and such."""
    rows: dict[tuple[str, str], list[str]] = {}
    for place, one in enumerate(files):
        for line in one.derived:
            if line["metric"].startswith("median_"):
                continue
            told = escape(show(line["metric"], line["value"]))
            if "low" in line and "high" in line:
                told += f'<br><span class="note">{escape(show(line["metric"], line["low"]))} to ' \
                    f'{escape(show(line["metric"], line["high"]))}</span>'
            rows.setdefault((line["name"], line["metric"]), [cell("–", "number")] * len(files))[
                place] = f'<td class="number">{told}</td>'
    return "<h3>Computed of them</h3>" + table(
        ("what", *(escape(one.label) for one in files)),
        (row(escape(f"{name} {metric}"), cells) for (name, metric), cells in rows.items()),
        "Computed of the measurements", "numbers") if rows else ""


def bench_cell(found: Cell) -> str:
    """A cell's median and what is known of it: confidence or else its blocks' range, the
    mechanism observed, and flags."""
    low, high = found.derived.get("low"), found.derived.get("high")
    if low is None or high is None:
        low, high = min(found.medians()), max(found.medians())
    marks = ", ".join(map(str, (*found.observed("mechanism"), *found.flags())))
    note = f"{show(found.metric, low)} to {show(found.metric, high)}" + ("; " + marks) * bool(marks)
    return f'<td class="number">{escape(show(found.metric, found.value()))}<br>' \
        f'<span class="note">{escape(note)}</span></td>'


def compare_section(report: Report, _: str) -> str:
    """Tables of comparisons."""
    parts = []
    kinds = {"worse": "fail", "better": "pass", "inconclusive": "xfail"}
    for compared in report.compared:
        rows = [row(escape(one.name), [
            f'<td class="v-{kinds.get(one.verdict, "skip")}">{escape(one.verdict)}'
            + (f'<br><span class="note">{escape(one.reason)}</span>' if one.reason else "")
            + "</td>", *(cell("" if value is None else f"{value:.3f}", "number")
                         for value in (one.ratio, one.low, one.high, one.p)),
            cell(" / ".join(map(str, one.n)), "number")]) for one in compared.ratios]
        old, new = (", ".join(map(str, side)) for side in compared.sides)
        parts.append(f'<h3>{escape(compared.label)}</h3><p class="note">New: {escape(new)}. '
                     f"Old: {escape(old)}."
                     + (f" They differ in {escape(', '.join(dict.fromkeys(compared.differs)))}."
                        if compared.differs else "") + "</p>" + table(
                         ("metric", "verdict", "new / old", "from", "to", "p", "n"), rows,
                         compared.label))
    return "".join(parts)


# What changed between kernels

def changes_section(report: Report, _: str) -> str:
    """What filesystems do otherwise from one kernel to the next; see cowbell changes."""
    whole = [file for file in report.files if file.end is not None]
    notes = profile.Notes(False)
    parts = []
    for found in changes.find_changes(whole):
        lines, case = [], None
        for one in found.rows:
            head = escape(one.checks) + f" <code>{escape(one.case)}</code>" * (
                one.checks != one.case) if one.case != case else ""
            case = one.case
            what = f'<span class="situation">{escape(one.situation)}</span>'
            lines.append(row(head + what, (
                f"<td>{references(notes.cell(text, note), 'changes')}</td>"
                for text, note in zip(one.cells, one.notes)), "differs" if head else ""))
        said = f"{len({one.case for one in found.rows})} cases" if lines else "nothing"
        parts.append(f"<details{' open' * bool(lines)}><summary>{escape(found.filesystem)}: {said} "
                     f"changed between {escape(', '.join(found.names))}</summary>" + (table(
                         ("case", *map(escape, found.names)), lines,
                         f"What changed in {found.filesystem}", "profile") if lines else "")
                     + "</details>")
    return "".join(parts) + note_list(notes, "changes")


# Profile, and what was skipped

def profile_section(report: Report, _: str) -> str:
    """What calls answer in which filesystem; see cowbell profile."""
    whole = [file for file in report.files if file.end is not None and file.cases]
    if not whole:
        return ""
    gathered_facts = profile.gather(whole)
    notes = profile.Notes(False)
    parts = []
    units = [profile.unit_bytes(file) for file in whole]
    for title, rows in profile.headed(profile.rows(gathered_facts, units)):
        lines = []
        for one in rows:
            head = escape(one.checks) + (
                f'<span class="situation">{escape(one.situation)}</span>' if one.situation else "")
            shown = [notes.cell(text, note) for text, note in zip(one.cells, one.notes)]
            lines.append(row(head, (f'<td class="{"" if one.differs else "same"}">'
                                    f"{references(text, 'note')}</td>" for text in shown),
                             "differs" if one.differs else ""))
        differ = sum(one.differs for one in rows)
        parts.append(f"<details><summary>{escape(title)}: {len(rows)} situations, {differ} in "
                     "which they differ</summary>" + table(
                         ("situation", *map(escape, gathered_facts.columns)), lines, title,
                         "profile") + "</details>")
    return "".join(parts) + note_list(notes, "note")


def note_list(notes: profile.Notes, anchor: str) -> str:
    """Notes to open, each with an anchor of its own."""
    told = "".join(f'<li id="{anchor}-{number}">{escape(text)}</li>'
                   for text, number in notes.numbers.items())
    return f'<details><summary>notes</summary><ol class="notes">{told}</ol></details>' \
        if told else ""


def references(text: str, anchor: str) -> str:
    """A cell of the profile with its notes as links."""
    linked = re.sub(r" \[(\d+)\]", rf'<sup><a href="#{anchor}-\1">\1</a></sup>', escape(text))
    return linked.replace("</sup><sup>", "</sup><sup> ")


def skipped_section(report: Report, _: str) -> str:
    """Why points were skipped, in how many of which run."""
    found: dict[str, Counter[int]] = {}
    for number, file in enumerate(report.files):
        for line in file.cases:
            if line["verdict"] == "skip":
                found.setdefault(str(line.get("reason", "")), Counter())[number] += 1
    if not found:
        return ""
    rows = [row(escape(reason), (cell(counts[number] or "", "number")
                                 for number in range(len(report.files))))
            for reason, counts in sorted(found.items(), key=lambda item: -item[1].total())]
    return f"<details><summary>{len(found)} reasons</summary>" + table(
        ("reason", *map(escape, report.names)), rows, "Reasons for skipping",
        "numbers") + "</details>"


@dataclass(frozen=True)
class Section:
    """A part of the page: its title, what it says in one line, what makes it, and the file in
    reports that this is given: its text, or its path if it is a folder."""

    name: str
    title: str
    says: str
    make: Callable[[Report, str], str]
    frame: str = ""


SECTIONS = (
    Section("failures", "Failures", "What was done, what was seen, what was allowed, and the "
            "command that does it again.", failures_section),
    Section("changes", "What changed between kernels", "Verdicts, answers and observations of the "
            "same filesystem that differ, from old kernels to new.", changes_section),
    Section("matrix", "Cases", "Areas open into cases, cases into points; a count is that of the "
            "gravest verdict.", matrix_section, "page/matrix.html"),
    Section("plots", "Plots", "", plots_section, "plots"),
    Section("benchmarks", "Measurements", "The median of the blocks' medians, its "
            "confidence interval or else the range of the blocks, whether blocks were shared or "
            "copied, and flags.", bench_section),
    Section("comparisons", "Comparisons", "New divided by old, with the confidence interval.",
            compare_section),
    Section("quirks", "Known deviations", "Failures that are expected (xfail): the reason, and "
            "where it can be followed up.", quirks_section),
    Section("profile", "Profile", "What calls answer in the same situation; marked where "
            "filesystems differ. In parentheses: not supported; -: not tried.", profile_section),
    Section("skipped", "Skipped", "What was not tried, and why.", skipped_section),
)


def filled(text: str, parts: dict[str, str]) -> str:
    """A template with @name@ replaced, in one pass: what is put in is not looked at again."""
    return re.sub(r"@(\w+)@", lambda match: parts[match.group(1)], text)


def page(report: Report, folder: Path) -> str:
    """The whole page; folder is reports."""
    def text(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")
    sections = [("summary", "Summary", f"{summary_section(report)}")]
    for section in SECTIONS:
        frame = folder / section.frame
        inside = section.make(report, str(frame) if frame.is_dir() or not section.frame
                              else text(section.frame))
        if inside:
            says = f'<p class="note">{escape(section.says)}</p>' if section.says else ""
            sections.append((section.name, section.title, says + inside))
    names = ", ".join(dict.fromkeys(name for name, _ in report.runs()))
    started = sorted(str(run.get("started", "")) for _, run in report.runs())
    subtitle = " ".join(filter(None, (f"{len(report.runs())} runs", started[-1][:10]
                                      if started else "")))
    return filled(text("page/page.html"), {
        "title": escape(f"cowbell: {names or 'comparison'}"), "subtitle": escape(subtitle),
        "css": text("page/page.css"), "js": text("page/page.js"),
        "matrix": as_script_data(matrix_data(report)),
        "nav": "".join(f'<li><a href="#{name}">{title}</a></li>' for name, title, _ in sections),
        "sections": "\n".join(
            f'<section id="{name}" aria-labelledby="h-{name}"><h2 id="h-{name}">{title}</h2>'
            f"{inside}</section>" for name, title, inside in sections),
        "made_of": escape(", ".join(dict.fromkeys(
            file.path.name for file in report.files))) or "benchmarks"})
