# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel's words on its console mean, by the table that the driver has too, kmsg.def."""

import functools
import re
from pathlib import Path
from typing import Iterable

# What it says when nothing more will come of it; the table has what else may be wrong.
DEATHS = ("Kernel panic - not syncing",)
TABLE = Path(__file__).resolve().with_name("kmsg.def")


def without_time(line: str) -> str:
    """A line of the kernel log without its time stamp and caller."""
    return re.sub(r"^(<\d+>)?(\[[^\]]*\]\s*)+", "", line)


@functools.cache
def bad_lines() -> list[tuple[str, str, bool]]:
    """The rows of kmsg.def."""
    rows = re.findall(r'^BAD\("(.*?)", (?:NULL|"(.*?)"), (true|false)\)$', TABLE.read_text(), re.M)
    return [(first, also, at_start == "true") for first, also, at_start in rows]


@functools.cache
def trips() -> list[str]:
    """What kmsg.def has of the emulation's making."""
    return re.findall(r'^TRIP\("(.*?)"\)$', TABLE.read_text(), re.M)


def find_trip(console: Iterable[str]) -> str:
    """What an emulated guest says if the emulation has failed; else nothing. As kmsg_trip()."""
    return next((line for line in console if any(trip in line for trip in trips())), "")


def is_complaint(line: str) -> bool:
    """Whether a line without its time says that something is wrong; as kmsg_bad() does."""
    def matches(first: str, also: str, at_start: bool) -> bool:
        at = line.find(first)
        return at >= 0 and not (at_start and at) and also in line[at:]
    return any(word in line for word in DEATHS) or any(matches(*row) for row in bad_lines())
