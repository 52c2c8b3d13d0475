# SPDX-License-Identifier: GPL-2.0-only
"""Reading the driver's result files (docs/results.md), finished or still growing."""

import json
import math
import re
import shlex
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Sequence

from .filesystems import VARIANTS
from .kernels import version_of
from .tools import UsageError

# In order of gravity.
VERDICTS = ("fail", "error", "miss", "xpass", "xfail", "pass", "done", "skip")
BAD_VERDICTS = ("fail", "error", "miss")
SCHEMA = 1
KINDS = ("run", "start", "case", "bench", "derived", "end")

Line = dict[str, Any]


def file_name(variant: str) -> str:
    """The stem of a variant's result file: without the colon, which some systems refuse."""
    return variant.replace(":", "-")


def variant_of(stem: str) -> str:
    """The variant whose result file has this stem, or the stem itself."""
    return next((name for name in VARIANTS if file_name(name) == stem), stem)


@dataclass
class ResultFile:
    """What a result file says."""

    path: Path
    run: Line = field(default_factory=dict)
    cases: list[Line] = field(default_factory=list)
    # What was announced before it was started (--announce).
    starts: list[Line] = field(default_factory=list)
    # What cowbell bench measured, and what it computed from that.
    bench: list[Line] = field(default_factory=list)
    derived: list[Line] = field(default_factory=list)
    end: Line | None = None
    # How many lines there are, one that is only half there included.
    length: int = 0
    # The last line is only half there: the driver was killed while it wrote.
    torn: bool = False

    @property
    def label(self) -> str:
        """What a reader calls it: the filesystem, if the file bears its name."""
        return variant_of(self.path.stem)

    @property
    def kernel(self) -> str:
        """What uname -r said, or nothing."""
        return str(self.run.get("kernel", {}).get("release", ""))

    @property
    def started(self) -> list[Line]:
        """The announcements of points that have no result: what ran when the run was cut short."""
        return find_started([*self.starts, *self.cases])

    def counts(self) -> dict[str, int]:
        """How many results there are of each verdict."""
        found = {verdict: 0 for verdict in VERDICTS}
        for case in self.cases:
            found[case["verdict"]] += 1
        return found

    def wall_s(self) -> float:
        """Wall time in seconds: of the whole run, or of its cases if it did not come to its end."""
        if self.end and "wall_ns" in self.end:
            return self.end["wall_ns"] / 1e9
        return sum(case.get("wall_ns", 0) for case in self.cases) / 1e9

    def flaw(self) -> str:
        """Why the file does not hold a whole run; nothing if it does."""
        if self.end is None:
            return "no last line: the run was cut short" if not self.torn else \
                "ends in the middle of a line: the run was cut short"
        for key in ("interrupted", "aborted", "stopped"):
            if key in self.end:
                return f"{key}: {self.end[key]}"
        return ""

    def again(self, case: Line) -> str:
        """The command that runs a case again, on a new filesystem if this one was made for it."""
        return repeat_command(self.run, case, self.label)


def round_of(line: Line) -> tuple[str, int]:
    """What a line about a point is about: its name and round."""
    return line["case"], line.get("round", 1)


def find_started(lines: Sequence[Line]) -> list[Line]:
    """The announcements among these lines of which the results are not there."""
    done = {round_of(line) for line in lines if line["kind"] == "case"}
    return [line for line in lines if line["kind"] == "start" and round_of(line) not in done]


def kernel_order(release: str) -> tuple[int, ...]:
    """A key that sorts releases of kernels from old to new; what is none comes first."""
    try:
        return version_of(release)
    except UsageError:
        return ()


def short_releases(releases: Sequence[str]) -> dict[str, str]:
    """Of each release the version that readers know it by (6.12), where that tells them apart."""
    short = {release: ".".join(release.split(".")[:2]) if release.count(".") > 1 else release
             for release in releases}
    seen = Counter(short.values())
    return {release: text if seen[text] == 1 else release for release, text in short.items()}


def columns(files: Sequence[ResultFile]) -> list[str]:
    """What each file is called: filesystem and mutant; the kernel if it was that of a guest, or
    where the rest is not enough."""
    names = [" ".join(filter(None, (file.label, str(file.run.get("mutant", "")))))
             for file in files]
    short = short_releases([file.kernel for file in files])
    seen = Counter(names)
    names = [f"{name} {short[file.kernel]}".strip() if seen[name] > 1 or "vm" in file.run else name
             for name, file in zip(names, files)]
    seen = Counter(names)
    return [f"{name} #{number}" if seen[name] > 1 else name
            for number, name in enumerate(names, 1)]


