"""One event a message: what Exchange's servers tracked of it, by the id that it keeps from server to server."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sentinel.pack import Fields, Value, maillog

QUIET = timedelta(minutes=10)
"""Longer than a message that is neither held nor deferred stays between two steps; later ones begin another event."""


def key(event: Mapping[str, Value]) -> str | None:
    """Return the message's id."""
    found = event.get("email.message_id")
    return str(found) if found and event.get("event.dataset") == "exchange.tracking" else None


def ends(_event: Mapping[str, Value]) -> bool:
    """Say that nothing tells the last step: there may be further recipients."""
    return False


def whole(parts: Sequence[Fields]) -> Fields:
    """Return the message: from whom and where it came first, to whom, and what became of it for each recipient."""
    mail = maillog.whole(parts, "exchange.mail", "exchange.")
    mail["exchange.steps"] = tuple(dict.fromkeys(str(part["event.code"]) for part in parts if "event.code" in part))
    return mail
