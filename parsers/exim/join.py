"""One event a mail: what Exim said of one message id, which ends with `Completed`."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sentinel.pack import Fields, Value, maillog

QUIET = timedelta(hours=2)
"""Longer than the time between two queue runs (-q30m); a frozen message begins another event when it moves again."""
_OF_A_LINE = frozenset({
    "exim.flag", "exim.error", "exim.target", "exim.original_to", "exim.stage", "exim.router", "exim.transport",
    "exim.delivery_time", "exim.queue_time",
})  # fmt: skip
key = maillog.key


def ends(event: Mapping[str, Value]) -> bool:
    """Say whether Exim has done with it."""
    return event.get("event.action") in {"queue_removed", "mail_cancelled"}


def whole(parts: Sequence[Fields]) -> Fields:
    """Return the mail: who sent it from where, to whom, and what became of it."""
    return maillog.whole(parts, "exim.mail", "exim.", _OF_A_LINE)
