"""`sentinel bench`: this machine's figures, each beside a reference taken in the same run."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sentinel.app import App
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, emit, show, talk
from sentinel.config import load
from sentinel.config.options import Config
from sentinel.core.content import content
from sentinel.core.errors import Exit, UsageError
from sentinel.core.event import Event, record_of
from sentinel.core.ports import Span
from sentinel.core.where import holds
from sentinel.respond.language import read
from sentinel.spool import checkpoint
from sentinel.testing import bench as measure
from sentinel.testing.bench import Figure
from sentinel.ui import tables

if TYPE_CHECKING:
    from sentinel.testing.lateness import Row

EXAMPLE = """
sentinel bench ingest
sentinel bench ingest --elasticsearch http://127.0.0.1:9200
sentinel bench detect --events 50000 --json
sentinel bench detect --rules sigma/rules --events windows.jsonl.xz --judged 1000000
sentinel bench lateness
sentinel bench week --days 7 --seed 2
sentinel bench city --days 7 --seed 1 --seeds 10
sentinel bench scale --events 100000 1000000 10000000 --json
"""

QUESTIONS = (
    "event.outcome:failure",
    "source.ip:10.20.0.0/16 and event.type:denied",
    'user.name:*müller and not host.name:"srv-01"',
    "message:*connection* or process.command_line:/svc.*-k/i",
    "destination.port:[1 to 1023] and network.bytes>100000",
)

verb = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)
EventsOption = Annotated[int, typer.Option("--events", "-n", min=1000, help="How many events.")]
SeedOption = Annotated[int, typer.Option("--seed", help="The same seed makes the same events.")]


@verb.command()
def ingest(
    events: EventsOption = 200_000,
    seed: SeedOption = 1,
    elasticsearch: Annotated[
        list[str] | None,
        typer.Option(help="Into these Elasticsearch nodes of one cluster instead of the embedded store."),
    ] = None,
    rules: Annotated[bool, typer.Option("--rules/--no-rules", help="Judge meanwhile, as in earnest.")] = True,
    json: JsonOption = False,
) -> None:
    """TCP socket, spool with fsync, parse, store: a whole `sentinel run` in a process of its own."""
    node = measure.Node(tuple(elasticsearch or ()), rules)
    lines = measure.city_lines(events, seed)
    if not node.urls:
        _told(measure.ingest(lines, node, _progress), measure.received(lines), json=json)
        return
    from sentinel.testing import bench_bulk

    _told(*bench_bulk.beside(lines, node, _progress, App(Config()).reader.read), json=json)


@verb.command()
def parse(
    events: EventsOption = 100_000, seed: SeedOption = 1, json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Raw lines of a mixed city to ECS events, enriched as the configuration says."""
    reader = App(load(config)).reader
    _told(*measure.parse(events, seed, reader.read), json=json)


@verb.command()
def detect(  # noqa: PLR0913, PLR0917  an option each
    events: Annotated[
        str, typer.Option("--events", "-n", help="How many of the model city, or a file of raw lines (.xz too).")
    ] = "50000",
    rules: Annotated[list[Path] | None, typer.Option(help="Rule files or folders; nothing: the shipped ones.")] = None,
    judged: Annotated[int, typer.Option(min=0, help="So many in all, what comes again as new; 0: each once.")] = 0,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Measured beside one process.")] = 2,
    query_seconds: Annotated[int, typer.Option(min=1, help="How long rules may be asked of the store.")] = 120,
    seed: SeedOption = 1,
    json: JsonOption = False,
) -> None:
    """All rules in one pass over events, in every way that matters; the reference is a query for each rule."""
    from sentinel.testing import bench_detect as ways

    lines = measure.city_lines(int(events), seed) if events.isdigit() else ways.raw_lines(_there(Path(events)))
    with tempfile.TemporaryDirectory(prefix="sentinel-bench-") as folder:
        work = ways.prepare(lines, [_there(path) for path in rules or [content("rules")]], Path(folder))
        count = judged or len(lines)
        modes: dict[ways.Mode, int] = {
            "decode and match": count,
            "match": count,
            "match what was never seen": min(count, len(lines)),
            "parse, map to ECS and match": min(count, len(lines)),
        }
        at_once = sorted({1, processes})
        figures = [ways.judged(work, mode, number, some) for mode, number in modes.items() for some in at_once]
        _told(*figures, ways.asked(work, Path(folder) / "store", query_seconds), json=json)


