"""`sentinel alerts`: list, show, acknowledge, close, watch."""

import dataclasses
from typing import Annotated

import typer

from sentinel.cli.common import (
    SCHEMA,
    ConfigOption,
    JsonOption,
    LimitOption,
    NoteOption,
    application,
    emit,
    evidence,
    operator,
    show,
    talk,
)
from sentinel.core.alert import Alert, State, Verdict
from sentinel.core.clock import iso
from sentinel.core.errors import UsageError
from sentinel.ui import live, tables

EXAMPLE = """
sentinel alerts list --state new
sentinel alerts show 3f2a
sentinel alerts close 3f2a --verdict false_positive --note 'pen test, ticket 4711'
"""

verb = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)
AlertId = Annotated[str, typer.Argument(help="The alert's id, or the beginning of it.")]
EVIDENCE_SHOWN = 10


@verb.command("list")
def list_(
    state: Annotated[list[str] | None, typer.Option(help="new, acknowledged or closed; may be repeated.")] = None,
    limit: LimitOption = 200,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List alerts, those last seen latest first."""
    with application(config).desk() as desk:
        found = desk.alerts(states=_states(state or []), limit=limit)
    if json:
        emit(*(as_json(alert) for alert in found))
    elif found:
        show(tables.alerts_table(found))
    else:
        talk("no alerts")


@verb.command("show")
def show_(alert_id: AlertId, json: JsonOption = False, config: ConfigOption = None) -> None:
    """Show one alert: why it fired, its history, the lines that raised it."""
    app = application(config)
    with app.desk() as desk:
        alert = desk.alert(alert_id)
    events = evidence(app, alert, EVIDENCE_SHOWN)
    if json:
        emit(as_json(alert) | {"evidence_events": [dict(event.fields) for event in events]})
        return
    show(*tables.alert_card(alert, events))
    if len(alert.evidence) > len(events):
        talk(f"{len(alert.evidence)} events are kept as evidence; these are the latest {len(events)}")


@verb.command()
def ack(alert_id: AlertId, note: NoteOption = "", json: JsonOption = False, config: ConfigOption = None) -> None:
    """Take an alert on: others see that you are working on it."""
    with application(config).desk() as desk:
        _done(desk.acknowledge(alert_id, operator(), note), json=json)


@verb.command()
def close(
    alert_id: AlertId,
    verdict: Annotated[str, typer.Option(help="true_positive, false_positive or benign.")],
    note: NoteOption = "",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Close an alert with a verdict."""
    verdicts: dict[str, Verdict] = {
        "true_positive": "true_positive",
        "false_positive": "false_positive",
        "benign": "benign",
    }
    if verdict not in verdicts:
        raise UsageError(f"no verdict {verdict!r}: say true_positive, false_positive or benign")
    with application(config).desk() as desk:
        _done(desk.close(alert_id, operator(), verdicts[verdict], note), json=json)


@verb.command()
def watch(
    seconds: Annotated[float, typer.Option(help="End by itself after so long; 0: with Ctrl+C.")] = 0.0,
    config: ConfigOption = None,
) -> None:
    """Show alerts live; ends with Ctrl+C."""
    app = application(config)
    with app.desk() as desk:
        live.watch(desk, "Alerts  (Ctrl+C ends)", seconds=seconds or None)


def as_json(alert: Alert) -> dict[str, object]:
    """Return an alert as `--json` prints it."""
    shape = dataclasses.asdict(alert) | {
        "schema": SCHEMA,
        "key": dict(alert.key),
        "first_seen": iso(alert.first_seen),
        "last_seen": iso(alert.last_seen),
        "raised_at": iso(alert.raised_at),
    }
    shape["history"] = [dataclasses.asdict(change) | {"at": iso(change.at)} for change in alert.history]
    return shape


def _states(given: list[str]) -> tuple[State, ...]:
    known: dict[str, State] = {"new": "new", "acknowledged": "acknowledged", "closed": "closed"}
    for state in given:
        if state not in known:
            raise UsageError(f"no state {state!r}: say new, acknowledged or closed")
    return tuple(known[state] for state in given)


def _done(alert: Alert, *, json: bool) -> None:
    if json:
        emit(as_json(alert))
    else:
        talk(f"{alert.id[: tables.ID_SHOWN]} is {alert.state}: {alert.title}")
