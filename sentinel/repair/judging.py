"""The judging of a repair: affected rules, affected windows, late alerts that say so, and the ledger told."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from sentinel.alert.book import Book
from sentinel.core.detection import Detection
from sentinel.core.event import Event
from sentinel.core.ports import Clock, Span, Store
from sentinel.core.reached import Reached
from sentinel.core.where import AllOf
from sentinel.detect.again import Again, late
from sentinel.detect.learnt import stored
from sentinel.detect.ledger import Ledger
from sentinel.repair import journal
from sentinel.repair.report import Report

PAGE = 1_000
SPANS_MAX = 500
"""So many stretches of time are entered in the ledger one by one for a rule; of more the whole is."""
RULE_EVENTS_MAX = 500_000
"""So many events of one rule are judged again; what lies before them is not, and the report says so."""
SAYS = "repair"
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges with what is in `store` and keeps in `book` what comes of it."""

    store: Store
    book: Book
    clock: Clock
    report: Report

    def changed(self, detections: Sequence[Detection], folder: Path) -> list[str]:
        """Judge the events that the repair in `folder` has changed by every rule that is about one of them.

        Returns the ids of rules with a history that were or are about one: what they have learnt is no longer so.
        """
        learnt: set[str] = set()
        seqs = {one.seq for changes in journal.done(folder) for _, new in changes for one in new}
        with closing(Again(self.store, detections, lambda event: event.seq in seqs)) as again:
            touched: dict[str, list[datetime]] = {}
            rules = {one.id: one for one in detections}
            for changes in journal.done(folder):
                for gone, new in changes:
                    self.report.lost(again, gone, new)
                    about = (rule for event in (*gone, *new) for rule in again.hits(event))
                    learnt.update(rule.id for rule in about if rule.history is not None)
                    for event in new:
                        for rule in again.hits(event):
                            touched.setdefault(rule.id, []).append(event.timestamp)
            for rule_id, moments in touched.items():
                self._reopen(rules[rule_id], moments, folder.name)
            for changes in journal.done(folder):
                events = [one for _, new in changes for one in new]
                for at in range(0, len(events), PAGE):
                    self._judge(again, events[at : at + PAGE], rules)
            self._close(list(touched), folder.name)
        return sorted(learnt)

    def over(self, detections: Sequence[Detection], span: Span, *, apply: bool) -> None:
        """Judge what happened within `span` by rules that are others now."""
        for rule in detections:
            slices: list[Span] = []
            end, number = span.end, 0
            for begin, page in stored(self.store, rule.where, span, self._until, RULE_EVENTS_MAX):
                slices.append(Span(begin, end))
                end, number = begin, number + len(page)
            self.report.hit(rule, number)
            if end > span.start:
                self.report.problems[f"{rule.id}: more than {RULE_EVENTS_MAX:,} events: the earlier are left"] += 1
            if apply:
                self._rule(rule, Span(end, span.end), slices[::-1])

    def _rule(self, rule: Detection, span: Span, slices: Iterable[Span]) -> None:
        why = f"repair: {rule.version}"
        self._ledger.reopen([rule.id], [(span.start, span.end)], why, self.clock.now())
        inside = lambda event: span.start <= event.timestamp < span.end  # noqa: E731  what is judged anew
        where = AllOf((rule.where, self._until.within()))
        with closing(Again(self.store, [rule], inside)) as again:
            for one in slices:
                events = iter(sorted(self.store.search(where, one, RULE_EVENTS_MAX), key=lambda event: event.seq))
                while page := list(islice(events, PAGE)):
                    self._judge(again, page, {rule.id: rule}, count=False)
        self._close([rule.id], why)

    def _judge(self, again: Again, events: Sequence[Event], rules: dict[str, Detection], *, count: bool = True) -> None:
        judged = again.judge(events, self._until.to(*(one.seq for one in events)))
        for rule_id, number in judged.hits.items() if count else ():
            self.report.hit(rules[rule_id], number)
        self.report.unjudged(judged.gaps)
        found = late(judged.findings, events, SAYS, self.clock.now())
        for alert_id in self.book.record(found, 0):
            self.report.alert(self.book.alert(alert_id))

    @property
    def _until(self) -> Reached:
        return self.book.judged()

    @property
    def _ledger(self) -> Ledger:
        return Ledger(self.book)

    def _reopen(self, rule: Detection, moments: Iterable[datetime], why: str) -> None:
        reach = rule.correlation.reach if rule.correlation is not None else timedelta()
        spans = list(_merged(sorted((at, at + reach + _MINUTE) for at in moments)))
        if len(spans) > SPANS_MAX:
            spans = [(spans[0][0], spans[-1][1])]
        self._ledger.reopen([rule.id], spans, f"repair {why}", self.clock.now())

    def _close(self, rule_ids: Sequence[str], why: str) -> None:
        now = self.clock.now()
        ledger = self._ledger
        gaps = [one for one in ledger.gaps(rule_ids) if why in one.reason]
        until = self._until

        def also(db: sqlite3.Connection) -> None:
            for one in gaps:
                ledger.closed(db, one, until, now, now - one.start)

        if gaps:
            self.book.record((), 0, also=also)


def _merged(spans: Iterable[tuple[datetime, datetime]]) -> Iterator[tuple[datetime, datetime]]:
    have: tuple[datetime, datetime] | None = None
    for start, end in spans:
        if have is not None and start <= have[1]:
            have = have[0], max(have[1], end)
            continue
        if have is not None:
            yield have
        have = start, end
    if have is not None:
        yield have
