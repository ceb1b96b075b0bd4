"""Every screen in both languages and three sizes looks as it did when a person last looked at it."""

import os
import re
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sentinel.core.alert import Alert, Assign, Seen
from sentinel.core.case import AddTask, SetDeadline
from sentinel.core.clock import ManualClock
from sentinel.core.scene import Scene
from sentinel.ui.console.page import Page
from sentinel.ui.console.services import Services
from sentinel.ui.console.surveys import RuleNumbers, RulesSurvey, TechniqueSurvey
from sentinel.ui.words import LANGUAGES
from tests.living import LOGIN, City
from tests.ui.console.conftest import NOW, PICTURES, At, Hands, lines
from tests.ui.console.test_network import flow
from tests.ui.console.test_rules import Few
from tests.ui.console.test_sources import three_hours

MINUTE = timedelta(minutes=1)
SHELL = LOGIN | {
    "event.provider": "Microsoft-Windows-Security-Auditing",
    "event.code": "4688",
    "event.dataset": "windows.eventlog",
    "event.action": "process_started",
    "host.name": "srv-01",
    "process.name": "powershell.exe",
    "process.pid": 4711,
    "process.command_line": "powershell -enc aQBlAHgA",
    "process.parent.pid": 900,
    "process.parent.name": "winword.exe",
    "event.original": "<Event>4688: powershell.exe by winword.exe</Event>",
    "message": "A new process has been created: powershell -enc aQBlAHgA",
}
Step = tuple[str, str, str, tuple[str, ...]]
WALK: tuple[Step, ...] = (
    ("overview", "overview", "", ()),
    ("alerts", "alerts", "", ()),
    ("alerts, two marked", "", "", ("space", "space")),
    ("alerts: suppress", "", "", ("s",)),
    ("alerts: which verdict", "", "", ("escape", "c")),
    ("alert: evidence", "", "", ("escape", "space", "space", "g", "g", "enter")),
    ("alert: rule", "", "", ("right",)),
    ("alert: timeline", "", "", ("right",)),
    ("alert: entity", "", "", ("right",)),
    ("alert: history", "", "", ("right",)),
    ("alert: raw", "", "", ("right",)),
    ("alert: bytes", "", "", ("h",)),
    ("alert: keys", "", "", ("question_mark",)),
    ("incidents", "incidents", "", ()),
    ("hunt", "hunt", "host.name:srv-01 last 24h", ()),
    ("hunt: explained", "", "", ("w",)),
    ("event", "", "", ("escape", "enter")),
    ("timeline", "timeline", "host.name=srv-01", ()),
    ("entity", "entity", "host.name=srv-01", ()),
    ("entity: processes", "", "", ("P",)),
    ("network", "network", "", ()),
    ("sources", "sources", "", ()),
    ("rules", "rules", "", ()),
    ("rules: ATT&CK", "", "", ("C",)),
    ("cases", "cases", "", ()),
    ("case", "case", "1", ()),
    ("audit", "audit", "", ()),
    ("palette", "", "", ("ctrl+p",)),
)
"""What is looked at: its name, the screen and its subject ("": the one in view), the keys pressed before."""


@pytest.fixture(scope="session")
def _day(tmp_path_factory: pytest.TempPathFactory) -> City:
    """Make a city after a day's work, once."""
    city = City(tmp_path_factory.mktemp("day"), clock=ManualClock(NOW - timedelta(hours=3)))
    three_hours(city)
    city.keep([city.event(LOGIN | {"event.action": "ssh_failed", "event.outcome": "failure"}, NOW - 40 * MINUTE)])
    city.keep([city.event(SHELL, NOW - 30 * MINUTE)])
    flows = [flow("rathaus", "schule-01")] * 3 + [flow("rathaus", "schule-02")] * 4 + [flow("rathaus", "")]
    flows.append(flow("schule-02", "rathaus", event_dataset="sensor.finding", message="a scan"))
    city.keep([city.event(one, NOW - 5 * MINUTE) for one in flows])
    city.login()
    city.login(after=MINUTE, host_name="srv-02")
    city.login(after=MINUTE, source_ip="198.51.100.7")
    with city.app.desk() as desk:
        last, _second, first = sorted(desk.alerts(), key=lambda one: one.first_seen, reverse=True)
        desk.close(first.id, "anna", "false_positive", "the service provider")
        desk.change(Seen(last.id), Assign("bernd"), "anna")
    with city.app.cases() as cases:
        cases.create("Phishing in the treasury", "anna", "three mails")
        cases.change(1, AddTask("reset the password"), "anna")
        cases.change(1, SetDeadline(NOW + timedelta(hours=30)), "anna")
    city.clock.advance(MINUTE)
    return city


