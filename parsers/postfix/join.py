"""One event a mail: what Postfix's programs, and the filters beside it, said of one queue id.

The queue manager ends an entry with `removed`; one that never gets that far (rejected, held) ends in silence, which is
longer than the longest time between two tries (maximal_backoff_time, 4000 s).
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sentinel.pack import Fields, Value

QUIET = timedelta(hours=2)
MODULES = ("postfix", "amavis", "rspamd", "mailscanner", "clamav")
_ENDINGS = (
    "mail_sent",
    "mail_bounced",
    "mail_expired",
    "mail_deferred",
    "mail_rejected",
    "mail_discarded",
    "mail_held",
)
_OUTCOMES = {"mail_sent": "success", "mail_bounced": "failure", "mail_expired": "failure", "mail_rejected": "failure"}
_FIRST = (
    "source.ip", "source.port", "source.domain", "user.name", "user.domain", "user.email", "email.message_id",
    "email.from.address", "email.subject", "email.local_id", "host.name", "postfix.size", "postfix.nrcpt",
    "postfix.helo", "postfix.sasl_method", "postfix.proto", "postfix.verdict", "postfix.orig_queue_id",
)  # fmt: skip
_LAST = (
    "destination.ip", "destination.port", "destination.domain", "event.reason", "postfix.relay", "postfix.delay",
    "postfix.delays", "postfix.dsn", "postfix.status", "postfix.queued_as",
)  # fmt: skip
_FILTERS = ("amavis.", "rspamd.", "mailscanner.", "clamav.")


def key(event: Mapping[str, Value]) -> str | None:
    """Return host and queue id."""
    queue_id = event.get("email.local_id")
    return f"{event.get('host.name', '')} {queue_id}" if queue_id else None


def ends(event: Mapping[str, Value]) -> bool:
    """Say whether the queue manager has done with it."""
    return event.get("event.action") == "queue_removed"


def link(event: Mapping[str, Value]) -> str | None:
    """Return which process speaks: TLS is said of a connection, before it has a queue id."""
    if event.get("event.action") != "tls_established" and "email.local_id" not in event:
        return None
    return f"{event.get('host.name', '')} {event.get('process.name')} {event.get('process.pid')}"


def whole(parts: Sequence[Fields]) -> Fields:
    """Return the mail: who sent it from where, to whom, by which relay, and what became of it."""
    said = [part for part in parts if part.get("event.action") != "tls_established"]
    mail: Fields = {
        "event.dataset": "postfix.mail",
        "event.category": ("email",),
        "event.type": ("info",),
        "observer.type": "mail",
    }
    for part in said:
        for name in _FIRST:
            if name in part:
                mail.setdefault(name, part[name])
        mail.update({name: part[name] for name in _LAST if name in part and _delivers(part)})
        mail.update({name: value for name, value in part.items() if name.startswith(_FILTERS)})
    recipients = tuple(dict.fromkeys(str(one) for part in said for one in _several(part.get("email.to.address"))))
    if recipients:
        mail["email.to.address"] = recipients
    times = [str(part["@timestamp"]) for part in said if "@timestamp" in part]
    if times:
        mail |= {"@timestamp": times[0], "event.start": min(times), "event.end": max(times)}
    _ended(mail, said)
    _secured(mail, parts)
    return mail


def _delivers(part: Fields) -> bool:
    return "postfix.status" in part or part.get("event.action") in _ENDINGS


def _several(value: Value | None) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else () if value is None else (value,)


def _ended(mail: Fields, said: Sequence[Fields]) -> None:
    """Set action and outcome: of several recipients each may have its own; the last word on each counts."""
    last: dict[Value | None, str] = {}
    for part in said:
        action = part.get("event.action")
        if action in _ENDINGS:
            last[part.get("email.to.address")] = str(action)
    deliveries = [f"{to} {said_of}" for to, said_of in last.items() if to]
    if deliveries:
        mail["postfix.deliveries"] = tuple(deliveries)
    actions = set(last.values())
    if not actions:
        return
    mail["event.action"] = actions.pop() if len(actions) == 1 else "mail_partly_sent"
    mail["event.outcome"] = _OUTCOMES.get(str(mail["event.action"]), "unknown")
    if mail["event.action"] in {"mail_rejected", "mail_discarded"}:
        mail["event.type"] = ("info", "denied")


def _secured(mail: Fields, parts: Sequence[Fields]) -> None:
    """Take over TLS of the connections this mail came and went by: a process serves others before and after."""
    for part in parts:
        if part.get("event.action") != "tls_established":
            continue
        if "source.ip" in part and part["source.ip"] == mail.get("source.ip"):
            mail |= {name: value for name, value in part.items() if name.startswith("tls.")}
        elif "destination.ip" in part and part["destination.ip"] == mail.get("destination.ip"):
            mail["postfix.relay_tls"] = f"{part['tls.version_protocol']} {part['tls.version']} {part['tls.cipher']}"
