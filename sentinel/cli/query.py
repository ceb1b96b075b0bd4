"""`sentinel query`: a responder's question."""

from dataclasses import asdict
from typing import Annotated

import typer

from sentinel.cli.common import (
    ConfigOption,
    JsonOption,
    LimitOption,
    application,
    emit,
    emit_events,
    recorded,
    show,
    talk,
    unseen,
)
from sentinel.cli.who import operator
from sentinel.core.clock import iso, local_zone
from sentinel.core.event import Value
from sentinel.core.ports import Plan
from sentinel.respond import hunting, language, search
from sentinel.respond.language import Question
from sentinel.respond.saved import Saved
from sentinel.ui import tables

EXAMPLE = """
sentinel query 'source.ip:192.0.2.7 and event.outcome:failure last 24h'
sentinel query 'event.dataset:sshd.log last 7d' --by source.ip --by user.name
sentinel query 'event.outcome:failure last 7d' --over-time
sentinel query 'event.outcome:failure last 24h' --save failures; sentinel query @failures
"""

verb = typer.Typer(add_completion=False, rich_markup_mode=None)
BARS = 40


@verb.command()
def query(  # noqa: PLR0913  each is an option
    text: Annotated[
        list[str] | None, typer.Argument(help="The question, or @NAME of a saved one; nothing finds the last 24 hours.")
    ] = None,
    by: Annotated[list[str] | None, typer.Option("--by", help="Count by this field (may be repeated).")] = None,
    *,
    over_time: Annotated[bool, typer.Option("--over-time", help="Count along time.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show how it is understood and what the store runs.")
    ] = False,
    save: Annotated[str | None, typer.Option("--save", metavar="NAME", help="Keep the question for everybody.")] = None,
    forget: Annotated[str | None, typer.Option("--forget", metavar="NAME", help="Keep it no longer.")] = None,
    saved: Annotated[bool, typer.Option("--saved", help="List the saved questions.")] = False,
    limit: LimitOption = 50,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Find events, latest first, or count them by their values of some fields."""
    app = application(config)
    asked = " ".join(text or ())
    if saved or save or forget or asked.startswith("@"):
        with app.questions() as questions:
            if forget:
                with recorded(app, "query.forget", forget):
                    questions.forget(forget)
                talk(f"{forget} is forgotten")
                return
            if saved:
                _saved(questions.all(), json=json)
                return
            if asked.startswith("@"):
                asked = questions.named(asked[1:]).query
            if save:
                with recorded(app, "query.save", save, question=asked):
                    questions.save(save, asked, operator())
                talk(f"saved: sentinel query @{save}")
    now = app.clock.now()
    question = language.read(asked, now, local_zone(now))
    for hint in search.misspelt(question):
        talk(hint, "yellow")
    for warning in hunting.warnings(question.where):
        talk(f"this will be slow: {warning}", "yellow")
    with recorded(app, "query", question=asked, by=tuple(by or ()), limit=limit), app.reading() as store:
        if explain:
            _explained(question, store.plan(question.where, question.span), json=json)
        elif over_time:
            _over_time(hunting.histogram(store, question, BARS, now), json=json)
        elif by:
            _counted(search.counts(store, question, by, limit), by, json=json)
        else:
            _found(search.answer(store, question, limit), question, limit, json=json)
    if not explain:
        unseen(app, question.span.start, question.span.end)


def _found(found: search.Answer, question: Question, limit: int, *, json: bool) -> None:
    if json:
        emit_events(found.events)
    elif found.events:
        show(tables.events_table(found.events))
    if not found.events:
        talk("nothing found" if question.spoken else "nothing found in the last 24 hours; a longer span: last 7d")
    elif found.more:
        talk(f"there are more: these are the latest {limit}; see more with --limit")


def _counted(rows: list[tuple[tuple[Value | None, ...], int]], by: list[str], *, json: bool) -> None:
    if json:
        emit(*({"count": count, **dict(zip(by, key, strict=True))} for key, count in rows))
    else:
        cells = ([f"{count:,}", *(tables.value_text(value) or "–" for value in key)] for key, count in rows)
        show(tables.plain_table(["count", *by], cells))


def _over_time(found: hunting.Histogram, *, json: bool) -> None:
    spans = [(found.stretch(number), count) for number, count in enumerate(found.counts)]
    if json:
        emit(*({"start": iso(span.start), "end": iso(span.end), "count": count} for span, count in spans))
        return
    if not found.total:
        talk("nothing found")
        return
    most = max(found.counts)
    rows = ((tables.local(span.start), f"{count:,}", tables.bar(count, most)) for span, count in spans)
    show(tables.plain_table(["from", "events", f"{found.total:,} in all"], rows))


def _explained(question: Question, plan: Plan, *, json: bool) -> None:
    span = {"from": iso(question.span.start), "until": iso(question.span.end)}
    if json:
        emit({"where": repr(question.where), **span, **asdict(plan), "bound": dict(plan.bound)})
        return
    judged = "the store decides alone" if plan.exact else "what the store finds is read and judged event by event"
    rows = [
        ("understood", hunting.outline(question.where)),
        ("time", f"{tables.local(question.span.start)} to {tables.local(question.span.end)}"),
        ("looks in", plan.over),
        ("runs", plan.query or "–"),
        *((f"${name}", value) for name, value in plan.bound),
        ("exact", judged),
    ]
    show(tables.plain_table(["", ""], rows))


def _saved(questions: list[Saved], *, json: bool) -> None:
    if json:
        emit(*(asdict(one) | {"at": iso(one.at)} for one in questions))
    elif questions:
        rows = ((f"@{one.name}", one.query, one.who, tables.local(one.at)) for one in questions)
        show(tables.plain_table(["name", "question", "saved by", "when"], rows))
    else:
        talk("no question is saved; keep one: sentinel query 'user.name:root' --save root")
