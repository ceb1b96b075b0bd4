"""Records that no pack could read: which are still unread, and brought in again after a pack was mended."""

from collections.abc import Sequence

from sentinel.app import App
from sentinel.core.audit import Deed, entered
from sentinel.core.event import Event
from sentinel.core.ports import Span, Store
from sentinel.core.where import AllOf, AnyOf, Is, Where
from sentinel.parse.deadletter import raw_of
from sentinel.respond.language import EARLIEST

CHUNK = 500
REPLAYED_MAX = 100_000


def everywhere(app: App) -> Span:
    """Return the time in which all that is stored has arrived."""
    return Span(EARLIEST, app.clock.now() + app.margin, "ingested")


def letters(more: Where) -> Where:
    """Return what dead letters are, narrowed by `more`."""
    return AllOf((Is("event.kind", "pipeline_error"), more))


def unread(app: App, store: Store, limit: int, source: str = "") -> list[Event]:
    """Return the dead letters, of one source if it is named, of which nothing has been made since, latest first."""
    found = store.search(letters(Is("sentinel.source", source) if source else AllOf(())), everywhere(app), limit)
    read: set[str] = set()
    for at in range(0, len(found), CHUNK):
        wanted = {str(one.fields.get("sentinel.event_id")) for one in found[at : at + CHUNK]}
        ids = AnyOf(tuple(Is("event.id", one, cased=True) for one in wanted))
        read |= {event.id for event in store.search(ids, everywhere(app), CHUNK * 2)}
    return [one for one in found if one.fields.get("sentinel.event_id") not in read]


def bring_in(app: App, found: Sequence[Event]) -> int:
    """Put dead letters into the spool again; return how many. Those that can be read now become events, once."""
    with app.spool() as spool:
        for at in range(0, len(found), CHUNK):
            spool.put([raw_of(letter) for letter in found[at : at + CHUNK]])
    return len(found)


def replay(app: App, source: str, who: str) -> int:
    """Bring in again what is still unread of a source, and write that down before; raises AuditError."""
    with entered(app.audit, Deed("deadletter.replay", who, "", {"source": source})), app.reading() as store:
        return bring_in(app, unread(app, store, REPLAYED_MAX, source))
