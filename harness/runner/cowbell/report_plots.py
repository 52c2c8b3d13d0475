# SPDX-License-Identifier: GPL-2.0-only
"""The plots of a report: PLOTS is the table; one entry adds a plot.

A plot makes charts out of benchmark results, each of which is written as NAME.dat and NAME.gp, so
that anyone can draw it again with gnuplot, and drawn as NAME.svg. What it looks like is a script
in reports/plots; style.gp comes before each of them.
"""

import html
import re
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from math import log10
from pathlib import Path
from statistics import median, quantiles
from typing import Callable, Iterator, Sequence

from .report_bench import (AIDS, FOLLOWS, Cell, Measured, each, labels, lines_over, show_bytes,
                           varying)
from .results import is_number
from .tools import TOOL_SECONDS, find_tool

Number = int | float
# More rows than these make no picture; all of them are in the page's tables.
FOREST_ROWS = 60
STRIP_ROWS = 40
STRIP_SAMPLES = 400
TIMELINE_SAMPLES = 4000
# About what style.gp says, in pixels.
PLOT_WIDTH, LETTER_WIDTH = 600, 8
# Factors with a plot of their own, but for the size.
AXES = ("extents", "dirty", "cloners")
# Methods of one kind have one colour of style.gp; those of a kind differ in their points.
FAMILIES = (("clone", 1), ("reflink=always", 1), ("ficlone", 1), ("dedupe", 2),
            ("copy_file_range", 3), ("copy_range", 3), ("cfr", 3), ("sendfile", 3), ("splice", 3),
            ("uring", 5), ("direct", 6), ("mmap", 7), ("cp", 8), ("fio", 8), ("dd", 8),
            ("read", 4), ("rw", 4))


@dataclass
class Series:
    """A block of a chart's data: a label and rows of numbers or text."""

    label: str
    rows: Sequence[tuple[Number | str, ...]]
    colour: int = 1


