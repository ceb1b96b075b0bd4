r"""The query language of responders: one line of text to a `Where` and a time span.

    source.ip:192.0.2.7 and event.outcome:failure last 24h
    user.name:ad*in and not host.name:(dc1 or dc2) last 7d
    source.ip:10.0.0.0/8 and destination.port:[1 to 1023]
    event.code>=4720 and event.code<=4767            (numbers only)
    "Failed password" since 2026-11-23T08:00 until 2026-11-23T09:00
    process.command_line:/-enc(odedcommand)?\s/i    (an RE2 expression)

Grammar:

    query  = [ or ] [ span ]
    or     = and { "or" and }
    and    = not { [ "and" ] not }
    not    = "not" not | "(" or ")" | term
    term   = FIELD ":" value | FIELD ( ">" | ">=" | "<" | "<=" ) NUMBER | FIELD ":" "(" value { "or" value } ")" | WORD
    value  = WORD | "quoted" | "[" NUMBER "to" NUMBER "]" | /regex/flags | "*" (the field exists) | null (it does not)
    span   = "last" NUMBER ( s | m | h | d | w ) | "since" TIME [ "until" TIME ] | "until" TIME

A word with `*` or `?` is a pattern unless it is quoted (a backslash before them, or before a backslash, makes them
plain: `C:\\Windows\\*`); a word in CIDR notation is a network. A word without a field
is looked for in the message and the original line. `and`, `or`, `not` and the words of a span may be in any case; in
quotes they are ordinary words. Times without a zone are in the zone given by the caller.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from ipaddress import ip_network

from sentinel.core.errors import QuerySyntaxError
from sentinel.core.ports import Span
from sentinel.core.where import (
    ALWAYS,
    AllOf,
    AnyOf,
    Compare,
    Exists,
    Is,
    Keyword,
    Like,
    Matches,
    Not,
    Operator,
    Where,
    Within,
)
from sentinel.core.wildcard import escaped, tokens

QUERY_MAX = 10_000
DEPTH_MAX = 50
DEFAULT_LAST = timedelta(hours=24)
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(days=2)
"""Events from clocks that run ahead are found too."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_OPERATORS: dict[str, Operator] = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
_FIELD_THEN = re.compile(r"([A-Za-z_@][\w@.-]*)\s*(:|>=|<=|>|<)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_REGEX = re.compile(r"/((?:[^/\\]|\\.)*)/([a-z]*)")
_RANGE = re.compile(r"\[\s*(\S+)\s+to\s+(\S+?)\s*\]", re.IGNORECASE)
_WORD = re.compile(r'(?:\\.|[^\s()"])+')
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_LAST = re.compile(r"(\d{1,6})\s*([smhdw])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked: a predicate and where in time to look; `spoken` says whether the span was given."""

    where: Where
    span: Span
    spoken: bool


def read(query: str, now: datetime, zone: tzinfo = UTC) -> Question:
    """Read a query; raises QuerySyntaxError with the column. Without a span it looks at the last 24 hours."""
    if len(query) > QUERY_MAX:
        raise QuerySyntaxError(f"a query has at most {QUERY_MAX} characters", query[:80], 79)
    return _Reader(query, now, zone).question()


class _Reader:
    def __init__(self, query: str, now: datetime, zone: tzinfo) -> None:
        self.query = query
        self.now = now
        self.zone = zone
        self.at = 0
        self.depth = 0

    def question(self) -> Question:
        self.space()
        where = ALWAYS if self.ended() or self.peek() in {"last", "since", "until"} else self.any_of()
        span = self.span()
        self.space()
        if not self.ended():
            if self.query[self.at] == ")":
                raise self.error("this bracket closes nothing")
            raise self.error("the query should end here; a time span comes last")
        return Question(where, span or Span(self.now - DEFAULT_LAST, self.now + _AHEAD), span is not None)

    def any_of(self) -> Where:
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise self.error(f"brackets nest more than {DEPTH_MAX} deep")
        items = [self.all_of()]
        while self.took("or"):
            items.append(self.all_of())
        self.depth -= 1
        return items[0] if len(items) == 1 else AnyOf(tuple(items))

    def all_of(self) -> Where:
        items = [self.negated()]
        while True:
            if not self.took("and"):
                self.space()
                if self.ended() or self.query[self.at] == ")" or self.peek() in {"or", "last", "since", "until"}:
                    break
            items.append(self.negated())
        return items[0] if len(items) == 1 else AllOf(tuple(items))

    def negated(self) -> Where:
        negations = 0
        while self.took("not"):
            negations += 1
        item = self.term()
        return Not(item) if negations % 2 else item

    def term(self) -> Where:
        self.space()
        if self.ended():
            raise self.error("something to look for is missing here")
        if self.query[self.at] == "(":
            start = self.at
            self.at += 1
            inside = self.any_of()
            self.close(start)
            return inside
        named = _FIELD_THEN.match(self.query, self.at)
        if named is None:
            return self.anywhere()
        field, operator = named.groups()
        start = self.at
        self.at = named.end()
        self.space()
        try:
            return self.comparison(field, operator) if operator != ":" else self.values(field)
        except QuerySyntaxError:
            raise
        except ValueError as error:
            raise self.error(str(error), start) from error

    def anywhere(self) -> Where:
        if self.query[self.at] in ")]":
            raise self.error("something to look for is missing here")
        quoted = self.quoted()
        if quoted is not None:
            return Keyword(escaped(quoted))
        if self.peek() in {"and", "or", "last", "since", "until"}:
            raise self.error("something to look for is missing before this word")
        return Keyword(self.word())

    def comparison(self, field: str, operator: str) -> Where:
        start = self.at
        return Compare(field, _OPERATORS[operator], self.number(self.word(), start))

    def values(self, field: str) -> Where:
        if self.ended():
            raise self.error(f"a value for {field} is missing here")
        if self.query[self.at] != "(":
            return self.value(field)
        start = self.at
        self.at += 1
        items = [self.value(field)]
        while self.took("or"):
            items.append(self.value(field))
        self.close(start)
        return AnyOf(tuple(items))

    def value(self, field: str) -> Where:
        self.space()
        if self.ended() or self.query[self.at] == ")":
            raise self.error(f"a value for {field} is missing here")
        start = self.at
        quoted = self.quoted()
        if quoted is not None:
            return Is(field, quoted)
        between = _RANGE.match(self.query, start)
        if between:
            self.at = between.end()
            low, high = (None if end == "*" else self.number(end, start) for end in between.groups())
            ends: list[Where] = []
            if low is not None:
                ends.append(Compare(field, "gte", low))
            if high is not None:
                ends.append(Compare(field, "lte", high))
            return AllOf(tuple(ends)) if ends else Exists(field)
        pattern = _REGEX.match(self.query, start)
        if pattern:
            self.at = pattern.end()
            return Matches(field, pattern[1].replace("\\/", "/"), pattern[2])
        if self.query[start] in "/[":
            raise self.error("a range is [1 to 9] and a regular expression ends with /")
        return _plain(field, self.word())

    def quoted(self) -> str | None:
        if self.query[self.at] != '"':
            return None
        found = _QUOTED.match(self.query, self.at)
        if found is None:
            raise self.error("this quotation is not closed")
        self.at = found.end()
        return re.sub(r'\\(["\\])', r"\1", found[1])

    def word(self) -> str:
        found = _WORD.match(self.query, self.at)
        if found is None:
            raise self.error("a word is missing here")
        self.at = found.end()
        return re.sub(r"\\([ ()\":])", r"\1", found[0])

    def number(self, text: str, column: int) -> int | float:
        if not _NUMBER.fullmatch(text):
            raise self.error("a number is needed here", column)
        return float(text) if "." in text else int(text)

    def span(self) -> Span | None:
        if self.took("last"):
            self.space()
            found = _LAST.match(self.query, self.at)
            if found is None:
                raise self.error("a length of time is needed here, such as 30m, 24h or 7d")
            self.at = found.end()
            length = timedelta(seconds=int(found[1]) * _UNITS[found[2].lower()])
            return Span(max(self.now - length, EARLIEST), self.now + _AHEAD)
        start = self.time() if self.took("since") else None
        end = self.time() if self.took("until") else None
        if start is None and end is None:
            return None
        span = Span(start or EARLIEST, end or self.now + _AHEAD)
        if span.start >= span.end:
            raise self.error("the span ends before it begins")
        return span

    def time(self) -> datetime:
        self.space()
        start = self.at
        if self.ended():
            raise self.error("a time is needed here, such as 2026-11-23T08:00")
        text = self.word()
        try:
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=self.zone)).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise self.error("a time is needed here, such as 2026-11-23T08:00", start) from error

    def space(self) -> None:
        while not self.ended() and self.query[self.at].isspace():
            self.at += 1

    def ended(self) -> bool:
        return self.at >= len(self.query)

    def peek(self) -> str:
        found = re.compile(r"[A-Za-z]+(?=[\s(\"]|$)").match(self.query, self.at)
        return found[0].lower() if found else ""

    def took(self, word: str) -> bool:
        self.space()
        if self.peek() != word:
            return False
        self.at += len(word)
        return True

    def close(self, start: int) -> None:
        self.space()
        if self.ended() or self.query[self.at] != ")":
            raise self.error("this bracket is not closed", start)
        self.at += 1

    def error(self, message: str, column: int | None = None) -> QuerySyntaxError:
        return QuerySyntaxError(message, self.query, self.at if column is None else column)


def _plain(field: str, word: str) -> Where:
    if word == "*":
        return Exists(field)
    if word.lower() == "null":
        return Is(field, None)
    if "/" in word:
        try:
            ip_network(word, strict=False)
        except ValueError:
            pass
        else:
            return Within(field, word)
    pieces = tokens(word)
    if "*" in pieces or "?" in pieces:
        return Like(field, word)
    return Is(field, "".join(piece.removeprefix("\0") for piece in pieces))
