"""`Where` as Elasticsearch's query language, from both sides.

Not every condition can be asked of an index exactly. So each becomes two queries: `upper` finds every event for which
it holds and perhaps some more, `lower` only events for which it holds and perhaps not all. Where both are one, the
index answers alone; what lies between them is read and judged by `holds`. `Not` swaps the two.

Events whose fields the index does not hold faithfully (`sentinel_odd`) are not thought of here: the store adds them
to every upper side and takes them from every lower one.
"""

import re
from ipaddress import IPv4Address, IPv6Address
from math import ceil, floor, isfinite
from typing import assert_never

from sentinel.core.event import Scalar
from sentinel.core.where import (
    KEYWORD_FIELDS,
    AllOf,
    AnyOf,
    Compare,
    Dated,
    Exists,
    Is,
    Keyword,
    Like,
    Matches,
    Not,
    Operator,
    Same,
    Where,
    Within,
    network_of,
    plain,
)
from sentinel.core.wildcard import fold, tokens
from sentinel.store import es_mapping as es
from sentinel.store.es_document import WORD, is_date
from sentinel.store.es_query import (
    NONE,
    UNKNOWN,
    Query,
    Sides,
    all_of,
    any_of,
    at_most,
    exactly,
    joined,
    negated,
    size,
)

_DEPTH_MAX = 20
"""Elasticsearch takes 30 levels of `bool`; the store puts some around ours."""
_CLAUSES_MAX = 800
_TERM_MAX = 3 * es.TERM_MAX
"""The longest text a term can be: folding makes at most three characters of one."""
_PATTERN_MAX = 256
"""Characters of a wildcard expression; longer ones are cut, or the server's automaton grows past its bound."""
_ONES_MAX = 6
"""So many `?` after a `*` may stand in a wildcard expression: each may double the server's automaton."""
_WORDS_MAX = 12
_LONG_MIN, _LONG_MAX = -(1 << 63), (1 << 63) - 1
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}")
_MAPPED = IPv6Address("::ffff:0:0"), IPv6Address("::ffff:ffff:ffff")


def translate(where: Where) -> Sides:
    """Return `where` as queries, `UNKNOWN` if it is larger than the server takes."""
    sides = _translate(where)
    for query in (sides.upper, sides.lower):
        depth, clauses = size(query)
        if depth > _DEPTH_MAX or clauses > _CLAUSES_MAX:
            return UNKNOWN
    return sides


def _translate(where: Where) -> Sides:
    match where:
        case Is(value=str(text)) | Like(pattern=text) | Keyword(pattern=text) if not _writable(text):
            return exactly(NONE)
        case AllOf(items):
            return joined(all_of, [_translate(item) for item in items])
        case AnyOf(items):
            return joined(any_of, [_translate(item) for item in items])
        case Not(item):
            inner = _translate(item)
            return exactly(negated(inner.upper)) if inner.exact else Sides(negated(inner.lower), negated(inner.upper))
        case Is(field, None):
            return exactly(negated(exists(field)))
        case Is(field, value, cased):
            return exactly(NONE) if value is None else _is(field, plain(value), cased=cased)
        case Like(field, pattern, cased):
            return _like(field, pattern, cased=cased)
        case Matches(field) | Dated(field):
            return at_most(exists(field))
        case Within(field, network):
            return _within(field, network)
        case Compare(field, operator, number):
            return _compare(field, operator, number)
        case Exists(field):
            return exactly(exists(field))
        case Same(field, other):
            return at_most(all_of([exists(field), exists(other)]))
        case Keyword(pattern, cased):
            return _keyword(pattern, cased=cased)
        case _:
            assert_never(where)


def _writable(text: str) -> bool:
    # a lone half of a surrogate pair is in no stored event
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def exists(field: str) -> Query:
    """Return the query for the events in which `field` has a value."""
    kind = es.kind_of(field)
    match kind:
        case "pair":
            return {"prefix": {es.PAIRS: f"{field}="}}
        case "line":
            return {"term": {es.PAIRS: f"{field}="}}
        case "ip":
            return {"exists": {"field": field + es.RAW}}
        case "hidden":
            return NONE  # events that have it say so in `odd`
        case _:
            return {"exists": {"field": field}}


def _term(field: str, value: Scalar) -> Query:
    return {"term": {field: value}}


