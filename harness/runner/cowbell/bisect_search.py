# SPDX-License-Identifier: GPL-2.0-only
"""Where does a row of kernels change its behaviour? Knows behaviours as keys. No system calls.

A place of the row is UNTRIED, UNTOLD (it was tried and cannot tell), or a key; keys that are equal
are the same behaviour.
"""

from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from typing import Hashable, Iterator, Sequence


class Blank(Enum):
    """What stands in a row for something that is no behaviour."""

    UNTRIED = "untried"
    UNTOLD = "untold"


UNTRIED, UNTOLD = Blank.UNTRIED, Blank.UNTOLD


@dataclass(frozen=True)
class Change:
    """Two places that behave differently; of those in between, no behaviour is known."""

    left: int
    right: int

    def between(self) -> range:
        """The places that may be on this side or on that."""
        return range(self.left + 1, self.right)


def told(row: Sequence[Hashable]) -> list[int]:
    """The places whose behaviour is known."""
    return [place for place, key in enumerate(row) if not isinstance(key, Blank)]


def changes(row: Sequence[Hashable]) -> Iterator[Change]:
    """Where known neighbours differ, from left to right."""
    known = told(row)
    return (Change(left, right) for left, right in zip(known, known[1:])
            if row[left] != row[right])


def next_to_try(row: Sequence[Hashable], everything: bool = False) -> int | None:
    """The place to try next: the ends, then the middle of each change until it is narrow.

    Without any change the middle of the widest gap, as often as halving would have taken: ends
    that are alike hide what flips back between them. Only if `everything` then also the rest. None
    if nothing is left to try.
    """
    for end in (0, len(row) - 1):
        if row[end] is UNTRIED:
            return end
    found = list(changes(row))
    for change in found:
        untried = [place for place in change.between() if row[place] is UNTRIED]
        if untried:
            # What cannot tell is stepped around.
            return min(untried, key=lambda place: abs(2 * place - change.left - change.right))
    tried = sum(key is not UNTRIED for key in row[1:-1])
    if not found and tried < halvings(len(row)):
        return widest_gap(row)
    return row.index(UNTRIED) if everything and UNTRIED in row else None


def halvings(length: int) -> int:
    """How many places are tried between the ends of a row to find where it changes."""
    return max(length - 2, 0).bit_length()


def widest_gap(row: Sequence[Hashable]) -> int | None:
    """The middle of the longest stretch of untried places; None if there is none."""
    stretches = [list(places) for blank, places in
                 groupby(range(len(row)), lambda place: row[place] is UNTRIED) if blank]
    widest = max(stretches, key=len, default=[])
    return widest[len(widest) // 2] if widest else None


def flips_back(row: Sequence[Hashable]) -> bool:
    """Does a behaviour come again after another one?"""
    keys = [row[place] for place in told(row)]
    runs = [key for place, key in enumerate(keys) if place == 0 or keys[place - 1] != key]
    return len(set(runs)) < len(runs)
