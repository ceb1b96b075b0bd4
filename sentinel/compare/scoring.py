"""How odd something is that a site does: pure functions, each with the source of its formula.

    score = 100 · rarity · persistence · novelty · (0.3 + 0.7 · program)

Rare among the sites, kept up over the day, new for this site, and done by a program rather than by people. A product,
for each alone is everyday: the long tail of what people look at is rare but not kept up, the heating's own server is
rare and kept up but not new, a class's project is all three but has the rhythm of people. How many devices do it is
no part of it: one tablet is what is looked for, thirty at once are a lesson. Nor is how much a site does: each value
is judged by itself, so a large school has more that could be odd, but nothing that counts more.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import exp, log, sqrt
from statistics import median, quantiles

HOURS_FULL = 6
"""Kept up for so many hours it counts in full: the lessons of a school day, for which tablets are switched on."""
GAPS_MIN = 8
TOGETHER_SECONDS = 5.0
"""What comes so soon after the contact before belongs to it: a name asked for, a connection, its log lines."""
_PEOPLE = 0.3
_SURE = 2.326
"""The 99th percentile of the normal distribution."""
_DEVIATION = 0.9
"""The standard deviation of ln c of n exponential gaps, times √n; found by simulation, tests/compare holds it."""


def rarity(sites: int, peers: int) -> float:
    """Return 1 for what one of `peers` sites does, 0 for what all do: idf = log(N/n), divided by its greatest, log N.

    Spärck Jones, "A statistical interpretation of term specificity", Journal of Documentation 28 (1972).
    """
    if peers < 2:
        return 0.0
    return max(0.0, log(peers / max(sites, 1)) / log(peers))


def persistence(hours: int) -> float:
    """Return how far something is kept up over the day, from 0 to 1."""
    return min(1.0, hours / HOURS_FULL)


def novelty(known: int, days: int) -> float:
    """Return how likely a day without it was for this site, which had it on `known` of `days` earlier days alike.

    Laplace's rule of succession: (days without + 1) / (days + 2). Without a history it is 1/2: nobody knows.
    """
    return (days - known + 1) / (days + 2)


def gaps(seconds: Sequence[float]) -> list[float]:
    """Return the gaps (s) between contacts, of the times of events in order.

    Events that never rest for TOGETHER_SECONDS are one contact; if that leaves too few contacts, each event is one.
    """
    apart = [later for earlier, later in pairwise(seconds) if later - earlier >= TOGETHER_SECONDS]
    if len(apart) < GAPS_MIN:
        return [later - earlier for earlier, later in pairwise(seconds) if later > earlier]
    return [later - earlier for earlier, later in pairwise([*seconds[:1], *apart])]


def rhythm(between: Sequence[float]) -> tuple[float, float]:
    """Return how regular gaps surely are, from 0 to 1, and their median (s); (0, 0) for fewer than GAPS_MIN.

    1 - c, with c = (Q3 - Q1)/(Q3 + Q1), the quartile coefficient of dispersion (Bonett, "Confidence interval for a
    coefficient of quartile variation", Computational Statistics & Data Analysis 50, 2006), at the upper end of an
    interval for ln c as there, so that few gaps that happen to be alike are no rhythm. A night or a lesson in which
    the device was off is one gap and moves no quartile. Of very many gaps, a timer with a jitter of ±30 % has 0.85;
    contacts at random moments, whose gaps are exponential, have 1 - ln 3 / ln(16/3) = 0.34, and of ten of them three in
    a hundred come to 0.5, of more fewer; people, whose gaps have a heavier tail, have less.
    """
    if len(between) < GAPS_MIN:
        return 0.0, 0.0
    first, _, third = quantiles(between, n=4, method="inclusive")
    dispersion = (third - first) / (third + first) * exp(_SURE * _DEVIATION / sqrt(len(between)))
    return max(0.0, 1 - dispersion), median(between)


def evenness(counts: Sequence[int]) -> float:
    """Return how evenly events are spread over the hours that have any, from 1/n to 1: (Σx)² / (n · Σx²).

    Jain, Chiu, Hawe, "A quantitative measure of fairness" (DEC-TR-301, 1984). What stands for the rhythm as long as
    only the numbers of each hour are known.
    """
    squares = sum(one * one for one in counts)
    return sum(counts) ** 2 / (len(counts) * squares) if squares else 0.0


def program(regular: float, closed: float) -> float:
    """Return how likely a program does it, of its rhythm and the share of the closed hours in which it was seen.

    A noisy or (Pearl, "Probabilistic Reasoning in Intelligent Systems", 1988): each reason is enough by itself.
    """
    return 1 - (1 - regular) * (1 - closed)


def score(rare: float, kept: float, new: float, by_program: float) -> float:
    """Return the score, from 0 to 100, of parts from 0 to 1."""
    return 100 * rare * kept * new * (_PEOPLE + (1 - _PEOPLE) * by_program)
