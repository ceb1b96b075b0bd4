"""Compares the sites of each kind with each other, once a day: a process of its own, so that nothing waits for it.

Which days are due is looked up in the book, not remembered by a timer: so a night in which Sentinel did not run is made
up for, and a clock that is set back or years ahead makes no day judged twice.
"""

import sys
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from hashlib import blake2b
from multiprocessing.connection import Connection
from threading import Event as Flag
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import orjson

from sentinel import stores
from sentinel.app import App
from sentinel.config import inventory
from sentinel.config.options import Config
from sentinel.core.calendar import ALWAYS, Calendar
from sentinel.core.clock import iso
from sentinel.core.errors import SentinelError
from sentinel.core.event import Origin, Raw, arriving
from sentinel.core.folders import made
from sentinel.core.odd import Odd, Ranking
from sentinel.processes import begun, done, follow

if TYPE_CHECKING:
    from sentinel.compare.book import OddBook
    from sentinel.compare.habits import Habits
    from sentinel.core.ports import Store

SETTLED = timedelta(hours=2)
"""So long after midnight a day is judged: what comes later has little left to change."""
CATCH_UP_DAYS = 7
SCORE_MIN = 60.0
"""From here on it is told. What one site alone did all day, and not on ten earlier days, comes so far if a program did
it rather than people (more than 0.5 by `compare.scoring`); without earlier days nothing does, with one a clockwork."""
TOLD_MAX = 3
"""So many sites of a kind are told of on a day, the oddest; the ranking has the others."""
LOOK_SECONDS = 600.0
"""So often is looked whether a day is due; the first time what waited while Sentinel was away has had time to come."""
_NICENESS = 10
_DAY = timedelta(days=1)


def kinds(config: Config) -> list[str]:
    """Return the kinds of sites, by the inventory's `calendar`, of which there are enough to be compared.

    Raises ConfigError.
    """
    from sentinel.compare.ranking import SITES_MIN
    from sentinel.parse.assets import every

    found: dict[str, set[str]] = {}
    for facts in every(inventory.load(config.inventory) or inventory.Inventory()):
        if facts.get("site") and facts.get("calendar"):
            found.setdefault(facts["calendar"], set()).add(facts["site"])
    return sorted(kind for kind, sites in found.items() if len(sites) >= SITES_MIN)


def calendar_of(app: App, kind: str) -> Calendar:
    """Return the calendar of a kind; raises ConfigError."""
    return (app.calendars and app.calendars.get(kind)) or ALWAYS


def ended(calendar: Calendar, now: datetime) -> date:
    """Return the last day that is over, and has settled."""
    return (now - SETTLED).astimezone(ZoneInfo(calendar.zone)).date() - _DAY


def due(book: "OddBook", kind: str, last: date, now: datetime) -> list[date]:
    """Return the days to judge, oldest first; the first time it is the last one only."""
    known = book.days(kind)
    days = [last - _DAY * back for back in reversed(range(CATCH_UP_DAYS))]
    if not known:
        book.skip(kind, days[:-1], "before the first comparison", now)
        return days[-1:]
    return [day for day in days if not known.get(day)]


def compared(app: App, book: "OddBook", store: "Store", kind: str, day: date) -> Ranking:
    """Compare the sites of a kind on a day; habits that the book has not are learnt. Raises StoreError."""
    from sentinel.compare.counting import counted, day_of
    from sentinel.compare.ranking import Comparison, alike, habits_of

    calendar, folder = calendar_of(app, kind), made(app.config.data)
    last = ended(calendar, app.clock.now())

    def learnt(one: date, habits: Callable[[], "Habits"]) -> "Habits":
        known = book.habits(kind, one)
        if known is None:
            known = habits()
            if one <= last and not known.empty:
                book.learn(kind, one, known)
        return known

    past = [learnt(one, partial(habits_of, store, kind, day_of(calendar, one), folder)) for one in alike(calendar, day)]
    with counted(store, kind, day_of(calendar, day), folder) as found:
        learnt(day, found.habits)
        comparison = Comparison(store, kind, day_of(calendar, day), [one for one in past if not one.empty])
        return comparison.ranking(found)


