# SPDX-License-Identifier: GPL-2.0-only
"""What benchmark results say, cell by cell, in the form in which reports show it.

A cell is one combination of a suite's method and factors; each block of a run measures it once
more. Blocks are the unit: a cell's value is the median of its blocks' medians.
"""

from dataclasses import dataclass, field
from statistics import median
from typing import Any, Iterable, Sequence

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
        """What was flagged in any block, once."""
        return list(dict.fromkeys(str(flag) for line in self.lines
                                  for flag in line.get("flags", [])))

    def observed(self, key: str) -> list[Any]:
        """What was observed under a key, each answer once."""
        found = []
        for line in self.lines:
            value = line.get("observed", {}).get(key)
            if value is not None and value not in found:
                found.append(value)
        return found

    def number(self, key: str) -> float | None:
        """A factor as a number, or what was observed under its name; None if there is none."""
        seen = self.observed(key)
        value = seen[0] if seen and is_number(seen[0]) else self.factors.get(key)
        return float(value) if is_number(value) else size_of(str(value))


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

    def of(self, suite: str, *roles: str) -> list[Cell]:
        """The cells of a suite that have samples, of these roles or of all but the aids."""
        return [cell for cell in self.cells if cell.suite == suite and cell.medians()
                and (cell.role in roles if roles else cell.role not in AIDS)]

    def suites(self) -> list[str]:
        """The suites in the order in which they ran."""
        return list(dict.fromkeys(cell.suite for cell in self.cells))


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


def labels(cells: Sequence[Cell], without: Sequence[str] = ()) -> list[str]:
    """What tells each cell from the others, apart from some factors: its method and factors."""
    keys = [key for key in varying(cells) if key not in without]
    methods = {cell.method for cell in cells}
    texts = []
    for cell in cells:
        told = [f"{key}={show_factor(key, cell.factors[key])}" for key in keys
                if key in cell.factors]
        texts.append(" ".join([cell.method] * (len(methods) > 1 or not told) + told)
                     or cell.name)
    return texts


def show_factor(key: str, value: object) -> str:
    """A factor's value for a reader: sizes with a binary suffix."""
    sized = key in ("size", "dirty", "chunk", "buffer") or key.endswith("_bytes")
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
