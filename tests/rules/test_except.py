"""`sentinel rules except`: of which event, which fields, to which rule; what cannot be meant is told."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.living import LOGIN, City

REASON = ("--reason", "announced scan", "--until", "14d")


def fail(town: City, number: int) -> list[str]:
    town.clock.advance(-timedelta(hours=1))
    fields = LOGIN | {"event.outcome": "failure"}
    events = []
    for _ in range(number):
        town.clock.advance(timedelta(seconds=10))
        events.append(town.event(fields))
    town.keep(events)
    return [one.id for one in events]


def test_an_exception_to_a_correlation_from_an_event_is_one_to_what_it_counts(town: City) -> None:
    ids = fail(town, 10)
    assert town.json("rules", "explain", "ssh_bruteforce", ids[5])[0]["fires"]
    (done,) = town.json("rules", "except", "ssh_bruteforce", "--from", ids[5], "--field", "source.ip", *REASON, "--yes")
    assert (done["met"], done["met_then"], done["days"], done["written"]) == (10, 0, 7, True)
    assert Path(done["path"]).read_text() == done["text"]
    (held,) = town.json("rules", "exceptions")
    assert (held["reason"], held["expired"]) == ("announced scan", False)
    assert not town.json("rules", "explain", "ssh_bruteforce", ids[5], code=1)[0]["fires"]
    again = town.sentinel(
        "rules", "except", "ssh_bruteforce", "--from", ids[5], "--field", "source.ip", *REASON, "--yes", code=2
    )
    assert "such an exception already" in again.stderr


def test_a_value_may_be_said_and_several_fields_must_all_be_met(town: City) -> None:
    fail(town, 10)
    fields = ("--field", "source.ip=203.0.113.66", "--field", "user.name=nobody*")
    done = town.sentinel("rules", "except", "ssh_bruteforce", *fields, *REASON)
    assert "of 10 events that met the rule in the last 7 days 0 would not have" in done.stderr
    assert "nobody\\*" in done.stdout, "a star is a star"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--from", "1" * 32, "--field", "source.ip"), "no stored event has the id"),
        (("--field", "source.ip"), "no event it is about has a field source.ip"),
        ((), "say which fields"),
        (("--field", "nobody.knows=x"), "would be refused"),
        (("--field", "user.name="), "leave it out"),
    ],
)
def test_what_cannot_be_meant_is_told_and_nothing_is_written(town: City, words: tuple[str, ...], what: str) -> None:
    assert what in town.sentinel("rules", "except", "ssh_bruteforce", *words, *REASON, "--yes", code=2).stderr
    assert not list((town.folder / "rules").iterdir())