def _paired(field: str, text: str) -> Query:
    return _term(es.PAIRS, f"{field}={text}")


def _is(field: str, text: str, *, cased: bool) -> Sides:
    wanted = text if cased else fold(text)
    kind = es.kind_of(field)
    if kind == "hidden" or (kind != "line" and len(wanted) > _TERM_MAX):
        return exactly(NONE)
    match kind:
        case "keyword":
            return exactly(_term(field, text) if cased else any_of([_term(field, wanted), _paired(field, wanted)]))
        case "pair":
            folded = _paired(field, fold(text))
            return at_most(folded) if cased else exactly(folded)
        case "ip":
            return exactly(_term(field + es.RAW, wanted))
        case "line":
            return at_most(all_of([exists(field), *_words(text, open_start=False, open_end=False)]))
        case "long":
            fits = _WHOLE.fullmatch(wanted) is not None and _LONG_MIN <= int(wanted) <= _LONG_MAX
            return exactly(_term(field, int(wanted)) if fits else NONE)
        case "double":
            number = _double(wanted)
            return exactly(NONE if number is None else _term(field, number))
        case "boolean":
            return exactly(_term(field, wanted == "true") if wanted in {"true", "false"} else NONE)
        case "date":
            moment = wanted if cased else wanted.upper()
            return at_most(_term(field, moment)) if is_date(moment) else exactly(NONE)
        case _:
            assert_never(kind)


def _double(text: str) -> float | None:
    # the number whose text this is, if there is one
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) and plain(number) == text else None


def _like(field: str, pattern: str, *, cased: bool) -> Sides:
    pieces = tokens(pattern)
    if not any(piece in {"*", "?"} for piece in pieces):
        return _is(field, "".join(_literal(piece) for piece in pieces), cased=cased)
    if pieces == ("*",):
        return exactly(exists(field))
    kind = es.kind_of(field)
    match kind:
        case "keyword" | "ip":
            place = field + es.RAW if kind == "ip" else field
            if cased:
                return _wild(place, "", pieces)
            folded = tuple(_folded(piece) for piece in pieces)
            own, paired = _wild(place, "", folded), _wild(es.PAIRS, f"{field}=", folded)
            # as it is written, one character may be two when folded
            sides = joined(any_of, [own, paired])
            return at_most(sides.upper) if "?" in pieces else sides
        case "pair":
            sides = _wild(es.PAIRS, f"{field}=", tuple(_folded(piece) for piece in pieces))
            return at_most(sides.upper) if cased else sides
        case "line":
            clauses = _words_of(pieces, open_start=False, open_end=False)
            return at_most(all_of([exists(field), *clauses]))
        case "long" | "double" | "boolean" | "date" | "hidden":
            return at_most(exists(field))
        case _:
            assert_never(kind)


def _literal(piece: str) -> str:
    return piece[1:] if piece.startswith("\0") and len(piece) == 2 and piece[1] in "*?" else piece


def _folded(piece: str) -> str:
    return piece if piece in {"*", "?"} or _literal(piece) != piece else fold(piece)


def _wild(place: str, before: str, pieces: tuple[str, ...]) -> Sides:
    # `before` is plain text in front of the pattern
    exact = True
    late = pieces[pieces.index("*") :] if "*" in pieces else ()
    if late.count("?") > _ONES_MAX or pieces.count("?") > 4 * _ONES_MAX:
        pieces, exact = tuple("*" if piece == "?" else piece for piece in pieces), False
    if sum(map(len, pieces)) > _PATTERN_MAX:
        pieces, exact = _cut(pieces), False
    if pieces[-1] == "*" and not any(piece in {"*", "?"} for piece in pieces[:-1]):
        query: Query = {"prefix": {place: before + "".join(_literal(piece) for piece in pieces[:-1])}}
    else:
        written = "".join(piece if piece in {"*", "?"} else _escaped(_literal(piece)) for piece in pieces)
        query = {"wildcard": {place: _escaped(before) + written}}
    return exactly(query) if exact else at_most(query)


def _cut(pieces: tuple[str, ...]) -> tuple[str, ...]:
    # a shorter pattern that matches at least as much
    kept: list[str] = []
    room = _PATTERN_MAX
    for piece in pieces:
        if len(piece) >= room:
            break
        kept.append(piece)
        room -= len(piece)
    else:
        return pieces
    rest = pieces[len(kept)]
    if len(rest) > 2:
        kept.append(rest[:room])
    return (*kept, "*")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")


