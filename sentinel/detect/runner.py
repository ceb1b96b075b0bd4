"""Judges what has arrived since the last run, batch by batch: every stored event by every rule, once.

Alerts and cursor are committed together, so a run that dies anywhere is simply done again. A rule that fails is set
aside, the events it has not judged are recorded as a gap, and the others go on.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from time import perf_counter
from typing import Protocol

from sentinel.core.detection import Detection, Finding, Gap, Key
from sentinel.core.errors import StoreError
from sentinel.core.event import Event
from sentinel.core.ports import Clock, Store
from sentinel.core.where import values
from sentinel.detect.correlate import Counting, TooManyError
from sentinel.detect.matcher import Matcher
from sentinel.detect.past import IN_MEMORY, Past
from sentinel.detect.recent import Memory

BATCH = 2_000
LISTED_MAX = 2_000
"""So many events of one rule become findings of their own in a run; those beyond are told as a number."""
KEYS_MAX = 200
"""So many alerts may one rule touch in a run; what goes beyond becomes one alert that says so."""
FAILURES_MAX = 3
"""After so many failures in a run a rule is set aside until the next."""
SUMMARY_MAX = 200
LATE = timedelta(minutes=15)


class Ledger(Protocol):
    """Where findings and progress are kept, together."""

    def cursor(self) -> int:
        """Return the sequence up to which everything has been judged."""

    def record(
        self, findings: Iterable[Finding], cursor: int, *, after: int | None = None, gaps: Sequence[Gap] = ()
    ) -> tuple[str, ...]:
        """Keep findings and cursor, both or neither; returns the ids of alerts newly raised."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one run did: events judged from `after` to `cursor`, findings, ids of new alerts, what went wrong.

    `rolled_up` counts the events that were told as a number only; `started` is the clock's, `seconds` how long it took.
    """

    started: datetime
    seconds: float
    after: int
    cursor: int
    judged: int
    findings: int
    raised: tuple[str, ...] = ()
    rolled_up: int = 0
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class _Budget:
    """What one rule has done in this run."""

    listed: int = 0
    keys: set[Key] = field(default_factory=set)
    failures: int = 0


@dataclass(slots=True)
class _Overflow:
    """Events of one rule and key beyond what is listed."""

    detection: Detection
    key: Key
    first: datetime
    last: datetime
    count: int = 0


@dataclass(slots=True)
class _Run:
    budgets: dict[str, _Budget] = field(default_factory=dict)
    problems: dict[str, None] = field(default_factory=dict)
    rolled_up: int = 0

    def budget(self, detection: Detection) -> _Budget:
        return self.budgets.setdefault(detection.id, _Budget())


@dataclass(slots=True)
class _Batch:
    """The events with `after < seq <= last`, and what has come of them so far."""

    after: int
    last: int
    findings: list[Finding] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    limited: list[Gap] = field(default_factory=list)
    counted: dict[str, tuple[Detection, list[Event]]] = field(default_factory=dict)
    overflow: dict[tuple[str, Key], _Overflow] = field(default_factory=dict)


class Runner:
    """The rules `detections` over `store`; `until` says up to which sequence everything has been stored.

    `seen` is given what has been judged, with the sequence behind which it lies: who needs the events too need not read
    them again. `past` is what the rules with a history have learnt; without it they learn anew. `run` raises StoreError
    if the store or the book cannot be used; then nothing of that batch has been recorded.
    """

    def __init__(  # noqa: PLR0913  what it works with, and two bounds that tests make small
        self,
        store: Store,
        book: Ledger,
        detections: Iterable[Detection],
        clock: Clock,
        until: Callable[[], int],
        *,
        seen: Callable[[int, Sequence[Event]], None] = lambda _after, _events: None,
        past: Past | None = None,
        batch: int = BATCH,
        listed_max: int = LISTED_MAX,
    ) -> None:
        detections = list(detections)
        self._store = store
        self._book = book
        self._clock = clock
        self._until = until
        self._seen = seen
        self._batch = batch
        self._listed_max = listed_max
        self._matcher = Matcher(detections)
        self._memory = Memory()
        self._past = past
        if past is None and any(one.history is not None for one in detections):
            self._past = Past(IN_MEMORY, store)
        if self._past is not None:
            self._past.follow(detections)

    def run(self) -> RunReport:
        """Judge everything that has arrived since the last run."""
        started, begun = self._clock.now(), perf_counter()
        until = self._until()
        after = cursor = self._book.cursor()
        run = _Run()
        judged = found = 0
        raised: list[str] = []
        while events := self._store.since(cursor, until, self._batch):
            self._memory.at(cursor)
            if self._past is not None:
                self._past.begin(cursor)
            batch = self._judge(run, cursor, events)
            if self._past is not None:
                self._past.keep(batch.last, {gap.rule_id for gap in batch.gaps})
            batch.gaps += batch.limited
            raised += self._book.record(batch.findings, batch.last, after=cursor, gaps=batch.gaps)
            self._memory.done(batch.last, {gap.rule_id for gap in batch.gaps})
            self._seen(cursor, events)
            cursor = batch.last
            judged += len(events)
            found += len(batch.findings)
        return RunReport(
            started=started,
            seconds=perf_counter() - begun,
            after=after,
            cursor=cursor,
            judged=judged,
            findings=found,
            raised=tuple(raised),
            rolled_up=run.rolled_up,
            problems=tuple(run.problems),
        )

    def _judge(self, run: _Run, after: int, events: Sequence[Event]) -> _Batch:
        batch = _Batch(after, events[-1].seq)
        batch.gaps += [Gap(rule.id, after, batch.last, reason) for rule, reason in self._matcher.broken]
        aside = [rule_id for rule_id, budget in run.budgets.items() if budget.failures >= FAILURES_MAX]
        batch.gaps += [Gap(rule_id, after, batch.last, "failed too often in this run") for rule_id in aside]
        for event in events:
            for detection in self._matcher.matching(event, partial(self._failed, run, batch, event)):
                budget = run.budget(detection)
                if budget.failures < FAILURES_MAX:
                    self._hit(batch, budget, detection, event)
        for detection, new in batch.counted.values():
            self._count(run, batch, detection, new)
        for over in batch.overflow.values():
            run.rolled_up += over.count
            batch.findings.append(_rolled(over))
        run.problems.update((f"{gap.rule_id}: {gap.reason}", None) for gap in (*batch.gaps, *batch.limited))
        return batch

    def _failed(self, run: _Run, batch: _Batch, event: Event, detection: Detection, error: Exception) -> None:
        budget = run.budget(detection)
        if budget.failures >= FAILURES_MAX:
            return
        budget.failures += 1
        until = batch.last if budget.failures >= FAILURES_MAX else event.seq
        batch.gaps.append(Gap(detection.id, event.seq - 1, until, _reason(error)))

    def _hit(self, batch: _Batch, budget: _Budget, detection: Detection, event: Event) -> None:
        if detection.correlation is not None or detection.history is not None:
            batch.counted.setdefault(detection.id, (detection, []))[1].append(event)
            return
        key = subject(detection, event)
        summary = _summary(event)
        if key not in budget.keys:
            if len(budget.keys) >= KEYS_MAX:
                key, summary = (), f"more than {KEYS_MAX} different subjects in one run; the others are here together"
            budget.keys.add(key)
        if budget.listed < self._listed_max:
            budget.listed += 1
            batch.findings.append(_found(detection, key, event, summary))
            return
        over = _Overflow(detection, key, event.timestamp, event.timestamp)
        over = batch.overflow.setdefault((detection.id, key), over)
        over.count += 1
        over.first = min(over.first, event.timestamp)
        over.last = max(over.last, event.timestamp)

    def _count(self, run: _Run, batch: _Batch, detection: Detection, new: Sequence[Event]) -> None:
        budget = run.budget(detection)
        if budget.failures >= FAILURES_MAX:
            return
        try:
            if detection.correlation is None:
                self._compare(batch, detection, new)
                return
            recent = self._memory.of(detection.id)
            batch.findings += Counting(self._store, detection, detection.correlation, batch.last, recent).findings(new)
        except StoreError:
            raise
        except TooManyError as error:
            batch.gaps.append(Gap(detection.id, batch.after, batch.last, str(error)))
        except Exception as error:  # noqa: BLE001  as above
            budget.failures += 1
            batch.gaps.append(Gap(detection.id, batch.after, batch.last, _reason(error)))

    def _compare(self, batch: _Batch, detection: Detection, new: Sequence[Event]) -> None:
        assert self._past is not None  # noqa: S101  made where a rule has a history
        found, remark = self._past.findings(detection, batch.last, new)
        batch.findings += found
        if remark:
            batch.limited.append(Gap(detection.id, batch.after, batch.last, remark))


def subject(detection: Detection, event: Event) -> Key:
    """Return what a finding of `detection` on `event` is about: the fields to fold by that the event has."""
    return tuple(_subject(detection, event))


def _subject(detection: Detection, event: Event) -> Iterator[tuple[str, str | int | float | bool]]:
    for name in detection.fold_by:
        have = values(event.fields.get(name))
        if have:
            yield name, have[0]


def _found(detection: Detection, key: Key, event: Event, summary: str) -> Finding:
    return Finding(
        detection=detection,
        key=key,
        first_seen=event.timestamp,
        last_seen=event.timestamp,
        evidence=(event.id,),
        summary=summary,
        moments=(event.timestamp,),
    )


def _summary(event: Event) -> str:
    late = event.ingested - event.timestamp
    when = ""
    if late > LATE:
        when = f"arrived {_rough(late)} late: "
    elif -late > LATE:
        when = f"dated {_rough(-late)} ahead: "
    message = event.fields.get("message") or event.fields.get("event.original") or ""
    return (when + " ".join(str(message).split()))[:SUMMARY_MAX]


def _rough(span: timedelta) -> str:
    minutes = int(span.total_seconds()) // 60
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2 * 1440 else f"{minutes // 1440} d"


def _rolled(over: _Overflow) -> Finding:
    return Finding(
        detection=over.detection,
        key=over.key,
        first_seen=over.first,
        last_seen=over.last,
        evidence=(),
        count=over.count,
        summary=f"{over.count:,} more events in one run; only the number is kept",
    )


def _reason(error: Exception) -> str:
    return f"failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