@pytest.fixture
def busy(city: City, _day: City) -> City:
    """Return the city after a day's work."""
    shutil.copytree(_day.folder / "data", city.folder / "data", dirs_exist_ok=True)
    city.clock.moment, city.stored = _day.clock.moment, _day.stored
    return city


class Some(Few):
    """Who knows four rules and two techniques."""

    def rule_numbers(self) -> RuleNumbers:
        """Return the same numbers always."""
        return RuleNumbers(42, 1, 2)

    def rules(self) -> RulesSurvey:
        """Return the same rules always."""
        known = TechniqueSurvey("Initial Access", "T1078", "Valid Accounts", 2, 1, 3)
        unknown = TechniqueSurvey("Impact", "T1486", "Data Encrypted for Impact", 0, 0, 0)
        return replace(super().rules(), techniques=(known, unknown))


class Album:
    """Pictures that are compared all at once with a file of them (`--bless` writes it)."""

    def __init__(self, name: str, *, blessing: bool) -> None:
        self._path = PICTURES / f"{name}.txt"
        self._blessing = blessing
        self._pictures: list[str] = []
        eyes = os.environ.get("SENTINEL_TEST_PICTURES")
        self._eyes = Path(eyes) / name if eyes else None

    def take(self, hands: Hands, name: str) -> None:
        """Take a picture: the lines of the screen, several empty ones as their number."""
        if self._eyes is not None:
            self._eyes.mkdir(parents=True, exist_ok=True)
            file = f"{len(self._pictures):02} {name}.svg".replace(" ", "-").replace(":", "")
            (self._eyes / file).write_text(hands.console.export_screenshot(), "utf-8")
        whole = "\n".join(lines(hands.console))
        short = re.sub(r"\n{3,}", lambda empty: f"\n⋮ {len(empty[0]) - 1} empty lines\n", whole)
        self._pictures.append(f"=== {name}\n{short}\n")

    def compare(self) -> None:
        """Hold them against those that are there."""
        seen = "\n".join(self._pictures)
        if self._blessing:
            self._path.write_text(seen, "utf-8")
        assert self._path.read_text("utf-8") == seen


@pytest.fixture
def album(blessing: bool, language: str, size: tuple[int, int]) -> Album:  # noqa: FBT001  a fixture
    """Return the album of a language and a size."""
    return Album(f"every-screen-{language}-{size[0]}", blessing=blessing)


def steady(given: Services, city: City) -> Services:
    """Put something steady where each city differs: its key, its folder, the rules of the day."""

    def scene(alert: Alert) -> Scene:
        found = given.scene(alert)
        assert found.rule is not None
        return replace(found, rule=replace(found.rule, path=Path(found.rule.path).name))

    surveys = Some(city.app)
    return replace(given, surveys=lambda: surveys, chain=lambda: replace(given.chain(), head="9f3c51d0"), scene=scene)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_screen_looks_as_it_did(
    busy: City, desk_at: At, size: tuple[int, int], language: str, album: Album
) -> None:
    async def play(hands: Hands) -> None:
        for name, screen, subject, keys in WALK:
            if screen:
                if not isinstance(hands.console.screen, Page):
                    await hands.press("escape")
                hands.console.open(screen, subject)
                await hands.settled()
            await hands.press(*keys)
            album.take(hands, name)

    desk_at(play, size=size, but=lambda given: replace(steady(given, busy), language=language))
    album.compare()
