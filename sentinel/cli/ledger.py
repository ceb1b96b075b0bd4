"""`sentinel ledger`: which minutes each rule has judged, and judging what it has missed."""

from datetime import timedelta
from itertools import groupby
from typing import Annotated, Any

import typer

from sentinel.app import App
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, length, recorded, show, talk
from sentinel.core.clock import iso
from sentinel.core.errors import Exit, UsageError
from sentinel.detect.ledger import MINUTE, Account, Ledger, Open, Unaccounted, Window
from sentinel.ui import tables

EXAMPLE = """
sentinel ledger
sentinel ledger --rule 5c8e9d5e-3a0e-4d39-9a39-0f1f2f6c6a11 --last 6h
sentinel ledger fill
"""
SHOWN_MAX = 50

verb = typer.Typer(add_completion=False, rich_markup_mode=None)

RuleOption = Annotated[
    str | None, typer.Option("--rule", "-r", help="Only this rule: its id, or an unambiguous beginning of it.")
]
LastOption = Annotated[str, typer.Option("--last", help="How far back: 30m, 24h, 7d.")]


@verb.callback(invoke_without_command=True)
def ledger(
    context: typer.Context,
    rule: RuleOption = None,
    last: LastOption = "24h",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say how every rule's minutes fared. Ends with 1 if one is unaccounted for: nothing known, or long overdue."""
    if context.invoked_subcommand is not None:
        return
    app = application(config)
    now = app.clock.now()
    start = now - length(last)
    with app.book() as desk:
        book = Ledger(desk)
        wanted = None if rule is None else _rule(book, rule)
        account = book.account(start, now)
        gaps = book.gaps(None if wanted is None else [wanted])
        windows = [] if wanted is None else book.rows(wanted, start, now)
    if json:
        emit(_as_json(account) | {"gaps": [_gap(one) for one in gaps], "windows": [_window(one) for one in windows]})
    else:
        _shown(account, gaps, windows, _titles(app))
    if account.missing:
        raise typer.Exit(Exit.FINDING)


@verb.command()
def fill(rule: RuleOption = None, json: JsonOption = False, config: ConfigOption = None) -> None:
    """Judge again what rules have missed; alerts say how late they are. Ends with 6 if something is left."""
    from sentinel.detect.fill import Filler

    app = application(config)
    rules = app.proving.live(app.rules, lambda text: talk(f"rules: {text}"), lambda: False)
    with recorded(app, "ledger.fill", rule or ""), app.reading() as store, app.book() as desk:
        book = Ledger(desk)
        gaps = book.gaps(None if rule is None else [_rule(book, rule)])
        done = Filler(store, desk, rules.detections, app.clock).fill(gaps)
    if json:
        emit(
            {
                "schema": SCHEMA,
                "windows": done.windows,
                "left": done.left,
                "findings": done.findings,
                "raised": done.raised,
                "problems": done.problems,
            }
        )
    for problem in done.problems:
        talk(problem, "red")
    talk(
        f"{done.windows:,} windows were judged again: {done.findings:,} findings, {len(done.raised):,} new alerts; "
        f"{done.left:,} windows are left"
    )
    if done.left:
        raise typer.Exit(Exit.PARTIAL)


def _rule(book: Ledger, beginning: str) -> str:
    found = {one.rule_id for one in book.duties() if one.rule_id.startswith(beginning)}
    if beginning in found:
        return beginning
    if len(found) != 1:
        several = (
            f"several rules begin with {beginning}" if found else f"no rule that ever judged begins with {beginning}"
        )
        raise UsageError(f"{several}; `sentinel rules list` shows them")
    return found.pop()


def _titles(app: App) -> dict[str, str]:
    return {one.id: one.title for one in app.rules.detections}


def _shown(account: Account, gaps: list[Open], windows: list[Window], titles: dict[str, str]) -> None:
    begin = "nothing has been judged yet" if account.begin is None else f"kept since {tables.local(account.begin)}"
    rows = [("ledger", begin), ("rules on duty", f"{account.rules:,}")]
    rows += [
        (state, f"{account.windows[state]:,} windows") for state in ("evaluated", "reopened", "planned", "skipped")
    ]
    rows.append(("unaccounted for", f"{account.missing:,} windows"))
    show(tables.plain_table(("what", "state"), rows))
    if windows:
        columns = ("from", "to", "state", "since", "run", "late", "reopened", "reason")
        show(tables.plain_table(columns, map(_row, windows)))
    if gaps:
        show(
            tables.plain_table(
                ("rule", "from", "to", "windows", "why"), [_told(one, titles) for one in gaps[:SHOWN_MAX]]
            )
        )
        if len(gaps) > SHOWN_MAX:
            talk(f"there are {len(gaps) - SHOWN_MAX:,} more; --json prints them all")
        talk("what rules have missed is judged when they are well again, or now: sentinel ledger fill")
    for (start, end), ones in groupby(account.unaccounted, key=lambda one: (one.start, one.end)):
        talk(f"unaccounted for: {tables.local(start)} to {tables.local(end)}, {_why(list(ones))}", "red")


def _why(ones: list[Unaccounted]) -> str:
    rules = sum(one.rules for one in ones)
    forgotten = "planned and not judged" if ones[0].state else "not even planned: does `sentinel run` run?"
    return f"{rules:,} rules, {forgotten}"


def _row(one: Window) -> tuple[object, ...]:
    late = "" if one.late < timedelta(seconds=1) else str(one.late)
    ends = tables.local(one.start), tables.local(one.end)
    return *ends, one.state, tables.local(one.at), one.run or "", late, one.reopened or "", one.reason


def _told(one: Open, titles: dict[str, str]) -> tuple[object, ...]:
    title = titles.get(one.rule_id, one.rule_id)
    return title, tables.local(one.start), tables.local(one.end), f"{(one.end - one.start) // MINUTE:,}", one.reason


def _as_json(account: Account) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "since": None if account.begin is None else iso(account.begin),
        "rules": account.rules,
        "states": dict(account.windows),
        "unaccounted": account.missing,
        "unaccounted_spans": [
            {"start": iso(one.start), "end": iso(one.end), "rules": one.rules, "state": one.state}
            for one in account.unaccounted
        ],
    }


def _gap(one: Open) -> dict[str, Any]:
    return {
        "rule": one.rule_id,
        "start": iso(one.start),
        "end": iso(one.end),
        "state": one.state,
        "since": iso(one.since),
        "reason": one.reason,
    }


def _window(one: Window) -> dict[str, Any]:
    return {
        "start": iso(one.start),
        "end": iso(one.end),
        "state": one.state,
        "at": iso(one.at),
        "run": one.run,
        "late_seconds": one.late.total_seconds(),
        "reopened": one.reopened,
        "version": one.version,
        "reason": one.reason,
    }
