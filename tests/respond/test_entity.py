"""What is known of a host, a user, an address: since when, with whom, how much, and which alerts name it."""

from datetime import timedelta

import pytest

from sentinel.core.alert import Alert
from sentinel.core.entity import Entity, concerns
from sentinel.core.errors import UsageError
from sentinel.core.ports import Span
from sentinel.respond.entity import alerts_about, named, profile
from sentinel.respond.processes import SYSMON
from tests.living import City


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> City:
    """Return a city in which a user was seen on two hosts in ten days, and one process began."""
    made = City(tmp_path_factory.mktemp("town"))
    now = made.clock.now()
    seen = [
        made.event({"user.name": "M.Muster", "host.name": f"pc-{number % 2}", "event.dataset": "x.log"}, at)
        for number, at in enumerate(now - timedelta(days=10 - day, seconds=17) for day in range(10))
    ]
    process = made.event(
        {"event.provider": SYSMON, "event.code": "1", "host.name": "pc-0", "process.entity_id": "A",
         "process.parent.entity_id": "B", "process.parent.executable": "explorer.exe", "process.pid": 5,
         "process.executable": "cmd.exe\x1b[2J", "event.dataset": "windows.log"},
        now - timedelta(hours=1),
    )  # fmt: skip
    made.keep([*seen, made.event({"host.name": "other", "user.name": "somebody"}), process])
    return made


def test_first_and_last_seen_peers_counts_and_data_sets_are_exact(town: City) -> None:
    now = town.clock.now()
    with town.app.reading() as store:
        found = profile(store, Entity("user", "m.muster"), Span(now - timedelta(days=30), now), now)
        assert found.first == now - timedelta(days=10, seconds=17)
        assert found.last == now - timedelta(days=1, seconds=17)
        assert found.over.total == 10
        assert dict(found.peers) == {Entity("host", "pc-0"): 5, Entity("host", "pc-1"): 5}
        assert found.datasets == (("x.log", 10),)
        nobody = profile(store, Entity("user", "nobody-here"), Span(now - timedelta(days=30), now), now)
        assert (nobody.first, nobody.last, nobody.peers, nobody.over.total) == (None, None, (), 0)


def test_alerts_name_it_in_their_key_or_in_an_event(town: City) -> None:
    now = town.clock.now()
    with town.app.reading() as store:
        event = store.search(concerns(Entity("host", "pc-1")), Span(now - timedelta(days=30), now), 1)[0]

        def alert(number: int, host: str, evidence: tuple[str, ...]) -> Alert:
            key = (("host.name", host),)
            return Alert(str(number), "r", "v", "t", "low", key, event.timestamp, event.timestamp, now, 1, evidence)

        alerts = [alert(1, "PC-1", ()), alert(2, "elsewhere", (event.id,)), alert(3, "elsewhere", ("none",))]
        assert [one.id for one in alerts_about(store, Entity("host", "pc-1"), alerts)] == ["1", "2"]


@pytest.mark.parametrize(
    ("kind", "value"), [("printer", "x"), ("address", "no address"), ("user", "SYSTEM"), ("mail", "x")]
)
def test_what_is_no_entity_is_refused(kind: str, value: str) -> None:
    with pytest.raises(UsageError):
        named(kind, value)


def test_the_command_line_says_it(town: City) -> None:
    (said,) = town.json("entity", "show", "user", "M.MUSTER")
    assert (said["events"], len(said["peers"]), said["alerts"]) == (10, 2, [])
    assert sum(one["count"] for one in said["over_time"]) == 10
    gap, process = town.json("entity", "processes", "pc-0")
    assert (gap["gap"], gap["name"], process["depth"], process["name"]) == (True, "explorer.exe", 1, "cmd.exe\x1b[2J")
    drawn = town.sentinel("entity", "processes", "PC-0").stdout
    assert "? explorer.exe" in drawn
    assert "\x1b" not in drawn
    assert "nothing is known" in town.sentinel("entity", "show", "host", "nowhere", code=1).stderr
