"""Judges what has arrived since the last run, batch by batch: every stored event by every rule, once.

Alerts, cursor and ledger are committed together, so a run that dies anywhere is simply done again. A rule that fails or
takes too long is set aside for a while, the windows it has not judged are entered as skipped, and the others go on.
When it is well again they are judged after all.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter

from sentinel.core.detection import Detection, Gap
from sentinel.core.event import Event, node_of
from sentinel.core.ports import Clock, Store
from sentinel.core.reached import Reached
from sentinel.detect.breaker import Breaker
from sentinel.detect.desk import Desk
from sentinel.detect.fill import Filler, Repeater
from sentinel.detect.judging import LISTED_MAX, Batch, Means, Run
from sentinel.detect.matcher import Matcher
from sentinel.detect.past import IN_MEMORY, Past
from sentinel.detect.planning import Planner, Touched
from sentinel.detect.recent import Memory

BATCH = 2_000


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one run did: events judged from `after` to `reached`, findings, ids of new alerts, what went wrong.

    `rolled_up` counts the events that were told as a number only; `tripped` are the rules that this run has set aside
    for a while, and why; `started` is the clock's, `seconds` how long it took.
    """

    started: datetime
    seconds: float
    after: Reached
    reached: Reached
    judged: int
    findings: int
    raised: tuple[str, ...] = ()
    rolled_up: int = 0
    problems: tuple[str, ...] = ()
    tripped: tuple[tuple[str, str], ...] = ()


class Runner:
    """The rules `detections` over `store`; `until` says up to which sequence everything of a node has been stored.

    `elsewhere` says the same of other nodes, whose events are taken in turns. `through` says up to which moment all
    that arrived is below these (None: the present one); `refused` why a rule
    file is not on, by path. `seen` is given what has been judged, with the sequence behind which it lies: who needs the
    events too need not read them again. `past` is what the rules with a history have learnt; without it they learn
    anew. `at` is told what is being done: the id of the rule at work, or nothing.
    `run` raises StoreError if the store or the book cannot be used; then nothing of that batch has been recorded.
    """

    def __init__(  # noqa: PLR0913  what it works with, and what tests steer
        self,
        store: Store,
        book: Desk,
        detections: Iterable[Detection],
        clock: Clock,
        until: Callable[[], int],
        *,
        elsewhere: Callable[[], Iterable[int]] = tuple,
        through: Callable[[], datetime] | None = None,
        refused: Mapping[str, str] | None = None,
        seen: Callable[[int, Sequence[Event]], None] = lambda _after, _events: None,
        past: Past | None = None,
        at: Callable[[str], None] = lambda _what: None,
        timer: Callable[[], float] = perf_counter,
        batch: int = BATCH,
        listed_max: int = LISTED_MAX,
    ) -> None:
        detections = tuple(detections)
        self._store, self._book, self._clock, self._until = store, book, clock, until
        self._elsewhere = elsewhere
        self._through = through or clock.now
        self._seen, self._at, self._timer = seen, at, timer
        if past is None and any(one.history is not None for one in detections):
            past = Past(IN_MEMORY, store)
        if past is not None:
            past.follow(detections)
        self._batch, self._listed_max = batch, listed_max
        self._matcher = Matcher(detections)
        self._planner = Planner(book, detections, refused or {})
        self._breaker = Breaker(book, detections)
        self._memory, self._past = Memory(), past
        self._means = Means(store, self._memory, past, timer, at)
        self._repeater = Repeater(Filler(store, book, detections, clock, timer=timer, at=at), self._planner.ledger)

    def run(self) -> RunReport:
        """Judge everything that has arrived since the last run."""
        started, begun = self._clock.now(), self._timer()
        self._at("")
        self._planner.plan(started)
        # in this order: what arrived before `through` is below `until`
        through = self._through()
        until = Reached.of(self._until(), *self._elsewhere())
        aside = self._aside(started)
        after = reached = self._book.judged()
        run = Run(self._listed_max)
        judged = found = 0
        raised: list[str] = []
        for events in self._arrived(after, until):
            cursor = reached.at(node_of(events[0].seq))
            self._memory.at(reached)
            touched = Touched.by(events)
            self._planner.touch(touched, started)
            if self._past is not None:
                self._past.begin(reached)
            batch = self._judge(run, aside, reached, events)
            if self._past is not None:
                self._past.keep(batch.reached, {gap.rule_id for gap in batch.gaps})
            batch.gaps += batch.limited
            raised += self._record(batch, touched, started)
            self._memory.done(batch.reached, {gap.rule_id for gap in batch.gaps})
            self._seen(cursor, events)
            reached = batch.reached
            judged += len(events)
            found += len(batch.findings)
            self._at("")
        if self._planner.due(through):
            self._pass(through, reached, aside | run.tripped, started)
        self._breaker.over(aside, run.tripped, started, judged=bool(judged))
        filled = self._repeater.run(started, aside | run.tripped)
        return RunReport(
            started=started,
            seconds=self._timer() - begun,
            after=after,
            reached=reached,
            judged=judged,
            findings=found + filled.findings,
            raised=(*raised, *filled.raised),
            rolled_up=run.rolled_up,
            problems=tuple(dict.fromkeys((*run.problems, *filled.problems))),
            tripped=tuple(run.tripped.items()),
        )

    def trip(self, rule_id: str, reason: str) -> None:
        """Set a rule aside for a while: somebody else has seen that it is too much."""
        self._breaker.over({}, {rule_id: reason}, self._clock.now(), judged=False)

    def _arrived(self, after: Reached, until: Reached) -> Iterator[list[Event]]:
        # a batch of each node that has one, and again
        cursors = {node: after.at(node) for node in sorted(until.by_node)}
        while cursors:
            for node, cursor in list(cursors.items()):
                if events := self._store.since(cursor, until.at(node), self._batch):
                    cursors[node] = events[-1].seq
                    yield events
                else:
                    del cursors[node]

    def _aside(self, now: datetime) -> dict[str, str]:
        broken = {rule.id: reason for rule, reason in self._matcher.broken}
        return {**self._breaker.aside(now), **broken, **self._planner.broken}

    def _record(self, batch: Batch, touched: Touched, now: datetime) -> tuple[str, ...]:
        def also(db: sqlite3.Connection) -> None:
            self._planner.judged(db, touched, batch.gaps, now)

        return self._book.record(batch.findings, batch.last, after=batch.before, also=also)

    def _pass(self, through: datetime, reached: Reached, aside: Mapping[str, str], now: datetime) -> None:
        def also(db: sqlite3.Connection) -> None:
            self._planner.passed(db, through, reached.top, aside, now)

        self._book.record((), 0, after=reached, also=also)
        self._planner.settle(through)

    def _judge(self, run: Run, aside: Mapping[str, str], before: Reached, events: Sequence[Event]) -> Batch:
        after = before.at(node_of(events[0].seq))
        batch = Batch(after, events[-1].seq, run, before)
        idle = {**aside, **run.tripped}
        batch.gaps += [Gap(rule_id, after, batch.last, reason) for rule_id, reason in idle.items()]
        event = events[0]

        def on(detection: Detection) -> bool:
            return detection.id not in idle and not run.budget(detection).tripped

        def failed(detection: Detection, error: Exception) -> None:
            if on(detection):
                batch.failed(detection, event, error)

        found = self._matcher.each(events, failed)
        for event in events:
            for detection in next(found):  # here, so that `failed` is about this event
                if on(detection):
                    batch.hit(detection, event)
        batch.finish(self._means)
        return batch
