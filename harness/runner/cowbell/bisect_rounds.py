# SPDX-License-Identifier: GPL-2.0-only
"""How often to repeat what fails only sometimes, and how seldom it may fail. No system calls."""

import math

# How sure rate_at_least() is.
CONFIDENCE = 0.95
# Relative, of logarithms that should be equal and were computed in two ways.
ROUNDING = 1e-12


def rounds_needed(rate: float, error: float) -> int:
    """How many rounds without a failure say that there is no bug that shows at this rate.

    The smallest n with (1 - rate)^n <= error: a bug that shows in a round with probability `rate`,
    each round on its own, is missed in all n with probability `error` at most.
    Raises ValueError unless 0 < rate <= 1 and 0 < error < 1.
    """
    if not 0 < rate <= 1 or not 0 < error < 1:
        raise ValueError("a rate is in (0, 1], an error rate in (0, 1)")
    if rate == 1:
        return 1
    # log1p(-rate) is not 0 however small the rate is.
    needed = max(1, math.ceil(math.log(error) / math.log1p(-rate)))
    # log() may have put a whole number just above itself.
    if needed > 1 and (needed - 1) * math.log1p(-rate) <= math.log(error) * (1 - ROUNDING):
        needed -= 1
    return needed


def chance_of_at_least(seen: int, rounds: int, rate: float) -> float:
    """The probability that what has a rate in (0, 1) shows in `seen` or more of so many rounds."""
    def chance_of(shown: int) -> float:
        ways = math.lgamma(rounds + 1) - math.lgamma(shown + 1) - math.lgamma(rounds - shown + 1)
        return math.exp(ways + shown * math.log(rate) + (rounds - shown) * math.log1p(-rate))
    return math.fsum(chance_of(shown) for shown in range(seen, rounds + 1))


def rate_at_least(seen: int, rounds: int, confidence: float = CONFIDENCE) -> float:
    """The rate that a bug has at least which showed in `seen` of `rounds`.

    The lower end of the one-sided interval of Clopper and Pearson: a lower rate would show as often
    as that with a probability of less than 1 - confidence. Raises ValueError without 0 < seen.
    """
    if not 0 < seen <= rounds:
        raise ValueError("what was never seen has no rate")
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if chance_of_at_least(seen, rounds, middle) < 1 - confidence:
            low = middle
        else:
            high = middle
    return low
