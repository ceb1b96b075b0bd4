"""The model city's own story of an infected tablet, told by other hands than the comparison, comes first on its day."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sentinel import comparing, config
from sentinel.app import App
from sentinel.core.clock import ManualClock
from sentinel.core.event import Entry
from sentinel.testing.city import City
from sentinel.testing.city.folder import prepare
from sentinel.testing.city.living import records, weeks
from sentinel.testing.scene import WEEK

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)


def test_the_infected_tablet_of_the_model_city_comes_first_on_its_second_day(tmp_path: Path) -> None:
    """From the lines of the schools' firewalls: a Saturday, on which little else happens, is the harder for it."""
    city = City(1, 0.001)
    (story,) = [play for play in weeks(city, MONDAY, MONDAY + WEEK) if play.name == "school_beacon"]
    begin = datetime.combine(story.first.date(), datetime.min.time(), UTC) + timedelta(hours=23)
    end = begin + timedelta(days=1)
    prepare(tmp_path, city, begin, end, [story])
    app = App(config.load(tmp_path / "sentinel.toml"), ManualClock(end + timedelta(hours=4)))
    lines = (one.raw for one in records(city, begin, end, [story]) if b"filterlog" in one.line.body)
    with app.writing() as store:
        store.append(
            [
                event
                for seq, raw in enumerate(lines, start=1)
                for event in app.reader.read(Entry(seq, raw.received, raw))
            ]
        )
    with app.odd_book() as book, app.reading() as store:
        found = comparing.compared(app, book, store, "school", begin.date() + timedelta(days=1))
    tablets = [
        one.line.body.decode().split(",")[18] for one in story.told if not one.twin and b"filterlog" in one.line.body
    ]
    assert found.sites >= 10
    assert found.odd[0].traits[0].device == tablets[0]
    assert found.odd[0].score > 40