def _keyword(pattern: str, *, cased: bool) -> Sides:
    pieces = tokens(pattern)
    clauses = _words_of(pieces, open_start=True, open_end=True)
    line = any_of([exists(name) for name in KEYWORD_FIELDS])
    whole = "".join(_literal(piece) for piece in pieces)
    if not cased and len(clauses) == 1 and len(pieces) == 1 and WORD.fullmatch(fold(whole)):
        return exactly(clauses[0])
    return at_most(all_of([line, *clauses]))


def _words_of(pieces: tuple[str, ...], *, open_start: bool, open_end: bool) -> list[Query]:
    # conditions on the words of a text in which the pattern occurs: pieces between wildcards, each by itself
    runs: list[str] = [""]
    wild = [open_start]  # what stands before each run
    for piece in pieces:
        if piece in {"*", "?"}:
            runs.append("")
            wild.append(True)
        else:
            runs[-1] += _literal(piece)
    after = [*wild[1:], open_end]
    found: list[Query] = []
    for run, before, behind in zip(runs, wild, after, strict=True):
        found += _words(run, open_start=before, open_end=behind)
    return sorted(found, key=lambda query: "wildcard" in query)[:_WORDS_MAX]


def _words(text: str, *, open_start: bool, open_end: bool) -> list[Query]:
    # conditions on the words of a line in which `text` stands; open: it may go on with the same word there
    folded = fold(text)
    found: list[Query] = []
    for word in WORD.finditer(folded):
        starts = open_start and word.start() == 0
        ends = open_end and word.end() == len(folded)
        part = word.group()
        if len(part) > es.WORD_MAX:
            return [NONE]
        if starts:
            found.append({"wildcard": {es.WORDS: f"*{part}*" if ends else f"*{part}"}})
        else:
            found.append({"prefix": {es.WORDS: part}} if ends else _term(es.WORDS, part))
    # whole words first: they cost the server next to nothing
    return sorted(found, key=lambda query: "wildcard" in query)[:_WORDS_MAX]


def _within(field: str, network: str) -> Sides:
    match es.kind_of(field):
        case "ip":
            return exactly(any_of(_ranges(field, network)))
        case "keyword" | "pair" | "line" | "hidden":
            return at_most(exists(field))
        case _:
            return exactly(NONE)


def _ranges(field: str, network: str) -> list[Query]:
    inside = network_of(network)
    first, last = inside.network_address, inside.broadcast_address
    if isinstance(first, IPv4Address) or not isinstance(last, IPv6Address) or last < _MAPPED[0] or first > _MAPPED[1]:
        parts = [(str(first), str(last))]
    else:
        # Elasticsearch keeps IPv4 inside IPv6; here it is a world of its own (and a network never lies inside it)
        parts = [(str(first), str(_MAPPED[0] - 1)), (str(_MAPPED[1] + 1), str(last))]
    return [{"range": {field: {"gte": one, "lte": two}}} for one, two in parts]


def _compare(field: str, operator: Operator, number: float) -> Sides:
    match es.kind_of(field):
        case "long":
            return exactly(_whole_range(field, operator, number))
        case "double":
            bound = _as_double(number)
            if bound is None:
                return at_most(exists(field))
            return exactly({"range": {field: {operator: bound + 0.0}}})
        case "keyword" | "pair":
            # a number in a text field is in `loose`, if its event has one
            return at_most(_term(es.LOOSE, field))
        case _:
            return exactly(NONE)


def _as_double(number: float) -> float | None:
    try:
        bound = float(number)
    except OverflowError:
        return None
    return bound if bound == number else None


def _whole_range(field: str, operator: Operator, number: float) -> Query:
    match operator:
        case "lt":
            low, high = _LONG_MIN, ceil(number) - 1
        case "lte":
            low, high = _LONG_MIN, floor(number)
        case "gt":
            low, high = floor(number) + 1, _LONG_MAX
        case "gte":
            low, high = ceil(number), _LONG_MAX
        case _:
            assert_never(operator)
    low, high = max(low, _LONG_MIN), min(high, _LONG_MAX)
    return {"range": {field: {"gte": low, "lte": high}}} if low <= high else NONE
