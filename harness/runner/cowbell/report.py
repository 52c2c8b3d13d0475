# SPDX-License-Identifier: GPL-2.0-only
"""cowbell report: a page that shows result files, or a summary of them as text.

This file is the command: it reads, and writes a folder at once or not at all. The page is made in
report_page.py, its plots in report_plots.py, the texts in report_text.py.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Sequence

from .driver import CHECKOUT
from .report_bench import measured
from .report_page import Report, page
from .report_plots import Compared, Ratio, draw
from .report_text import FORMATS
from .results import (SCHEMA, ResultFile, columns, is_number, kernel_order, read_results)
from .tools import RunnerError, UsageError, complain

NAME = "cowbell report"
PAGE = "index.html"


def reports_folder() -> Path:
    """Where templates and scripts are: in the checkout, or beside what is installed."""
    for folder in (CHECKOUT / "reports", CHECKOUT / "share" / "cowbell" / "reports"):
        if (folder / "page" / "page.html").exists():
            return folder
    raise RunnerError(f"{CHECKOUT}/reports/page/page.html is not there")


def read_comparison(path: Path) -> Compared | None:
    """A comparison as cowbell compare writes it; None for a file that is something else.

    Raises UsageError if it says that it is one and is not.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("kind") not in ("compare", "comparison"):
        return None
    if document.get("schema", SCHEMA) != SCHEMA:
        raise UsageError(f"{path}: line 1: schema {document['schema']}, only {SCHEMA} is known")
    metrics = document.get("metrics")
    sides = document.get("a", []), document.get("b", [])
    threshold = document.get("threshold", 0)
    if not (isinstance(metrics, list) and is_number(threshold)
            and all(isinstance(side, list)
                    for side in (*sides, document.get("differs", [])))):
        raise UsageError(f"{path}: line 1: no comparison: no metrics, sides or threshold")
    return Compared(path.stem, threshold, sides, [
        read_ratio(f"{path}: line 1: metrics[{i}]", metric) for i, metric in enumerate(metrics)],
                    [f"{one.get('what')} ({one.get('a', '?')}, {one.get('b', '?')})"
                     for one in document.get("differs", []) if isinstance(one, dict)])


def read_ratio(where: str, metric: object) -> Ratio:
    """One metric of a comparison. Raises UsageError."""
    if not isinstance(metric, dict) or not isinstance(metric.get("name"), str):
        raise UsageError(f"{where}: a metric without a name")

    def known(*keys: str) -> float | None:
        value = next((metric[key] for key in keys if key in metric), None)
        if value is not None and not is_number(value):
            raise UsageError(f"{where}.{keys[0]}: no number")
        return value
    n = metric.get("n", [metric.get("n_a", ""), metric.get("n_b", "")])
    if not isinstance(n, list) or len(n) != 2:
        raise UsageError(f"{where}.n: not two numbers")
    return Ratio(metric["name"].removesuffix(" time_ns"), str(metric.get("verdict", "")),
                 str(metric.get("reason", "")),
                 known("ratio"), known("ratio_low", "low"), known("ratio_high", "high"),
                 known("p_holm", "p"), (n[0], n[1]))


def read_file(path: Path, partial: bool) -> ResultFile:
    """A result file that is whole, or need not be. Raises UsageError."""
    file = read_results(path)
    if file.end is None and not partial:
        raise UsageError(f"{path}: line {file.length}: {file.flaw()} (--partial shows it)")
    return file


def read_all(paths: Sequence[Path], partial: bool) -> Report:
    """All files. Raises UsageError."""
    files, compared = [], []
    for path in paths:
        comparison = read_comparison(path)
        if comparison:
            compared.append(comparison)
        else:
            files.append(read_file(path, partial))
    # Kernels of one filesystem side by side, old to new.
    labels = [file.label for file in files]
    files.sort(key=lambda file: (labels.index(file.label), kernel_order(file.kernel)))
    judged = [file for file in files if file.cases or not file.bench]
    timed = [file for file in files if file.bench]
    return Report(judged, columns(judged),
                  [measured(name, file) for name, file in zip(columns(timed), timed)], compared)


def check_target(folder: Path) -> None:
    """Raise UsageError unless a folder can be made, or is a report that can be replaced."""
    if not folder.parent.is_dir():
        raise UsageError(f"{folder.parent}: no such folder")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"{folder}: is there and is no folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / PAGE).is_file():
        raise UsageError(f"{folder}: is there and is no report")
    strange = {entry.name for entry in folder.iterdir()} - {PAGE, "plots"} \
        if folder.is_dir() else set()
    if strange:
        raise UsageError(f"{folder}: holds {sorted(strange)[0]}, which is no part of a report")


def write_page(report: Report, folder: Path) -> None:
    """Write page and plots; what was there is replaced when all is done, and kept if not."""
    check_target(folder)
    reports = reports_folder()
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        report.drawn = draw(reports / "plots", new / "plots", report.measured, report.compared)
        (new / PAGE).write_text(page(report, reports), encoding="utf-8")
        new.chmod(0o777 & ~umask())
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
            folder.rename(old / "old")
            new.rename(folder)
            shutil.rmtree(old)
        else:
            new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    for problem in dict.fromkeys(drawn.problem for drawn in report.drawn if drawn.problem):
        complain(NAME, f"{problem}: data and scripts are in {folder}/plots")


def umask() -> int:
    """What new files of this process must not allow."""
    value = os.umask(0)
    os.umask(value)
    return value


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog=NAME, description="Shows result files and comparisons as a page, or as text.")
    parser.add_argument("files", nargs="+", metavar="FILE", type=Path,
                        help="written by cowbell run --json, cowbell bench --json or "
                        "cowbell compare --json")
    parser.add_argument("-o", "--output", metavar="DIR", type=Path,
                        help=f"write DIR/{PAGE}, and data and scripts of its plots in DIR/plots")
    parser.add_argument("--partial", action="store_true",
                        help="show files of runs that were cut short, too")
    text = parser.add_mutually_exclusive_group()
    for name, form in FORMATS.items():
        text.add_argument(f"--{name}", dest="form", action="store_const", const=form.write,
                          help=f"print {form.says}")
    args = parser.parse_args(argv)
    if not (args.output or args.form):
        parser.error("say -o DIR, or in which form to print: "
                     + ", ".join(f"--{name}" for name in FORMATS))
    return args


def main(argv: Sequence[str]) -> int:
    """The command; its exit status."""
    args = parse(argv)
    try:
        report = read_all(args.files, args.partial)
        if args.form:
            sys.stdout.write(args.form(report))
        if args.output:
            write_page(report, args.output)
            print(f"report: {args.output / PAGE}", file=sys.stderr if args.form else sys.stdout)
    except RunnerError as error:
        complain(NAME, error)
        return error.status
    except OSError as error:
        complain(NAME, error)
        return RunnerError.status
    return 0


def run() -> None:
    """Entry of the executable."""
    try:
        sys.exit(main(sys.argv[1:]))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
