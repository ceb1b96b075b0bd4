"""Tables of alerts, events and rules for a terminal; every text of theirs passes the gate in `visible.py`."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from rich.table import Table
from rich.text import Text

from sentinel.core.alert import Alert, Record, Suppression
from sentinel.core.detection import Detection, Key, Level
from sentinel.core.event import Event, Value
from sentinel.core.incident import Incident
from sentinel.core.where import plain, values
from sentinel.ui.visible import safe

LEVEL_STYLES: dict[Level, str] = {
    "critical": "bold white on red",
    "high": "bold red",
    "medium": "yellow",
    "low": "cyan",
    "informational": "dim",
}
LEVEL_WORDS: dict[Level, str] = {
    "critical": "CRIT",
    "high": "HIGH",
    "medium": "MED",
    "low": "LOW",
    "informational": "INFO",
}
ID_SHOWN = 8
_WHO = ("source.ip", "user.name", "host.name", "destination.ip", "email.from.address")


def local(moment: datetime) -> str:
    """Return a time as people here read it: local, to the second."""
    return moment.astimezone().strftime("%d.%m. %H:%M:%S")


def key_text(key: Key) -> str:
    """Return what an alert is about in one line."""
    return ", ".join(f"{name.rpartition('.')[0] or name}={plain(value)}" for name, value in key) or "–"


def value_text(value: Value | None) -> str:
    """Return a field's value in one line."""
    return ", ".join(plain(item) for item in values(value))


def level_text(level: Level) -> Text:
    """Return a level as a word and a colour; the colour is never the only sign."""
    return Text(LEVEL_WORDS[level], style=LEVEL_STYLES[level])


def alerts_table(alerts: Sequence[Alert], title: str = "") -> Table:
    """Return alerts as a table, one line each."""
    table = Table(title=safe(title) if title else None, title_justify="left", expand=True)
    table.add_column("Level", no_wrap=True)
    table.add_column("Alert", no_wrap=True)
    table.add_column("Last seen", no_wrap=True)
    table.add_column("Count", justify="right", no_wrap=True)
    table.add_column("State", no_wrap=True)
    table.add_column("What", ratio=3)
    table.add_column("About", ratio=2)
    for alert in alerts:
        state = alert.verdict or (f"{alert.state}: {alert.assignee}" if alert.assignee else alert.state)
        table.add_row(
            level_text(alert.level),
            safe(alert.id[:ID_SHOWN]),
            safe(local(alert.last_seen)),
            safe(f"{alert.count:,}"),
            safe(state.replace("_", " ")),
            safe(alert.title),
            safe("everything beyond the rule's budget" if alert.flood else key_text(alert.key)),
        )
    return table


def incidents_table(incidents: Sequence[Incident]) -> Table:
    """Return incidents as a table, one line each."""
    rows = (
        (one.score, one.id[:ID_SHOWN], local(one.last_seen), len(one.alerts),
         sum(alert.state != "closed" for alert in one.alerts), one.parts[0].why if one.parts else "–",
         ", ".join(f"{entity.kind} {entity.value}" for entity in one.shared[:3]))
        for one in incidents
    )  # fmt: skip
    return plain_table(("risk", "incident", "last seen", "alerts", "open", "worst", "joined by"), rows)


def suppressions_table(suppressions: Sequence[Suppression], now: datetime) -> Table:
    """Return suppressions as a table, one line each."""
    rows = (
        (one.number, local(one.ended or one.until), "holds" if one.holds(now) else "ended",
         f"{one.count:,}", one.title, key_text(one.key), one.reason, one.who)
        for one in suppressions
    )  # fmt: skip
    return plain_table(("no.", "until", "state", "events", "what", "about", "reason", "who"), rows)


def record_text(record: Record) -> str:
    """Return what people have said of a rule's alerts in one line."""
    ratio = record.false_positive_ratio
    if ratio is None:
        return f"{record.alerts} alerts, no verdict yet"
    part, low, high = (f"{100 * one:.0f}" for one in ratio)
    took = f", median time to a verdict {span_text(record.median_time)}" if record.median_time is not None else ""
    verdicts = f"{record.true_positive} true, {record.false_positive} false, {record.benign} benign"
    return f"{record.verdicts} verdicts: {verdicts}; false positives {part} % (95 %: {low} to {high} %){took}"


