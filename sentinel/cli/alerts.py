"""`sentinel alerts`: list and show them, and everything that people do with them."""

import dataclasses
import shlex
from datetime import datetime, timedelta
from typing import Annotated

import typer

from sentinel.app import App
from sentinel.cli.common import (
    SCHEMA,
    ConfigOption,
    JsonOption,
    LimitOption,
    NoteOption,
    application,
    emit,
    emit_events,
    evidence,
    moment,
    recorded,
    show,
    talk,
    unseen,
)
from sentinel.cli.who import operator
from sentinel.core.alert import (
    Acknowledge,
    Action,
    Alert,
    Assign,
    Close,
    Note,
    Outcome,
    Record,
    Reopen,
    Seen,
    State,
    Suppress,
    Suppression,
    Undo,
    Verdict,
)
from sentinel.core.clock import iso
from sentinel.core.detection import events_of
from sentinel.core.errors import Exit, UsageError
from sentinel.core.ports import Span
from sentinel.core.scene import BEFORE
from sentinel.respond.writing import written
from sentinel.ui import tables

EXAMPLE = """
sentinel alerts list --state new
sentinel alerts show 3f2a
sentinel alerts assign 3f2a 9b01 --to bernd
sentinel alerts close 3f2a@2 --verdict false_positive --note 'pen test, ticket 4711'
sentinel alerts undo 3f2a
sentinel alerts suppress 3f2a --until 7d --reason 'disk is being replaced'
sentinel alerts events 3f2a --json
"""

verb = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)
AlertId = Annotated[str, typer.Argument(help="The alert's id, or the beginning of it.")]
AlertIds = Annotated[
    list[str],
    typer.Argument(
        help="Ids, or the beginnings of them; 3f2a@2: only if it is still at the version 2 that you saw.", metavar="ID…"
    ),
]
EVIDENCE_SHOWN = 10


