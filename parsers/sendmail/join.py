"""One event a mail: what Sendmail said of one queue id.

No line says that Sendmail has done with a mail, so it ends in silence, longer than the usual time between two tries
(-q30m); the last recipient's `Sent` is not the end if others wait.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sentinel.pack import Fields, Value, maillog

QUIET = timedelta(minutes=45)
_OF_A_LINE = frozenset({"sendmail.ruleset", "sendmail.arg1", "sendmail.arg2", "sendmail.relay", "sendmail.ctladdr"})
key = maillog.key


def ends(_event: Mapping[str, Value]) -> bool:
    """Say that nothing tells the last line."""
    return False


def whole(parts: Sequence[Fields]) -> Fields:
    """Return the mail: who sent it from where, to whom, and what became of it."""
    return maillog.whole(parts, "sendmail.mail", "sendmail.", _OF_A_LINE)
