"""`calendar|closed` in a rule: what it means in the field that events have of the calendar.

    selection:
      calendar|closed: true       # the event's place was closed then: night, weekend, holiday
      calendar|maintenance: false # and it was no maintenance window

`calendar|open`, `closed`, `maintenance` and `unknown` are the states of `core.calendar`. With `false` the event has one
of the others; an event whose place has no calendar has none at all.
"""

from pathlib import Path
from typing import get_args

from sentinel.core.calendar import State
from sentinel.core.errors import RuleError
from sentinel.detect.documents import Document

CALENDAR_STATE = "sentinel.calendar.state"
_STATES = get_args(State)
_PREFIX = "calendar|"


def spelled(path: Path, document: Document) -> Document:
    """Return a rule or exception with `calendar|…` written as the field it is about; raises RuleError."""
    parts: Document = {key: _written(path, document[key]) for key in ("detection", "filter") if key in document}
    return {**document, **parts} if parts else document


def _written(path: Path, part: object) -> object:
    if isinstance(part, list):
        return [_written(path, one) for one in part]
    if not isinstance(part, dict):
        return part
    asked = [key for key in part if isinstance(key, str) and key.startswith(_PREFIX)]
    rest = {key: _written(path, value) for key, value in part.items() if key not in asked}
    if asked and CALENDAR_STATE in rest:
        raise RuleError(path, f"{asked[0]} and {CALENDAR_STATE} ask for the same; write one of them")
    return {**rest, CALENDAR_STATE: _states(path, {key: part[key] for key in asked})} if asked else rest


def _states(path: Path, asked: dict[str, object]) -> list[str]:
    left = list(_STATES)
    for key, value in asked.items():
        state = key.removeprefix(_PREFIX)
        if state not in _STATES or not isinstance(value, bool):
            known = ", ".join(f"{_PREFIX}{one}" for one in _STATES)
            raise RuleError(path, f"{key!r}: the calendar is asked by {known}, each with true or false")
        left = [one for one in left if (one == state) == value]
    if not left:
        raise RuleError(path, f"can never fire: {' and '.join(asked)} cannot be at the same time")
    return left
