"""Which of many literal texts occur in a text, or whether any does: in one pass over it (Aho-Corasick).

The door to ahocorasick-rs, a wrapper of the Rust library aho-corasick.
"""

from collections.abc import Callable, Iterable
from functools import partial

from ahocorasick_rs import AhoCorasick, BytesAhoCorasick, MatchKind

Found = list[tuple[int, int, int]]


def occurrences(literals: Iterable[str]) -> Callable[[str], Found]:
    """Return a function that finds every occurrence: which literal, from where, to where, in characters.

    It raises UnicodeEncodeError for text that UTF-8 cannot carry.
    """
    automaton = AhoCorasick(literals, MatchKind.Standard, store_patterns=False)
    return partial(automaton.find_matches_as_indexes, overlapping=True)


def any_of(literals: Iterable[str]) -> Callable[[bytes], Found]:
    """Return a function of encoded text that finds something if one of `literals` occurs, many times as fast."""
    return BytesAhoCorasick([one.encode() for one in literals], MatchKind.LeftmostFirst).find_matches_as_indexes