def bar(number: int, most: int, width: int = 40) -> str:
    """Return a number as a bar beside others of which `most` is the highest; what is not nothing is seen."""
    return "█" * max(1, number * width // most) if number else ""


def span_text(span: timedelta) -> str:
    """Return a length of time as people say it."""
    minutes = span.total_seconds() / 60
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 2 * 1440 else f"{minutes / 1440:.0f} d"


def alert_card(
    alert: Alert, evidence: Sequence[Event], record: Record | None = None, rule: Detection | None = None
) -> Iterable[Table | Text]:
    """Yield one alert in full: what, who, when, why, its rule's record, its history and the lines that raised it.

    With its `rule`, if that is on, also what to do and what the rule does not see.
    """
    head = Table.grid(padding=(0, 2))
    head.add_column(style="bold", no_wrap=True)
    head.add_column()
    rows = [
        ("Alert", alert.id),
        ("State", (f"{alert.state} ({alert.verdict})" if alert.verdict else alert.state).replace("_", " ")),
        ("Who has it", f"{alert.assignee or 'nobody'} (version {alert.version})"),
        ("About", "everything beyond the rule's budget" if alert.flood else key_text(alert.key)),
        ("First seen", local(alert.first_seen)),
        ("Last seen", local(alert.last_seen)),
        ("Count", f"{alert.count:,}; all of them: sentinel alerts events {alert.id[:ID_SHOWN]}"),
        ("Why", alert.summary),
        ("Rule", f"{alert.rule_id} (version {alert.rule_version[:12]}, by {alert.author or 'unknown'})"),
        ("Its record", record_text(record) if record is not None else "–"),
        ("ATT&CK", ", ".join(alert.attack) or "–"),
    ]
    if rule is not None:
        rows += [("What to do", rule.response or rule.description), ("Harmless if", "; ".join(rule.falsepositives))]
        rows.append(("Does not see", "; ".join(rule.blind_spots)))
    if alert.suppressed_until is not None:
        rows.insert(2, ("Suppressed", f"until {local(alert.suppressed_until)}: sentinel alerts suppressions"))
    yield Text.assemble(level_text(alert.level), "  ", safe(alert.title, "bold"))
    for name, value in rows:
        if value:
            head.add_row(safe(name), safe(value))
    yield head
    if alert.history:
        history = Table(title=Text("History"), title_justify="left")
        for column in ("When", "Who", "What", "Note"):
            history.add_column(safe(column))
        for change in alert.history:
            what = f"{change.what} (undone)" if change.undone else change.what
            history.add_row(safe(local(change.at)), safe(change.who), safe(what), safe(change.note))
        yield history
    if evidence:
        yield events_table(evidence, "Evidence")


def who(event: Event) -> str:
    """Return in one line whom an event is about."""
    parts = (value_text(event.fields.get(name)) for name in _WHO)
    return " ".join(part for part in parts if part)


def events_table(events: Sequence[Event], title: str = "") -> Table:
    """Return events as a table, one line each, latest first as they come."""
    table = Table(title=safe(title) if title else None, title_justify="left", expand=True)
    table.add_column("Time", no_wrap=True)
    table.add_column("Dataset", no_wrap=True)
    table.add_column("Who", ratio=2)
    table.add_column("Message", ratio=4)
    for event in events:
        text = event.fields.get("message") or event.fields.get("event.original")
        table.add_row(
            safe(local(event.timestamp)),
            safe(value_text(event.fields.get("event.dataset"))),
            safe(who(event)),
            safe(value_text(text)[:400]),
        )
    return table


def rules_table(detections: Sequence[Detection]) -> Table:
    """Return rules as a table."""
    table = Table(expand=True)
    table.add_column("Level", no_wrap=True)
    table.add_column("Title", ratio=3)
    table.add_column("ATT&CK", ratio=1)
    table.add_column("File", ratio=2)
    for detection in detections:
        table.add_row(
            level_text(detection.level),
            safe(detection.title),
            safe(", ".join(detection.attack)),
            safe(detection.path),
        )
    return table


def plain_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> Table:
    """Return any rows as a table; every cell passes the gate."""
    table = Table(title=safe(title) if title else None, title_justify="left")
    for column in columns:
        table.add_column(safe(column))
    for row in rows:
        table.add_row(*(safe(str(cell)) for cell in row))
    return table
