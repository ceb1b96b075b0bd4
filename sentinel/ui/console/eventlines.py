"""Events as the console shows them: a row of a table, and every field of one as a line that leads on."""

from collections.abc import Iterator, Sequence

from sentinel.core.event import Event
from sentinel.core.where import plain, values
from sentinel.respond.hunting import Histogram
from sentinel.ui.console.draw import Line, Piece, heading
from sentinel.ui.console.table import Column
from sentinel.ui.tables import value_text
from sentinel.ui.words import N_, _, moment

COLUMNS = (
    Column(N_("TIME"), 15),
    Column(N_("SOURCE"), 14, rank=3),
    Column(N_("HOST"), 14, rank=1),
    Column(N_("WHO"), 16, rank=2),
    Column(N_("WHAT"), 24, grows=True),
)
ENTITIES = ("host.name", "user.name", "source.ip", "destination.ip", "email.from.address", "email.to.address")
"""Fields whose values have a screen of their own."""
_WHO = ("user.name", "source.ip", "email.from.address", "destination.ip")
_FIRST = ("@timestamp", "event.dataset", "event.action", "event.outcome", "message", "host.name", "user.name")
_RAW = "event.original"
HEX_WIDTH = 16
HEX_MAX = 4096


def cells(event: Event) -> Sequence[Piece]:
    """Return an event as a table's row."""
    who = next((value_text(event.fields[name]) for name in _WHO if name in event.fields), "")
    return (
        (moment(event.timestamp, year=False), "muted"),
        (value_text(event.fields.get("event.dataset")), "muted"),
        (value_text(event.fields.get("host.name")), "plain"),
        (who, "plain"),
        (told(event), "plain"),
    )


def told(event: Event) -> str:
    """Return in one line what an event says."""
    said = value_text(event.fields.get("message")) or value_text(event.fields.get(_RAW))
    action = value_text(event.fields.get("event.action"))
    return " ".join((f"{action}: {said}" if action and action not in said else said or action).split())


def field_lines(event: Event) -> list[Line]:
    """Return an event's fields, the telling ones first, one line a value; the original line last."""
    names = [name for name in _FIRST if name in event.fields]
    names += sorted(name for name in event.fields if name not in {*_FIRST, _RAW})
    wide = min(30, max((len(name) for name in names), default=0))
    made = [one for name in names for one in _lines(event, name, wide)]
    original = value_text(event.fields.get(_RAW))
    return [*made, Line(), heading(_("As it came in")), Line(((original, "plain"),), fact=(_RAW, original))]


def _lines(event: Event, name: str, wide: int) -> Iterator[Line]:
    for at, value in enumerate(values(event.fields[name])):
        text = plain(value)
        shown = name if at == 0 else ""
        pieces: list[Piece] = [(f"{shown:<{wide}} ", "muted"), (text, "link" if name in ENTITIES else "plain")]
        go = ("entity", f"{name}={text}") if name in ENTITIES else None
        yield Line(pieces, go=go or ("", ""), fact=(name, text), indent=wide + 1)


def hex_lines(raw: bytes) -> Iterator[Line]:
    """Yield bytes as hexadecimal digits and, beside them, as ASCII: what a line really holds."""
    for at in range(0, min(len(raw), HEX_MAX), HEX_WIDTH):
        some = raw[at : at + HEX_WIDTH]
        text = "".join(chr(one) if 32 <= one < 127 else "·" for one in some)
        yield Line(
            ((f"{at:06x}  ", "muted"), (f"{some.hex(' '):<{HEX_WIDTH * 3}} ", "plain"), (text, "accent")), wraps=False
        )
    if len(raw) > HEX_MAX:
        yield Line(((_("… and {n} bytes more").format(n=len(raw) - HEX_MAX), "muted"),))


def stretched(bars: Histogram) -> str:
    """Return how long each bar of a histogram is."""
    seconds = int(bars.width.total_seconds())
    for size, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds // size} {name}"
    return f"{seconds} s"
