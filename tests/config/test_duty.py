"""The duty roster: who is on call now, and what is wrong in it is named."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sentinel.config.duty import load
from sentinel.core.errors import ConfigError

ROSTER = """
[[duty]]
who = "mh"
reach = "0170 0000000"
hours = ["mon-fri 18:00-07:00", "sat,sun 00:00-24:00"]

[[duty]]
who = "eva"
begin = 2026-11-27T20:00:00
end = 2026-11-27T22:00:00
"""


@pytest.fixture(autouse=True)
def _in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def roster(tmp_path: Path) -> Path:
    """Return a file with a roster."""
    path = tmp_path / "duty.toml"
    path.write_text(ROSTER)
    return path


@pytest.mark.parametrize(
    ("at", "who", "until"),
    [
        (datetime(2026, 11, 26, 18, tzinfo=UTC), "mh", datetime(2026, 11, 27, 6, tzinfo=UTC)),
        (datetime(2026, 11, 27, 19, 30, tzinfo=UTC), "eva", datetime(2026, 11, 27, 21, tzinfo=UTC)),
        (datetime(2026, 11, 27, 21, tzinfo=UTC), "mh", datetime(2026, 11, 29, 23, tzinfo=UTC)),
    ],
)
def test_what_holds_once_comes_before_what_holds_each_week(
    roster: Path, at: datetime, who: str, until: datetime
) -> None:
    found = load(roster)
    assert found is not None
    told = found.at(at)
    assert told is not None
    assert (told[0].who, told[1]) == (who, until)


def test_nobody_is_on_call_in_office_hours_and_without_a_file_nothing_is_known(roster: Path) -> None:
    found = load(roster)
    assert found is not None
    assert found.at(datetime(2026, 11, 27, 9, tzinfo=UTC)) is None
    assert load(roster.with_name("none.toml")) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[[duty]]\nwho = "mh"\nhours = ["mondays"]\n', "not such hours"),
        ('[[duty]]\nwho = "mh"\n', "say hours, or begin and a later end"),
        ('[[duty]]\nwho = "mh"\nbegin = 2026-11-27T20:00:00\nend = 2026-11-27T19:00:00\n', "a later end"),
        ('[[duty]]\nwho = "mh"\nhours = ["sat 00:00-24:00"]\nend = 2026-11-27T19:00:00\n', "tables of their own"),
        ('[[duty]]\nwhom = "mh"\n', "did you mean 'who'"),
    ],
)
def test_what_is_wrong_in_it_is_named(roster: Path, text: str, why: str) -> None:
    roster.write_text(text)
    with pytest.raises(ConfigError, match=why):
        load(roster)
