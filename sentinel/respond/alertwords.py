"""The few words in which alerts are asked for: `level:>=high host:bauamt* -state:closed since:24h "admin share"`.

Words stand in an alert's title, its summary or what it is about; `-` before a part means: not so. All must hold.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any, cast, get_args

from sentinel.core.alert import State, Verdict
from sentinel.core.clock import local_zone
from sentinel.core.detection import LEVELS, Level
from sentinel.core.errors import UsageError
from sentinel.core.listing import Wanted

PARTS_MAX = 32
LENGTH_MAX = 500
FIELDS = {
    "host": "host.name",
    "user": "user.name",
    "ip": "source.ip",
    "source": "source.ip",
    "destination": "destination.ip",
    "mail": "email.from.address",
}
"""Short names of what alerts are mostly about; any field's full name will do too."""
WORDS = ("level", "state", "verdict", "rule", "title", "who", "key", "since", "until", "is", *FIELDS)
_PART = re.compile(r'(-)?(?:([A-Za-z][\w.]*):)?(?:"([^"]*)"?|(\S+))')
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def wanted(text: str, now: datetime) -> Wanted:
    """Return what is asked for; raises UsageError that says what would be understood."""
    if len(text) > LENGTH_MAX:
        raise UsageError(f"at most {LENGTH_MAX} characters")
    found = Wanted()
    for number, (no, name, value) in enumerate(_parts(text)):
        if number >= PARTS_MAX:
            raise UsageError(f"at most {PARTS_MAX} parts")
        found = _with(found, name.lower(), value, now, no=no)
    return found


def completed(text: str) -> list[str]:
    """Return how the last part of a text may go on."""
    last = text.rsplit(" ", 1)[-1].lstrip("-")
    name, colon, begun = last.partition(":")
    if not colon:
        return [f"{word}:" for word in WORDS if word.startswith(name) and name]
    values: dict[str, tuple[str, ...]] = {
        "level": (*LEVELS, *(f">={level}" for level in LEVELS[1:-1])),
        "state": get_args(State),
        "verdict": get_args(Verdict),
        "is": ("suppressed",),
        "since": ("1h", "24h", "7d"),
        "who": ("nobody",),
    }
    return [f"{name}:{value}" for value in values.get(name, ()) if value.startswith(begun) and value != begun]


def _parts(text: str) -> Iterator[tuple[bool, str, str]]:
    for part in _PART.finditer(text):
        value = part[3] if part[3] is not None else part[4]
        yield bool(part[1]), part[2] or "", value


def _with(found: Wanted, name: str, value: str, now: datetime, *, no: bool) -> Wanted:
    match name:
        case "":
            return replace(found, none=(*found.none, value)) if no else replace(found, words=(*found.words, value))
        case "level" | "sev":
            return replace(found, levels=_kept(found.levels, _levels(value), frozenset(LEVELS), no=no))
        case "state" | "status":
            states = frozenset(_named(value, get_args(State)))
            return replace(found, states=_kept(found.states, cast("Any", states), frozenset(get_args(State)), no=no))
        case "verdict":
            verdicts = frozenset(_named(value, get_args(Verdict)))
            every = frozenset(get_args(Verdict))
            return replace(found, verdicts=_kept(found.verdicts, cast("Any", verdicts), every, no=no))
        case "rule" | "title":
            return (
                replace(found, no_rules=(*found.no_rules, value)) if no else replace(found, rules=(*found.rules, value))
            )
        case "who":
            who = "" if value == "nobody" else value
            return (
                replace(found, not_whose=(*found.not_whose, who)) if no else replace(found, whose=(*found.whose, who))
            )
        case "since":
            return replace(found, since=_moment(value, now))
        case "until":
            return replace(found, until=_moment(value, now))
        case "is":
            _named(value, ("suppressed",))
            return replace(found, suppressed=not no)
        case _:
            field = "" if name == "key" else FIELDS.get(name, name)
            if field == name and "." not in name:
                near = get_close_matches(name, WORDS, 1)
                raise UsageError(f"{name}: is nothing to ask for{f'; did you mean {near[0]}:?' if near else ''}")
            pair = field, value
            return replace(found, no_keys=(*found.no_keys, pair)) if no else replace(found, keys=(*found.keys, pair))


def _kept(before: frozenset[Any], given: frozenset[Any], every: frozenset[Any], *, no: bool) -> frozenset[Any]:
    left = (before or every) - given if no else (before or every) & given
    if not left:
        raise UsageError("nothing can be all of that: two parts exclude each other")
    return left


def _levels(value: str) -> frozenset[Level]:
    relation = re.match(r"[<>]=?", value)
    if relation is None:
        return frozenset(cast("Any", _named(value, LEVELS)))
    (edge,) = _named(value[relation.end() :], LEVELS)[:1]
    at = LEVELS.index(cast("Level", edge))
    match relation[0]:
        case ">=":
            return frozenset(LEVELS[at:])
        case ">":
            return frozenset(LEVELS[at + 1 :])
        case "<=":
            return frozenset(LEVELS[: at + 1])
        case _:
            return frozenset(LEVELS[:at])


def _named(value: str, known: tuple[str, ...]) -> list[str]:
    found = []
    for one in value.split(","):
        fits = [name for name in known if name.startswith(one.lower()) and one]
        if one.lower() not in known and len(fits) != 1:
            raise UsageError(f"{one or '(nothing)'}: say {', '.join(known)}")
        found.append(one.lower() if one.lower() in known else fits[0])
    return found


def _moment(value: str, now: datetime) -> datetime:
    length = re.fullmatch(r"(\d{1,4})([mhdw])", value)
    try:
        if length is not None:
            return now - int(length[1]) * timedelta(**{_UNITS[length[2]]: 1})
        given = datetime.fromisoformat(value)
        return (given if given.tzinfo else given.replace(tzinfo=local_zone(now))).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{value}: not a time; say 90m, 24h, 7d, 2027-01-31 or 2027-01-31T12:00") from error
