"""One event a message: what Exchange's servers tracked of it, by the id that it keeps from server to server."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sentinel.pack import Fields, Value

QUIET = timedelta(minutes=10)
"""Longer than a message that is neither held nor deferred stays between two steps; later ones begin another event."""
_FINAL = {
    "mail_delivered": "success", "mail_sent": "success", "mail_failed": "failure", "mail_poison": "failure",
    "mail_dropped": "failure", "mail_rejected": "failure", "mail_redirected": "success",
}  # fmt: skip
_SEVERAL = ("email.to.address", "email.from.address")


def key(event: Mapping[str, Value]) -> str | None:
    """Return the message's id."""
    found = event.get("email.message_id")
    return str(found) if found and event.get("event.dataset") == "exchange.tracking" else None


def ends(_event: Mapping[str, Value]) -> bool:
    """Say that nothing tells the last step: there may be further recipients."""
    return False


def whole(parts: Sequence[Fields]) -> Fields:
    """Return the message: from whom and where it came first, to whom, and what became of it for each recipient."""
    mail: Fields = {"event.dataset": "exchange.mail", "event.category": ("email",), "event.type": ("info",)}
    last: dict[object, str] = {}
    for part in parts:
        for name, value in part.items():
            if name.startswith(("source.", "email.", "host.", "observer.", "exchange.")) and name not in _SEVERAL:
                mail.setdefault(name, value)
        action = str(part.get("event.action"))
        to = part.get("email.to.address", ())
        if action in _FINAL:
            last.update(dict.fromkeys(to if isinstance(to, tuple) else (to,), action))
            mail |= {
                name: value for name, value in part.items() if name.startswith("destination.") or name == "event.reason"
            }
    for name in _SEVERAL:
        found = [one for part in parts if isinstance(several := part.get(name), tuple) for one in several]
        if found:
            mail[name] = tuple(dict.fromkeys(found))
    times = sorted(str(part["@timestamp"]) for part in parts if "@timestamp" in part)
    if times:
        mail |= {"@timestamp": times[0], "event.start": times[0], "event.end": times[-1]}
    mail["exchange.steps"] = tuple(dict.fromkeys(str(part["event.code"]) for part in parts if "event.code" in part))
    if last:
        mail["exchange.deliveries"] = tuple(f"{to} {action}" for to, action in last.items())
        actions = set(last.values())
        mail["event.action"] = actions.pop() if len(actions) == 1 else "mail_partly_sent"
        outcomes = {_FINAL[action] for action in last.values()}
        mail["event.outcome"] = outcomes.pop() if len(outcomes) == 1 else "unknown"
    return mail
