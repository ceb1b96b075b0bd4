"""What every verb shares: the options, standard output for data, standard error for talk."""

import getpass
import os
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console, RenderableType

from sentinel import config
from sentinel.app import App
from sentinel.core.event import Event
from sentinel.ui.visible import safe

SCHEMA = 1
"""The version of the shape of every `--json` object; it rises when a field changes its meaning."""

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration file.", show_default="$SENTINEL_CONFIG, /etc/sentinel/…, none"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line, instead of a table.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000_000, help="How many at most.")]
NoteOption = Annotated[str, typer.Option("--note", help="A note for the history.")]


@cache
def stdout() -> Console:
    """Return the console for data; wide where it is not a terminal, so that nothing is cut."""
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS") else 160
    return Console(width=width, highlight=False, soft_wrap=False, emoji=False)


@cache
def stderr() -> Console:
    """Return the console for talk."""
    return Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def talk(message: str, style: str = "") -> None:
    """Tell the operator something; never data. A line feed begins a new line, all else passes the gate."""
    for line in message.split("\n"):
        stderr().print(safe(line, style), soft_wrap=True)


def show(*things: RenderableType) -> None:
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


def emit_events(events: Iterable[Event]) -> None:
    """Print events as flat ECS documents."""
    emit(*(dict(event.fields) for event in events))


def application(given: Path | None) -> App:
    """Return the wired stages for a configuration file; raises ConfigError."""
    return App(config.load(given))


def operator() -> str:
    """Return who is at the keyboard, for the history of an alert."""
    return os.environ.get("SUDO_USER") or getpass.getuser()
