"""On which terms an exception holds: a Sigma filter file says why it is there, who answers for it and until when.

    title: The vulnerability scanner may fail to log in
    logsource: {product: linux}
    filter:
      rules: [ssh_login_failed]
      scanner: {source.ip: 192.0.2.9}
      condition: not scanner
    sentinel:
      reason: announced scan, ticket 4711
      owner: Security team
      expires: 2027-01-31

A date is good until its end in UTC, a time needs its zone. An exception without these is refused; one that has expired
stops working and is told.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from sentinel.core.errors import RuleError

TEXT_MAX = 2_000
AHEAD_MAX = timedelta(days=366)
"""An exception may be written for so long; then somebody looks at it again."""
_KEYS = ("reason", "owner", "expires")


@dataclass(frozen=True, slots=True)
class Terms:
    """Why an exception is there, who answers for it, and when it ends (UTC)."""

    reason: str
    owner: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class Exemption:
    """An exception as it was found in `path`: about the rules `rules` (ids or names; empty: any of its log source)."""

    path: str
    title: str
    rules: tuple[str, ...]
    terms: Terms
    expired: bool


def terms(path: Path, given: object) -> Terms:
    """Read what a filter's own attribute `sentinel` says; raises RuleError if anything is missing."""
    if not isinstance(given, Mapping) or set(given) - set(_KEYS) or not all(given.get(key) for key in _KEYS):
        lacking = [key for key in _KEYS if not isinstance(given, Mapping) or not given.get(key)]
        wrong = f"lacks {', '.join(lacking)}" if lacking else "may say nothing else"
        example = "sentinel: {reason: why, owner: who answers for it, expires: 2027-01-31}"
        raise RuleError(path, f"an exception {wrong}: it needs {example}")
    reason, owner, expires = (given[key] for key in _KEYS)
    if not all(isinstance(text, str) and text.strip() and len(text) <= TEXT_MAX for text in (reason, owner)):
        raise RuleError(path, f"reason and owner of an exception are texts of at most {TEXT_MAX} characters")
    return Terms(reason.strip(), owner.strip(), _moment(path, expires))


def too_long(path: str, given: Terms, now: datetime) -> None:
    """Refuse (RuleError) an exception that holds for longer than AHEAD_MAX from now."""
    if given.expires > now + AHEAD_MAX + timedelta(days=1):
        raise RuleError(path, f"an exception holds for {AHEAD_MAX.days} days at most; then somebody looks at it again")


def _moment(path: Path, given: object) -> datetime:
    wrong = RuleError(path, f"expires must be a date (2027-01-31) or a time with its zone, not {str(given)[:40]!r}")
    if isinstance(given, str):
        try:
            given = date.fromisoformat(given) if len(given) == len("2027-01-31") else datetime.fromisoformat(given)
        except ValueError as error:
            raise wrong from error
    try:
        if isinstance(given, datetime):
            if given.tzinfo is None:
                raise wrong
            return given.astimezone(UTC)
        if isinstance(given, date):
            return datetime.combine(given, time(), UTC) + timedelta(days=1)
    except OverflowError as error:
        raise wrong from error
    raise wrong
