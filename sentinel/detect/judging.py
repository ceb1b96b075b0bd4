"""What a batch of events comes to, once it is known which events each rule is about: findings, gaps, sums.

Each rule has a budget of its own in a run: what one does too much, fails at or takes too long for trips itself only.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import perf_counter

from sentinel.core.detection import Detection, Finding, Gap, Key
from sentinel.core.errors import StoreError
from sentinel.core.event import Event
from sentinel.core.ports import Store
from sentinel.core.reached import Reached
from sentinel.core.where import values
from sentinel.detect.calendar import CALENDAR_STATE
from sentinel.detect.correlate import Counting, TooLongError, TooManyError
from sentinel.detect.past import Past
from sentinel.detect.recent import Memory

LISTED_MAX = 2_000
"""So many events of one rule become findings of their own in a run; those beyond are told as a number."""
KEYS_MAX = 200
"""So many alerts may one rule touch in a run; what goes beyond becomes one alert that says so."""
FAILURES_MAX = 3
"""After so many failures in a run a rule trips: it is set aside for a while."""
RULE_SECONDS_MAX = 30.0
"""A rule that has taken so long in one run trips."""
SUMMARY_MAX = 200
LATE = timedelta(minutes=15)


@dataclass(slots=True)
class Budget:
    """What one rule has done in this run; `tripped` says why it is set aside for the rest of it."""

    listed: int = 0
    keys: set[Key] = field(default_factory=set)
    failures: int = 0
    seconds: float = 0.0
    tripped: str = ""

    def fail(self, error: Exception) -> str:
        """Count a failure; return what to say of it."""
        self.failures += 1
        reason = reason_of(error)
        if self.failures >= FAILURES_MAX:
            self.tripped = self.tripped or reason
        return reason


@dataclass(slots=True)
class _Overflow:
    """Events of one rule and key beyond what is listed."""

    detection: Detection
    key: Key
    first: datetime
    last: datetime
    count: int = 0


@dataclass(slots=True)
class Run:
    """What has happened in a run so far."""

    listed_max: int = LISTED_MAX
    budgets: dict[str, Budget] = field(default_factory=dict)
    problems: dict[str, None] = field(default_factory=dict)
    rolled_up: int = 0

    def budget(self, detection: Detection) -> Budget:
        """Return what the rule has done."""
        return self.budgets.setdefault(detection.id, Budget())

    @property
    def tripped(self) -> dict[str, str]:
        """The rules that are set aside for the rest of the run, and why."""
        return {rule_id: budget.tripped for rule_id, budget in self.budgets.items() if budget.tripped}


@dataclass(frozen=True, slots=True)
class Means:
    """What rules that look at more than one event work with; `at` is told which is at work."""

    store: Store
    memory: Memory
    past: Past | None
    timer: Callable[[], float] = perf_counter
    at: Callable[[str], None] = lambda _what: None


@dataclass(slots=True)
class Batch:
    """The events with `after < seq <= last`, which are of one node, and what has come of them so far.

    `before` is what had been judged before them, of all nodes.
    `gaps` are events that rules have not judged, `limited` those that a history could take in but in part.
    """

    after: int
    last: int
    run: Run
    before: Reached = field(default_factory=Reached)
    findings: list[Finding] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    limited: list[Gap] = field(default_factory=list)
    _counted: dict[str, tuple[Detection, list[Event]]] = field(default_factory=dict)
    _overflow: dict[tuple[str, Key], _Overflow] = field(default_factory=dict)

    @property
    def reached(self) -> Reached:
        """What counts for them: what was judged before, and they themselves."""
        return self.before.to(self.last)

    def hit(self, detection: Detection, event: Event) -> None:
        """Take an event that the rule is about."""
        if detection.correlation is not None or detection.history is not None:
            self._counted.setdefault(detection.id, (detection, []))[1].append(event)
            return
        if detection.closed_level is not None and event.fields.get(CALENDAR_STATE) == "closed":
            detection = replace(detection, level=detection.closed_level)
        budget = self.run.budget(detection)
        key = subject(detection, event)
        summary = _summary(event)
        if key not in budget.keys:
            if len(budget.keys) >= KEYS_MAX:
                key, summary = (), f"more than {KEYS_MAX} different subjects in one run; the others are here together"
            budget.keys.add(key)
        if budget.listed < self.run.listed_max:
            budget.listed += 1
            self.findings.append(_found(detection, key, event, summary))
            return
        over = _Overflow(detection, key, event.timestamp, event.timestamp)
        over = self._overflow.setdefault((detection.id, key), over)
        over.count += 1
        over.first = min(over.first, event.timestamp)
        over.last = max(over.last, event.timestamp)

    def failed(self, detection: Detection, event: Event, error: Exception) -> None:
        """Take that the rule could not judge an event: it alone, or if it fails too often, all that come after."""
        budget = self.run.budget(detection)
        reason = budget.fail(error)
        self.gaps.append(Gap(detection.id, event.seq - 1, self.last if budget.tripped else event.seq, reason))

    def finish(self, means: "Means") -> None:
        """Count what has to be counted, and compare with the past what has a history. Raises StoreError."""
        for detection, new in self._counted.values():
            if not self.run.budget(detection).tripped:
                means.at(detection.id)
                self._count(means, detection, new)
        for over in self._overflow.values():
            self.run.rolled_up += over.count
            self.findings.append(_rolled(over))
        self.run.problems.update((f"{gap.rule_id}: {gap.reason}", None) for gap in (*self.gaps, *self.limited))

    def _count(self, means: "Means", detection: Detection, new: Sequence[Event]) -> None:
        budget, begun = self.run.budget(detection), means.timer()

        def check() -> None:
            spent = budget.seconds + means.timer() - begun
            if spent > RULE_SECONDS_MAX:
                raise TooLongError(f"took {spent:.0f} s in one run, more than {RULE_SECONDS_MAX:g} s")

        reason = ""
        try:
            if detection.correlation is None:
                self._compare(means, detection, new)
            else:
                recent = means.memory.of(detection.id)
                counting = Counting(means.store, detection, detection.correlation, self.reached, recent, check)
                self.findings += counting.findings(new)
            check()
        except StoreError:
            raise
        except TooLongError as error:
            reason = budget.tripped = str(error)
        except TooManyError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001  a rule is others' code: its fault must stay its own
            reason = budget.fail(error)
        if reason:
            self.gaps.append(Gap(detection.id, self.after, self.last, reason))
        budget.seconds += means.timer() - begun

    def _compare(self, means: "Means", detection: Detection, new: Sequence[Event]) -> None:
        assert means.past is not None  # noqa: S101  made where a rule has a history
        found, remark = means.past.findings(detection, self.reached, new)
        self.findings += found
        if remark:
            self.limited.append(Gap(detection.id, self.after, self.last, remark))


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
        when = f"arrived {rough(late)} late: "
    elif -late > LATE:
        when = f"dated {rough(-late)} ahead: "
    message = event.fields.get("message") or event.fields.get("event.original") or ""
    return (when + " ".join(str(message).split()))[:SUMMARY_MAX]


def rough(span: timedelta) -> str:
    """Return a span in words, as exact as somebody who reads an alert needs it."""
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


def reason_of(error: Exception) -> str:
    """Return what to say of what a rule raised."""
    return f"failed: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