def _there(path: Path) -> Path:
    if not path.exists():
        raise UsageError(f"there is no {path}")
    return path


@verb.command()
def query(events: EventsOption = 200_000, seed: SeedOption = 1, json: JsonOption = False) -> None:
    """Five questions of responders over the stored events; the reference reads every event and judges it."""
    with tempfile.TemporaryDirectory(prefix="sentinel-bench-") as folder:
        app = App(Config(data=Path(folder)))
        found = measure.events(events, seed, app.reader.read)
        now = app.clock.now()
        questions = [read(text, now) for text in QUESTIONS]
        span = Span(now - timedelta(hours=2), now + timedelta(hours=1))
        with app.writing() as store:
            for batch in measure.batched(found):
                store.append(batch)  # type: ignore[arg-type]
            asked = [[question] for question in questions] * 5

            def work(batch: Sequence[object]) -> None:
                for question in batch:
                    store.search(question.where, span, 100)  # type: ignore[attr-defined]

            figure = measure.timed(f"query {events:,} events", asked, work)
        reference = measure.timed(
            "every event read and judged", [[question] for question in questions], partial(_scan, found)
        )
    _told(figure, reference, json=json)


@verb.command()
def lateness(json: JsonOption = False) -> None:
    """Late events, by rules of each kind: how often they are found (once). Ends with 1 if one is not, or twice."""
    from sentinel.testing import lateness as late

    rows, paused = list(late.table()), late.paused()
    if json:
        emit(*({"schema": SCHEMA, **asdict(row), "well": row.well} for row in rows))
        emit({"schema": SCHEMA, "paused_minutes": 20, **asdict(paused)})
    else:
        columns = ("rule", "late", "alerts", "events", "of one offline pass", "windows reopened", "")
        show(tables.plain_table(columns, map(_late_row, rows)))
        talk(
            f"schedule paused for 20 minutes (kibana#285154): {paused.found} of {paused.expected} alerts, "
            f"{paused.more} more, {paused.unaccounted} windows unaccounted for"
        )
    if not all(row.well for row in rows) or (paused.found, paused.more, paused.unaccounted) != (paused.expected, 0, 0):
        raise typer.Exit(Exit.FINDING)


def _late_row(row: "Row") -> tuple[object, ...]:
    offline = f"{row.expected_alerts} alert, {row.expected_events} events"
    return row.kind, row.late, row.alerts, row.events, offline, row.reopened, "once" if row.well else "WRONG"


@verb.command()
def week(
    days: Annotated[float, typer.Option(min=0.05, max=31, help="How many simulated days.")] = 7,
    seed: SeedOption = 1,
    minutes: Annotated[float, typer.Option(min=0.5, max=60, help="How often the rules run.")] = 5,
    json: JsonOption = False,
) -> None:
    """Simulate days of restarts, deaths, pauses, delays; compare with one offline pass. Ends with 1 if they differ."""
    from sentinel.testing.week import simulate

    found = simulate(days, seed=seed, step=timedelta(minutes=minutes))
    if json:
        emit({"schema": SCHEMA, **asdict(found), "well": found.well})
    else:
        rows = [(name, value) for name, value in asdict(found).items() if not isinstance(value, dict)]
        rows += [(f"happened: {name}", number) for name, number in sorted(found.happened.items())]
        rows += [(f"windows {name}", number) for name, number in sorted(found.windows.items())]
        show(tables.plain_table(("what", "number"), rows))
    if not found.well:
        raise typer.Exit(Exit.FINDING)


