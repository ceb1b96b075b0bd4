"""`sentinel notify`: what was told, to whom, what waits; and a test of each channel."""

import dataclasses
from typing import Annotated, get_args

import typer

from sentinel import notifying
from sentinel.cli.common import (
    SCHEMA,
    ConfigOption,
    JsonOption,
    LimitOption,
    application,
    emit,
    recorded,
    show,
    talk,
)
from sentinel.core.clock import iso
from sentinel.core.errors import Exit, UsageError
from sentinel.notify.message import Message, State
from sentinel.ui import tables

EXAMPLE = """
sentinel notify list --state waiting
sentinel notify test team
"""

verb = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)
STATES = get_args(State)


@verb.command("list")
def list_(
    state: Annotated[list[str] | None, typer.Option(help=f"{', '.join(STATES)}; may be repeated.")] = None,
    limit: LimitOption = 200,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List notifications, the latest first. Ends with 1 if a channel fails at present."""
    wanted = _states(state or [])
    app = application(config)
    with app.outbox() as outbox:
        found = outbox.listed(states=wanted, limit=limit)
        failing = {one.name: outbox.health(one.name) for one in app.config.channels}
    if json:
        emit(*(_as_json(one) for one in found))
    elif found:
        rows = (
            (tables.local(one.made_at), one.channel, one.state, one.level, one.attempts, one.title or "…",
             len(one.alerts), one.error)
            for one in found
        )  # fmt: skip
        show(tables.plain_table(("made", "channel", "state", "level", "tries", "title", "alerts", "why"), rows))
    else:
        talk("no notifications" if app.config.channels else "no channel is configured: see [[channels]]")
    bad = {name: health for name, health in failing.items() if health.failing is not None}
    for name, health in bad.items():
        since = tables.local(health.failing) if health.failing is not None else ""
        talk(f"{name} fails since {since}, {health.failures} tries: {health.error}", "red")
    if bad:
        raise typer.Exit(Exit.FINDING)


@verb.command("test")
def tried(
    channel: Annotated[str, typer.Argument(help="The channel's name.")],
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Send a test by a channel, now. Ends with 1 if it does not arrive, and says why."""
    app = application(config)
    known = {one.name: one for one in app.config.channels}
    if channel not in known:
        raise UsageError(f"there is no channel {channel!r}; there are: {', '.join(known) or 'none'}")
    with recorded(app, "notify.test", channel):
        error = notifying.tested(app, known[channel])
    if json:
        emit({"schema": SCHEMA, "channel": channel, "arrived": not error, "error": error})
    talk(f"{channel}: {error}" if error else f"{channel}: the server has taken it", "red" if error else "")
    if error:
        raise typer.Exit(Exit.FINDING)


def _states(given: list[str]) -> list[State]:
    known: dict[str, State] = {one: one for one in STATES}
    for one in given:
        if one not in known:
            raise UsageError(f"no state {one!r}: say {', '.join(STATES)}")
    return [known[one] for one in given]


def _as_json(one: Message) -> dict[str, object]:
    times = {"made_at": iso(one.made_at), "due_at": iso(one.due_at)}
    return dataclasses.asdict(one) | {
        "schema": SCHEMA,
        **times,
        "ended_at": iso(one.ended_at) if one.ended_at else None,
    }
