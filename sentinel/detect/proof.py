"""The conversion proof: a rule goes live only if all who could judge it say the same of the same events.

In: detections, and what makes a store of events. Out: a verdict on each. Who must agree are `holds` (the definition),
the compiled matcher (which judges what arrives) and the store's own query (hunting, backtests, correlations), on the
rule's fixtures and on events made from the rule alone: witnesses and near misses (`witness.py`). Correlations are
also tried on sequences (`sequences.py`): one event short, just outside the window, in two groups, late.
What must stay true: no rule is called proven of which no event could be made that raises it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Protocol

from sentinel.core.clock import iso
from sentinel.core.detection import Detection
from sentinel.core.errors import StoreError
from sentinel.core.event import Event, Fields, Value
from sentinel.core.ports import Span, Store
from sentinel.core.where import Where, holds
from sentinel.detect.matcher import Matcher
from sentinel.detect.sequences import MARK, TURNS, laid_out, marked, scenarios, tried
from sentinel.detect.witness import Case, cases

TOGETHER = 60
"""So many rules share one store while they are proven."""
FIXTURES_MAX = 500
UNPROVEN = ("not proven: ", "cannot be proven: ")
"""How the reason of a verdict begins, if there is one."""
SHOWN_MAX = 1_500
"""Characters of the event that is shown where two disagree."""
ARRIVED = datetime(2026, 11, 23, tzinfo=UTC)
_APART = timedelta(milliseconds=1)

Stored = Callable[[Sequence[Event]], AbstractContextManager[Store]]
"""Makes a store that holds exactly these events, as they lie when they are old."""
Fixtures = Callable[[Detection], Sequence[Fields]]


class Engine(Protocol):
    """What judges events as they arrive; see `matcher.Matcher`."""

    broken: list[tuple[Detection, str]]

    def each(
        self, events: Iterable[Event], failed: Callable[[Detection, Exception], None], /
    ) -> Iterator[list[Detection]]:
        """Yield of one event after the other the detections whose `where` holds for it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the proof of one rule came to: `reason` says why it must not go live, empty if it may.

    `events` were compared, for `held` of them the rule's `Where` holds.
    """

    detection: Detection
    reason: str = ""
    events: int = 0
    held: int = 0


def no_fixtures(_detection: Detection) -> Sequence[Fields]:
    """Return none: the rules stand alone."""
    return ()


def prove(
    detections: Iterable[Detection],
    stored: Stored,
    *,
    fixtures: Fixtures = no_fixtures,
    matcher: Callable[[Sequence[Detection]], Engine] = Matcher,
) -> Iterator[Verdict]:
    """Yield a verdict on each of `detections`; raises StoreError if there is no store to ask."""
    given = tuple(detections)
    for begin in range(0, len(given), TOGETHER):
        some = given[begin : begin + TOGETHER]
        trials = [_Trial.of(detection, fixtures(detection), place) for place, detection in enumerate(some)]
        events = _numbered(trials)
        engine = matcher(some)
        broken = {detection.id: reason for detection, reason in engine.broken}
        with stored(events) as store:
            for trial in trials:
                trial.expected = [holds(trial.detection.where, event) for event in trial.events]
                reason = _broken(trial, broken) or _disagreement(trial, engine, store)
                if not reason and trial.detection.correlation is not None:
                    reason = tried(trial.sequence, trial.later, store)
                yield Verdict(trial.detection, reason, len(trial.events) + len(trial.later), sum(trial.expected))


@dataclass(slots=True)
class _Trial:
    """One rule, its events, and the stretch of arrival in which they alone lie.

    `expected` is what the definition says of each; `later` are the events of its sequences, with their turns.
    """

    detection: Detection
    sequence: Detection
    cases: list[Case]
    span: Span
    steps: list[tuple[int, Fields]]
    events: list[Event] = field(default_factory=list)
    expected: list[bool] = field(default_factory=list)
    later: list[tuple[int, Event]] = field(default_factory=list)

    @classmethod
    def of(cls, detection: Detection, fixtures: Sequence[Fields], place: int) -> "_Trial":
        begin = ARRIVED + place * _APART
        given = [Case(dict(one), "beside the rule") for one in fixtures[:FIXTURES_MAX]]
        span = Span(begin, begin + _APART, "ingested")
        mark = f"{place}"
        steps: list[tuple[int, Fields]] = []
        if detection.correlation is not None:
            laid = laid_out(scenarios(detection), detection.correlation, ARRIVED)
            beside = ((at * TURNS // len(given), one.fields) for at, one in enumerate(given))
            steps = [(turn, {**fields, MARK: mark}) for turn, fields in (*laid, *beside)]
        return cls(detection, marked(detection, mark), [*given, *cases(detection.where)], span, steps)


def _numbered(trials: Sequence[_Trial]) -> list[Event]:
    # sequences arrive behind all else: their events must not lie in the stretches of single ones
    number = 0
    for trial in trials:
        for case in trial.cases:
            number += 1
            trial.events.append(made(number, case.fields, trial.span.start))
    behind = ARRIVED + TOGETHER * _APART
    for trial in trials:
        for turn, fields in trial.steps:
            number += 1
            trial.later.append((turn, made(number, fields, behind)))
    return [event for trial in trials for event in (*trial.events, *(one for _, one in trial.later))]


def made(number: int, fields: Fields, ingested: datetime) -> Event:
    """Return an event of these fields, with what every event has; it happened when its `@timestamp` says."""
    name = blake2b(b"%d" % number, digest_size=16).hexdigest()
    own: Fields = {"event.id": name, "event.sequence": number, "event.ingested": iso(ingested)}
    whole: Fields = {"@timestamp": iso(ingested), **fields, **own}
    return Event(name, number, _moment(whole["@timestamp"]) or ingested, ingested, whole)


def _moment(value: Value) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo is not None else None


def _broken(trial: _Trial, broken: Mapping[str, str]) -> str:
    reason = broken.get(trial.detection.id)
    return f"cannot be proven: the matcher does not take it: {reason}" if reason else ""


def _disagreement(trial: _Trial, engine: Engine, store: Store) -> str:
    if not any(trial.expected):
        return (
            "cannot be proven: no event could be made that raises it, so perhaps none can; "
            "if one can, put it into the file .fires.jsonl beside the rule"
        )
    failed: list[str] = []
    by_matcher = [*_matched(engine, trial.detection, trial.events, failed)]
    try:
        found = _found(store, trial.detection.where, trial)
    except StoreError as error:
        return f"cannot be proven: the store cannot answer: {error}"
    for case, event, want, matched in zip(trial.cases, trial.events, trial.expected, by_matcher, strict=True):
        if matched != want or (event.id in found) != want:
            said = {"its definition": want, "the matcher": matched, "the store": event.id in found}
            return f"{_words(said)}{_because(failed)} of this event ({case.what}): {shown(event.fields)}"
    return ""


def _matched(engine: Engine, detection: Detection, events: Iterable[Event], failed: list[str]) -> Iterator[bool]:
    def note(rule: Detection, error: Exception) -> None:
        if rule.id == detection.id:
            failed.append(f"{type(error).__name__}: {error}")

    for found in engine.each(events, note):
        yield any(one.id == detection.id for one in found)


def _found(store: Store, where: Where, trial: _Trial) -> set[str]:
    return {event.id for event in store.search(where, trial.span, len(trial.events) + 1)}


def _words(said: Mapping[str, bool]) -> str:
    yes, no = ([who for who, word in said.items() if word is side] for side in (True, False))
    return f"not proven: {' and '.join(yes)} say{'s' if len(yes) == 1 else ''} yes, {' and '.join(no)} no"


def _because(failed: Sequence[str]) -> str:
    return f" ({failed[0]})" if failed else ""


def shown(fields: Mapping[str, Value]) -> str:
    """Return an event's fields as text for a message, less what every event has."""
    own = {"event.id", "event.sequence", "event.ingested"}
    told = {name: value for name, value in sorted(fields.items()) if name not in own}
    text = json.dumps(told, default=str)
    return text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + " …"