@verb.command("list")
def list_(
    state: Annotated[list[str] | None, typer.Option(help="new, acknowledged or closed; may be repeated.")] = None,
    suppressed: Annotated[bool, typer.Option("--suppressed", help="Those too that nobody is shown now.")] = False,
    limit: LimitOption = 200,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List alerts, those last seen latest first."""
    with application(config).desk() as desk:
        found = desk.alerts(states=_states(state or []), limit=limit, suppressed=suppressed)
        hidden = [] if suppressed else desk.suppressions()
    if json:
        emit(*(as_json(alert) for alert in found))
    elif found:
        show(tables.alerts_table(found))
    else:
        talk("no alerts")
    if hidden:
        count = sum(one.count for one in hidden)
        talk(f"{len(hidden)} suppressions hold back {count:,} events: sentinel alerts suppressions", "yellow")


@verb.command("show")
def show_(alert_id: AlertId, json: JsonOption = False, config: ConfigOption = None) -> None:
    """Show one alert: why it fired, its history, the lines that raised it."""
    app = application(config)
    with app.desk() as desk:
        alert = desk.alert(alert_id)
        record = next(iter(desk.records(alert.rule_id)), None)
    found = evidence(app, alert, EVIDENCE_SHOWN)
    slip = unseen(app, alert.first_seen - BEFORE, alert.last_seen)
    if json:
        rule = None if record is None else record_json(record)
        events = [dict(event.fields) for event in found]
        emit(as_json(alert) | {"rule": rule, "evidence_events": events, "slip": slip.as_json()})
        return
    on = next((one for one in app.rules.detections if one.id == alert.rule_id), None)
    show(*tables.alert_card(alert, found, record, on))
    if len(alert.evidence) > len(found):
        talk(f"{len(alert.evidence)} events are kept as evidence; these are the latest {len(found)}")


@verb.command()
def ack(alert_ids: AlertIds, note: NoteOption = "", json: JsonOption = False, config: ConfigOption = None) -> None:
    """Take alerts on, or over from somebody else: others see that you are working on them."""
    _change(alert_ids, Acknowledge(), note, application(config), json=json)


@verb.command()
def assign(
    alert_ids: AlertIds,
    to: Annotated[str, typer.Option(help="Whom; '' hands it back to nobody.")],
    note: NoteOption = "",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Give alerts to somebody."""
    _change(alert_ids, Assign(to), note, application(config), json=json)


@verb.command()
def note(
    alert_ids: AlertIds,
    text: Annotated[str, typer.Option("--text", "-t", help="What is to be noted.")],
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Add a note; it stands beside whatever others change."""
    _change(alert_ids, Note(), text, application(config), json=json)


@verb.command()
def close(
    alert_ids: AlertIds,
    verdict: Annotated[str, typer.Option(help="true_positive, false_positive or benign.")],
    note: NoteOption = "",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Close alerts with a verdict."""
    verdicts: dict[str, Verdict] = {
        "true_positive": "true_positive",
        "false_positive": "false_positive",
        "benign": "benign",
    }
    if verdict not in verdicts:
        raise UsageError(f"no verdict {verdict!r}: say true_positive, false_positive or benign")
    _change(alert_ids, Close(verdicts[verdict]), note, application(config), json=json)


@verb.command()
def reopen(alert_ids: AlertIds, note: NoteOption = "", json: JsonOption = False, config: ConfigOption = None) -> None:
    """Take on again what was closed."""
    _change(alert_ids, Reopen(), note, application(config), json=json)


@verb.command()
def undo(alert_ids: AlertIds, note: NoteOption = "", json: JsonOption = False, config: ConfigOption = None) -> None:
    """Take back your last change: ack, assign, close, reopen, suppress. Both stand in the history."""
    _change(alert_ids, Undo(), note, application(config), json=json)


@verb.command()
def events(alert_id: AlertId, limit: LimitOption = 50, json: JsonOption = False, config: ConfigOption = None) -> None:
    """Show the events that an alert counts, latest first: all that its rule finds about the same thing in its time."""
    app = application(config)
    with app.desk() as desk:
        alert = desk.alert(alert_id)
    rule = next((one for one in app.rules.detections if one.id == alert.rule_id), None)
    if rule is None:
        raise UsageError(f"the rule {alert.title!r} ({alert.rule_id}) is not on any more; see sentinel alerts show")
    if rule.version != alert.rule_version:
        talk("the rule has changed since the alert was raised: these are the events it finds now", "yellow")
    where, end = events_of(rule, alert.key), alert.last_seen + timedelta(microseconds=1)
    with recorded(app, "query", question=f"events of alert {alert.id}", limit=limit), app.reading() as store:
        found = store.search(where, Span(alert.first_seen, end), limit)
    if json:
        emit_events(found)
    elif found:
        show(tables.events_table(found))
    if len(found) == limit < alert.count:
        talk(f"there are more: these are the latest {limit}; see more with --limit")
    query = written(where)
    if query is not None:
        talk(f"as a question: sentinel query {shlex.quote(f'{query} since {iso(alert.first_seen)} until {iso(end)}')}")


@verb.command()
def suppress(
    alert_ids: AlertIds,
    until: Annotated[str, typer.Option(help="When it ends: 8h, 7d, 2027-01-31.")],
    reason: Annotated[str, typer.Option(help="Why nobody is to be shown it.")],
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show nobody what alerts are about for a while. It is counted all the same, and shown again afterwards."""
    app = application(config)
    wanted = Suppress(moment(until, app.clock.now()))
    _change(alert_ids, wanted, reason, app, json=json)


@verb.command()
def unsuppress(
    number: Annotated[int, typer.Argument(help="Its number, from sentinel alerts suppressions.")],
    note: NoteOption = "",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """End a suppression: what it is about is shown again."""
    with application(config).desk() as desk:
        ended = desk.unsuppress(number, operator(), note)
    if json:
        emit(suppression_json(ended))
    else:
        talk(f"shown again: {ended.title}; {ended.count:,} events came meanwhile")


@verb.command()
def suppressions(
    ended: Annotated[bool, typer.Option("--all", help="Those too that have ended.")] = False,
    limit: LimitOption = 200,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List what nobody is shown, until when, why, and how many events have come since."""
    app = application(config)
    with app.desk() as desk:
        found = desk.suppressions(ended=ended, limit=limit)
    if json:
        emit(*map(suppression_json, found))
    elif found:
        show(tables.suppressions_table(found, app.clock.now()))
    else:
        talk("nothing is suppressed")


@verb.command()
def watch(
    seconds: Annotated[float, typer.Option(help="End by itself after so long; 0: with Ctrl+C.")] = 0.0,
    config: ConfigOption = None,
) -> None:
    """Show alerts live; ends with Ctrl+C."""
    app = application(config)
    with app.desk() as desk:
        from sentinel.ui import live

        live.watch(desk, "Alerts  (Ctrl+C ends)", seconds=seconds or None)


def as_json(alert: Alert) -> dict[str, object]:
    """Return an alert as `--json` prints it."""
    shape = dataclasses.asdict(alert) | {
        "schema": SCHEMA,
        "key": dict(alert.key),
        "first_seen": iso(alert.first_seen),
        "last_seen": iso(alert.last_seen),
        "raised_at": iso(alert.raised_at),
        "suppressed_until": _iso(alert.suppressed_until),
        "events": f"sentinel alerts events {alert.id}",
    }
    shape["history"] = [dataclasses.asdict(change) | {"at": iso(change.at)} for change in alert.history]
    return shape


def record_json(one: Record) -> dict[str, object]:
    """Return a rule's record as `--json` prints it; times in seconds, ratios from 0 to 1."""
    part, low, high = one.false_positive_ratio or (None, None, None)
    shape = dataclasses.asdict(one) | {"schema": SCHEMA, "verdicts": one.verdicts, "false_positive_ratio": part}
    del shape["median_time"]
    took = None if one.median_time is None else one.median_time.total_seconds()
    return shape | {"false_positive_low": low, "false_positive_high": high, "median_seconds_to_verdict": took}


def suppression_json(one: Suppression) -> dict[str, object]:
    """Return a suppression as `--json` prints it."""
    times = {"since": iso(one.since), "until": iso(one.until), "ended": _iso(one.ended)}
    return dataclasses.asdict(one) | {"schema": SCHEMA, "key": dict(one.key), **times}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else iso(at)


def _states(given: list[str]) -> tuple[State, ...]:
    known: dict[str, State] = {"new": "new", "acknowledged": "acknowledged", "closed": "closed"}
    for state in given:
        if state not in known:
            raise UsageError(f"no state {state!r}: say new, acknowledged or closed")
    return tuple(known[state] for state in given)


def _change(given: list[str], action: Action, note: str, app: App, *, json: bool) -> None:
    wanted = [_seen(one) for one in given]
    with app.desk() as desk:
        if len(wanted) == 1:
            outcomes = [Outcome(wanted[0], desk.change(wanted[0], action, operator(), note))]
        else:
            outcomes = desk.change_all(wanted, action, operator(), note)
        held = {one.number: one for one in desk.suppressions()} if isinstance(action, Suppress) else {}
    for seen, result in outcomes:
        if not isinstance(result, UsageError):
            _done(result, held.get(result.suppression or 0), json=json)
        elif json:
            emit({"schema": SCHEMA, "id": seen.id, "error": str(result)})
        else:
            talk(f"not changed: {result}", "red")
    refused = sum(isinstance(result, UsageError) for _, result in outcomes)
    if refused:
        raise typer.Exit(Exit.USAGE if refused == len(outcomes) else Exit.PARTIAL)


def _seen(text: str) -> Seen:
    alert_id, at, version = text.partition("@")
    if at and not (version.isascii() and version.isdigit() and len(version) < 10):
        raise UsageError(f"not an alert as it was seen: {text!r}; say 3f2a, or 3f2a@2 for its version 2")
    return Seen(alert_id, int(version) if at else None)


def _done(alert: Alert, made: Suppression | None, *, json: bool) -> None:
    if json:
        emit(suppression_json(made) if made else as_json(alert))
    elif made:
        talk(
            f"suppressed until {tables.local(made.until)}: {made.title}, {tables.key_text(made.key)}; "
            f"to undo it: sentinel alerts unsuppress {made.number}"
        )
    else:
        by = f", {alert.assignee} has it" if alert.assignee and alert.state != "closed" else ""
        talk(f"{alert.id[: tables.ID_SHOWN]} is {alert.state}{by}: {alert.title} (version {alert.version})")
