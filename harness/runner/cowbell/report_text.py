# SPDX-License-Identifier: GPL-2.0-only
"""Reports as text: FORMATS is the table; one entry adds a form."""

import csv
import io
import re
from dataclasses import dataclass
from statistics import median
from typing import Callable

from .report_bench import Cell, show
from .report_page import RUN_FACTS, Report, facts, gathered
from .results import BAD_VERDICTS, VERDICTS, Line
from .tools import UsageError

CSV_COLUMNS = ("run", "kind", "name", "round", "strength", "verdict", "reason", "metric", "block",
               "sample", "value")
# Points of one case that Markdown names; a CI page is not the place for all of them.
NAMED = 5


def code(text: object) -> str:
    """Text as code in Markdown, also in a table."""
    line = re.sub(r"\s+", " ", str(text)).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if len(fence) > 1 else f"`{line}`"


def word(text: object) -> str:
    """Plain text in Markdown: nothing in it is markup."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", re.sub(r"\s+", " ", str(text)))


def line_of(*cells: object) -> str:
    """A row of a table in Markdown."""
    return f"| {' | '.join(map(str, cells))} |"


def as_markdown(report: Report) -> str:
    """A summary for the page of a CI job."""
    parts = []
    if report.files:
        shown = [verdict for verdict in reversed(VERDICTS)
                 if any(file.counts()[verdict] for file in report.files)]
        rows = [line_of("run", *shown, "time"), line_of("---", *["---:"] * (len(shown) + 1))]
        for name, file in zip(report.names, report.files):
            flaw = f" ({word(file.flaw())})" if file.flaw() else ""
            rows.append(line_of(word(name) + flaw, *(file.counts()[v] for v in shown),
                                f"{file.wall_s():.1f} s"))
        parts.append("\n".join(rows))
    same, _ = facts(report, RUN_FACTS)
    if same:
        parts.append(", ".join(f"{key} {code(value)}" for key, value in same.items()
                               if key in ("kernel", "CPU", "cowbell")))
    for told in gathered(report, (*BAD_VERDICTS, "xpass")):
        parts.append(markdown_failure(report, told.verdict, told.case, told.by_file))
    for one in report.measured:
        rows = [line_of("measured", "median", "blocks", "mechanism, flags"),
                line_of("---", "---:", "---:", "---")]
        rows += [line_of(code(cell.name), show(cell.metric, cell.value()), len(cell.medians()),
                         word(", ".join([*map(str, cell.observed("mechanism")), *cell.flags()])))
                 for cell in one.cells if cell.medians()]
        parts.append(f"<details><summary>{word(one.label)}: {len(one.cells)} cells measured"
                     "</summary>\n\n" + "\n".join(rows) + "\n\n</details>")
    for compared in report.compared:
        rows = [line_of("metric", "new / old", "confidence", "verdict"),
                line_of("---", "---:", "---", "---")]
        rows += [line_of(code(one.name), ratio(one.ratio),
                         f"{ratio(one.low)} to {ratio(one.high)}" if one.low else "",
                         word(one.verdict)) for one in compared.ratios]
        parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"


def ratio(value: float | None) -> str:
    """A ratio with three digits, or nothing."""
    return "" if value is None else f"{value:.3f}"


def markdown_failure(report: Report, verdict: str, case: str,
                     by_file: dict[int, list[Line]]) -> str:
    """One case that failed, in Markdown."""
    lines = [f"**{verdict}** {code(case)}", ""]
    for number, found in by_file.items():
        names = list(dict.fromkeys(line["case"] for line in found))
        rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        lines.append(f"- {word(report.names[number])}: "
                     f"{', '.join(map(code, names[:NAMED]))}{rest}")
        told = ("done", "seen", "allowed") if found[0].get("seen") else ("reason",)
        lines += [f"  - {key}: {code(found[0][key])}" for key in told if found[0].get(key)]
        again = report.files[number].again(found[0])
        lines += [f"  - again: {code(again)}"] * bool(again)
    return "\n".join(lines)


def as_csv(report: Report) -> str:
    """A row for each result, with its wall time, and for each sample."""
    text = io.StringIO()
    rows = csv.DictWriter(text, CSV_COLUMNS, restval="", lineterminator="\n")
    rows.writeheader()
    for name, file in zip(report.names, report.files):
        for line in file.cases:
            timed = {"metric": "wall_ns", "value": line["wall_ns"]} if "wall_ns" in line else {}
            rows.writerow({"run": name, "kind": "case", "name": line["case"], **timed, **{
                key: line[key] for key in ("round", "strength", "verdict", "reason")
                if key in line}})
    for one in report.measured:
        for cell in one.cells:
            for line in cell.lines:
                for number, sample in enumerate(line["samples"]):
                    rows.writerow({"run": one.label, "kind": "bench", "name": cell.name,
                                   "metric": cell.metric, "block": line.get("block", ""),
                                   "sample": number, "value": sample})
        for name, reason in one.skipped:
            rows.writerow({"run": one.label, "kind": "bench", "name": name, "verdict": "skip",
                           "reason": reason})
    return text.getvalue()


def go_unit(metric: str) -> str:
    """The unit of a metric as Go's tools write it."""
    if metric == "time_ns":
        return "ns/op"
    for ending, unit in (("bytes_per_s", "B/s"), ("_ns", "ns"), ("_bytes", "B")):
        if metric.endswith(ending):
            rest = metric.removesuffix(ending)
            return f"{rest}-{unit}" if rest else unit
    return metric.replace("_per_", "/")


def go_name(cell: Cell, cpus: int) -> str:
    """A name that Go's tools take: paths/clone[size=1M] is BenchmarkPaths/clone/size=1M-2."""
    name = cell.name.replace("[", "/").removesuffix("]").replace(",", "/")
    name = re.sub(r"[^\w./=:+-]", "_", name, flags=re.ASCII)
    return f"Benchmark{name[:1].upper()}{name[1:]}-{cpus}"


def as_gobench(report: Report) -> str:
    """Go benchmark text for benchstat: a line for each block, with its number of samples and
    their median, as the samples of one block are no independent measurements.

    Raises UsageError if nothing was measured.
    """
    if not report.measured:
        raise UsageError("nothing was measured in these files; cowbell bench --json writes such")
    parts = []
    for one in report.measured:
        run = one.run
        head = {"goos": "linux", "goarch": run.get("kernel", {}).get("machine"),
                "pkg": "cowbell", "cpu": run.get("machine", {}).get("cpu"),
                "kernel": run.get("kernel", {}).get("release"), "run": one.label,
                "filesystem": run.get("filesystem", {}).get("type")}
        parts += [f"{key}: {re.sub(r'[^ -~]', ' ', str(value))}" for key, value in head.items()
                  if value]
        cpus = int(run.get("machine", {}).get("cpus", 1))
        units = {go_unit(cell.metric): cell.better for cell in one.cells
                 if cell.better in ("lower", "higher")}
        parts += [f"Unit {unit} better={better}" for unit, better in units.items()]
        parts += [f"{go_name(cell, cpus)} {len(block)} {median(block):.10g} {go_unit(cell.metric)}"
                  for cell in one.cells for block in cell.blocks if block]
        parts.append("")
    return "\n".join(parts)


@dataclass(frozen=True)
class Form:
    """A form of text: what it is, and what makes it."""

    says: str
    write: Callable[[Report], str]


FORMATS = {
    "markdown": Form("a summary in Markdown, for the page of a CI job", as_markdown),
    "csv": Form("a row for each result and sample, comma-separated", as_csv),
    "gobench": Form("benchmark results as Go's testing package writes them, for benchstat",
                    as_gobench),
}