@dataclass
class Chart:
    """One picture: its file name without ending, what it shows, its data, and what its script
    is told besides."""

    name: str
    title: str
    columns: str
    series: list[Series]
    settings: dict[str, Number | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ratio:
    """What a comparison says of one metric; what is not known is None."""

    name: str
    verdict: str
    reason: str
    ratio: float | None
    low: float | None
    high: float | None
    p: float | None
    # Observations on each side.
    n: tuple[object, object]


@dataclass(frozen=True)
class Compared:
    """A comparison: what to call it, the smallest effect that matters as a share of 1, the files
    of each side, its metrics, and in what else the sides differ."""

    label: str
    threshold: float
    sides: tuple[list[str], list[str]]
    ratios: list[Ratio]
    differs: list[str]


@dataclass(frozen=True)
class Plot:
    """A kind of picture: the script in reports/plots, what a reader is told, and how its charts
    are made of the benchmark results and comparisons of a report."""

    script: str
    title: str
    caption: str
    charts: Callable[[Sequence[Measured], Sequence[Compared]], Iterator[Chart]]


def plain(text: object) -> str:
    """A text that can stand in a quoted string of a data file or script."""
    return re.sub(r"[\x00-\x1f\x7f\"\\`]", " ", str(text)).replace("'", "’")


def stem(*words: str) -> str:
    """A file name made of words."""
    return "-".join(re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-") for word in words if word)


def colours(methods: Sequence[str]) -> list[int]:
    """Colours for series of these methods: those of their kinds, or all if there is one kind."""
    kinds = [next((colour for word, colour in FAMILIES if word in method.lower()), 8)
             for method in methods]
    return kinds if len(set(kinds)) > 1 else [1 + i % 8 for i in range(len(kinds))]


def spread(cell: Cell) -> tuple[float, float, float]:
    """A cell's value, and its samples' quartiles around it."""
    samples = cell.samples()
    low, _, high = quantiles(samples, n=4) if len(samples) > 1 else samples * 3
    value = cell.value()
    return value, min(low, value), max(high, value)


def axis(metric: str) -> dict[str, Number | str]:
    """How a script shows a metric: the axis' name and format, and the factor to the SI unit."""
    if metric.endswith("_ns"):
        return {"metric": metric.removesuffix("_ns").replace("_", " "), "factor": 1e-9,
                "unit": "%.0s %cs", "binary": 0}
    if metric.endswith("bytes_per_s"):
        return {"metric": "throughput", "factor": 1, "unit": "%.0b %BB/s", "binary": 1}
    unit = "%.0s%c/s" if metric.endswith("_per_s") else "%g"
    return {"metric": metric.replace("_", " "), "factor": 1, "unit": unit, "binary": 0}


def charts_over(files: Sequence[Measured], x: str) -> Iterator[
        tuple[Measured, str, str, list[tuple[str, int, list[Cell]]]]]:
    """Of each file, suite and metric the lines over a factor, with label and colour."""
    for file, suite in each(files):
        found = lines_over(file.of(suite), x)
        for metric in dict.fromkeys(line[0].metric for line in found):
            some = [line for line in found if line[0].metric == metric]
            told = labels([line[0] for line in some], (x, *FOLLOWS))
            kinds = colours([line[0].method for line in some])
            yield file, suite, metric, sorted(zip(told, kinds, some),
                                              key=lambda one: one[1])


def named(kind: str, suite: str, metric: str, file: Measured) -> tuple[str, str]:
    """The name and title of a chart."""
    return stem(kind, suite if suite != kind else "", metric if metric != "time_ns" else "",
                file.label), f"{suite} on {file.label}"


def curves(x: str, unit: str = "%.0b%B", linear: bool = False) -> Callable[
        [Sequence[Measured], Sequence[Compared]], Iterator[Chart]]:
    """Charts of lines over a factor."""
    def make(files: Sequence[Measured], _: Sequence[Compared]) -> Iterator[Chart]:
        for file, suite, metric, found in charts_over(files, x):
            yield Chart(*named(x, suite, metric, file), f"{x} {metric} quarter three",
                        [Series(label, [(cell.place(x), *spread(cell)) for cell in line], kind)
                         for label, kind, line in found],
                        {"x": x, "x_unit": unit, **axis(metric),
                         "linear": int(linear and not metric.endswith("_ns"))})
    return make


def theil_sen(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes between all points, at least two of which are apart."""
    return median((b[1] - a[1]) / (b[0] - a[0]) for i, a in enumerate(points)
                  for b in points[i + 1:] if a[0] != b[0])


def extents(files: Sequence[Measured], _: Sequence[Compared]) -> Iterator[Chart]:
    """Samples of clones by the number of extents, with the line of the slope that the run told,
    or else of the median slope between cells."""
    for file, suite, metric, found in charts_over(files, "extents"):
        dots, fits = [], []
        for label, kind, line in found:
            points = [(cell.place("extents"), cell.value()) for cell in line]
            if not points[0][0] < points[-1][0]:
                continue
            fit = fitted(file, line[0], points)
            dots.append(Series(label, [(cell.place("extents"), sample) for cell in line
                                       for sample in cell.samples()], kind))
            fits.append(Series(f"{fit[1] / 1e3:.3g} µs per extent", [
                (x, *(fit[0] + slope * x for slope in fit[1:]))
                for x in steps(max(points[0][0], 1), points[-1][0])], kind))
        if dots and metric.endswith("_ns"):
            yield Chart(*named("extents", suite, metric, file), f"extents {metric} low high",
                        dots + fits, {"methods": len(dots), **axis(metric)})


def fitted(file: Measured, cell: Cell, points: Sequence[tuple[float, float]]) -> tuple[
        float, float, float, float]:
    """Start, slope and the slope's confidence of a line through the cells of a method, as the
    run told them; else the median slope. It starts at the first cell if that is not told."""
    told = {str(line["metric"]): line for line in file.derived
            if line.get("suite") == cell.suite and line.get("method") == cell.method}
    line = told.get("slope_ns_per_extent", {})
    slope = line.get("value", theil_sen(points))
    start = told.get("intercept_ns", {}).get(
        "value", max(points[0][1] - slope * points[0][0], points[0][1] / 100))
    return start, slope, line.get("low", slope), line.get("high", slope)


def steps(first: float, last: float) -> list[float]:
    """Places from first to last, close enough for a straight line on logarithmic axes."""
    return [first * (last / first) ** (i / 40) for i in range(41)]


def strips(files: Sequence[Measured], _: Sequence[Compared]) -> Iterator[Chart]:
    """Every sample of the cells of a suite that no other plot shows; of those over sizes, at the
    size that most of them have."""
    for file, suite in each(files):
        cells = file.of(suite)
        shown = {cell.name for x in AXES for line in lines_over(cells, x) for cell in line}
        shown |= {cell.name for some in heats(cells).values() for cell in some}
        cells = [cell for cell in cells if cell.name not in shown
                 and "foreground" not in cell.factors]
        sizes = Counter(cell.factor("size") for cell in cells)
        where = ""
        if len(sizes) > 1:
            size = max(sizes, key=lambda size: (sizes[size], size or 0))
            cells = [cell for cell in cells if cell.factor("size") == size]
            where = f", {show_bytes(size or 0)}"
        timed = {cell.name for cell in cells if cell.metric == "time_ns"}
        # A rate that is made of times says nothing new.
        cells = [cell for cell in cells if cell.metric == "time_ns" or cell.name not in timed]
        for metric in dict.fromkeys(cell.metric for cell in cells):
            some = [cell for cell in cells if cell.metric == metric]
            if len(some) > 1:
                yield strip(file, suite, where, metric, some)


def strip(file: Measured, suite: str, where: str, metric: str, cells: Sequence[Cell]) -> Chart:
    """Every sample of these cells, fast ones first; of many, evenly spaced ones."""
    series = []
    ranked = sorted(zip(cells, labels(cells), colours([cell.method for cell in cells])),
                    key=lambda item: item[0].value())
    for number, (cell, label, kind) in enumerate(ranked[:STRIP_ROWS]):
        samples = cell.samples()
        every = -(-len(samples) // STRIP_SAMPLES)
        series.append(Series(label + (" *" if "bimodal" in cell.flags() else ""), [
            (sample, number, cell.value()) for sample in samples[::every]],
            8 if cell.role in AIDS else kind))
    name, title = named("strip", suite, metric, file)
    seen = [max(row[0], 1) for one in series for row in one.rows]
    decades = log10(max(seen) / min(seen))
    room = PLOT_WIDTH - LETTER_WIDTH * max(len(one.label) for one in series)
    return Chart(name, title + where, f"{metric} row median", series,
                 {"crowded": int((decades + 2) * 7 * LETTER_WIDTH > room), **axis(metric)})


def heats(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Dedupes that differ in match rate and size of the request only, by the other factors: their
    throughput, or else their time."""
    fit = [cell for cell in cells if None not in (cell.factor("match"), cell.factor("chunk"))]
    metric = next((name for name in ("bytes_per_s", "time_ns")
                   if any(cell.metric == name for cell in fit)), "")
    fit = [cell for cell in fit if cell.metric == metric]
    found: dict[str, list[Cell]] = {}
    for cell, label in zip(fit, labels(fit, ("match", "chunk"))):
        found.setdefault(label, []).append(cell)
    return {label: some for label, some in found.items()
            if len({cell.factor("match") for cell in some}) > 1}


def heat(files: Sequence[Measured], _: Sequence[Compared]) -> Iterator[Chart]:
    """Dedupe by match rate and chunk size: a chart for each combination of the other factors."""
    for file, suite in each(files):
        found = heats(file.of(suite))
        for label, some in found.items():
            name, title = named("dedupe", suite, "", file)
            if len(found) > 1:
                name, title = f"{name}-{stem(label)}", f"{title}, {label}"
            yield heat_map(name, title, some)


def heat_map(name: str, title: str, cells: Sequence[Cell]) -> Chart:
    """Throughput of each cell by match rate and chunk size."""
    matches = sorted({cell.place("match") for cell in cells})
    chunks = sorted({cell.place("chunk") for cell in cells})
    rows = [(matches.index(cell.place("match")), chunks.index(cell.place("chunk")), rate(cell),
             f"{cell.place('match'):g}%", show_bytes(cell.place("chunk"))) for cell in cells]
    rates = [row[2] for row in rows]
    return Chart(name, title, "column row MiB_per_s match chunk", [Series("MiB/s", rows)],
                 {"columns": len(matches), "rows": len(chunks), "slowest": min(rates),
                  "fastest": max(rates)})


def rate(cell: Cell) -> float:
    """How many MiB a cell did in a second."""
    if cell.metric == "bytes_per_s":
        return cell.value() / (1 << 20)
    work = next((line["work_bytes"] for line in cell.lines if is_number(line.get("work_bytes"))),
                cell.factor("size") or 0)
    return work / max(cell.value(), 1) * 1e9 / (1 << 20)


def timeline(files: Sequence[Measured], _: Sequence[Compared]) -> Iterator[Chart]:
    """Latencies of operations at intended times, one after the other, by what else went on: a
    chart for each kind of operation."""
    for file, suite in each(files):
        cells = [cell for cell in file.of(suite) if "foreground" in cell.factors
                 and cell.metric.endswith("_ns")]
        charts: dict[tuple[str, ...], list[Cell]] = {}
        for cell in cells:
            kind = tuple(str(cell.factors.get(key)) for key in varying(cells))
            charts.setdefault((cell.metric, *kind), []).append(cell)
        for (metric, *kind), some in sorted(charts.items()):
            name, title = named("timeline", suite, metric, file)
            clock = all(cell.factor("rate") for cell in some)
            some.sort(key=lambda cell: cell.method)
            yield Chart(stem(name, *kind), ", ".join((title, *kind)), f"at {metric}", [
                Series(cell.method, moments(cell, cell.factor("rate") or 1), 1 + i % 8)
                for i, cell in enumerate(some)], {"clock": int(clock), **axis(metric)})


def moments(cell: Cell, every_second: float) -> list[tuple[Number, ...]]:
    """When each sample was due and what it was, blocks after each other. Of many, the slowest
    and some of the others."""
    rows = [(number / every_second, sample) for number, sample in enumerate(cell.samples())]
    every = -(-len(rows) // TIMELINE_SAMPLES)
    slow = sorted(row[1] for row in rows)[-TIMELINE_SAMPLES // 4:]
    return [row for i, row in enumerate(rows) if i % every == 0 or row[1] > slow[0]]


def forest(_: Sequence[Measured], comparisons: Sequence[Compared]) -> Iterator[Chart]:
    """Ratios of a comparison with their intervals, what changed first."""
    order = ("worse", "better", "inconclusive", "same")
    for compared in comparisons:
        ratios = [one for one in compared.ratios if one.verdict in order and one.ratio]
        ratios.sort(key=lambda one: order.index(one.verdict))
        rows = [(one.ratio or 1, one.low or one.ratio or 1, one.high or one.ratio or 1, number,
                 one.verdict, one.name) for number, one in enumerate(ratios[:FOREST_ROWS])]
        series = [Series(verdict, [row for row in rows if row[4] == verdict])
                  for verdict in order if any(row[4] == verdict for row in rows)]
        if rows:
            yield Chart(stem("compare", compared.label), compared.label,
                        "ratio low high row verdict name", series,
                        {"rows": len(rows), "threshold": compared.threshold,
                         "lowest": min(*(row[1] for row in rows), 1 - compared.threshold),
                         "highest": max(*(row[2] for row in rows), 1 + compared.threshold)})


PLOTS = (
    Plot("curve", "Time against size",
         "Median time by size, with the quartiles of the samples. A flat line shares extents; a "
         "rising one moves bytes.", curves("size")),
    Plot("extents", "Clone time against extents",
         "Every sample, by the number of extents observed; the line is the slope in time per "
         "extent, with its confidence.", extents),
    Plot("curve", "Clone time against dirty data",
         "A source that is not yet written has to be written first.", curves("dirty")),
    Plot("strip", "Every sample",
         "Each dot is a sample, each tick a median; the fastest first. Two clouds in a row are two "
         "ways in which a call went (marked * if the test for it says so).", strips),
    Plot("forest", "Comparison",
         "New divided by old with its confidence interval; the band is the smallest effect that "
         "matters. What changed comes first.", forest),
    Plot("curve", "Scaling", "What there is as there are more cloners at the same time.",
         curves("cloners", unit="%g", linear=True)),
    Plot("timeline", "Interference over time",
         "Latency of operations that were due at fixed times while something else ran.", timeline),
    Plot("heat", "Dedupe",
         "MiB/s by share of matching chunks and size of a request.", heat),
)


def quote(value: Number | str) -> str:
    """A value in a gnuplot script."""
    return f"'{plain(value)}'" if isinstance(value, str) else f"{value!r}"


def data_text(chart: Chart) -> str:
    """A chart's data: blocks with a label each, which gnuplot finds by `index`."""
    blocks = [f"# {chart.columns}\n\"{plain(series.label)}\"\n" + "".join(
        " ".join(f'"{plain(value)}"' if isinstance(value, str) else f"{value:.10g}"
                 for value in row) + "\n" for row in series.rows) for series in chart.series]
    return "\n\n".join(blocks)


def script_text(folder: Path, plot: Plot, chart: Chart) -> str:
    """A chart's script, which draws NAME.svg out of NAME.dat in the folder where it is run."""
    settings = {"name": chart.name, "title": chart.title, "blocks": len(chart.series),
                "colours": " ".join(str(series.colour) for series in chart.series),
                **chart.settings}
    told = "".join(f"{key} = {quote(value)}\n" for key, value in settings.items())
    told += f"array label = [{', '.join(quote(series.label) for series in chart.series)}]\n"
    return "".join((f"# {plot.title}: {plain(chart.title)}. Again: gnuplot {chart.name}.gp\n",
                    told, (folder / "style.gp").read_text(encoding="utf-8"),
                    (folder / f"{plot.script}.gp").read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Drawn:
    """A chart that was written, and its picture; why there is none, in place of it."""

    plot: Plot
    chart: Chart
    svg: str
    problem: str = ""


def draw(scripts: Path, folder: Path, files: Sequence[Measured],
         comparisons: Sequence[Compared]) -> list[Drawn]:
    """Write data and script of every chart into a folder, and draw them if there is gnuplot."""
    gnuplot = find_tool("gnuplot")
    started = []
    used: Counter[str] = Counter()
    for plot in PLOTS:
        for chart in plot.charts(files, comparisons):
            used[chart.name] += 1
            if used[chart.name] > 1:
                chart.name += f"-{used[chart.name]}"
            folder.mkdir(exist_ok=True)
            (folder / f"{chart.name}.dat").write_text(data_text(chart), encoding="utf-8")
            (folder / f"{chart.name}.gp").write_text(script_text(scripts, plot, chart),
                                                     encoding="utf-8")
            child = subprocess.Popen(
                (gnuplot, f"{chart.name}.gp"), cwd=folder, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                errors="replace") if gnuplot else None
            started.append((plot, chart, child))
    return [finish(folder, plot, chart, child) for plot, chart, child in started]


def finish(folder: Path, plot: Plot, chart: Chart,
           child: subprocess.Popen[str] | None) -> Drawn:
    """Wait for gnuplot; the picture that it made."""
    if child is None:
        return Drawn(plot, chart, "", "gnuplot is not installed")
    try:
        _, said = child.communicate(timeout=TOOL_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return Drawn(plot, chart, "", f"gnuplot did not end within {TOOL_SECONDS} s")
    path = folder / f"{chart.name}.svg"
    if child.returncode != 0 or not path.exists():
        return Drawn(plot, chart, "", f"gnuplot: {' '.join(said.split())[:300]}")
    return Drawn(plot, chart, path.read_text(encoding="utf-8", errors="replace"))


def palette(folder: Path) -> dict[str, str]:
    """The colours that style.gp names, by their name there."""
    text = (folder / "style.gp").read_text(encoding="utf-8")
    return dict(re.findall(r"^(\w+) = '(#[0-9a-f]{6})'$", text, re.MULTILINE))


def inline(drawn: Drawn, colours: dict[str, str], first: bool) -> str:
    """A picture as part of a page: colours that follow the page's, and no name used twice; its
    definitions only in the first."""
    text = drawn.svg[drawn.svg.index("<svg"):]
    names = {tuple(int(code[i:i + 2], 16) for i in (1, 3, 5)): name
             for name, code in colours.items()}

    def colour(match: re.Match[str]) -> str:
        name = names.get(tuple(map(int, match.groups())))  # type: ignore[arg-type]
        return f"var(--plot-{name})" if name else match.group()
    text = re.sub(r"rgb\(\s*(\d+),\s*(\d+),\s*(\d+)\)", colour, text)
    text = re.sub(r"<title>.*?</title>|<desc>.*?</desc>", "", text, flags=re.DOTALL)
    if not first:
        text = re.sub(r"<defs>.*?</defs>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r"id=\"gnuplot_plot_\d+\w*\"", "class=\"series\"", text)
    text = text.replace("id=\"gnuplot_canvas\"", "").replace("color=\"black\"", "")
    said = html.escape(f"{drawn.plot.title}: {drawn.chart.title}", quote=True)
    return text.replace("<svg", f'<svg class="plot" role="img" aria-label="{said}"', 1)
