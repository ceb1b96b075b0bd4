"""What every verb shares: the options, standard output for data, standard error for talk."""

import os
import re
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import orjson
import typer

from sentinel.cli.who import operator
from sentinel.core.clock import local_zone
from sentinel.core.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from sentinel.app import App
    from sentinel.core.alert import Alert
    from sentinel.core.audit import Detail, Entry
    from sentinel.core.event import Event
    from sentinel.core.ports import Span
    from sentinel.core.slip import Slip

SCHEMA = 1
"""The version of the shape of every `--json` object; it rises when a field changes its meaning."""

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration file.", show_default="$SENTINEL_CONFIG, /etc/sentinel/…, none"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line, instead of a table.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000_000, help="How many at most.")]
LastOption = Annotated[str, typer.Option("--last", help="How far back: 36h, 30d, 8w.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
NoteOption = Annotated[str, typer.Option("--note", help="A note for the history.")]


@cache
def stdout() -> "Console":
    """Return the console for data; wide where it is not a terminal, so that nothing is cut."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else 160
    return Console(width=width, highlight=False, soft_wrap=False, emoji=False)


@cache
def stderr() -> "Console":
    """Return the console for talk."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def talk(message: str, style: str = "") -> None:
    """Tell the operator something; never data. A line feed begins a new line, all else passes the gate."""
    from sentinel.ui.visible import safe

    for line in message.split("\n"):
        stderr().print(safe(line, style), soft_wrap=True)


def unseen(app: "App", start: datetime, end: datetime) -> "Slip":
    """Tell what could not be seen in a stretch of time, gap by gap, or that it was everything; return the slip."""
    from sentinel.slip import slip  # only verbs that show what was found need the books
    from sentinel.ui.unseen import sentences

    found = slip(app, start, end)
    for one in sentences(found) if found.gaps else ("nothing: it is complete",):
        talk(f"not seen: {one}", "yellow" if found.gaps else "")
    return found


def show(*things: "RenderableType") -> None:
    """Print tables or texts."""
    for thing in things:
        stdout().print(thing)


def emit(*objects: object) -> None:
    """Print JSON, one object a line, exactly: JSON's own escapes keep control characters harmless."""
    lines = (orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE, default=_jsonable) for one in objects)
    sys.stdout.buffer.writelines(lines)
    sys.stdout.buffer.flush()


def _jsonable(value: object) -> object:
    if isinstance(value, tuple | frozenset | set):
        return list(value)
    if isinstance(value, Path):
        return str(value)
    msg = f"no JSON for {type(value).__name__}"
    raise TypeError(msg)


def emit_events(events: Iterable["Event"]) -> None:
    """Print events as flat ECS documents."""
    emit(*(dict(event.fields) for event in events))


def application(given: Path | None) -> "App":
    """Return the wired stages for a configuration file; raises ConfigError."""
    from sentinel import config
    from sentinel.app import App

    return App(config.load(given))


def lasting(text: str) -> timedelta:
    """Return the length of time that an operator means: `90m`, `36h`, `30d`, `4w`; raises UsageError."""
    length = re.fullmatch(r"([1-9]\d{0,4})([mhdw])", text.strip())
    if length is None:
        raise UsageError(f"not a length of time: {text!r}; say 90m, 36h, 30d or 4w")
    return int(length[1]) * timedelta(**{_UNITS[length[2]]: 1})


def back(app: "App", last: str, axis: Literal["timestamp", "ingested"]) -> "Span":
    """Return the last so many days, to a day ahead of now; raises UsageError."""
    from sentinel.core.ports import Span

    now = app.clock.now()
    return Span(now - lasting(last), now + timedelta(days=1), axis)


def moment(text: str, now: datetime) -> datetime:
    """Return the time (UTC) that an operator means: `36h`, `14d`, `2027-01-31` (its end, UTC), `2027-01-31T12:00`.

    A time without a zone is this machine's. Raises UsageError if it means none, or has passed.
    """
    try:
        if re.fullmatch(r"\d+[mhdw]", text.strip()):
            found = now + lasting(text)
        elif len(text.strip()) == len("2027-01-31"):
            found = datetime.combine(date.fromisoformat(text.strip()), time(), UTC) + timedelta(days=1)
        else:
            given = datetime.fromisoformat(text.strip())
            found = (given if given.tzinfo else given.replace(tzinfo=local_zone(now))).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"not a time: {text!r}; say 36h, 14d, 2027-01-31 or 2027-01-31T12:00") from error
    if found <= now:
        raise UsageError(f"{text} has passed already")
    return found


def length(text: str) -> timedelta:
    """Return the stretch of time that an operator means: `30m`, `24h`, `7d`, `2w`; raises UsageError."""
    found = re.fullmatch(r"(\d{1,5})([mhdw])", text.strip())
    if not found or not int(found[1]):
        raise UsageError(f"not a stretch of time: {text!r}; say 30m, 24h, 7d or 2w")
    return int(found[1]) * timedelta(**{_UNITS[found[2]]: 1})


def agreed(question: str, *, yes: bool) -> bool:
    """Ask at a terminal whether to go on; elsewhere only `yes`, the option, says so."""
    if yes:
        return True
    return sys.stdin.isatty() and typer.confirm(question, err=True)


def event_of(app: "App", event_id: str) -> "Event":
    """Return a stored event by its id; raises UsageError if there is none."""
    from sentinel.core.ports import LATEST, Span
    from sentinel.core.where import Is
    from sentinel.respond.language import EARLIEST

    with app.reading() as store:
        found = store.search(Is("event.id", event_id.strip().lower(), cased=True), Span(EARLIEST, LATEST), 1)
    if not found:
        raise UsageError(f"no stored event has the id {event_id!r}; `sentinel query … --json` prints event.id")
    return found[0]


def evidence(app: "App", alert: "Alert", limit: int) -> list["Event"]:
    """Return the events that an alert names as its evidence, latest first, as far as they are still stored."""
    from sentinel import excepting

    with app.reading() as store:
        return excepting.evidence(app, store, alert, limit)


def recorded(app: "App", what: str, about: str = "", **details: "Detail") -> AbstractContextManager["Entry"]:
    """Write down what the operator is about to do; raises AuditError: then it is not done."""
    from sentinel.core.audit import Deed, entered

    return entered(app.audit, Deed(what, operator(), about, details))