@verb.command()
def city(  # noqa: PLR0913, PLR0917  an option each
    days: Annotated[float, typer.Option(min=0.05, max=31, help="How many simulated days, from a Monday on.")] = 7,
    seed: SeedOption = 1,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="So many cities, each of the next seed.")] = 1,
    scale: Annotated[float, typer.Option(min=0.0001, max=1, help="Which part of the city is seen.")] = 0.002,
    learning_days: Annotated[float, typer.Option(min=0, max=60, help="Days in peace before, to learn from.")] = 7,
    rules: Annotated[list[Path] | None, typer.Option(help="Rule files or folders; nothing: the shipped ones.")] = None,
    json: JsonOption = False,
) -> None:
    """Let a model city with attacks live before Sentinel; ends with 1 if too much is missed, or told."""
    from sentinel.cli import city as shown

    scores = shown.scored(days, learning_days, range(seed, seed + seeds), scale, [_there(path) for path in rules or []])
    if not shown.told(scores, json=json):
        raise typer.Exit(Exit.FINDING)


@verb.command()
def scale(  # noqa: PLR0913, PLR0917  an option each
    further: Annotated[list[int] | None, typer.Argument(help="Further sizes.", show_default=False)] = None,
    events: Annotated[
        list[int] | None, typer.Option("--events", "-n", min=1000, help="Stored events at which is measured.")
    ] = None,
    store: Annotated[str, typer.Option(help="elasticsearch, or embedded.")] = "elasticsearch",
    elasticsearch: Annotated[str, typer.Option(help="This node instead of one started for it.")] = "",
    rules: Annotated[list[Path] | None, typer.Option(help="Rule files or folders; nothing: the shipped ones.")] = None,
    more: Annotated[int, typer.Option(min=1000, help="New events that are measured at each size.")] = 100_000,
    query_seconds: Annotated[int, typer.Option(min=1, help="How long rules may be asked of the store.")] = 30,
    seed: SeedOption = 1,
    json: JsonOption = False,
) -> None:
    """Measure what an event costs as ever more are stored, how that grows, and what 2,000 to 200,000 a second need."""
    from sentinel.cli import scale as shown

    if store not in {"elasticsearch", "embedded"}:
        raise UsageError(f"there is no store {store}: elasticsearch or embedded")
    sizes = [*(events or ()), *(further or ())] or [100_000, 1_000_000, 10_000_000]
    paths = [_there(path) for path in rules or []]
    with nullcontext("") if store == "embedded" else shown.node(elasticsearch) as url:
        coming = shown.measured(sizes, measure.Node((url,) if url else ()), paths, more, seed, query_seconds)
        shown.told(coming, json=json)


def _scan(events: Sequence[Event], batch: Sequence[object]) -> None:
    for question in batch:
        for event in events:
            holds(question.where, event)  # type: ignore[attr-defined]


@contextmanager
def _progress(config: Path) -> Iterator[measure.Look]:
    app = App(load(config))
    with app.spool() as spool, app.reading() as store:

        def look(exact: bool) -> tuple[int, int]:
            stored = record_of(store.newest()) if exact else checkpoint.load(app.config.spool_dir)[0]
            return spool.last, stored

        yield look


def _told(*figures: Figure, json: bool) -> None:
    # the last one is the reference
    reference = figures[-1]
    if json:
        emit(*({"schema": SCHEMA, **_shape(one, reference)} for one in figures))
        return
    rows = []
    for one in figures:
        shape = _shape(one, reference)
        rows.append([str(shape[name]) for name in COLUMNS])
    show(tables.plain_table(COLUMNS, rows))
    for one in figures:
        if one.notes:
            talk("; ".join(f"{name}: {note}" for name, note in one.notes.items()))


COLUMNS = ("name", "count", "seconds", "per_second", "p50_ms", "p95_ms", "cpu_us_each", "rss_mb", "ratio_to_reference")


def _shape(one: Figure, reference: Figure) -> dict[str, object]:
    p50, p95 = one.percentile(50), one.percentile(95)
    return {
        "name": one.name,
        "count": one.count,
        "seconds": round(one.seconds, 1),
        "per_second": round(one.rate, 1),
        "p50_ms": None if p50 is None else round(p50 * 1000, 2),
        "p95_ms": None if p95 is None else round(p95 * 1000, 2),
        "cpu_us_each": None if one.cpu_seconds is None else round(one.cpu_seconds / one.count * 1e6, 1),
        "rss_mb": None if one.rss_bytes is None else round(one.rss_bytes / 1e6, 1),
        "ratio_to_reference": round(one.rate / reference.rate, 3),
        "notes": one.notes,
    }
