"""Judges again what rules have missed: windows that were skipped, or that somebody has reopened.

The events of such a window are asked of the store, those among them that the rule has not seen. What it finds says that
it was found late; what had been found before is not counted twice. Findings, and that the window is evaluated now, are
committed together, some minutes at a time: whoever is interrupted goes on where he was.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import perf_counter

from sentinel.core.detection import Detection, Finding
from sentinel.core.errors import StoreError
from sentinel.core.event import Event, node_of
from sentinel.core.ports import Clock, Span, Store
from sentinel.core.reached import Reached
from sentinel.core.where import AllOf, Compare
from sentinel.detect.desk import Desk
from sentinel.detect.judging import Batch, Means, Run, reason_of, rough
from sentinel.detect.ledger import MINUTE, Ledger, Open
from sentinel.detect.past import IN_MEMORY, Past
from sentinel.detect.recent import Memory

PAGE = 10_000
MINUTE_MAX = 200_000
"""Of one minute so many events of a rule are judged again; more is left open and told."""
HOW = "found when a gap was filled"


@dataclass(frozen=True, slots=True)
class Filled:
    """What filling has done: windows evaluated (rule times minute), findings, ids of new alerts, what went wrong.

    `left` windows are still open.
    """

    windows: int = 0
    left: int = 0
    findings: int = 0
    raised: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class Filler:
    """Fills gaps of the rules `detections` over `store`; `how` is what alerts say of how they were found."""

    def __init__(  # noqa: PLR0913  what it works with
        self,
        store: Store,
        desk: Desk,
        detections: Iterable[Detection],
        clock: Clock,
        *,
        how: str = HOW,
        timer: Callable[[], float] = perf_counter,
        at: Callable[[str], None] = lambda _what: None,
    ) -> None:
        self._store, self._desk, self._clock, self._how, self._timer, self._at = store, desk, clock, how, timer, at
        self._detections = {one.id: one for one in detections}
        self._ledger = Ledger(desk)

    def fill(self, gaps: Iterable[Open], seconds_max: float = float("inf")) -> Filled:
        """Judge `gaps` again, until so much time is over; raises StoreError if the store or the file cannot be used."""
        end = self._timer() + seconds_max
        done = Filled()
        for gap in gaps:
            detection = self._detections.get(gap.rule_id)
            if detection is None:
                done = _failed(done, gap, gap.start, "is not on: mend it, or remove it")
            elif self._timer() >= end:
                done = replace(done, left=done.left + (gap.end - gap.start) // MINUTE)
            else:
                done = self._tried(done, detection, gap, end)
        return done

    def _tried(self, done: Filled, detection: Detection, gap: Open, end: float) -> Filled:
        try:
            return self._fill(done, detection, gap, end)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  a rule is others' code: its fault must stay its own
            return _failed(done, gap, gap.start, reason_of(error))

    def _fill(self, done: Filled, detection: Detection, gap: Open, end: float) -> Filled:
        run, judged = Run(), self._desk.judged()
        asked = AllOf(
            (
                detection.where,
                Compare("event.sequence", "gt", gap.after),
                Compare("event.sequence", "lte", gap.until),
                judged.within(),
            )
        )
        at, width = gap.start, gap.end - gap.start
        while at < gap.end:
            if self._timer() >= end:
                return replace(done, left=done.left + (gap.end - at) // MINUTE)
            until = min(gap.end, at + width)
            page = self._store.search(asked, Span(at, until), PAGE)
            if len(page) >= PAGE and until - at > MINUTE:
                width = max(MINUTE, (until - at) // MINUTE // 8 * MINUTE)
                continue
            if len(page) >= PAGE:
                page = self._store.search(asked, Span(at, until), MINUTE_MAX)
                if len(page) >= MINUTE_MAX:
                    return _failed(done, gap, at, f"more than {MINUTE_MAX} events of the rule in one minute")
            batch = self._judge(run, detection, page, judged)
            wrong = [*batch.gaps, *batch.limited]
            if wrong:
                return _failed(done, gap, at, wrong[0].reason)
            raised = self._record(batch.findings, replace(gap, start=at, end=until), judged)
            done = replace(
                done,
                windows=done.windows + (until - at) // MINUTE,
                findings=done.findings + len(batch.findings),
                raised=(*done.raised, *raised),
            )
            at, width = until, width * 2
        return done

    def _judge(self, run: Run, detection: Detection, page: Iterable[Event], judged: Reached) -> Batch:
        events = sorted(page, key=lambda event: event.seq)
        batch = Batch(0, judged.top, run, judged)
        memory = Memory()
        memory.at(judged)  # what came before is the store's
        past = None
        if detection.history is not None and events:
            past = Past(IN_MEMORY, self._store)
            past.follow([detection])
            past.begin(_ahead_of(events, judged))
        for event in events:
            batch.hit(detection, event)
        batch.finish(Means(self._store, memory, past, self._timer, self._at))
        return batch

    def _record(self, findings: Iterable[Finding], gap: Open, judged: Reached) -> tuple[str, ...]:
        now = self._clock.now()

        def also(db: sqlite3.Connection) -> None:
            self._ledger.closed(db, gap, judged, now, now - gap.start)

        return self._desk.record([self._told(one, now) for one in findings], 0, also=also)

    def _told(self, finding: Finding, now: datetime) -> Finding:
        late = f"{self._how}, {rough(max(now - finding.last_seen, timedelta(0)))} late"
        return replace(finding, late=late, summary=f"{late}: {finding.summary}" if finding.summary else late)


class Repeater:
    """Fills gaps between the runs of the rules: those of rules that are well, each of them once in a while."""

    SECONDS_MAX = 5.0
    RETRY = timedelta(minutes=10)

    def __init__(self, filler: Filler, ledger: Ledger) -> None:
        self._filler, self._ledger = filler, ledger
        self._tried: dict[tuple[str, datetime], datetime] = {}

    def run(self, now: datetime, aside: Mapping[str, str]) -> Filled:
        """Fill what can be filled by now."""
        found = [one for one in self._ledger.gaps() if one.rule_id not in aside]
        due = [one for one in found if not self._waits(one, now)]
        if not due:
            return Filled()
        self._tried = {(one.rule_id, one.start): self._tried.get((one.rule_id, one.start), now) for one in found}
        self._tried |= {(one.rule_id, one.start): now for one in due}
        return self._filler.fill(due, self.SECONDS_MAX)

    def _waits(self, gap: Open, now: datetime) -> bool:
        tried = self._tried.get((gap.rule_id, gap.start))
        return tried is not None and tried <= now < tried + self.RETRY


def _ahead_of(events: Iterable[Event], judged: Reached) -> Reached:
    # what had arrived before the first of them, as each node counts it
    first: dict[int, int] = {}
    for event in events:
        first.setdefault(node_of(event.seq), event.seq - 1)
    return Reached.of(*(first.get(node, seq) for node, seq in judged.by_node.items()))


def _failed(done: Filled, gap: Open, at: datetime, reason: str) -> Filled:
    problem = f"{gap.rule_id}: {reason}"
    problems = done.problems if problem in done.problems else (*done.problems, problem)
    return replace(done, left=done.left + (gap.end - at) // MINUTE, problems=problems)
