"""What `sentinel bench city` wires and shows: the stages over a folder of their own, by a clock of its own."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from sentinel.app import App
from sentinel.cli.common import SCHEMA, emit, show, talk
from sentinel.config import load
from sentinel.core.clock import ManualClock
from sentinel.core.reached import Reached
from sentinel.detect.rules import Rules
from sentinel.sense.segments import read_segments
from sentinel.sense.settings import SenseSettings
from sentinel.sources.book import Patience, SourceBook
from sentinel.testing.bench_city import Stages, live
from sentinel.testing.city import City, places
from sentinel.testing.city.living import CLIENTS, SOURCE
from sentinel.testing.scoring import ALERTS_A_DAY, Found, Score, score
from sentinel.ui import tables

BEGIN = datetime(2026, 11, 16, tzinfo=UTC)
"""A Monday; the week has a public holiday on its Wednesday."""
_RULES_SHOWN = 20


def scored(days: float, learning_days: float, seeds: Iterable[int], scale: float, rules: Sequence[Path]) -> list[Score]:
    """Let a city of each seed live, judged by `rules` (none: the shipped ones), and return how each was told.

    `learning_days` in peace come before.
    """
    found: list[Score] = []
    known: Rules | None = None
    for seed in seeds:
        with TemporaryDirectory(prefix="sentinel-city-") as name:
            folder = Path(name)
            places.write(folder, SOURCE, CLIENTS)
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
        )


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
    rows = [row for one in scores for row in map(_row, one.stories)]
    show(tables.plain_table(("story", "severity", "after first", "after decisive", "told by, or why not"), rows))
    false = sum((Counter(one.false) for one in scores), Counter())
    show(tables.plain_table(("false alarm", "alerts"), false.most_common(_RULES_SHOWN)))
    stories = [story for one in scores for story in one.stories]
    missed = [story for story in stories if story.after_first is None]
    talk(f"stories found: {len(stories) - len(missed)} of {len(stories)}, missed of high severity: "
         f"{sum(story.severity in {'high', 'critical'} for story in missed)}")  # fmt: skip
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


def _row(story: Found) -> tuple[object, ...]:
    if story.after_first is None or story.after_decisive is None:
        return story.name, story.severity, "missed", "", story.reason
    return story.name, story.severity, _length(story.after_first), _length(story.after_decisive), story.rules[0]


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
