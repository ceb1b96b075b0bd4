"""The site card: one page in plain German for the person on site, who is no technician, as text and as HTML.

What strangers wrote (names of servers, programs, sites) passes `visible`, is cut, and is escaped in HTML; the page
loads nothing and runs nothing.
"""

import html
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import assert_never

from sentinel.core.odd import Odd, Ranking, Trait
from sentinel.ui.visible import visible

WIDTH = 76
TEXT_MAX = 60
"""So many characters of a stranger's text are shown: the card has one page."""
_ALSO_MAX = 2
_REGULAR = 0.5
"""From here on the rhythm is told: more than half of the gaps between contacts are much alike."""
_WEEKDAYS = ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag")
_MONTHS = (
    "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
    "Dezember",
)  # fmt: skip
_BLANK = "_" * 24
_WORRY = (
    "Oft ist der Grund harmlos, zum Beispiel ein neues Programm. Es kann aber auch ein Schadprogramm sein, das "
    "auf Befehle wartet. Wurde in diesen Tagen etwas Neues eingerichtet? Sagen Sie es uns, das hilft. Niemand "
    "hat etwas falsch gemacht: Es geht um das Gerät, nicht darum, wer es benutzt hat."
)
_STYLE = (
    "@page{size:A4;margin:18mm}body{font:11.5pt/1.45 sans-serif;max-width:44em;margin:0 auto;padding:1em;color:#000}"
    "h1{font-size:17pt;margin:.2em 0}h2{font-size:12.5pt;margin:1em 0 .2em;border-bottom:1px solid #000}"
    "p,ol,ul{margin:.3em 0}li{margin:.15em 0}.an{font-weight:bold}code{overflow-wrap:anywhere}.klein{font-size:9pt}"
    "p,li{overflow-wrap:anywhere}"
)


@dataclass(frozen=True, slots=True)
class _Part:
    # a heading with sentences, and a list with numbers, with dashes or without either
    heading: str
    sentences: Sequence[str] = ()
    items: Sequence[str] = ()
    numbered: bool = False


def text(ranking: Ranking, odd: Odd, contact: str, zone: tzinfo) -> str:
    """Return the card as text of WIDTH columns; `contact` is whom to call, empty for a line to fill in."""
    place = _Place(ranking.kind)
    lines = [f"An: {_shown(odd.site)}", "", _title(odd, place), _day(ranking.day), ""]
    for part in _parts(ranking, odd, contact, zone):
        lines += [part.heading.upper(), *(line for one in part.sentences for line in textwrap.wrap(one, WIDTH))]
        for number, item in enumerate(part.items, start=1):
            mark = f"{number}. " if part.numbered else "-  "
            lines += textwrap.wrap(item, WIDTH, initial_indent=mark, subsequent_indent="   ")
        lines.append("")
    return "\n".join([*lines, *textwrap.wrap(_reference(ranking, odd), WIDTH), ""])


def page(ranking: Ranking, odd: Odd, contact: str, zone: tzinfo) -> str:
    """Return the card as one HTML page, to be printed on one sheet of A4."""
    place = _Place(ranking.kind)
    body = [
        f'<p class="an">An: {html.escape(_shown(odd.site))}</p>',
        f"<h1>{html.escape(_title(odd, place))}</h1>",
        f"<p>{html.escape(_day(ranking.day))}</p>",
    ]
    for part in _parts(ranking, odd, contact, zone):
        body.append(f"<h2>{html.escape(part.heading)}</h2>")
        body += [f"<p>{html.escape(one)}</p>" for one in part.sentences]
        if part.items:
            kind = "ol" if part.numbered else "ul"
            body.append(f"<{kind}>{''.join(f'<li>{html.escape(one)}</li>' for one in part.items)}</{kind}>")
    body.append(f'<p class="klein">{html.escape(_reference(ranking, odd))}</p>')
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="de"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{html.escape(_title(odd, place))}: {html.escape(_shown(odd.site))}</title>"
        f"<style>{_STYLE}</style></head>\n<body>\n{chr(10).join(body)}\n</body></html>\n"
    )


@dataclass(frozen=True, slots=True)
class _Place:
    # what places of a kind are called
    kind: str

    @property
    def many(self) -> str:
        return "Schulen" if self.kind.startswith("school") else "Standorten"

    @property
    def yours(self) -> str:
        return "Ihre Schule" if self.kind.startswith("school") else "Ihr Standort"

    @property
    def inside(self) -> str:
        return "in Ihrer Schule" if self.kind.startswith("school") else "an Ihrem Standort"


