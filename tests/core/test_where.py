"""What `Where` means, by its definition."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.event import Entry, Event, Origin, Raw, arrived, arriving, event_id, replayed
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
    Same,
    Where,
    Within,
    fields_of,
    holds,
)
from sentinel.core.wildcard import escaped, fold, like

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("where", "fields", "expected"),
    [
        (Is("a", "STRASSE"), {"a": "straße"}, True),
        (Is("a", "ämter"), {"a": "ÄMTER"}, True),
        (Is("a", "ämter", cased=True), {"a": "ÄMTER"}, False),
        (Is("a", "x"), {"a": ("y", "X")}, True),
        (Is("a", None), {}, True),
        (Is("a", None), {"a": ()}, True),
        (Is("a", None), {"a": ""}, False),
        (Is("a", 443), {"a": "443"}, True),
        (Is("a", "443"), {"a": 443}, True),
        (Is("a", "0443"), {"a": 443}, False),
        (Is("a", 2), {"a": 2.0}, True),
        (Is("a", "2"), {"a": 2.0}, True),
        (Is("a", "true"), {"a": True}, True),
        (Is("a", 1), {"a": True}, False),
        (Like("a", "*STRA?SE*"), {"a": "Hauptstraße 1"}, True),
        (Like("a", "b*"), {"a": "ab"}, False),
        (Like("a", ""), {"a": ""}, True),
        (Like("a", "*"), {}, False),
        (Like("a", r"C:\\*\\cmd.exe"), {"a": "c:\\Windows\\System32\\CMD.EXE"}, True),
        (Like("a", r"100\*"), {"a": "100*"}, True),
        (Like("a", r"100\*"), {"a": "1000"}, False),
        (Like("a", "8?"), {"a": 80}, True),
        (Matches("a", "^x+$"), {"a": ("q", "xx")}, True),
        (Matches("a", "^X+$"), {"a": "xx"}, False),
        (Matches("a", "^X+$", "i"), {"a": "xx"}, True),
        (Within("a", "10.0.0.0/8"), {"a": "10.1.2.3"}, True),
        (Within("a", "10.0.0.0/8"), {"a": "::ffff:10.1.2.3"}, True),
        (Within("a", "::ffff:10.0.0.0/104"), {"a": "10.1.2.3"}, True),
        (Within("a", "2001:db8::/32"), {"a": "2001:DB8::1"}, True),
        (Within("a", "0.0.0.0/0"), {"a": "not an address"}, False),
        (Compare("a", "gte", 5), {"a": 5}, True),
        (Compare("a", "gt", 5), {"a": 5.5}, True),
        (Compare("a", "lt", 5), {"a": "4"}, False),
        (Dated("a", "hour", "eq", 22), {"a": "2026-11-23T22:10:00.000Z"}, True),
        (Dated("a", "hour", "eq", 21), {"a": "2026-11-23T22:10:00+01:00"}, True),
        (Dated("a", "hour", "gte", 22), {"a": ("2026-11-23T21:10:00Z", "2026-11-23T23:10:00Z")}, True),
        (Dated("a", "minute", "lt", 10), {"a": "2026-11-23T22:10:00Z"}, False),
        (Dated("a", "day", "lte", 23), {"a": "2026-11-23T22:10:00Z"}, True),
        (Dated("a", "week", "eq", 53), {"a": "2027-01-01T00:00:00Z"}, True),
        (Dated("a", "month", "gt", 10), {"a": "2026-11-23T22:10:00Z"}, True),
        (Dated("a", "year", "eq", 2025), {"a": "2026-01-01T00:30:00+01:00"}, True),
        (Dated("a", "hour", "gte", 0), {"a": "2026-11-23T22:10:00"}, False),
        (Dated("a", "hour", "gte", 0), {"a": "0001-01-01T00:00:00+01:00"}, False),
        (Dated("a", "hour", "gte", 0), {"a": ("night", 22, True)}, False),
        (Dated("a", "hour", "gte", 0), {}, False),
        (Compare("a", "lte", 5), {"a": True}, False),
        (Exists("a"), {"a": ""}, True),
        (Exists("a"), {"a": ()}, False),
        (Same("a", "b"), {"a": ("x", "Y"), "b": "y"}, True),
        (Same("a", "b"), {"a": "x"}, False),
        (Same("a", "b", how="startswith"), {"a": "SRV-01.example", "b": ("x", "srv-01")}, True),
        (Same("a", "b", how="startswith"), {"a": "xsrv-01", "b": "srv-01"}, False),
        (Same("a", "b", how="endswith"), {"a": "xSRV-01", "b": "srv-01"}, True),
        (Same("a", "b", how="endswith"), {"a": "srv-01x", "b": "srv-01"}, False),
        (Same("a", "b", how="contains"), {"a": 14435, "b": 443}, True),
        (Same("a", "b", cased=True, how="contains"), {"a": "xSRVx", "b": "srv"}, False),
        (Same("a", "b", how="contains"), {"a": "x"}, False),
        (Keyword("fail*word"), {"event.original": "sshd: Failed password"}, True),
        (Keyword("x"), {"user.name": "x"}, False),
        (Not(Is("a", "x")), {"a": ("x", "y")}, False),
        (AllOf((Is("a", 1), Is("b", 2))), {"a": 1, "b": 2}, True),
        (AnyOf((Is("a", 1), Is("b", 2))), {"a": 2, "b": 2}, True),
        (ALWAYS, {}, True),
        (NEVER, {}, False),
    ],
)
def test_holds_means(where: Where, fields: dict[str, object], *, expected: bool) -> None:
    assert holds(where, fields) is expected  # type: ignore[arg-type]


@given(st.text(), st.text())
def test_an_escaped_text_matches_itself_and_nothing_else(text: str, other: str) -> None:
    assert like(text, escaped(text))
    assert like(other, escaped(text)) == (fold(other) == fold(text))


@given(st.text(alphabet="abÄß*?\\", max_size=12), st.text(alphabet="abÄß*?\\", max_size=8))
def test_wildcards_agree_with_the_obvious_slow_way(text: str, pattern: str) -> None:
    def slow(subject: str, parts: list[str]) -> bool:
        if not parts:
            return not subject
        if parts[0] == "*":
            return any(slow(subject[at:], parts[1:]) for at in range(len(subject) + 1))
        want = parts[0][-1]
        return bool(subject) and (parts[0] == "?" or subject[0] == want) and slow(subject[1:], parts[1:])

    parts: list[str] = []
    at = 0
    while at < len(pattern):
        if pattern[at] == "\\" and pattern[at + 1 : at + 2] in {"*", "?", "\\"}:
            parts.append("=" + pattern[at + 1])
            at += 2
            continue
        wild = pattern[at] in "*?"
        parts += [pattern[at]] if wild else ["=" + char for char in fold(pattern[at])]
        at += 1
    assert like(text, pattern) == slow(fold(text), parts)


def test_many_wildcards_on_a_long_text_end_soon() -> None:
    assert not like("a" * 20_000, "*a" * 50 + "*b")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Matches("a", "(?=x)"),
        lambda: Matches("a", "("),
        lambda: Within("a", "10.0.0.0/33"),
        lambda: Is("a b", "x"),
        lambda: Is("a';--", "x"),
        lambda: Compare("a", "gt", float("nan")),
        lambda: Like("a", "x" * 40_000),
    ],
)
def test_what_cannot_mean_anything_is_refused_when_it_is_made(make: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  each has a message of its own
        make()  # type: ignore[operator]


def test_fields_of_names_every_field() -> None:
    where = AllOf((Same("a", "b"), Not(Keyword("x")), AnyOf((Exists("c"),))))
    assert fields_of(where) == {"a", "b", "c", "message", "event.original"}


def test_events_and_plain_documents_are_judged_alike() -> None:
    assert holds(Is("a", 1), Event("id", 1, NOW, NOW, {"a": 1}))


def entry(seq: int, body: bytes = b"x", position: str = "") -> Entry:
    return Entry(seq, NOW, Raw(body, "s", NOW, Origin("syslog-udp", "192.0.2.1:514", position)))


def test_equal_lines_are_different_events() -> None:
    assert len({event_id(entry(seq)) for seq in range(1000)}) == 1000


def test_a_record_with_a_position_is_itself_wherever_it_lies_in_the_spool() -> None:
    assert event_id(entry(1, position="f:0")) == event_id(entry(2, position="f:0"))
    assert event_id(entry(1, position="f:0")) != event_id(entry(1, position="f:1"))


def test_a_dead_letter_is_not_the_event_it_may_become() -> None:
    assert event_id(entry(1)) != event_id(entry(1), kind="deadletter")


def test_a_replayed_record_is_the_same_event_on_the_same_day() -> None:
    first = entry(7)
    again = Entry(90, datetime(2027, 1, 1, tzinfo=UTC), replayed(first))
    assert event_id(again) == event_id(first)
    assert arrived(again) == arrived(first) == NOW
    third = Entry(91, datetime(2027, 2, 1, tzinfo=UTC), replayed(again))
    assert event_id(third) == event_id(first)
    assert arrived(third) == NOW


def test_the_note_of_an_entrance_survives_the_time_of_arrival() -> None:
    raw = Raw(b"x", "s", NOW, Origin("file", "f", "1", "utf-16"))
    assert arriving(arriving(raw, NOW), NOW).origin.note.split() == ["utf-16", f"arrived:{NOW.isoformat()}"]
