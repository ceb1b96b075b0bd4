"""`sentinel cases`: what a team knows and does about one thing, and how others come to read it."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from sentinel import casework
from sentinel.app import App
from sentinel.cli.common import (
    SCHEMA,
    ConfigOption,
    JsonOption,
    LimitOption,
    NoteOption,
    application,
    emit,
    moment,
    recorded,
    show,
    talk,
)
from sentinel.cli.who import operator
from sentinel.core.alert import Alert
from sentinel.core.case import (
    AddEvidence,
    AddMember,
    AddNote,
    AddTask,
    Case,
    CaseAction,
    CloseCase,
    RemoveMember,
    Rename,
    ReopenCase,
    SetDeadline,
    SetTask,
)
from sentinel.core.clock import iso, local_zone
from sentinel.core.errors import Exit, UsageError
from sentinel.ui import tables, words

EXAMPLE = """
sentinel cases new 'Phishing in the treasury' --alert 3f2a --incident 7be0
sentinel cases events 7 'user.name:m.muster last 2d'
sentinel cases task 7 'reset the password'
sentinel cases export 7 --to /srv/cases/7.zip --language de
sentinel cases verify /srv/cases/7.zip
"""
SHOWN_MAX = 20

verb = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)
Number = Annotated[int, typer.Argument(help="The case's number.")]
AlertsOption = Annotated[list[str] | None, typer.Option("--alert", help="An alert's id; may be repeated.")]
IncidentOption = Annotated[str | None, typer.Option("--incident", help="An incident's id: all of its alerts.")]
SeenOption = Annotated[int | None, typer.Option("--seen", help="Only if it is still at the version that you saw.")]
TextArgument = Annotated[str, typer.Argument(help="The text.")]


@verb.command("list")
def list_(
    closed: Annotated[bool, typer.Option("--all", help="Those too that are closed.")] = False,
    limit: LimitOption = 200,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List cases, those with the nearest deadline first."""
    app = application(config)
    with app.cases() as book:
        found = book.cases(closed=closed, limit=limit)
    if json:
        emit(*map(as_json, found))
        return
    rows = [
        (one.number, one.state, "–" if one.deadline is None else tables.local(one.deadline), one.title,
         len(one.alerts), one.evidence, f"{sum(task.done for task in one.tasks)} of {len(one.tasks)}",
         ", ".join(one.members))
        for one in found
    ]  # fmt: skip
    show(tables.plain_table(("no.", "state", "deadline", "what", "alerts", "events", "tasks", "who"), rows))


@verb.command("show")
def show_(number: Number, json: JsonOption = False, config: ConfigOption = None) -> None:
    """Show one case."""
    with application(config).cases() as book:
        found, held = book.case(number), book.evidence(number)
    if json:
        events = [dataclasses.asdict(one) | {"at": iso(one.at), "added": iso(one.added)} for one in held]
        emit(as_json(found) | {"evidence_events": events})
        return
    show(Text(f"Case {found.number}, {found.state}, version {found.version}", style="bold"))
    talk(f"{found.title}; members: {', '.join(found.members)}; alerts: {', '.join(found.alerts) or '–'}")
    done = [(one.number, "done" if one.done else "open", one.text, one.who) for one in found.tasks]
    show(tables.plain_table(("no.", "state", "task", "who"), done, "Tasks"))
    kept = [(tables.local(one.at), one.event[: tables.ID_SHOWN], one.raw[:200]) for one in held[:SHOWN_MAX]]
    show(tables.plain_table(("When", "Event", "Line"), kept, f"Evidence ({len(held)} events)"))
    said = [(tables.local(one.at), one.who, one.what, one.note) for one in found.timeline]
    show(tables.plain_table(("When", "Who", "What", "Note"), said, "Timeline"))