def repeat_command(run: Line, case: Line, variant: str) -> str:
    """The command that runs a case again; nothing if the result does not say.

    A filesystem that cowbell fs made is gone by now: then the command makes another.
    """
    command = str(case.get("repeat", ""))
    words = [str(word) for word in run.get("command", [])]
    directory = option_value(words, "--dir")
    if not command or variant not in VARIANTS or \
            not re.search(r"/run-[^/]+/1/dir$", directory):
        return command
    hooks = [words[i + 1].partition("=") for i in range(len(words) - 1) if words[i] == "--hook"]
    for text, name in (*((what, name) for name, _, what in hooks),
                       (option_value(words, "--dir2"), "dir2"),
                       (option_value(words, "--view"), "view"), (directory, "dir")):
        if text:
            command = command.replace(text, f"{{{name}}}")
    wanted = "".join(option for option, name in ((" --second", "{dir2}"), (" --view", "{view}"))
                     if name in command)
    if "vm" in run:
        release = shlex.quote(str(run.get("kernel", {}).get("release", "")))
        return f"cowbell vm --kernel {release} --fs {shlex.quote(variant)}{wanted} -- {command}"
    return f"cowbell fs {shlex.quote(variant)}{wanted} -- {command}"


def option_value(words: list[str], option: str) -> str:
    """What follows an option in a command line, or nothing."""
    if option in words[:-1]:
        return words[words.index(option) + 1]
    return next((word[len(option) + 1:] for word in words if word.startswith(f"{option}=")), "")


def parse_line(text: str) -> Line:
    """One line of a result file. Raises ValueError if it is none."""
    line = json.loads(text)
    if not isinstance(line, dict) or line.get("kind") not in KINDS:
        raise ValueError("no result line")
    if line["kind"] == "case" and not (isinstance(line.get("case"), str)
                                       and line.get("verdict") in VERDICTS):
        raise ValueError("a result without case or verdict")
    if line["kind"] == "start" and not isinstance(line.get("case"), str):
        raise ValueError("a start without case")
    if line["kind"] in ("bench", "derived"):
        check_measured(line)
    return line


def is_number(value: object) -> bool:
    """Is it a finite number? JSON's true and Python's NaN are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def check_measured(line: Line) -> None:
    """Raise ValueError unless a line of cowbell bench has what every reader of one needs."""
    if not isinstance(line.get("name"), str):
        raise ValueError("a measurement without a name")
    if line["kind"] == "derived" or "verdict" not in line:
        if not isinstance(line.get("metric"), str):
            raise ValueError("a measurement without a metric")
        numbers = [line.get("value")] if line["kind"] == "derived" else line.get("samples")
        if not isinstance(numbers, list) or not all(map(is_number, numbers)):
            raise ValueError("a measurement whose samples or value are no numbers")
    for key in ("factors", "observed"):
        if not isinstance(line.get(key, {}), dict):
            raise ValueError(f"a measurement whose {key} are no object")


def add_line(results: ResultFile, line: Line) -> None:
    """Put a line in its place. Raises ValueError if it does not belong there."""
    if not results.run:
        if line["kind"] != "run":
            raise ValueError("the first line is not that of a run")
        if line.get("schema") != SCHEMA:
            raise ValueError(f"schema {line.get('schema')}, only {SCHEMA} is known")
        results.run = line
    elif line["kind"] in ("start", "case", "bench", "derived"):
        {"start": results.starts, "case": results.cases, "bench": results.bench,
         "derived": results.derived}[line["kind"]].append(line)
    elif line["kind"] == "end":
        results.end = line
    elif line.get("resumed"):
        # The run went on after it had been cut short.
        results.end = None
    else:
        raise ValueError("a second run in one file")


def read_results(path: Path) -> ResultFile:
    """A result file, whole or cut short. Raises UsageError if it is something else."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    results = ResultFile(path)
    lines = text.split("\n")
    results.torn = lines[-1] != ""
    results.length = len(lines) - (not results.torn)
    for number, line in enumerate(lines[:-1], 1):
        try:
            add_line(results, parse_line(line))
        except ValueError as error:
            why = "no JSON" if isinstance(error, json.JSONDecodeError) else error
            raise UsageError(f"{path}: line {number}: not a result file: {why}") from None
    if not results.run:
        raise UsageError(f"{path}: not a result file: no line of a run in it")
    return results


def whole_lines(data: bytes) -> tuple[list[Line], int]:
    """The lines at the start of a result file that need not be whole, and their bytes.

    One that is cut short or none at all ends them: whoever wrote it was dying.
    """
    lines, length = [], 0
    for text in data[:data.rfind(b"\n") + 1].splitlines(keepends=True):
        try:
            lines.append(parse_line(text.decode(errors="replace")))
        except ValueError:
            break
        length += len(text)
    return lines, length


def lines_of(path: Path) -> list[Line]:
    """The same of a file that need not be there."""
    return whole_lines(path.read_bytes())[0] if path.exists() else []


class Follower:
    """Reads a result file while it grows."""

    def __init__(self, path: Path) -> None:
        """Begin at the start of a file that need not exist yet."""
        self.path = path
        self.offset = 0

    def new_lines(self) -> list[Line]:
        """The whole lines that came since the last call."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                lines, length = whole_lines(file.read())
        except FileNotFoundError:
            return []
        self.offset += length
        return lines
