"""`sentinel entity`: what is known of a host, a user, an address, a mail address or a file."""

from typing import Annotated

import typer

from sentinel.cli.alerts import as_json as alert_json
from sentinel.cli.common import (
    SCHEMA,
    ConfigOption,
    JsonOption,
    LastOption,
    application,
    back,
    emit,
    recorded,
    show,
    stdout,
    talk,
)
from sentinel.core.clock import iso
from sentinel.core.errors import Exit
from sentinel.respond.entity import alerts_about, named, profile
from sentinel.respond.processes import DEPTH_MAX, Process, processes
from sentinel.ui import tables
from sentinel.ui.visible import safe

EXAMPLE = """
sentinel entity show host srv-01 --last 30d
sentinel entity show user m.muster --json
sentinel entity processes pc-0815 --last 1d
"""

verb = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)
_ALERTS_MAX = 1_000


@verb.command("show")
def show_(
    kind: Annotated[str, typer.Argument(help="host, user, address, mail or file (its hash).")],
    value: Annotated[str, typer.Argument(help="Its name, address or hash.")],
    last: LastOption = "30d",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say since when it is known, with whom, how much, and which alerts name it. Ends with 1 if nothing is known."""
    app = application(config)
    entity = named(kind, value)
    span = back(app, last, "timestamp")
    with recorded(app, "query", question=f"{entity.kind} {entity.value}", last=last), app.reading() as store:
        found = profile(store, entity, span, app.clock.now())
        with app.desk() as desk:
            alerts = desk.alerts(limit=_ALERTS_MAX, suppressed=True)
        about = alerts_about(store, entity, [one for one in alerts if one.last_seen >= span.start])
    if json:
        emit(
            {
                "schema": SCHEMA,
                **entity._asdict(),
                "first_seen": None if found.first is None else iso(found.first),
                "last_seen": None if found.last is None else iso(found.last),
                "events": found.over.total,
                "over_time": [
                    {"start": iso(found.over.stretch(at).start), "count": count}
                    for at, count in enumerate(found.over.counts)
                ],
                "peers": [{**peer._asdict(), "count": count} for peer, count in found.peers],
                "datasets": [{"dataset": name, "count": count} for name, count in found.datasets],
                "alerts": [alert_json(one) for one in about],
            }
        )
    elif found.first is not None and found.last is not None:
        talk(f"{entity.kind} {entity.value}: {found.over.total:,} events within {last}")
        talk(f"first seen {tables.local(found.first)}, last seen {tables.local(found.last)}")
        most = max(found.over.counts)
        rows = [
            (tables.local(found.over.stretch(at).start), f"{count:,}", tables.bar(count, most))
            for at, count in enumerate(found.over.counts)
            if count
        ]
        show(tables.plain_table(("from", "events", ""), rows))
        peers = [(peer.kind, peer.value, f"{count:,}") for peer, count in found.peers]
        show(tables.plain_table(("kind", "seen with", "events"), peers))
        show(tables.plain_table(("data set", "events"), [(name, f"{count:,}") for name, count in found.datasets]))
        if about:
            show(tables.alerts_table(about, "Alerts"))
    if found.last is None:
        talk(f"nothing is known of it within {last}; look further back with --last")
        raise typer.Exit(Exit.FINDING)


@verb.command("processes")
def processes_(
    host: Annotated[str, typer.Argument(help="The host's name.")],
    last: LastOption = "1d",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Draw a host's processes as a tree, from Sysmon's events or the security log's. Ends with 1 if there are none."""
    app = application(config)
    entity, span = named("host", host), back(app, last, "timestamp")
    with recorded(app, "query", question=f"processes of {entity.value}", last=last), app.reading() as store:
        tree = processes(store, entity, span)
    for depth, one in tree.walk():
        if json:
            emit(_as_json(depth, one))
        else:
            stdout().print(safe(f"{'  ' * min(depth, DEPTH_MAX)}{_line(one)}"), soft_wrap=True)
    if tree.more:
        talk("there are more events than are read at once: ask for less time with --last", "yellow")
    if not tree.roots:
        talk(f"no events tell of processes of {entity.value} within {last} (Sysmon 1, or 4688 of the security log)")
        raise typer.Exit(Exit.FINDING)


def _line(one: Process) -> str:
    if one.gap:
        return f"? {one.name or 'unknown'} ({one.pid or '–'}): no event tells of it"
    began = "–" if one.started is None else tables.local(one.started)
    end = "" if one.ended is None else f" to {tables.local(one.ended)}"
    return f"{one.name} ({one.pid}) {one.user} {began}{end}: {one.command_line}"


def _as_json(depth: int, one: Process) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "depth": depth,
        "gap": one.gap,
        "event": one.event,
        "name": one.name,
        "pid": one.pid,
        "command_line": one.command_line,
        "user": one.user,
        "started": None if one.started is None else iso(one.started),
        "ended": None if one.ended is None else iso(one.ended),
    }
