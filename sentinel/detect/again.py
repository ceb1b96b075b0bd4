"""Judges anew what was judged before: events that are read differently now, or by rules that are others now.

Only the events given are judged, and of correlations and histories only the windows they lie in, with all that is
stored around them. What they find is what judging them as they came would have found; an alert there is already stays
the same alert.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import perf_counter

from sentinel.core.detection import Detection, Finding, Gap
from sentinel.core.event import Event
from sentinel.core.ports import Store
from sentinel.core.reached import Reached
from sentinel.detect.judging import Batch, Means, Run
from sentinel.detect.matcher import Matcher
from sentinel.detect.past import IN_MEMORY, Past
from sentinel.detect.recent import Memory

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of judging events anew; `hits` counts those that each rule is about."""

    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...]
    hits: Mapping[str, int] = field(default_factory=dict)


class Again:
    """The rules `detections` over `store`; `anew` holds for the events that are going to be judged."""

    def __init__(self, store: Store, detections: Iterable[Detection], anew: Callable[[Event], bool]) -> None:
        self._detections = tuple(detections)
        self._matcher = Matcher(self._detections)
        self._memory = Memory()
        self._past = None
        if any(one.history is not None for one in self._detections):
            self._past = Past(IN_MEMORY, store, anew)
        self._means = Means(store, self._memory, self._past, perf_counter)
        self._begun = False

    def hits(self, event: Event) -> list[Detection]:
        """Return the rules that are about an event; one that fails over it is not."""
        return self._matcher.matching(event, lambda _rule, _error: None)

    def judge(self, events: Sequence[Event], until: Reached) -> Judged:
        """Return what `events` make the rules find, where all that arrived up to `until` counts. Raises StoreError."""
        # what the memory would have to hold is asked of the store
        self._memory.at(until)
        if self._past is not None and not self._begun:
            self._past.begin(until)
            self._begun = True
        batch = Batch(0, until.top, Run(), until)
        hits: Counter[str] = Counter()
        event: Event

        def failed(detection: Detection, error: Exception) -> None:
            batch.failed(detection, event, error)

        ordered = sorted(events, key=lambda one: one.seq)
        found = self._matcher.each(ordered, failed)
        for event in ordered:
            for detection in next(found):  # here, so that `failed` is about this event
                hits[detection.id] += 1
                batch.hit(detection, event)
        batch.finish(self._means)
        broken = (Gap(rule.id, 0, until.top, reason) for rule, reason in self._matcher.broken)
        return Judged(tuple(batch.findings), (*batch.gaps, *batch.limited, *broken), hits)

    def close(self) -> None:
        """Let go of what was learnt."""
        if self._past is not None:
            self._past.shut()


def late(findings: Iterable[Finding], events: Iterable[Event], how: str, now: datetime) -> list[Finding]:
    """Return the findings with how they were found and how late: since the last of `events` in them came in."""
    arrived = {one.id: one.ingested for one in events}
    found: list[Finding] = []
    for one in findings:
        since = max((arrived[name] for name in one.evidence if name in arrived), default=one.last_seen)
        note = f"found by {how}, {_words(now - since)} late"
        found.append(replace(one, summary=f"{note}: {one.summary}", late=note))
    return found


def _words(span: timedelta) -> str:
    minutes = max(0, span // _MINUTE)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 3 * 1440 else f"{minutes // 1440} d"
