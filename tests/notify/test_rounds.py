"""From the book of alerts to a mail: what is taken, what is not, and a channel that fails is an alert itself."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from sentinel.alert.book import Book
from sentinel.app import App
from sentinel.core.detection import Detection, Finding
from sentinel.core.where import ALWAYS
from sentinel.notify.door import opened
from sentinel.notify.outbox import Outbox
from sentinel.notifying import RULE, Rounds, made
from tests.living import City
from tests.notify.servers import MailServer, mail_channel

NOISY = Detection("rule-1", "A noisy rule", "high", ALWAYS, "v1", "x.yml")


@dataclass
class Town:
    """A city with a channel, whose clock a test moves; every `later` the book is looked at and the channel steps."""

    city: City
    server: MailServer
    app: App
    book: Book
    outbox: Outbox
    told: int = 0
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Open the channel."""
        opened()
        self.rounds = Rounds(self.app, self.outbox, self.book)
        self.sender = made(self.app, self.app.config.channels[0], self.outbox, self.book, self.said.append)

    def match(self, number: int = 1, rule: Detection = NOISY) -> None:
        """Let a rule match so often, each time another machine and account."""
        now = self.city.clock.now()
        numbers = range(self.told, self.told + number)
        self.told += number
        keys = {one: (("host.name", f"canary-{one}"), ("user.name", "canary.mueller")) for one in numbers}
        self.book.record([Finding(rule, keys[one], now, now, (f"e{one}",), moments=(now,)) for one in numbers], 0)

    def later(self, by: timedelta = timedelta(minutes=1)) -> None:
        """Let time go by and look."""
        self.city.clock.advance(by)
        self.rounds.go()
        while self.sender.step():
            continue


@pytest.fixture
def town(tmp_path: Path, mail_server: Callable[..., MailServer]) -> Iterator[Town]:
    server = mail_server()
    more = '[notify]\nlanguage = "en"\nanchor_channel = "team"\nalarm_minutes = 10\n'
    city = City(tmp_path, more=more + mail_channel(server))
    app = city.app
    with ExitStack() as stack:
        yield Town(city, server, app, stack.enter_context(app.book()), stack.enter_context(app.outbox()))


def subjects(town: Town) -> list[str]:
    return [str(mail["Subject"]) for mail in town.server.mails]


def test_a_new_alert_is_a_mail_and_nothing_personal_is_in_it(town: Town) -> None:
    town.match()
    town.later()
    town.later()
    assert subjects(town) == ["[Sentinel] HIGH: A noisy rule"]
    assert "canary" not in town.server.raw[0]
    assert [one["what"] for one in town.app.audit.entries()] == ["notify.sent"]


def test_a_flood_that_grows_by_and_by_is_one_mail(town: Town) -> None:
    for _ in range(60):  # 30,000 an hour, judged every five seconds
        town.match(42)
        town.later(timedelta(seconds=5))
    assert subjects(town) == ["[Sentinel] HIGH: A noisy rule"]
    assert "[flood]" in town.server.mails[0].get_content()


def test_what_is_suppressed_closed_or_older_than_sentinels_first_look_is_not_told(town: Town) -> None:
    town.match()
    town.city.clock.advance(timedelta(hours=2))
    town.match(rule=Detection("rule-2", "Closed soon", "high", ALWAYS, "v1", "x.yml"))
    (closed, _) = town.book.alerts()
    town.later(timedelta(seconds=1))
    town.book.close(closed.id, "erika", "benign")
    town.match(rule=Detection("rule-3", "Told", "high", ALWAYS, "v1", "x.yml"))
    town.later()
    town.later()
    assert subjects(town) == ["[Sentinel] HIGH: Told"]


def test_the_first_look_passes_over_a_long_history_of_alerts(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sentinel.notifying.ALERTS_MAX", 3)
    for number in range(10):
        town.match(rule=Detection(f"old-{number}", "Old", "high", ALWAYS, "v1", "x.yml"))
    town.city.clock.advance(timedelta(hours=2))
    town.match()
    town.later()
    town.later()
    assert subjects(town) == ["[Sentinel] HIGH: A noisy rule"]


def test_a_channel_that_fails_for_long_is_an_alert_that_closes_itself(town: Town) -> None:
    town.server.behave = "busy"
    town.match()
    for _ in range(30):
        town.later()
    (failing,) = town.book.open_of(RULE.id)
    assert "451" in failing.summary
    assert failing.key == (("sentinel.channel", "team"),)
    town.server.behave = "take"
    for _ in range(30):
        town.later()
    assert town.book.open_of(RULE.id) == []
    assert town.book.alert(failing.id).history[-1].note == "the channel works again"
    assert "[Sentinel] HIGH: A noisy rule" in subjects(town)


def test_the_daily_anchor_reaches_whoever_keeps_it_once(town: Town) -> None:
    anchor = town.app.audit.anchor("sentinel")
    for _ in range(3):
        town.later()
    assert subjects(town) == ["[Sentinel] Anchor of the audit log"]
    assert f"{anchor.number}:{anchor.hash}" in town.server.mails[0].get_content()
