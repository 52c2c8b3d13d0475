# SPDX-License-Identifier: GPL-2.0-only
"""What benchmark results say, cell by cell, in the form in which reports show it.

A cell is one combination of a suite's method and factors; each block of a run measures it once
more. Blocks are the unit: a cell's value is the median of its blocks' medians.
"""

from collections import Counter
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Iterable, Iterator, Sequence

from .results import Line, ResultFile, is_number

# Factors that are the same in all cells of a suite say nothing about one of them.
Factors = dict[str, Any]
# Roles of rows that are there to judge the others by, not to be judged.
AIDS = ("reference", "overhead")


@dataclass
class Cell:
    """All blocks of one combination of method and factors; `metric` says the unit."""

    name: str
    suite: str
    method: str
    role: str
    metric: str
    better: str
    factors: Factors
    blocks: list[list[float]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    # What the run computed of all blocks: median with confidence, flags.
    derived: Line = field(default_factory=dict)

    def medians(self) -> list[float]:
        """The median of each block that has samples."""
        return [median(block) for block in self.blocks if block]

    def value(self) -> float:
        """The median of the blocks' medians."""
        return median(self.medians())

    def samples(self) -> list[float]:
        """All samples, in the order of the blocks."""
        return [sample for block in self.blocks for sample in block]

    def flags(self) -> list[str]:
        """What was flagged in any block or all of them, once."""
        return list(dict.fromkeys(str(flag) for line in (*self.lines, self.derived)
                                  for flag in line.get("flags", [])))

    def observed(self, key: str) -> list[Any]:
        """What was observed under a key, each answer once."""
        found = []
        for line in self.lines:
            value = line.get("observed", {}).get(key)
            if value is not None and value not in found:
                found.append(value)
        return found

    def factor(self, key: str) -> float | None:
        """A factor as a number; None if it is none."""
        value = self.factors.get(key)
        return float(value) if is_number(value) else size_of(str(value))

    def place(self, key: str) -> float:
        """Where the cell is on the axis of a factor that is a number: where it was observed to
        be, if it was."""
        for seen in (*self.observed(f"source_{key}"), *self.observed(key)):
            if is_number(seen):
                return float(seen)
        return self.factor(key) or 0


def size_of(text: str) -> float | None:
    """A number with a binary suffix, "64K" or "1MiB"; None if the text is none."""
    head = text.strip().removesuffix("B").removesuffix("i")
    shift = {"K": 10, "M": 20, "G": 30, "T": 40}.get(head[-1:].upper(), 0)
    try:
        return float(head[:-1] if shift else head) * (1 << shift)
    except ValueError:
        return None


@dataclass
class Measured:
    """The benchmark results of one file."""

    label: str
    run: Line
    cells: list[Cell] = field(default_factory=list)
    derived: list[Line] = field(default_factory=list)
    # Cells that could not run: name and reason.
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def of(self, suite: str) -> list[Cell]:
        """The cells of a suite that have samples."""
        return [cell for cell in self.cells if cell.suite == suite and cell.medians()]

    def suites(self) -> list[str]:
        """The suites in the order in which they ran."""
        return list(dict.fromkeys(cell.suite for cell in self.cells))


def each(files: Sequence[Measured]) -> Iterator[tuple[Measured, str]]:
    """Files and their suites, so that what files say of one suite comes together."""
    for suite in dict.fromkeys(suite for file in files for suite in file.suites()):
        yield from ((file, suite) for file in files if suite in file.suites())


def measured(label: str, file: ResultFile) -> Measured:
    """The cells of a file."""
    found = Measured(label, file.run, derived=file.derived)
    cells: dict[tuple[str, str], Cell] = {}
    for line in file.bench:
        if "verdict" in line:
            found.skipped.append((line["name"], str(line.get("reason", line["verdict"]))))
            continue
        key = line["name"], line["metric"]
        if key not in cells:
            cells[key] = Cell(line["name"], line.get("suite", line["name"].partition("/")[0]),
                              str(line.get("method", "")), line.get("role", "measure"),
                              line["metric"], line.get("better", ""), line.get("factors", {}))
            found.cells.append(cells[key])
        cells[key].blocks.append(line["samples"])
        cells[key].lines.append(line)
    for line in file.derived:
        of = cells.get((line["name"], line["metric"].removeprefix("median_")))
        if of and line["metric"].startswith("median_"):
            of.derived = line
    return found


def varying(cells: Iterable[Cell]) -> list[str]:
    """The factors that take more than one value among these cells."""
    values: dict[str, set[str]] = {}
    cells = list(cells)
    for cell in cells:
        for key in cell.factors:
            values.setdefault(key, {str(other.factors[key]) for other in cells
                                    if key in other.factors})
    return [key for key, found in values.items() if len(found) > 1]


# Factors that follow from another.
FOLLOWS = {"source": "dirty"}


def lines_over(cells: Sequence[Cell], x: str) -> list[list[Cell]]:
    """Cells in lines over a factor: those of a line differ in nothing else. One cell is no line,
    nor are two sizes; rows that are there to judge others by make none."""
    found: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        if cell.role not in AIDS and cell.factor(x) is not None:
            others = tuple(sorted((key, str(value)) for key, value in cell.factors.items()
                                  if key != x and FOLLOWS.get(key) != x))
            found.setdefault((cell.metric, cell.method, others), []).append(cell)
    return [sorted(line, key=lambda cell: cell.place(x)) for line in found.values()
            if len({cell.factor(x) for cell in line}) >= (3 if x == "size" else 2)]


def labels(cells: Sequence[Cell], without: Sequence[str] = ()) -> list[str]:
    """What tells each cell from the others, apart from some factors: its method and factors,
    those that most cells have left out if that is enough."""
    keys = [key for key in varying(cells) if key not in without]
    usual = {key: value for key in keys for value, count in Counter(
        str(cell.factors.get(key)) for cell in cells).items() if 2 * count > len(cells)}
    short = [label(cell, keys, usual, cells) for cell in cells]
    long = [label(cell, keys, {}, cells) for cell in cells]
    return short if len(set(short)) == len(set(long)) else long


def label(cell: Cell, keys: Sequence[str], usual: dict[str, str], cells: Sequence[Cell]) -> str:
    """A cell's method and factors, without those that have their usual value."""
    told = [f"{key}={show_factor(key, cell.factors[key])}" for key in keys
            if key in cell.factors and usual.get(key) != str(cell.factors[key])]
    alone = len({other.method for other in cells}) == 1 and bool(told)
    return " ".join([cell.method] * (not alone) + told) or cell.name


def show_factor(key: str, value: object) -> str:
    """A factor's value for a reader: sizes with a binary suffix."""
    sized = key in ("size", "dirty", "chunk", "write") or key.endswith("_bytes")
    return show_bytes(value) if sized and is_number(value) else str(value)


def show_bytes(value: float) -> str:
    """4096 as 4K."""
    for shift, suffix in ((30, "G"), (20, "M"), (10, "K")):
        if value >= 1 << shift and value % (1 << shift) == 0:
            return f"{value / (1 << shift):g}{suffix}"
    return f"{value:g}"


def show(metric: str, value: float) -> str:
    """A value with the unit that its metric's name ends in."""
    if metric.endswith("_ns") or "_ns_per_" in metric:
        return scaled(value / 1e9, "s", 1000) + per(metric)
    for ending, unit in (("bytes_per_s", "B/s"), ("_bytes", "B"), ("bytes", "B")):
        if metric.endswith(ending):
            return scaled(value, unit, 1024)
    return scaled(value, "/s", 1000) if metric.endswith("_per_s") else f"{value:.4g}"


def per(metric: str) -> str:
    """The rest of a unit: "/extent" of slope_ns_per_extent."""
    return "/" + metric.partition("_per_")[2] if "_per_" in metric else ""


def scaled(value: float, unit: str, base: int) -> str:
    """A number with three digits and a prefix: 12.3 µs, 1.5 GiB/s."""
    big = ["", "Ki", "Mi", "Gi", "Ti"] if base == 1024 else ["", "k", "M", "G", "T"]
    if base == 1000 and unit == "s":
        big = [""]
    size, prefix = abs(value), ""
    scale = 1.0
    for prefix in big:
        if size < base or prefix == big[-1]:
            break
        size, scale = size / base, scale * base
    if unit == "s" and 0 < size < 1:
        for prefix in ("m", "µ", "n"):
            scale /= 1000
            size *= 1000
            if size >= 1:
                break
    digits = 0 if size >= 100 else 1 if size >= 10 else 2
    return f"{value / scale:.{digits}f} {prefix}{unit}"
