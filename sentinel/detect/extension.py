"""What a rule says under `sentinel`, beyond Sigma: folding, budget, its level where it is closed, its history.

Its words for people (`title_de`, `response`, `blind_spots`) are read with all else that describes it (`reading`).

    sentinel: {fold_by: [host.name, user.name], budget_per_hour: 20, closed_level: high}

    sentinel:
      new_terms: {fields: [user.name, host.name], history: 30d, learning: 7d}

    sentinel:
      history:
        {by: [user.name], window: 1h, against: 30d, learning: 7d, floor: 50, factor: 5, deviations: 4,
         sum: source.bytes, same: hour_of_week, zone: Europe/Berlin}

Fields are named as in the rule itself, or as in ECS. What is not understood is refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from pathlib import Path
from typing import assert_never
from zoneinfo import ZoneInfo

from sentinel.core.detection import LEVELS, Baseline, History, Level, NewTerms
from sentinel.core.ecs import type_of
from sentinel.core.errors import RuleError
from sentinel.detect.pipelines import Source
from sentinel.detect.reading import WORDS

FOLD_BY = ("host.name",)
"""What makes two findings of a rule that says nothing about it be about the same thing."""
FIELDS_MAX = 5
"""So many fields name one combination, or one group."""
HISTORY_MAX = timedelta(days=365)
WINDOW_MAX = timedelta(days=1)
WINDOWS_MAX = 10_000
"""A group is compared with at most so many windows of its own."""
BUDGET_MAX = 100_000
_KEYS = {"fold_by", "budget_per_hour", "closed_level", "new_terms", "history", *WORDS}
_TERMS = {"fields", "history", "learning"}
_BASELINE = {
    "by", "window", "against", "learning", "floor", "factor", "deviations", "sum", "same", "zone",
}  # fmt: skip
_SPAN = re.compile(r"([1-9]\d{0,4})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_WEEK = timedelta(weeks=1)
_HOUR = timedelta(hours=1)
_LEARNING = "7d"


@dataclass(frozen=True, slots=True)
class Extension:
    """What a rule says beyond Sigma."""

    fold_by: tuple[str, ...]
    history: History | None = None
    budget_per_hour: int | None = None
    closed_level: Level | None = None


def read_extension(path: Path, own: object, source: Source) -> Extension:
    """Return what stands under `sentinel` in a rule about `source`; raises RuleError."""
    if not isinstance(own, dict) or set(own) - _KEYS:
        raise RuleError(path, f"'sentinel' may only say {', '.join(sorted(_KEYS))}")
    if "new_terms" in own and "history" in own:
        raise RuleError(path, "'sentinel' says new_terms and history; a rule looks at one of them")
    reading = _Reading(path, source)
    history: History | None = None
    usual: tuple[str, ...] = FOLD_BY
    if "new_terms" in own:
        history = reading.terms(own["new_terms"])
        usual = history.fields
    elif "history" in own:
        history = reading.baseline(own["history"])
        usual = history.by
    if history is not None and "fold_by" in own:
        raise RuleError(path, f"what it finds is folded by {', '.join(usual)}; it may not say fold_by")
    fold_by = _fold_by(path, own["fold_by"]) if "fold_by" in own else usual
    if history is not None and "closed_level" in own:
        raise RuleError(path, "closed_level is for rules about single events, not for those with a history")
    return Extension(fold_by, history, read_budget(path, own), _closed_level(path, own))


def read_budget(path: Path, own: Mapping[str, object]) -> int | None:
    """Return after how many new alerts within an hour a rule floods, None if it does not say; raises RuleError."""
    budget = own.get("budget_per_hour")
    if budget is None:
        return None
    if not isinstance(budget, int) or isinstance(budget, bool) or not 0 < budget <= BUDGET_MAX:
        raise RuleError(path, f"budget_per_hour must be a whole number from 1 to {BUDGET_MAX:,}")
    return budget


def _closed_level(path: Path, own: Mapping[str, object]) -> Level | None:
    level = own.get("closed_level")
    if level is not None and level not in LEVELS:
        raise RuleError(path, f"closed_level must be one of {', '.join(LEVELS)}, not {level!r}")
    return level


def asked_of(history: History | None) -> tuple[str, ...]:
    """Return the fields that a history looks at."""
    match history:
        case None:
            return ()
        case NewTerms():
            return history.fields
        case Baseline():
            return (*history.by, history.total) if history.total else history.by
        case _:
            assert_never(history)


def _fold_by(path: Path, fields: object) -> tuple[str, ...]:
    if not isinstance(fields, list) or not fields or not all(isinstance(field, str) for field in fields):
        raise RuleError(path, "fold_by must be a list of ECS fields")
    for field in fields:
        if type_of(field) is None:
            raise RuleError(path, f"fold_by names {field!r}, which is no field of ECS or of ours")
    return tuple(fields)


@dataclass(frozen=True, slots=True)
class _Reading:
    path: Path
    source: Source

    def terms(self, said: object) -> NewTerms:
        own = self._mapping("new_terms", said, _TERMS, {"fields", "history"})
        history = self._span("history", own["history"], HISTORY_MAX)
        learning = self._span("learning", own.get("learning", _LEARNING), HISTORY_MAX)
        if learning > history:
            raise self._wrong("learning is longer than history: what it learns first would be forgotten again")
        return NewTerms(self._fields("fields", own["fields"]), history, learning)

    def baseline(self, said: object) -> Baseline:
        own = self._mapping("history", said, _BASELINE, {"by", "window", "against", "floor"})
        window = self._span("window", own["window"], WINDOW_MAX)
        against = self._span("against", own["against"], HISTORY_MAX)
        learning = self._span("learning", own.get("learning", _LEARNING), HISTORY_MAX)
        if learning > against:
            raise self._wrong("learning is longer than against: no group would ever be compared")
        if not 2 <= against / window <= WINDOWS_MAX:
            raise self._wrong(f"against must hold 2 to {WINDOWS_MAX:,} windows, not {against / window:g}")
        factor, deviations = self._number("factor", own, 1), self._number("deviations", own, 0)
        if not factor and not deviations:
            raise self._wrong("history needs factor, deviations, or both: what is too much?")
        floor = self._number("floor", own, 0)
        season = own.get("same", "all")
        if season not in {"all", "hour_of_week"}:
            raise self._wrong(f"same is all or hour_of_week, not {season!r}")
        if season == "hour_of_week" and (window > _HOUR or _HOUR % window or learning < 2 * _WEEK):
            raise self._wrong("hour_of_week needs a window that divides an hour, and to learn for two weeks or more")
        return Baseline(
            by=self._fields("by", own["by"]),
            window=window,
            against=against,
            learning=learning,
            floor=floor,
            factor=factor,
            deviations=deviations,
            total=self._total(own["sum"]) if "sum" in own else "",
            season=season,
            zone=self._zone(own.get("zone", "UTC")),
        )

    def _wrong(self, reason: str) -> RuleError:
        return RuleError(self.path, reason)

    def _mapping(self, name: str, said: object, known: set[str], needed: set[str]) -> Mapping[str, object]:
        if not isinstance(said, dict):
            raise self._wrong(f"{name} must say {', '.join(sorted(needed))}")
        if unknown := sorted(str(key) for key in set(said) - known):
            raise self._wrong(f"{name} has no {', '.join(unknown)}; it takes {', '.join(sorted(known))}")
        if missing := sorted(needed - set(said)):
            raise self._wrong(f"{name} must say {', '.join(missing)}")
        return said

    def _span(self, name: str, said: object, most: timedelta) -> timedelta:
        found = _SPAN.fullmatch(said) if isinstance(said, str) else None
        if found is None:
            raise self._wrong(f"{name} must be a span such as 30m, 1h or 7d, not {said!r}")
        span = timedelta(**{_UNITS[found[2]]: int(found[1])})
        if span > most:
            raise self._wrong(f"{name} of more than {most.days} days")
        return span

    def _number(self, name: str, own: Mapping[str, object], above: float) -> float:
        said = own.get(name, 0)
        if isinstance(said, bool) or not isinstance(said, int | float) or not isfinite(said):
            raise self._wrong(f"{name} must be a number, not {said!r}")
        if name in own and said <= above:
            raise self._wrong(f"{name} must be more than {above:g}, not {said:g}")
        return said

    def _fields(self, name: str, said: object) -> tuple[str, ...]:
        if not isinstance(said, list) or not said or not all(isinstance(one, str) for one in said):
            raise self._wrong(f"{name} must be a list of fields")
        if len(said) > FIELDS_MAX or len(set(said)) < len(said):
            raise self._wrong(f"{name} must be at most {FIELDS_MAX} different fields")
        return tuple(self._field(one) for one in said)

    def _field(self, name: str) -> str:
        field = self.source.field(name)
        if field is None or type_of(field) is None:
            raise self._wrong(f"can never fire: field {name!r} is not known for its log source and no field of ECS")
        return field

    def _total(self, said: object) -> str:
        if not isinstance(said, str):
            raise self._wrong(f"sum must be one field, not {said!r}")
        field = self._field(said)
        if type_of(field) not in {"long", "float"}:
            raise self._wrong(f"can never fire: {field} holds {type_of(field)}, not numbers")
        return field

    def _zone(self, said: object) -> str:
        try:
            return ZoneInfo(str(said)).key
        except (ValueError, OSError, LookupError) as error:
            raise self._wrong(f"zone {said!r} is no time zone such as Europe/Berlin") from error
