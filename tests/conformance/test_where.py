"""Every store answers every kind of condition as `holds` does, on values chosen to be awkward."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

import pytest

from sentinel.core.event import Event, Value
from sentinel.core.ports import Span, Store
from sentinel.core.where import (
    ALWAYS,
    NEVER,
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
    TimePart,
    Where,
    Within,
    holds,
)

EVER = Span(datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))

DOCUMENTS: list[dict[str, Value]] = [
    {},
    {"user.name": "anna"},
    {"user.name": "ANNA"},
    {"user.name": ""},
    {"user.name": "Jürgen Groß"},
    {"user.name": "JÜRGEN GROSS"},
    {"user.name": "STRASSE"},
    {"user.name": "straße"},
    {"user.name": "ſtraſſe"},
    {"user.name": "\u212aelvin"},
    {"user.name": "kelvin"},
    {"user.name": "\u0130stanbul"},
    {"user.name": "i\u0307stanbul"},
    {"user.name": "Istanbul"},
    {"user.name": "ΣΊΣΥΦΟΣ"},
    {"user.name": "σίσυφος"},
    {"user.name": "ﬀ"},
    {"user.name": "ff"},
    {"user.name": "a*b"},
    {"user.name": "a?b"},
    {"user.name": "a\\b"},
    {"user.name": "a\\*b"},
    {"user.name": "axb"},
    {"user.name": "a%b"},
    {"user.name": "a_b"},
    {"user.name": "a\nb"},
    {"user.name": "a\x00b"},
    {"user.name": "a\x1eb"},
    {"user.name": "\x1e"},
    {"user.name": "\x1f"},
    {"user.name": "'; DROP TABLE events; --"},
    {"user.name": '"quoted"'},
    {"user.name": "🚒 Feuerwehr"},
    {"user.name": "null"},
    {"user.name": "[]"},
    {"user.name": '["anna"]'},
    {"related.user": ("anna", "BERND")},
    {"related.user": ("Jürgen", "ÄMTER", "straße")},
    {"related.user": ("anna",)},
    {"related.user": ()},
    {"related.user": ("",)},
    {"related.user": ("ab", "cd")},
    {"related.user": ("a\x1eb", "c")},
    {"related.user": "anna"},
    {"source.port": 443, "destination.port": 443},
    {"source.port": 80, "destination.port": 443},
    {"source.port": 0},
    {"labels.mixed": 443},
    {"labels.mixed": "443"},
    {"labels.mixed": 443.0},
    {"labels.mixed": 443.5},
    {"labels.mixed": -7},
    {"labels.mixed": 1e22},
    {"labels.mixed": 1e-7},
    {"labels.mixed": "1e-07"},
    {"labels.mixed": -0.0},
    {"labels.mixed": True},
    {"labels.mixed": False},
    {"labels.mixed": "True"},
    {"labels.mixed": 1},
    {"labels.mixed": (1, "zwei", True, 2.5)},
    {"labels.mixed": 9007199254740993},
    {"source.bytes": 9007199254740993},
    {"source.bytes": 9007199254740992},
    {"source.bytes": 1200},
    {"source.ip": "192.0.2.7"},
    {"source.ip": "192.0.2.70"},
    {"source.ip": "198.51.100.255", "destination.ip": "198.51.100.255"},
    {"source.ip": "2001:db8::1"},
    {"source.ip": "::ffff:192.0.2.7"},
    {"source.ip": "::ffff:c000:207"},
    {"related.ip": ("192.0.2.9", "2001:db8::2")},
    {"related.ip": ("203.0.113.9", "::ffff:198.51.100.1")},
    {"labels.address": "192.0.2.999"},
    {"labels.address": "192.0.2.07"},
    {"labels.address": "192.0.2.7 "},
    {"labels.address": "host.example"},
    {"user.name": "anna", "user.target.name": "ANNA"},
    {"user.name": "anna", "user.target.name": "anna"},
    {"user.name": "straße", "user.target.name": "STRASSE"},
    {"user.name": "anna", "related.user": ("bernd", "Anna")},
    {"source.port": 22, "labels.mixed": "22"},
    {"message": "Failed password for Jürgen from 192.0.2.7", "event.original": "<38>Failed password"},
    {"message": "accepted", "event.original": "sshd: ACCEPTED publickey for anna"},
    {"event.original": "100% of a*b was_read"},
    {"message": "x" * 20_000 + "Nadel" + "y" * 20_000},
    {"winlog.event_data.TargetUserName": "Admin$", "winlog.event_data.targetusername": "other"},
    {"custom.unknown-field@x": "Wert"},
    {"Custom.Case": "upper"},
    {"custom.case": "lower"},
]

TEXTS = [
    "anna",
    "ANNA",
    "",
    "jürgen gross",
    "Jürgen Groß",
    "strasse",
    "STRASSE",
    "straße",
    "KELVIN",
    "\u212aELVIN",
    "\u0130STANBUL",
    "istanbul",
    "σίσυφοσ",
    "FF",
    "ﬀ",
    "a*b",
    "a\\b",
    "a%b",
    "a_b",
    "a\nb",
    "a\x00b",
    "a\x1eb",
    "\x1e",
    "\x1f",
    "'; DROP TABLE events; --",
    '"quoted"',
    "🚒 feuerwehr",
    "null",
    "[]",
    '["anna"]',
    "nobody",
]
PATTERNS = [
    "*",
    "?*",
    "?",
    "",
    "an*",
    "*NA",
    "*nn*",
    "a?b",
    r"a\?b",
    r"a\*b",
    r"a\\b",
    r"a\\\*b",
    "a%b",
    "a_b",
    "a*b",
    "*_*",
    "*%*",
    "str*e",
    "STRA?E",
    "STRAS?E",
    "*ß*",
    "*ss*",
    "j*n g*s",
    "J?RGEN*",
    "k*",
    "\u212a*",
    "i*stanbul",
    "i?istanbul",
    "i\u0307*",
    "🚒*",
    "? *",
    "**a**",
    "*\x1e*",
    "*\x1f*",
    "a\x1eb",
    "*\x00*",
    "*\n*",
    "\\",
    "a\\",
    "['",
    "*'*",
    '*"*',
    "nobody*",
]
REGEXES = [
    ("^a", ""),
    ("^A", ""),
    ("^a", "i"),
    ("a.b", ""),
    ("a.b", "s"),
    ("b$", "m"),
    ("^b$", "m"),
    ("straße", "i"),
    ("k", "i"),
    (r"^\w+$", ""),
    (r"\d+", ""),
    ("", ""),
    (r"[^a-z]", ""),
    ("(?i)ANNA|gross", ""),
    (r"\x00", ""),
    ("ü", ""),
    (r"\p{Lu}", ""),
    ("^[[:upper:]]+$", ""),
    (r"^443", ""),
    ("true", ""),
    (r"\.5$", ""),
    ("^(?P<n>a)", ""),
    (r"\A\z", ""),
    ("\x1e", ""),
]
NETWORKS = [
    "192.0.2.0/24",
    "192.0.2.7",
    "192.0.2.0/29",
    "198.51.100.0/22",
    "0.0.0.0/0",
    "::/0",
    "2001:db8::/32",
    "2001:db8::1",
    "::ffff:192.0.2.0/120",
    "203.0.113.0/24",
    "192.0.0.0/9",
    "10.0.0.0/8",
]
NUMBERS = [443, 442.5, 0, -7, 1e22, 1, 2.5, 9007199254740992, 9007199254740993, 1200.0]
TIME_PARTS: list[tuple[TimePart, Operator | Literal["eq"], int]] = [
    ("minute", "eq", 0), ("minute", "gte", 1), ("hour", "lt", 9), ("day", "eq", 1), ("week", "gt", 1),
    ("month", "lte", 6), ("year", "eq", 2026),
]  # fmt: skip
SCALARS: list[str | int | float | bool] = [443, 443.0, 443.5, -7, 0, 1, True, False, 1e22, 1e-7, 2.5, 9007199254740993]

CASES: list[tuple[str, Where]] = [
    ("always", ALWAYS),
    ("never", NEVER),
    ("not always", Not(ALWAYS)),
    ("not never", Not(NEVER)),
    *((f"Is {t!r}", Is("user.name", t)) for t in TEXTS),
    *((f"Is {t!r} cased", Is("user.name", t, cased=True)) for t in TEXTS),
    *((f"Is {t!r} in several", Is("related.user", t)) for t in TEXTS),
    *((f"Is {t!r} in several cased", Is("related.user", t, cased=True)) for t in TEXTS),
    *((f"Is not {t!r}", Not(Is("user.name", t))) for t in TEXTS),
    *((f"Is {v!r}", Is("labels.mixed", v)) for v in [*SCALARS, "443", "TRUE", "443.0", "1E-07", "-0", "0"]),
    *((f"Is port {v!r}", Is("source.port", v)) for v in (443, "443", 443.0, "443.0", 0, True)),
    *((f"absent {f}", Is(f, None)) for f in ("user.name", "related.user", "labels.mixed", "nobody.has")),
    *((f"exists {f}", Exists(f)) for f in ("user.name", "related.user", "source.ip", "nobody.has", "@timestamp")),
    *((f"not exists {f}", Not(Exists(f))) for f in ("user.name", "related.user", "nobody.has")),
    *((f"Like {p!r}", Like("user.name", p)) for p in PATTERNS),
    *((f"Like {p!r} cased", Like("user.name", p, cased=True)) for p in PATTERNS),
    *((f"Like {p!r} in several", Like("related.user", p)) for p in PATTERNS),
    *((f"Like {p!r} in several cased", Like("related.user", p, cased=True)) for p in PATTERNS),
    *((f"not Like {p!r}", Not(Like("user.name", p))) for p in PATTERNS),
    *((f"Like {p!r} on numbers", Like("labels.mixed", p)) for p in ("4*", "443", "*.5", "T*", "1?", "-*", "*e-07")),
    *((f"Matches {r!r} {f}", Matches("user.name", r, f)) for r, f in REGEXES),
    *((f"Matches {r!r} {f} in several", Matches("related.user", r, f)) for r, f in REGEXES),
    *((f"Matches {r!r} {f} on numbers", Matches("labels.mixed", r, f)) for r, f in REGEXES),
    *((f"not Matches {r!r} {f}", Not(Matches("user.name", r, f))) for r, f in REGEXES),
    *((f"Within {n}", Within("source.ip", n)) for n in NETWORKS),
    *((f"Within {n} in several", Within("related.ip", n)) for n in NETWORKS),
    *((f"Within {n} of text", Within("labels.address", n)) for n in NETWORKS),
    *((f"not Within {n}", Not(Within("source.ip", n))) for n in NETWORKS),
    *((f"{o} {n!r}", Compare("labels.mixed", o, n)) for o in ("lt", "lte", "gt", "gte") for n in NUMBERS),
    *((f"port {o} {n!r}", Compare("source.port", o, n)) for o in ("lt", "lte", "gt", "gte") for n in (80, 443, 443.5)),
    *((f"bytes {o} {n!r}", Compare("source.bytes", o, n)) for o in ("lt", "lte", "gt", "gte") for n in NUMBERS),
    *((f"{part} {o}", Dated("@timestamp", part, o, n)) for part, o, n in TIME_PARTS),
    *((f"not {part} {o}", Not(Dated("@timestamp", part, o, n))) for part, o, n in TIME_PARTS),
    ("no time", Dated("user.name", "hour", "gte", 0)),
    ("no field", Not(Dated("custom.none", "hour", "gte", 0))),
    ("text is no number", Compare("user.name", "gte", 0)),
    ("same", Same("user.name", "user.target.name")),
    ("same cased", Same("user.name", "user.target.name", cased=True)),
    ("same ports", Same("source.port", "destination.port")),
    ("same address", Same("source.ip", "destination.ip")),
    ("same, one of several", Same("user.name", "related.user")),
    ("same, one of several cased", Same("user.name", "related.user", cased=True)),
    ("same, number and text", Same("source.port", "labels.mixed")),
    ("same as itself", Same("user.name", "user.name")),
    ("begins with the other", Same("user.name", "user.target.name", how="startswith")),
    ("ends with the other", Same("user.name", "user.target.name", how="endswith")),
    ("contains one of several", Same("user.name", "related.user", how="contains")),
    ("contains none", Not(Same("user.name", "related.user", how="contains"))),
    ("contains a field that is not there", Not(Same("user.name", "custom.none", how="contains"))),
    ("not same", Not(Same("user.name", "user.target.name"))),
    *(
        (f"Keyword {k!r}", Keyword(k))
        for k in ("failed", "jÜrgen", "anna", "nadel", "100%", r"a\*b", "was_read", "f*d p?ssword", "", "<38>", "nope")
    ),
    *((f"Keyword {k!r} cased", Keyword(k, cased=True)) for k in ("failed", "Failed", "Jürgen", "Nadel", "ACC*anna")),
    ("not Keyword", Not(Keyword("failed"))),
    ("long name", Is("winlog.event_data.TargetUserName", "admin$")),
    ("names differ in case", Is("winlog.event_data.targetusername", "OTHER")),
    ("names differ in case, absent", Is("winlog.event_data.TARGETUSERNAME", None)),
    ("odd name", Is("custom.unknown-field@x", "WERT")),
    ("Custom.Case", Exists("Custom.Case")),
    ("custom.case", Exists("custom.case")),
    ("all", AllOf((Is("user.name", "anna"), Exists("user.target.name")))),
    ("any", AnyOf((Is("user.name", "anna"), Within("source.ip", "192.0.2.0/24"), Compare("source.port", "lt", 100)))),
    ("neither", Not(AnyOf((Exists("user.name"), Exists("labels.mixed"))))),
    ("not all", Not(AllOf((Exists("user.name"), Not(Like("user.name", "a*")))))),
    ("not not", Not(Not(Matches("user.name", "^a")))),
    (
        "nested",
        AllOf(
            (
                AnyOf((Matches("user.name", "n{2}"), Not(Exists("user.name")))),
                Not(AllOf((Is("related.user", "anna"), Not(Within("source.ip", "::/0"))))),
                AnyOf((ALWAYS, NEVER)),
            )
        ),
    ),
    ("all with never", AllOf((ALWAYS, NEVER))),
    ("any with always", AnyOf((NEVER, ALWAYS))),
]


def test_every_case_is_answered_as_holds_would(store_factory: Callable[[], Store], make: Callable[..., Event]) -> None:
    store = store_factory()
    events = [make(number, fields) for number, fields in enumerate(DOCUMENTS, 1)]
    for at in range(0, len(events), 31):  # each question is put to every segment
        store.append(events[at : at + 31])
    wrong: list[str] = []
    for name, where in CASES:
        want = [event.seq for event in reversed(events) if holds(where, event)]
        got = [event.seq for event in store.search(where, EVER, 1000)]
        counted = store.tally(where, EVER, (), 10)
        if got != want:
            wrong.append(f"{name}: missing {sorted(set(want) - set(got))} too many {sorted(set(got) - set(want))}")
        elif counted != [((), len(want))] and not (counted == [] and not want):
            wrong.append(f"{name}: counted {counted}, there are {len(want)}")
    assert not wrong, "\n".join(wrong)


def test_the_cases_are_not_empty_questions(make: Callable[..., Event]) -> None:
    events = [make(number, fields) for number, fields in enumerate(DOCUMENTS, 1)]
    hits = sum(any(holds(where, event) for event in events) for _, where in CASES)
    assert hits > len(CASES) * 2 / 3
    assert len({name for name, _ in CASES}) == len(CASES)


def test_events_come_back_as_they_went_in(store_factory: Callable[[], Store], make: Callable[..., Event]) -> None:
    store = store_factory()
    events = [make(number, fields) for number, fields in enumerate(DOCUMENTS, 1)]
    store.append(events)
    back = store.since(0, 10_000, 10_000)
    assert back == events
    for one, two in zip(events, back, strict=True):
        assert {name: typed(value) for name, value in one.fields.items()} == {
            name: typed(value) for name, value in two.fields.items()
        }
    assert list(reversed(store.search(ALWAYS, EVER, 10_000))) == events


def typed(value: Value) -> object:
    """Return the value with its types, so that 1, 1.0 and True are three things."""
    return [typed(one) for one in value] if isinstance(value, tuple) else (type(value).__name__, repr(value))


@pytest.mark.parametrize("depth", [50, 200])
def test_deep_nesting_is_answered(store_factory: Callable[[], Store], make: Callable[..., Event], depth: int) -> None:
    store = store_factory()
    store.append([make(1, {"user.name": "anna"}), make(2, {"user.name": "bernd"})])
    where: Where = Is("user.name", "anna")
    for _ in range(depth):
        where = Not(AnyOf((where, NEVER)))
    assert [event.seq for event in store.search(where, EVER, 10)] == [1]


def test_a_thousand_alternatives_are_answered(store_factory: Callable[[], Store], make: Callable[..., Event]) -> None:
    store = store_factory()
    store.append([make(1, {"user.name": "user-777"}), make(2, {"user.name": "anna"})])
    where = AnyOf(tuple(Is("user.name", f"user-{number}") for number in range(1000)))
    assert [event.seq for event in store.search(where, EVER, 10)] == [1]
