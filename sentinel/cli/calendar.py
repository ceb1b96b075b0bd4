"""`sentinel calendar`: what is open now and why, and which days are closed soon."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from sentinel.app import App
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, show, talk
from sentinel.config.calendar import problems
from sentinel.config.inventory import Inventory
from sentinel.core.calendar import Calendar, Calendars, Period, closed_days, closed_since, next_opening
from sentinel.core.clock import iso
from sentinel.core.errors import Exit, UsageError
from sentinel.parse.assets import every
from sentinel.ui import tables

EXAMPLE = """
sentinel calendar
sentinel calendar --site "Gesamtschule Nord" --days 120
"""
COLUMNS = ("calendar", "now", "why", "not open since", "opens", "school holidays known until", "places")
DAYS_MAX = 400

verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command()
def calendar(
    site: Annotated[str, typer.Option("--site", help="Only the calendars of what stands there.")] = "",
    days: Annotated[int, typer.Option("--days", min=1, max=DAYS_MAX, help="How far ahead.")] = 90,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show what is open now, with the reason, and the closed days to come. Ends with 1 if something is not known."""
    app = application(config)
    calendars, now = app.calendars or Calendars(), app.clock.now()
    if app.calendars is None:
        talk(f"there is no {app.config.calendar}: only `always` is known", "yellow")
    places = _places(app, site)
    if site and not places:
        raise UsageError(f"the inventory knows no site {site!r} with a calendar; sentinel assets list shows its sites")
    chosen = [one for name, one in calendars.by_name.items() if not site or name in places]
    rows = [(one, tuple(closed_days(one, _today(one, now), days)), places.get(one.name, ())) for one in chosen]
    if json:
        emit(*(_told(*row, now, calendars) for row in rows))
    else:
        show(tables.plain_table(COLUMNS, (_row(one, where, now) for one, _, where in rows)))
        days_off = ((one.name, day.first, day.last, day.name) for one, closed, _ in rows for day in closed)
        show(tables.plain_table(("calendar", "closed from", "until", "because"), days_off))
    wrong = list(problems(app.calendars, app.inventory, now.date()))
    for one in wrong:
        talk(f"{one.name}: {one.found}; {one.advice}", "yellow")
    if any(one.state == "fail" for one in wrong):
        raise typer.Exit(Exit.FINDING)


def _today(one: Calendar, now: datetime) -> date:
    return now.astimezone(ZoneInfo(one.zone)).date()


def _told(
    one: Calendar, closed: Iterable[Period], places: Iterable[str], now: datetime, calendars: Calendars
) -> dict[str, object]:
    spell, since, opens = one.at(now), closed_since(one, now), next_opening(one, now)
    return {
        "schema": SCHEMA,
        "calendar": one.name,
        "state": spell.state,
        "reason": spell.reason,
        "closed_since": iso(since) if since else None,
        "opens": iso(opens) if opens else None,
        "school_holidays": [
            {"valid_from": period.first, "valid_until": period.last, "source": source}
            for period, source in calendars.sources
            if period in (one.known or ())
        ],
        "places": list(places),
        "closed": [{"first": day.first, "last": day.last, "because": day.name} for day in closed],
    }


def _row(one: Calendar, places: tuple[str, ...], now: datetime) -> tuple[str, ...]:
    spell, since, opens = one.at(now), closed_since(one, now), next_opening(one, now)
    known = [period.last for period in one.known or ()]
    return (
        one.name,
        spell.state,
        spell.reason,
        tables.local(since) if since else "",
        tables.local(opens) if since and opens else "",
        str(max(known)) if known else "",
        ", ".join(places[:3]) + (f" and {len(places) - 3} more" if len(places) > 3 else ""),
    )


def _places(app: App, site: str) -> dict[str, tuple[str, ...]]:
    # which places each calendar is of: sites, or what else they are called
    found: dict[str, dict[str, None]] = {}
    for facts in every(app.inventory or Inventory()):
        where = facts.get("site", "")
        if "calendar" in facts and (not site or where.casefold() == site.casefold()):
            found.setdefault(facts["calendar"], {})[where or facts.get("segment") or facts.get("name", "")] = None
    return {name: tuple(places) for name, places in found.items()}
