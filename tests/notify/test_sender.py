"""Who is told what, when, how often: gathering, digests, quiet hours, rates, tries; nothing is lost, nobody drowns."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.audit.log import AuditLog
from sentinel.core.alert import Alert
from sentinel.core.clock import ManualClock
from sentinel.core.detection import Level
from sentinel.core.errors import SentinelError
from sentinel.notify.message import Message, Words
from sentinel.notify.outbox import Outbox, Pace
from sentinel.notify.sender import LONGEST_SECONDS, Sender, Terms
from tests.notify.conftest import NOW, alert
from tests.notify.servers import MailServer

PACE = Pace(timedelta(seconds=30), timedelta(hours=1))
MINUTE = timedelta(minutes=1)


def _never(_: datetime) -> datetime | None:
    return None


@dataclass
class Desk:
    """A channel with a receiver that takes, or does not, and alerts that may have become others."""

    outbox: Outbox
    folder: Path
    terms: Terms = field(default_factory=lambda: Terms(_never, "critical", 30, 100, timedelta(hours=24)))
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    alerts: dict[str, Alert] = field(default_factory=dict)
    got: list[tuple[datetime, Message]] = field(default_factory=list)
    down: str = ""
    said: list[str] = field(default_factory=list)
    taken: int = 0

    def __post_init__(self) -> None:
        """Open the channel."""
        self.audit = AuditLog(self.folder, self.clock)
        self.sender = Sender(
            "team", self.terms, Words("en", "Town"), self.outbox, self.deliver, self.look, self.audit, self.clock,
            Random(1), self.said.append,  # noqa: S311  the same tries each time
        )  # fmt: skip

    def deliver(self, message: Message, _at: datetime, _facts: Mapping[str, object], /) -> None:
        if self.down:
            raise SentinelError(self.down)
        self.got.append((self.clock.now(), message))

    def look(self, ids: Sequence[str]) -> list[Alert]:
        return list({one.id: one for one in (self.alerts.get(name) for name in ids) if one is not None}.values())

    def raised(self, *alerts: Alert) -> None:
        self.alerts |= {one.id: one for one in alerts}
        self.taken += len(alerts)
        self.outbox.take(alerts, self.taken, {"team": "medium"}, self.clock.now(), PACE)

    def later(self, by: timedelta) -> None:
        """Let time go by, a look a minute or half a minute at a time."""
        end = self.clock.now() + by
        while self.clock.now() < end:
            self.clock.advance(min(timedelta(seconds=30), end - self.clock.now()))
            while self.sender.step():
                continue


@pytest.fixture
def desk(outbox: Outbox, tmp_path: Path) -> Desk:
    return Desk(outbox, tmp_path)


def test_alerts_of_one_rule_are_one_message_and_further_ones_wait_an_hour(desk: Desk) -> None:
    desk.raised(alert("a"), alert("low", "low"))
    desk.clock.advance(timedelta(seconds=20))
    desk.raised(alert("b", "critical", count=7))
    desk.later(MINUTE)
    ((_, first),) = desk.got
    assert first.title == "[Town] CRITICAL: Title of rule-1 (2 alerts)"
    assert "2 alerts, 8 events" in first.body
    desk.raised(alert("c"))
    desk.later(timedelta(minutes=50))
    assert len(desk.got) == 1
    desk.later(timedelta(minutes=15))
    assert desk.got[1][1].title == "[Town] HIGH: Title of rule-1"
    assert desk.got[1][0] - desk.got[0][0] >= timedelta(hours=1)


def test_the_same_alert_is_told_once_whatever_is_queued_again(desk: Desk) -> None:
    for _ in range(3):
        desk.raised(alert("a"))
        desk.later(timedelta(hours=2))
    assert len(desk.got) == 1
    entry = list(desk.audit.entries())[-1]
    assert (entry["what"], entry["about"]) == ("notify.sent", alert("a").id)


def test_alerts_that_have_become_a_flood_are_told_as_that_one(desk: Desk) -> None:
    desk.raised(*(alert(f"{number}") for number in range(80)))
    flood = replace(alert("f", count=30_000), flood=True)
    desk.raised(flood)
    desk.alerts = dict.fromkeys(desk.alerts, flood)
    desk.later(timedelta(hours=3))
    ((_, told),) = desk.got
    assert "30,000 events" in told.body
    assert "over its budget" in told.body


def test_what_nobody_is_to_be_shown_any_more_is_not_told(desk: Desk) -> None:
    desk.raised(alert("a"))
    desk.alerts.clear()
    desk.later(timedelta(hours=1))
    assert desk.got == []
    assert [one.state for one in desk.outbox.listed()] == ["dropped"]


def test_quiet_hours_hold_back_all_but_what_breaks_them_and_end_in_one_digest(outbox: Outbox, tmp_path: Path) -> None:
    morning = NOW + timedelta(hours=6)
    terms = Terms(lambda now: morning if now < morning else None, "critical", 30, 100, timedelta(hours=24))
    desk = Desk(outbox, tmp_path, terms)
    desk.raised(*(alert(f"{number}", rule=f"rule-{number}") for number in range(5)))
    desk.raised(alert("c", "critical", "worst"))
    desk.later(timedelta(hours=5))
    assert [one.level for _, one in desk.got] == ["critical"]
    desk.later(timedelta(hours=2))
    assert [one.reason for _, one in desk.got] == ["raised", "digest"]
    at, digest = desk.got[1]
    assert at >= morning
    assert "5 notifications held back" in digest.title
    assert len(digest.alerts) == 5


def test_beyond_its_rate_a_channel_sends_one_digest(outbox: Outbox, tmp_path: Path) -> None:
    desk = Desk(outbox, tmp_path, Terms(_never, None, 3, 100, timedelta(hours=24)))
    for number in range(3):
        desk.raised(alert(f"{number}", rule=f"rule-{number}"))
        desk.later(MINUTE)
    desk.raised(*(alert(f"x{number}", rule=f"other-{number}") for number in range(50)))
    desk.later(timedelta(minutes=50))
    assert len(desk.got) == 3
    desk.later(timedelta(minutes=20))
    assert [one.reason for _, one in desk.got[3:]] == ["digest"]
    assert len(desk.got[3][1].alerts) == 50
    assert "+ 10 alerts (more)" in desk.got[3][1].body


def test_while_a_server_is_away_it_is_tried_ever_more_rarely_with_the_same_words_then_all_arrives(desk: Desk) -> None:
    desk.down = "error=503"
    desk.raised(alert("a"), alert("b", rule="rule-2"))
    desk.later(timedelta(hours=6))
    waiting = desk.outbox.listed(states=["waiting"])
    tries = sum(one.attempts for one in waiting)
    assert 10 < tries < 120
    health = desk.outbox.health("team")
    assert (health.failing, health.failures, health.error) == (NOW + timedelta(seconds=30), tries, "error=503")
    words = {one.id: one.body for one in waiting if one.title}
    desk.alerts = {name: replace(one, count=99) for name, one in desk.alerts.items()}
    desk.down = ""
    desk.later(timedelta(seconds=2 * LONGEST_SECONDS))
    assert {one.id for _, one in desk.got} == {one.id for one in waiting}
    assert all(one.body == words[one.id] for _, one in desk.got if one.id in words)
    assert desk.outbox.health("team").failing is None
    assert len(desk.said) == 2


def test_what_cannot_be_told_for_a_day_has_failed_and_is_counted(desk: Desk) -> None:
    desk.down = "550 not here"
    desk.raised(alert("a"))
    desk.later(timedelta(hours=26))
    assert desk.outbox.counts() == {("team", "failed"): 1}
    assert "given up" in desk.said[-1]


def test_one_message_that_is_never_taken_holds_up_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.raised(alert("a", rule="poison"))
    desk.later(MINUTE)
    desk.got.clear()
    desk.raised(alert("b", rule="poison-2"))

    def deliver(message: Message, at: datetime, facts: Mapping[str, object], /) -> None:
        if message.rule_id == "poison-2":
            raise SentinelError("error=400")
        desk.deliver(message, at, facts)

    monkeypatch.setattr(desk.sender, "deliver", deliver)
    for number in range(5):
        desk.raised(alert(f"x{number}", rule=f"good-{number}"))
        desk.later(timedelta(minutes=30))
    assert {one.rule_id for _, one in desk.got} == {f"good-{number}" for number in range(5)}


@settings(max_examples=25)  # each writes and syncs a file of its own
@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from(["medium", "high", "critical"]), st.integers(0, 90)), max_size=25
    )
)
def test_every_alert_is_told_once_by_whatever_message(
    tmp_path_factory: pytest.TempPathFactory, given: list[tuple[int, Level, int]]
) -> None:
    folder = tmp_path_factory.mktemp("outbox")
    with Outbox(folder / "notify.db") as outbox:
        night = NOW + timedelta(hours=1), NOW + timedelta(hours=3)
        terms = Terms(
            lambda now: night[1] if night[0] <= now < night[1] else None, "critical", 4, 100, timedelta(hours=24)
        )
        desk = Desk(outbox, folder, terms)
        for number, (rule, level, minutes) in enumerate(given):
            desk.raised(alert(f"{number}", level, f"rule-{rule}"))
            desk.clock.advance(timedelta(minutes=minutes))
            desk.sender.step()
        desk.later(timedelta(hours=8))
        told = [name for _, message in desk.got for name in message.alerts]
        assert sorted(told) == sorted(alert(f"{number}").id for number in range(len(given)))
        for at, _ in desk.got:
            assert sum(at - timedelta(hours=1) < other <= at for other, _ in desk.got) <= 4


PROGRAM = """
import sys
from datetime import timedelta
from pathlib import Path
from random import Random
from functools import partial
from sentinel.audit.log import AuditLog
from sentinel.core.clock import ManualClock
from sentinel.notify.door import Target, deliver, opened
from sentinel.notify.message import Words
from sentinel.notify.outbox import Outbox
from sentinel.notify.sender import Sender, Terms
from tests.notify.conftest import NOW, alert
from tests.notify.test_sender import PACE
opened()
folder, port = Path(sys.argv[1]), int(sys.argv[2])
own = ("127.0.0.0/8",)
target = Target("mail", "127.0.0.1", port, "none", str, sender="a@city.example", to=("b@city.example",), networks=own)
with Outbox(folder / "notify.db") as outbox:
    clock = ManualClock(NOW)
    outbox.take([alert("a")], 1, {"team": "high"}, NOW, PACE)
    clock.advance(timedelta(minutes=int(sys.argv[3])))
    terms = Terms(lambda now: None, None, 30, 100, timedelta(hours=24))
    sender = Sender("team", terms, Words(), outbox, partial(deliver, target), lambda ids: [alert("a")],
                    AuditLog(folder, clock), clock, Random(1), print)
    while sender.step():
        pass
"""


@pytest.mark.kill
def test_killed_at_each_point_a_message_arrives_and_what_came_twice_can_be_told(tmp_path: Path) -> None:
    server = MailServer()
    points = ("notify.before_queued", "notify.queued", "notify.before_send", "notify.sent", "notify.noted")
    for number, point in enumerate((*points, "")):
        environment = {**os.environ, "SENTINEL_KILL_AT": point, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(server.port), str(number + 1)]
        done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
        assert done.returncode == (-signal.SIGKILL if point else 0), (point, done.stderr)
    server.close()
    assert len(server.mails) == 2, "once more for the death between sending and noting"
    assert len({mail["Message-ID"] for mail in server.mails}) == 1
    with Outbox(tmp_path / "notify.db") as outbox:
        assert outbox.counts() == {("team", "sent"): 1}