def _parts(ranking: Ranking, odd: Odd, contact: str, zone: tzinfo) -> Iterator[_Part]:
    worst, place = odd.traits[0], _Place(ranking.kind)
    yield _Part("Was wir gesehen haben", [" ".join(_seen(worst, place, zone))])
    same = [f"{_what(one)}" for one in odd.traits[1:] if one.device == worst.device][:_ALSO_MAX]
    also = [f"Dasselbe Gerät hat auch {' und '.join(same)}."] if same else []
    yield _Part("Welches Gerät", [_device(worst), *also, *_find(worst)])
    call = _shown(contact) if contact else f"Telefon {_BLANK}"
    yield _Part(
        "Bitte tun Sie jetzt",
        items=(
            "Suchen Sie das Gerät.",
            "Trennen Sie es vom Netz: WLAN ausschalten oder das Netzwerkkabel ziehen.",
            "Lassen Sie es eingeschaltet und legen Sie es zur Seite. Niemand soll es benutzen.",
            f"Rufen Sie die IT-Sicherheit der Stadt an: {call}.",
        ),
        numbered=True,
    )
    yield _Part(
        "Bitte nicht",
        items=(
            "nichts löschen, nichts neu installieren, keinen Virenscanner starten",
            "an dem Gerät keine Kennwörter mehr eingeben",
            "das Gerät nicht ausschalten: im Speicher steht, was geschehen ist",
        ),
    )
    yield _Part(
        "Muss ich mir Sorgen machen?",
        [_WORRY],
    )
    yield _Part(
        "Für Ihre Notizen",
        [f"Gerät gefunden in Raum: {_BLANK}", f"Vom Netz getrennt um: {_BLANK}", f"Ihr Name: {_BLANK}"],
    )


def _title(odd: Odd, place: _Place) -> str:
    number = odd.traits[0].devices
    return f"Ein Gerät {place.inside} fällt auf" if number == 1 else f"{number} Geräte {place.inside} fallen auf"


def _seen(one: Trait, place: _Place, zone: tzinfo) -> Iterator[str]:
    who = "Ein Gerät hat" if one.devices == 1 else f"{one.devices} Geräte haben"
    often = f", etwa alle {_length(one.every_seconds)}" if one.rhythm >= _REGULAR else ""
    yield f"{who} an diesem Tag immer wieder {_what(one)}: in {one.hours} verschiedenen Stunden des Tages{often}."
    yield f"Das erste Mal war es um {_clock(one.first, zone)} Uhr, das letzte Mal um {_clock(one.last, zone)} Uhr."
    others = "tut das nur" if one.sites <= 1 else f"tun das nur {one.sites}, darunter"
    yield f"Von {one.peers} {place.many} {others} {place.yours}."
    if one.rhythm >= _REGULAR:
        yield "So regelmäßig arbeitet kein Mensch, sondern ein Programm."
    if one.closed_hours:
        hours = "einer Stunde, in der" if one.closed_hours == 1 else f"{one.closed_hours} Stunden, in denen"
        yield f"Auch in {hours} geschlossen war, war es so."


def _what(one: Trait) -> str:
    value = f"»{_shown(one.value)}«"
    match one.feature:
        case "name":
            return f"den Dienst {value} im Internet angesprochen"
        case "address":
            return f"die Adresse {value} im Internet angesprochen"
        case "port":
            return f"eine ungewöhnliche Art der Verbindung nach außen benutzt (Port {value})"
        case "user_agent":
            return f"ein Programm benutzt, das sich so nennt: {value}"
        case "dns":
            what, _, domain = one.value.partition(" ")
            if what == "NXDOMAIN":
                return f"nach »{_shown(domain)}« gefragt, das es im Internet nicht gibt"
            return f"auf ungewöhnliche Art nach »{_shown(domain)}« gefragt ({_shown(what)})"
        case "process":
            return f"das Programm {value} gestartet"
        case _:
            assert_never(one.feature)


def _device(one: Trait) -> str:
    called = "Der Name des Geräts" if one.feature == "process" else "Die Adresse des Geräts im Netz"
    if not one.device:
        return "Welches Gerät es ist, sagen unsere Daten nicht; rufen Sie uns bitte an."
    which = "" if one.devices == 1 else f" (von {one.devices} Geräten das auffälligste)"
    return f"{called}: {_shown(one.device)}{which}."


def _find(one: Trait) -> Iterator[str]:
    if one.feature == "process" or not one.device:
        return
    yield (
        "So finden Sie es: Die Adresse steht am Gerät in den Einstellungen. Tablet: Einstellungen, WLAN, auf das "
        "verbundene Netz tippen. Windows: Einstellungen, Netzwerk und Internet, Eigenschaften. Adressen können "
        "wechseln: Ist es keines der Geräte, rufen Sie uns trotzdem an."
    )


def _reference(ranking: Ranking, odd: Odd) -> str:
    worst = odd.traits[0]
    return (
        f"Für die IT-Sicherheit: {_shown(ranking.kind)}, {ranking.day}, {_shown(odd.site)}, {worst.feature} "
        f"{_shown(worst.value)}, {_shown(worst.device)}, Auffälligkeit {odd.score:.0f} von 100."
    )


def _day(day: date) -> str:
    return f"{_WEEKDAYS[day.weekday()]}, {day.day}. {_MONTHS[day.month - 1]} {day.year}"


def _clock(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%H:%M}"


def _length(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} Sekunden"
    if seconds < 5_400:
        return f"{seconds / 60:.0f} Minuten"
    return f"{seconds / 3_600:.0f} Stunden"


def _shown(given: str) -> str:
    shown = visible(given)
    return shown if len(shown) <= TEXT_MAX else f"{shown[: TEXT_MAX - 1]}…"
