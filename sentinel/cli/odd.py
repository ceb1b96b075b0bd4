"""`sentinel odd`: what one site does and the others of its kind do not, on a day; the card for the person on site."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from sentinel import comparing
from sentinel.app import App
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, show, stdout, talk
from sentinel.core.clock import iso
from sentinel.core.errors import NotThereError, UsageError
from sentinel.core.odd import Odd, Ranking
from sentinel.ui import sitecard, tables

EXAMPLE = """
sentinel odd
sentinel odd --day 2026-11-26 --json
sentinel odd --day 2026-11-26 --card "Grundschule am Park" --html karte.html --contact "0341 555 0110"
"""
COLUMNS = ("score", "site", "what", "value", "sites", "hours", "closed", "devices", "most by", "every", "days before")
_USUAL = "school"

verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command()
def odd(  # noqa: PLR0913, PLR0917  an option each
    day: Annotated[str, typer.Option("--day", help="As 2026-11-26.", show_default="the latest judged")] = "",
    kind: Annotated[str, typer.Option("--kind", help="The sites' calendar in the inventory.")] = "",
    card: Annotated[str, typer.Option("--card", metavar="SITE", help="Print the page for the person on site.")] = "",
    html: Annotated[Path | None, typer.Option("--html", help="Write the page to this file, to be printed.")] = None,
    contact: Annotated[str, typer.Option("--contact", help="Whom the person on site calls.")] = "",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show how the sites of a kind rank; a day that has not been judged is compared now, and nothing is raised."""
    if html is not None and not card:
        raise UsageError("--html writes the card of a site: name it with --card")
    app = application(config)
    found = _ranking(app, _kind(app, kind), _day(day))
    for gap in found.gaps:
        talk(gap, "yellow")
    if card:
        _card(app, found, card, html, contact)
    elif json:
        emit({"schema": SCHEMA, "score_min": comparing.SCORE_MIN, **_told(found)})
    else:
        title = f"{found.kind}, {found.day}{', a day off' if found.off else ''}: {found.sites} sites heard"
        title += f", compared with {found.days} earlier days alike"
        show(tables.plain_table(COLUMNS, _rows(found), title))
        if not found.odd:
            talk("no site does what the others do not")


def _kind(app: App, given: str) -> str:
    known = comparing.kinds(app.config)
    wanted = given or (_USUAL if _USUAL in known else known[0] if known else "")
    if wanted not in known:
        raise UsageError(
            f"no kind {given!r} with enough sites: those of {app.config.inventory} with 10 sites or more, by their "
            f"`calendar`, are {', '.join(known) or 'none'}"
        )
    return wanted


def _day(given: str) -> date | None:
    try:
        return date.fromisoformat(given) if given else None
    except ValueError as error:
        raise UsageError(f"not a day: {given!r}; say 2026-11-26") from error


def _ranking(app: App, kind: str, day: date | None) -> Ranking:
    calendar, now = comparing.calendar_of(app, kind), app.clock.now()
    if day is not None and day > now.astimezone(ZoneInfo(calendar.zone)).date():
        raise UsageError(f"{day} has not come yet")
    with app.odd_book() as book:
        found = book.ranking(kind, day)
        if found is not None:
            return found
        wanted = day or comparing.ended(calendar, now)
        talk(f"{wanted} has not been judged: it is compared now, and nothing is raised")
        with app.reading() as store:
            return comparing.compared(app, book, store, kind, wanted)


def _card(app: App, found: Ranking, site: str, path: Path | None, contact: str) -> None:
    chosen = next((one for one in found.odd if one.site.casefold() == site.casefold()), None)
    if chosen is None:
        named = ", ".join(one.site for one in found.odd[:5])
        raise NotThereError(f"nothing is odd about {site!r} on {found.day}; the oddest are: {named or 'none'}")
    zone = ZoneInfo(comparing.calendar_of(app, found.kind).zone)
    if path is None:
        stdout().print(sitecard.text(found, chosen, contact, zone), markup=False, soft_wrap=True)
        return
    try:
        path.write_text(sitecard.page(found, chosen, contact, zone), "utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; name another file") from error
    talk(f"written: {path}")


def _told(found: Ranking) -> dict[str, object]:
    return {
        **asdict(found),
        "odd": [{**asdict(one), "score": one.score, "traits": _traits(one)} for one in found.odd],
    }


def _traits(one: Odd) -> list[dict[str, object]]:
    return [{**asdict(trait), "first": iso(trait.first), "last": iso(trait.last)} for trait in one.traits]


def _rows(found: Ranking) -> Iterator[tuple[str, ...]]:
    for one in found.odd:
        for number, trait in enumerate(one.traits):
            yield (
                f"{trait.score:.0f}",
                one.site if not number else "",
                trait.feature,
                trait.value,
                f"{trait.sites} of {trait.peers}",
                str(trait.hours),
                str(trait.closed_hours),
                str(trait.devices),
                trait.device,
                f"{trait.every_seconds:.0f} s" if trait.every_seconds else "",
                f"{trait.known} of {trait.days}",
            )