def judge(app: App, kind: str, day: date) -> list[Odd]:
    """Judge a day: what is odd enough and news enters the spool, once however often it is tried; return what did."""
    with app.odd_book() as book, app.reading() as store:
        begin = book.begin(kind, day, app.clock.now())
        ranking = compared(app, book, store, kind, day)
        said = [one for one in map(partial(_news, book, ranking), ranking.odd) if one.traits][:TOLD_MAX]
        if said:
            with app.spool() as spool:
                spool.put([record(ranking, one, begin) for one in said])
        book.enter(ranking, said)
    return said


def _news(book: "OddBook", ranking: Ranking, odd: Odd) -> Odd:
    # what of a site is odd enough, and not known from a day before
    told = book.told(ranking.kind, ranking.day, odd.site)
    return Odd(
        odd.site, tuple(one for one in odd.traits if one.score >= SCORE_MIN and (one.feature, one.value) not in told)
    )


def record(ranking: Ranking, odd: Odd, begin: datetime) -> Raw:
    """Return the record that tells of a site; the same site, kind and day have the same identity."""
    from sentinel.collect.notices import SOURCE, VIA

    worst = odd.traits[0]
    said = {
        "action": "site_odd",
        "kind": ranking.kind,
        "day": f"{ranking.day}",
        "site": odd.site,
        "score": odd.score,
        **{name: getattr(worst, name) for name in _TOLD},
        "first": iso(worst.first),
        "last": iso(worst.last),
        "traits": [f"{one.feature} {one.value} ({one.score:.0f})" for one in odd.traits],
    }
    name = blake2b(odd.site.encode(), digest_size=8).hexdigest()
    origin = Origin(VIA, "", f"odd:{ranking.kind}:{ranking.day}:{name}")
    return arriving(Raw(orjson.dumps(said), SOURCE, begin, origin), begin)


_TOLD = ("feature", "value", "sites", "peers", "hours", "closed_hours", "devices", "device", "every_seconds", "event")


def waiting(app: App) -> dict[str, list[date]]:
    """Return the days to judge of each kind, those of which all that came in time is stored. Raises SentinelError."""
    from sentinel.compare.counting import day_of

    now, found = app.clock.now(), {}
    for kind in kinds(app.config):
        calendar = calendar_of(app, kind)
        with app.odd_book() as book:
            days = due(book, kind, ended(calendar, now), now)
        stored = _stored(app) if days else now
        found[kind] = [day for day in days if day_of(calendar, day).span.end <= stored]
    return {kind: days for kind, days in found.items() if days}


def _stored(app: App) -> datetime:
    # the moment before which all that came has been stored, on every machine that has said something lately
    from sentinel.others import SILENT_SECONDS
    from sentinel.spool import checkpoint
    from sentinel.spool.survey import settled_before

    now = app.clock.now()
    with app.spool() as spool:
        here = settled_before(spool, checkpoint.load(app.config.spool_dir)[0], now)
    with stores.register(app.config, "reader") as register:
        nodes = register.nodes() if register is not None else []
    lately = [one.moment for one in nodes if (now - one.beat).total_seconds() < SILENT_SECONDS]
    return min([here, *lately])


def _work(config: Config, days: dict[str, list[date]], link: Connection) -> None:
    follow(_NICENESS)
    try:
        app = App(config)
        lines = [
            f"{kind} {day}: {', '.join(one.site for one in judge(app, kind, day)) or 'nothing odd'}"
            for kind, some in days.items()
            for day in some
        ]
    except SentinelError as error:
        link.send(str(error))
        sys.exit(error.exit_code)
    link.send("; ".join(lines))


def watch(config: Config, stop: Flag, talk: Callable[[str], None]) -> None:
    """Compare sites whenever a day is due, until `stop`; what is under way then is done again another time."""
    told = ""
    while not stop.wait(LOOK_SECONDS):
        try:
            days = waiting(App(config))
            said = done(*begun(_work, "compare", config, days), stop)[0] if days else told
        except SentinelError as error:
            said = str(error)
        if said != told and not stop.is_set():
            talk(f"sites were compared: {said}")
        told = said
