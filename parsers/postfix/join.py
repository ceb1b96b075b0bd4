"""One event a mail: what Postfix's programs, and the filters beside it, said of one queue id.

The queue manager ends an entry with `removed`; one that never gets that far (rejected, held) ends in silence, which is
longer than the longest time between two tries (maximal_backoff_time, 4000 s).
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sentinel.pack import Fields, Value, maillog

QUIET = timedelta(hours=2)
MODULES = ("postfix", "amavis", "rspamd", "mailscanner", "clamav")
_OF_A_DELIVERY = (
    "event.reason", "postfix.relay", "postfix.delay", "postfix.delays", "postfix.dsn", "postfix.status",
    "postfix.queued_as",
)  # fmt: skip
_FILTERS = ("amavis.", "rspamd.", "mailscanner.", "clamav.")
key = maillog.key


def ends(event: Mapping[str, Value]) -> bool:
    """Say whether the queue manager has done with it."""
    return event.get("event.action") == "queue_removed"


def link(event: Mapping[str, Value]) -> str | None:
    """Return which process speaks: TLS is said of a connection, before it has a queue id."""
    if event.get("event.action") != "tls_established" and "email.local_id" not in event:
        return None
    return f"{event.get('host.name', '')} {event.get('process.name')} {event.get('process.pid')}"


def whole(parts: Sequence[Fields]) -> Fields:
    """Return the mail: who sent it from where, to whom, by which relay, what filters found, and what became of it."""
    said = [part for part in parts if part.get("event.action") != "tls_established"]
    mail = maillog.whole(said, "postfix.mail", "postfix.", (*_OF_A_DELIVERY, "postfix.stage"))
    for part in said:
        delivers = part.get("event.action") in maillog.ENDINGS
        for name, value in part.items():
            if name.startswith(_FILTERS) or (delivers and name in _OF_A_DELIVERY):
                mail[name] = value
    _secured(mail, parts)
    return mail


def _secured(mail: Fields, parts: Sequence[Fields]) -> None:
    """Take over TLS of the connections this mail came and went by: a process serves others before and after."""
    for part in parts:
        if part.get("event.action") != "tls_established":
            continue
        if "source.ip" in part and part["source.ip"] == mail.get("source.ip"):
            mail |= {name: value for name, value in part.items() if name.startswith("tls.")}
        elif "destination.ip" in part and part["destination.ip"] == mail.get("destination.ip"):
            mail["postfix.relay_tls"] = f"{part['tls.version_protocol']} {part['tls.version']} {part['tls.cipher']}"
