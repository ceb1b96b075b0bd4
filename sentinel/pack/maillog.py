"""What mail servers and filters have in common: what becomes of a mail, and the one event that a mail's lines make."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from sentinel.core.event import Fields, Value
from sentinel.pack import forms, text

VALUES_MAX = 200
_OUTCOMES = {
    "mail_sent": "success", "mail_delivered": "success", "mail_deferred": "unknown", "mail_bounced": "failure",
    "mail_rejected": "failure", "mail_failed": "failure", "mail_expired": "failure",
}  # fmt: skip
ENDINGS = frozenset({*_OUTCOMES, "mail_discarded", "mail_held", "mail_quarantined"})
"""The actions that say what became of a mail, or of one of its recipients."""
_ARRIVAL = ("source.", "tls.", "user.")
_DELIVERY = ("destination.", "event.reason")


def what(action: str, kind: str = "info", outcome: str = "", category: str = "email") -> Fields:
    """Return what happened, as ECS has it; `kind` and `category` may be several words."""
    return forms.what(action, category, kind, outcome)


def addresses(written: Iterable[str]) -> tuple[str, ...]:
    """Return the mail addresses of a list once each, without angle brackets; the empty sender is none."""
    bare = (one.strip().removeprefix("<").removesuffix(">") for one in written)
    return tuple(dict.fromkeys(one for one in bare if one))[:VALUES_MAX]


def endpoint(fields: Fields, side: str, address: str | None, port: str | None = None, name: str | None = None) -> None:
    """Set address, port and name of one end of a connection; a name that is an address again is none."""
    named = text.given(name)
    found = text.address(address)
    text.put(fields, [(f"{side}.ip", found), (f"{side}.port", text.port(port) or None if found else None)])
    text.put(fields, [(f"{side}.domain", None if text.address(named) else named)])


def key(event: Mapping[str, Value]) -> str | None:
    """Return host and queue id, by which the lines of a mail belong together; None if an event has no queue id."""
    found = event.get("email.local_id")
    return f"{event.get('host.name', '')} {found}" if found else None


def whole(parts: Sequence[Fields], dataset: str, space: str, apart: Collection[str] = ()) -> Fields:
    """Return one event of the lines of a mail: who sent it from where, to whom, and what became of it.

    Of the fields that its arrival and its deliveries both have, the arrival's count for the source, the last
    delivery's for the destination; fields below `space` are taken over, those in `apart` and the lines' own are not.
    """
    mail: Fields = {
        "event.dataset": dataset, "event.category": ("email",), "event.type": ("info",), "observer.type": "mail",
    }  # fmt: skip
    for part in parts:
        gone = part.get("event.action") in ENDINGS - {"mail_rejected"}
        for name, value in part.items():
            if name.startswith(_DELIVERY):
                if gone:
                    mail[name] = value
            elif name in apart or name == "email.to.address" or (gone and name.startswith(_ARRIVAL)):
                continue
            elif name.startswith(("source.", "email.", "user.", "host.", "observer.", "tls.", space)):
                mail.setdefault(name, value)
    recipients = addresses(str(one) for part in parts for one in several(part.get("email.to.address")))
    if recipients:
        mail["email.to.address"] = recipients
    times = [str(part["@timestamp"]) for part in parts if "@timestamp" in part]
    if times:
        mail |= {"@timestamp": times[0], "event.start": min(times), "event.end": max(times)}
    return mail | _ended(parts, space)


def several(value: Value | None) -> tuple[object, ...]:
    """Return the values of a field that may hold one, several or none."""
    return value if isinstance(value, tuple) else () if value is None else (value,)


def _ended(parts: Sequence[Mapping[str, Value]], space: str) -> Fields:
    """Return action and outcome: each recipient may have its own, and the last word on each counts."""
    last: dict[object, str] = {}
    for part in parts:
        action = part.get("event.action")
        if action in ENDINGS:
            last.update(dict.fromkeys(several(part.get("email.to.address")) or (None,), str(action)))
    actions = set(last.values())
    if not actions:
        return {}
    action = actions.pop() if len(actions) == 1 else "mail_partly_sent"
    said: Fields = {"event.action": action, "event.outcome": _OUTCOMES.get(action, "unknown")}
    deliveries = tuple(f"{to} {became}" for to, became in last.items() if to)
    if deliveries:
        said[f"{space}deliveries"] = deliveries
    if action in {"mail_rejected", "mail_discarded"}:
        said["event.type"] = ("info", "denied")
    return said
