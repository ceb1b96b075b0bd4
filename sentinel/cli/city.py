"""What `sentinel bench city` wires and shows: the stages over a folder of their own, by a clock of its own."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median_low
from tempfile import TemporaryDirectory

from sentinel import comparing
from sentinel.app import App
from sentinel.cli.common import SCHEMA, emit, show, talk
from sentinel.config import load
from sentinel.core.clock import ManualClock
from sentinel.core.reached import Reached
from sentinel.detect.rules import Rules
from sentinel.sense.segments import read_segments
from sentinel.sense.settings import SenseSettings
from sentinel.sources.book import Patience, SourceBook
from sentinel.store.embedded import EmbeddedStore
from sentinel.testing.bench_city import Stages, live
from sentinel.testing.city import City, places
from sentinel.testing.city.living import CLIENTS, SOURCE
from sentinel.testing.scoring import ALERTS_A_DAY, Found, Score, score
from sentinel.ui import tables

BEGIN = datetime(2026, 11, 16, tzinfo=UTC)
"""A Monday; the week has a public holiday on its Wednesday."""
_RULES_SHOWN = 20
_COLUMNS = ("story", "severity", "found", "after first", "after decisive", "told by, or why not")


def scored(days: float, learning_days: float, seeds: Iterable[int], scale: float, rules: Sequence[Path]) -> list[Score]:
    """Let a city of each seed live, judged by `rules` (none: the shipped ones), and return how each was told.

    `learning_days` in peace come before.
    """
    found: list[Score] = []
    known: Rules | None = None
    for seed in seeds:
        with TemporaryDirectory(prefix="sentinel-city-") as name:
            folder = Path(name)
            places.write(folder, SOURCE, CLIENTS, BEGIN.date())
            with (folder / "sentinel.toml").open("a") as config:
                config.write("[spool]\nballast_bytes = 0\n")
            app = App(load(folder / "sentinel.toml"), ManualClock(BEGIN))
            known = known or (app.rules_in(list(rules)) if rules else app.rules)
            with _stages(app, known) as stages:
                told = live(City(seed, scale), BEGIN, days, timedelta(days=learning_days), stages, folder)
                found.append(score(told, stages.store, known.detections))
            talk(f"seed {seed}: {found[-1].found:.0%} of {len(told.plays)} stories, {found[-1].a_day:.1f} alerts a day")
    return found


@contextmanager
def _stages(app: App, rules: Rules) -> Iterator[Stages]:
    clock = app.clock
    assert isinstance(clock, ManualClock)  # noqa: S101  made so above
    with ExitStack() as stack:
        patience = Patience(app.config.silent_after, app.hours.seconds)
        file, store = app.config.sources_file, stack.enter_context(app.writing())
        assert isinstance(store, EmbeddedStore)  # noqa: S101  by the configuration made above
        yield Stages(
            clock=clock,
            reader=app.reader,
            form=app.form,
            spool=stack.enter_context(app.spool()),
            store=store,
            books=stack.enter_context(
                SourceBook(file, clock, patience, writer=True, steady=lambda: clock.now().timestamp())
            ),
            book=stack.enter_context(app.book()),
            past=stack.enter_context(app.past(store)),
            joiner=stack.enter_context(app.joiner(store, Reached())),
            detections=rules.detections,
            sense=SenseSettings(
                segments=read_segments(app.config.data.parent / "segments.yaml"), calendar_of=app.hours.of_address
            ),
            compare=comparing_of(app, store.seal),
        )


def comparing_of(app: App, seal: Callable[[], None]) -> Callable[[], None]:
    """Return what compares sites if a day is due, as `comparing.watch` does, but by the clock of `app`.

    What is stored is sealed first, by `seal`: in a city at work little of a day is not by then.
    """
    calendars = {kind: comparing.calendar_of(app, kind) for kind in comparing.kinds(app.config)}
    judged: dict[str, date] = {}

    def compare() -> None:
        last = {kind: comparing.ended(calendar, app.clock.now()) for kind, calendar in calendars.items()}
        waiting = comparing.waiting(app) if judged != last else {}
        if waiting:
            seal()
        for kind, days in waiting.items():
            for day in days:
                comparing.judge(app, kind, day)
            judged[kind] = last[kind]

    return compare


def told(scores: Sequence[Score], *, json: bool) -> bool:
    """Show the scores; return whether all meet the aims."""
    if json:
        emit(
            *(
                {
                    "schema": SCHEMA,
                    **{name: _plain(value) for name, value in asdict(one).items()},
                    "found": one.found,
                    "well": one.well,
                }
                for one in scores
            )
        )
        return all(one.well for one in scores)
    stories = [story for one in scores for story in one.stories]
    by_name: dict[str, list[Found]] = {}
    for story in sorted(stories, key=lambda one: (bool(one.after), one.name)):
        by_name.setdefault(story.name, []).append(story)
    show(tables.plain_table(_COLUMNS, map(_row, by_name.values())))
    false = sum((Counter(one.false) for one in scores), Counter())
    show(tables.plain_table(("false alarm", "alerts"), false.most_common(_RULES_SHOWN)))
    missed = [story for story in stories if story.after_first is None]
    talk(f"stories found: {len(stories) - len(missed)} of {len(stories)}, missed of high severity: "
         f"{sum(story.severity in {'high', 'critical'} for story in missed)}")  # fmt: skip
    found = [story for story in stories if story.hindsight]
    talk(f"only by rules written or changed after a miss was seen: {len(found)} "
         f"({', '.join(sorted({story.name for story in found})) or '-'})")  # fmt: skip
    reported = [story for story in stories if story.after]
    talk(f"of those after public reports: {sum(one.after_first is not None for one in reported)} of {len(reported)}")
    for one in scores:
        precision = "-" if one.precision is None else f"{one.precision:.0%}"
        levels = ", ".join(f"{name} {number}" for name, number in one.levels.items() if number)
        talk(
            f"alerts a day: {one.a_day:.1f} (aim: {ALERTS_A_DAY}; {levels}); true {one.true}; "
            f"precision of high and critical: {precision}; {one.events:,} events, {one.unread} unread, "
            f"{one.per_second:,.0f} a second of CPU"
        )
    return all(one.well for one in scores)


def _row(same: Sequence[Found]) -> tuple[object, ...]:
    # a story as it fared in each city; the first to tell is named, the reasons are those of all misses
    first, decisive = (
        sorted(time for one in same if (time := getattr(one, name)) is not None)
        for name in ("after_first", "after_decisive")
    )
    told = [f"missed: {one.reason}" if one.after_first is None else one.rules[0] for one in same]
    times = [f"{_length(median_low(one))} (at most {_length(one[-1])})" if one else "" for one in (first, decisive)]
    return same[0].name, same[0].severity, f"{len(first)} of {len(same)}", *times, "; ".join(dict.fromkeys(told))


def _length(time: timedelta) -> str:
    sign = "-" if time < timedelta(0) else ""
    minutes = round(abs(time).total_seconds() / 60)
    return f"{sign}{minutes // 60}:{minutes % 60:02d} h"


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.total_seconds() if isinstance(value, timedelta) else value
