"""What is said: in both languages, in one harmless line where there is room for one, and nothing personal unasked."""

import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel import config
from sentinel.config.quiet import hours, quiet_until
from sentinel.core.errors import ConfigError
from sentinel.notify.message import LINE_MAX, TITLE_MAX, Words
from tests.notify.conftest import NOW, alert

CANARIES = ("canary.mueller", "203.0.113.77", "pc-canary-17", "Accepted password for canary.mueller")
PERSONAL = replace(
    alert("a", key=(("user.name", CANARIES[0]), ("source.ip", CANARIES[1]), ("host.name", CANARIES[2]))),
    summary=CANARIES[3],
)
MAIL = 'server = "mail.city.example"\nsender = "siem@city.example"\nto = ["team@city.example"]\n'


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("reason", ["raised", "digest"])
def test_nothing_personal_is_said_unless_asked_for(language: str, reason: str) -> None:
    said = Words(language, "Town").alerts(reason, [PERSONAL, replace(PERSONAL, id="b" * 32)])  # type: ignore[arg-type]
    assert not any(canary in text for canary in CANARIES for text in said)
    asked = Words(language, "Town", personal=True).alerts(reason, [PERSONAL])  # type: ignore[arg-type]
    assert all(canary in asked[1] for canary in CANARIES)


def test_a_german_message_counts_as_germans_do() -> None:
    title, body = Words("de", "Stadt Musterstadt").alerts("raised", [alert("a", "critical", count=30_000)])
    assert title == "[Stadt Musterstadt] KRITISCH: Title of rule-1"
    assert body.startswith("1 Alarm, 30.000 Ereignisse\n")
    assert f"sentinel alerts show {alert('a').id[:12]}" in body


@given(st.text(max_size=400), st.text(max_size=400), st.lists(st.tuples(st.text(max_size=9), st.text(max_size=400))))
def test_whatever_a_stranger_wrote_stays_in_its_line(title: str, summary: str, key: list[tuple[str, str]]) -> None:
    one = replace(alert("a"), title=f"{title}\r\nBcc: x@evil.example\x1b[2J", summary=summary, key=tuple(key))
    head, body = Words("en", f"Town\n{title}", personal=True).alerts("raised", [one])
    assert head.isprintable()
    assert len(head) <= TITLE_MAX
    assert all(line.isprintable() and len(line) <= LINE_MAX for line in body.split("\n"))
    assert len(body.split("\n")) <= 8


@pytest.mark.parametrize(
    ("text", "at", "until"),
    [
        ("mon-fri 18:00-07:00", "2026-11-27 18:00", "2026-11-28 07:00"),  # a Friday
        ("mon-fri 18:00-07:00", "2026-11-28 06:59", "2026-11-28 07:00"),
        ("mon-fri 18:00-07:00", "2026-11-28 07:00", None),
        ("mon-fri 18:00-07:00", "2026-11-29 06:00", None),
        ("sat,sun 00:00-24:00", "2026-11-28 07:00", "2026-11-30 00:00"),
        ("fri-mon 12:00-13:00", "2026-11-30 12:00", "2026-11-30 13:00"),
        ("tue 12:00-13:00", "2026-11-30 12:00", None),
    ],
)
def test_quiet_hours_are_local_and_end_when_the_last_that_adjoins_ends(text: str, at: str, until: str | None) -> None:
    found = quiet_until((hours(text),), datetime.fromisoformat(at).astimezone(UTC))
    assert found == (None if until is None else datetime.fromisoformat(until).astimezone(UTC))


def test_hours_that_never_end_are_bounded() -> None:
    found = quiet_until((hours("mon-sun 00:00-24:00"),), NOW)
    assert found is not None
    assert timedelta(days=7) < found - NOW < timedelta(days=30)


@pytest.mark.parametrize("text", ["", "mon", "mon 25:00-26:00", "mon 10:70-11:00", "xxx 10:00-11:00", "mon 1:00-2:00"])
def test_hours_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"say|there are|time of day"):
        hours(text)


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ('kind = "mail"\n', "needs server, sender and to"),
        (f'kind = "mail"\n{MAIL}user = "x"\n', "belong together"),
        (f'kind = "mail"\n{MAIL}user = "x"\npassword_file = "/p"\nsecurity = "none"\n', "to everybody on the way"),
        (f'kind = "mail"\n{MAIL}quiet = ["mon 10"]\n', "say"),
        (f'kind = "mail"\n{MAIL.replace("siem@", "siem")}', "not a mail address"),
        (f'kind = "mail"\n{MAIL.replace("team@", "a,b@")}', "not a mail address"),
        (f'kind = "mail"\n{MAIL.replace(".example", ".example:x", 1)}', "no such port"),
        (f'kind = "mail"\n{MAIL}networks = ["10.0.0.1/8"]\n', "networks"),
        ('kind = "webhook"\nurl = "http://hooks.example/x"\n', "http only within your own networks"),
        ('kind = "webhook"\nurl = "file:///etc/passwd"\n', "no https address"),
        ('kind = "webhook"\nurl = "https://a:b@hooks.example/"\n', "no https address"),
        ('kind = "matrix"\nurl = "https://home.example"\nroom = "!r:home.example"\n', "needs token_file"),
        (f'kind = "mail"\n{MAIL}levle_min = "low"\n', "did you mean 'level_min'"),
    ],
)
def test_a_channel_that_cannot_work_is_refused_with_what_to_do(table: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        config.parse(tomllib.loads(f'[[channels]]\nname = "team"\n{table}'))


def test_a_channel_for_anchors_has_to_be_there() -> None:
    with pytest.raises(ConfigError, match="there is no channel 'isb'"):
        config.parse(tomllib.loads('[notify]\nanchor_channel = "isb"\n'))


@given(
    st.datetimes(datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2027-12-31")),
    st.integers(0, 1439),
    st.integers(0, 1440),
)
def test_an_end_of_quiet_is_never_in_the_past(local: datetime, start: int, end: int) -> None:
    text = f"mon-sun {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    now = local.astimezone(UTC)
    found = quiet_until((hours(text),), now)
    assert found is None or found > now - timedelta(hours=1)  # the hour that summer time takes back
