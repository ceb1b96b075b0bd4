"""What may come next in a query that somebody is typing: names of fields, and values that are really there."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sentinel.core.ports import Span, Store
from sentinel.core.where import Like, plain, values
from sentinel.core.wildcard import escaped
from sentinel.respond.writing import as_value

OFFERED_MAX = 50
_NAME = re.compile(r"[A-Za-z_@][\w@.-]*")
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_VALUE = re.compile(
    # a name, `:`, perhaps a bracket with values that are whole already, and the value that is being typed
    r"(?P<field>[A-Za-z_@][\w@.-]*)\s*:\s*(?:\((?:\s|" + _QUOTED + r'|(?:\\.|[^\s()":])+(?=\s))*)?'
    r"(?P<value>\[[^\]]*\]?|/(?:[^/\\]|\\.)*(?:/[a-z]*)?|"
    r'"(?:[^"\\]|\\.)*|(?:\\.|[^\s()":])*)'
)
_WORD = re.compile(_QUOTED + r'?|(?:\\.|[^\s()"])+')
_LOGIC = ("and", "or", "not", "last", "since", "until")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is being typed: from `start` on a field's name, or a value of `field`, of which `prefix` stands there."""

    start: int
    prefix: str
    field: str | None = None


def wanted(query: str, cursor: int) -> Wanted | None:
    """Return what is being typed before `cursor`; None inside of what cannot be completed, such as an expression."""
    before = query[:cursor]
    at = 0
    while at < len(before):
        if before[at].isspace() or before[at] in "()":
            at += 1
            continue
        found = _VALUE.match(before, at)
        if found is not None:
            if found.end() == len(before):
                return _of_value(found)
            closed = before[found.end()] == '"' and found["value"].startswith('"')
            at = found.end() + closed
            continue
        word = _WORD.match(before, at)
        if word is None:
            return None
        if word.end() == len(before):
            named = _NAME.fullmatch(word[0])
            return Wanted(at, word[0]) if named else None
        at = word.end()
    return Wanted(len(before), "")


def _of_value(found: re.Match[str]) -> Wanted | None:
    text = found["value"]
    if text.startswith(("/", "[")):
        return None
    prefix = re.sub(r"\\(.)", r"\1", text.removeprefix('"'))
    return Wanted(found.start("value"), prefix, found["field"])


def names(prefix: str, known: Iterable[str]) -> list[str]:
    """Return the fields (and words of the language) that begin with `prefix`, then those that contain it."""
    low = prefix.lower()
    there = sorted({*known, *_LOGIC} if prefix else set(known))
    begin = [name for name in there if name.lower().startswith(low)]
    inside = [name for name in there if low in name.lower() and not name.lower().startswith(low)]
    return (begin + inside)[:OFFERED_MAX]


def present(store: Store, field: str, prefix: str, span: Span, limit: int = OFFERED_MAX) -> list[tuple[str, int]]:
    """Return the values of `field` that begin with `prefix`, each with the number of events, most frequent first."""
    begins = Like(field, escaped(prefix) + "*")
    counts: dict[str, int] = {}
    for key, number in store.tally(begins, span, (field,), limit * 4):
        for text in _texts(key, prefix):
            counts[text] = counts.get(text, 0) + number
    return sorted(counts.items(), key=lambda row: (-row[1], row[0]))[:limit]


def typed(query: str, cursor: int, want: Wanted, chosen: str) -> tuple[str, int]:
    """Return the query with what was chosen in the place of what was being typed, and where the cursor stands then."""
    name = chosen + (" " if chosen in _LOGIC else ":")
    text = name if want.field is None else as_value(chosen)
    return query[: want.start] + text + query[cursor:], want.start + len(text)


def _texts(key: tuple[object, ...], prefix: str) -> Iterator[str]:
    low = prefix.casefold()
    for value in key:
        for one in values(value):  # type: ignore[arg-type]  # a field's whole value, as the store keeps it
            text = plain(one)
            if text.casefold().startswith(low):
                yield text