@verb.command()
def new(
    title: Annotated[str, typer.Argument(help="What it is about.")],
    alert: AlertsOption = None,
    incident: IncidentOption = None,
    note: NoteOption = "",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Open a case; alerts bring their evidence with them."""
    app = application(config)
    alerts = _alerts(app, alert or [], incident)
    with app.cases() as book:
        made = book.create(title, operator(), note)
    _done(casework.take(app, made.number, alerts, operator()) if alerts else made, json=json)


@verb.command()
def add(
    number: Number,
    alert: AlertsOption = None,
    incident: IncidentOption = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Take alerts into a case, with their evidence."""
    app = application(config)
    alerts = _alerts(app, alert or [], incident)
    if not alerts:
        raise UsageError("say which: --alert ID or --incident ID")
    _done(casework.take(app, number, alerts, operator()), json=json)


@verb.command()
def events(
    number: Number,
    query: Annotated[str, typer.Argument(help="A question, as for sentinel query.")],
    limit: LimitOption = 1000,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Copy the events that a question finds into a case; they stay there when the store forgets them."""
    from sentinel.cases.book import copied
    from sentinel.respond.language import read
    from sentinel.respond.search import answer

    app = application(config)
    now = app.clock.now()
    with recorded(app, "query", question=query, limit=limit), app.reading() as store:
        found = answer(store, read(query, now, local_zone(now)), limit)
    if found.more:
        raise UsageError(f"there are more than {limit} such events: ask more narrowly, or say --limit")
    taken = AddEvidence(tuple(copied(one, query, operator(), now) for one in found.events))
    _change(app, number, taken, json=json)


@verb.command()
def note(number: Number, text: TextArgument, json: JsonOption = False, config: ConfigOption = None) -> None:
    """Add a note."""
    _change(application(config), number, AddNote(), text, json=json)


@verb.command()
def task(number: Number, text: TextArgument, json: JsonOption = False, config: ConfigOption = None) -> None:
    """Add something to be done."""
    _change(application(config), number, AddTask(text), json=json)


@verb.command()
def done(
    number: Number,
    task_number: Annotated[int, typer.Argument(help="The task's number.")],
    undo: Annotated[bool, typer.Option("--undo", help="It is open again.")] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say that a task is done."""
    _change(application(config), number, SetTask(task_number, done=not undo), json=json)


@verb.command()
def member(
    number: Number,
    name: Annotated[str, typer.Argument(help="Whose.")],
    remove: Annotated[bool, typer.Option("--remove", help="No longer.")] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Let somebody work on a case, or no longer."""
    _change(application(config), number, RemoveMember(name) if remove else AddMember(name), json=json)


@verb.command()
def rename(
    number: Number, title: TextArgument, seen: SeenOption = None, json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Give a case another title."""
    _change(application(config), number, Rename(title), version=seen, json=json)


@verb.command()
def deadline(
    number: Number,
    at: Annotated[str, typer.Argument(help="72h, 2027-01-31, 2027-01-31T12:00; none: there is no such time.")],
    seen: SeenOption = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say until when a case has to be dealt with."""
    app = application(config)
    until = None if at == "none" else moment(at, app.clock.now())
    _change(app, number, SetDeadline(until), version=seen, json=json)


@verb.command()
def close(
    number: Number,
    note: NoteOption = "",
    seen: SeenOption = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Close a case."""
    _change(application(config), number, CloseCase(), note, version=seen, json=json)


@verb.command()
def reopen(
    number: Number,
    note: NoteOption = "",
    seen: SeenOption = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Open a case again."""
    _change(application(config), number, ReopenCase(), note, version=seen, json=json)


@verb.command()
def export(
    number: Number,
    to: Annotated[Path, typer.Option(help="A folder that is not there yet, or a file that ends with .zip.")],
    language: Annotated[str, typer.Option(help="Of the report: de or en.")] = "de",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Write a case out: report (Markdown, HTML), evidence (NDJSON, CSV), manifest and SHA256SUMS."""
    if language not in words.LANGUAGES:
        raise UsageError(f"no language {language!r}: say {' or '.join(words.LANGUAGES)}")
    words.speak("de" if language == "de" else "en")
    done = casework.export(application(config), number, to, operator())
    if json:
        emit({"schema": SCHEMA, "case": number, "to": to, "sha256": done.sha256, "complete": done.complete})
        return
    talk(f"{to}: {done.events} events, {done.alerts} alerts")
    talk(f"SHA-256 of its SHA256SUMS, to be written down elsewhere: {done.sha256}")
    if not done.complete:
        talk(f"not everything could be seen: {done.gaps} gaps, they stand in the report", "yellow")


@verb.command()
def verify(
    path: Annotated[Path, typer.Argument(help="The folder or zip file of an export.")], json: JsonOption = False
) -> None:
    """Check that an export is as it was written. Ends with 1 if it is not."""
    from sentinel.cases import export as exporting

    digest, problems = exporting.verify(path)
    if json:
        emit({"schema": SCHEMA, "sha256": digest, "well": not problems, "problems": problems})
    else:
        for problem in problems:
            talk(problem, "red")
        talk(f"SHA-256 of its SHA256SUMS: {digest}" + ("" if problems else "; every file is as it was written"))
    if problems:
        raise typer.Exit(Exit.FINDING)


def as_json(one: Case) -> dict[str, object]:
    """Return a case as `--json` prints it."""
    return dataclasses.asdict(one) | {
        "schema": SCHEMA,
        "opened": iso(one.opened),
        "deadline": None if one.deadline is None else iso(one.deadline),
        "tasks": [dataclasses.asdict(task) | {"at": iso(task.at)} for task in one.tasks],
        "timeline": [
            {"at": iso(each.at), "who": each.who, "what": each.what, "note": each.note} for each in one.timeline
        ],
    }


def _alerts(app: App, ids: Sequence[str], incident: str | None) -> list[Alert]:
    with app.desk() as desk:
        found = [desk.alert(one) for one in ids]
    if incident is not None:
        with app.incidents() as book:
            book.refresh()
            found += book.incident(incident).alerts
    return list({one.id: one for one in found}.values())


def _change(
    app: App, number: int, action: CaseAction, note: str = "", *, version: int | None = None, json: bool
) -> None:
    with app.cases() as book:
        _done(book.change(number, action, operator(), note, version), json=json)


def _done(case: Case, *, json: bool) -> None:
    if json:
        emit(as_json(case))
    else:
        talk(f"case {case.number} is {case.state}: {case.title} ({case.timeline[-1].what}; version {case.version})")
