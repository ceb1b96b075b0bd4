"""Guesses from sample lines of an unknown log how they are written, for `sentinel packs new`: no pack uses this."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeVar

from sentinel.core.errors import ParseError
from sentinel.pack import common, document, kv, structured, syslog, text

T = TypeVar("T")
Family = Literal["cef", "leef", "json", "pairs", "columns", "sentences"]
MOST = 0.6
"""So great a part of the lines has to be of a family."""
DELIMITERS = "\t;|,"
FORMS_MAX = 30
NAMES_MAX = 200
ALIKE = 0.6
"""So great a part of the words two sentences have to have in common to be of one form."""
_NAME = re.compile(r"[A-Za-z_][\w .-]{0,60}")
_VARIABLE = re.compile(r"[0-9@/\\=]|^[\"'<\[(].*[\"'>\])][.,:;]?$")
_EDGES = re.compile(r"^([\"'<\[(]*)(.*?)([\"'>\]).,:;]*)$", re.DOTALL)
_WHOSE = {
    "from": "source", "by": "source", "client": "source", "rhost": "source", "src": "source", "von": "source",
    "aus": "source",
    "to": "destination", "server": "destination", "dst": "destination", "an": "destination",
}  # fmt: skip
_USER = frozenset({"user", "username", "for", "account", "benutzer", "login", "von"})


@dataclass(frozen=True, slots=True)
class Form:
    """A sentence with holes: an expression, and the field of each of its groups (empty: nobody knows yet)."""

    regex: str
    places: dict[str, str]
    example: str


@dataclass(frozen=True, slots=True)
class Guess:
    """How a log is written; `places` maps its names to ECS fields, empty where no common meaning is known."""

    family: Family
    lines: int
    apps: tuple[str, ...] = ()
    places: dict[str, str] = field(default_factory=dict)
    delimiter: str = ""
    header: bool = False
    forms: tuple[Form, ...] = ()


def guess(lines: Sequence[str], received: datetime) -> Guess:
    """Return how the lines are written; at least one is needed."""
    read = [syslog.parse(line, received) for line in lines]
    messages = [line.message for line in read]
    apps = Counter(line.app for line in read if line.app)
    named = tuple(app for app, count in apps.most_common(8) if count * 20 >= len(lines))
    count = len(lines)
    if _share(messages, lambda one: "CEF:" in one[:200]) >= MOST:
        return Guess("cef", count, named)
    if _share(messages, lambda one: "LEEF:" in one[:200]) >= MOST:
        return Guess("leef", count, named)
    objects = [found for one in messages if (found := _object(one)) is not None]
    if len(objects) >= MOST * count:
        return Guess("json", count, named, _places(name for one in objects for name in document.flat(one)))
    pairs = [kv.pairs(one) for one in messages]
    if _share(pairs, lambda one: len(one) >= 3) >= MOST:
        return Guess("pairs", count, named, _places(name for one in pairs for name in one))
    for delimiter in DELIMITERS:
        widths = Counter(one.count(delimiter) for one in messages)
        width, times = widths.most_common(1)[0]
        if width >= 3 and times >= MOST * count:
            return _columns(messages, delimiter, width + 1, named)
    return Guess("sentences", count, named, forms=tuple(_forms(messages)))


def _share(things: Sequence[T], holds: Callable[[T], bool]) -> float:
    return sum(map(holds, things)) / len(things)


def _object(message: str) -> dict[str, object] | None:
    try:
        return structured.json_object(message)
    except ParseError:
        return None


def _places(names: Iterable[str]) -> dict[str, str]:
    counts = Counter(names)
    places: dict[str, str] = {}
    for name, _ in counts.most_common(NAMES_MAX):
        place = common.meaning(name) or ""
        # times come in many writings, which the common reader knows; a field is set once
        places[name] = "" if place == "@timestamp" or place in places.values() else place
    return places


def _columns(messages: Sequence[str], delimiter: str, width: int, apps: tuple[str, ...]) -> Guess:
    rows = [cells for one in messages if len(cells := one.split(delimiter)) == width]
    first = [cell.strip().strip('"') for cell in rows[0]]
    header = all(_NAME.fullmatch(cell) for cell in first) and len(set(first)) == width and first not in rows[1:]
    if header:
        return Guess("columns", len(messages), apps, _places(first), delimiter, header=True)
    places = {f"column{at}": _of_values([row[at - 1].strip().strip('"') for row in rows]) for at in range(1, width + 1)}
    sources = [name for name, place in places.items() if place == "source.ip"]
    if len(sources) > 1:  # of two columns of addresses the first is as a rule who began
        places |= dict.fromkeys(sources[1:2], "destination.ip") | dict.fromkeys(sources[2:], "")
    return Guess("columns", len(messages), apps, places, delimiter)


def _of_values(values: Sequence[str]) -> str:
    said = [value for value in values if value]
    if said and all(text.address(value) for value in said):
        return "source.ip"
    if said and all(text.mac(value) for value in said):
        return "source.mac"
    return ""


def _forms(messages: Sequence[str]) -> list[Form]:
    groups: list[list[list[str]]] = []
    for message in messages:
        words = message.split(" ")
        for group in groups:
            if len(group[0]) == len(words) and _alike(group[0], words) >= ALIKE:
                group.append(words)
                break
        else:
            groups.append([words])
    groups.sort(key=len, reverse=True)
    return [_form(group) for group in groups[:FORMS_MAX] if any(group[0])]


def _alike(known: Sequence[str], words: Sequence[str]) -> float:
    pairs = list(zip(known, words, strict=True))
    fixed = [one == other for one, other in pairs if not (_VARIABLE.search(one) and _VARIABLE.search(other))]
    if not fixed or known[0] != words[0]:
        return float(known[0] == words[0] and not fixed)
    return sum(fixed) / len(fixed)


def _form(group: Sequence[Sequence[str]]) -> Form:
    parts: list[str] = []
    places: dict[str, str] = {}
    before = ""
    for words in zip(*group, strict=True):
        if len(set(words)) == 1 and not _VARIABLE.search(words[0]):
            parts.append(re.escape(words[0]))
            before = words[0].strip(":=,").lower()
            continue
        whole = [_EDGES.fullmatch(word) for word in words]
        edges = {(one[1], one[3]) for one in whole if one is not None}
        left, right = edges.pop() if len(edges) == 1 else ("", "")
        values = [word[len(left) : len(word) - len(right)] for word in words]
        name, place, form = _hole(values, before, places)
        places[name] = place
        parts.append(f"{re.escape(left)}(?P<{name}>{form}){re.escape(right)}")
        before = "" if place else before
    return Form(" ".join(parts), places, " ".join(group[0]))


def _hole(values: Sequence[str], before: str, taken: dict[str, str]) -> tuple[str, str, str]:
    place, form, name = "", r"\S+", "word"
    if all(text.address(value) for value in values):
        name, form = "ip", "[0-9A-Fa-f.:]{2,45}"
        place = f"{_WHOSE[before]}.ip" if before in _WHOSE else ""
    elif all(value.isascii() and value.isdecimal() for value in values):
        name, form = "number", r"\d+"
        place = "source.port" if before == "port" else ""
    elif before in _USER:
        name, place = "user", "user.name"
    number = 1 + sum(one.rstrip("0123456789") == name for one in taken)
    return (name if number == 1 else f"{name}{number}"), ("" if place in taken.values() else place), form
