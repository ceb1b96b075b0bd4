"""A list of indicators that came later: what of it was seen already, among the events that are stored.

The different values of the fields that indicators are looked for in are counted by the store and looked up; only
events that hold one for which an indicator stands are read. They are judged as if they had been marked when they came,
by the rules about single events that ask for indicators; what is stored stays as it was known then.
"""

from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta

from sentinel.app import App
from sentinel.core.detection import Detection
from sentinel.core.event import Event, Fields, Scalar
from sentinel.core.ports import Span, Store
from sentinel.core.where import AnyOf, Exists, Is, fields_of, values
from sentinel.detect.again import Again, late
from sentinel.parse.threats import PLACES, Threats
from sentinel.repair.report import Report

TALLY_MAX = 50_000
"""So many different values are taken from the store at once; of more the time is halved."""
EVENTS_MAX = 1_000
"""So many events, the latest, are judged for one value; the others are counted as passed over."""
VALUES_MAX = 10_000
"""So many values for which an indicator stands are followed up."""
SAYS = "indicators"
_NAME = "threat.indicator.name"
_SECOND = timedelta(seconds=1)
_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Retro:
    """Compares what `app` has stored with its lists."""

    app: App

    def look(self, span: Span, lists: Collection[str], *, apply: bool) -> Report:
        """Find what the lists (none: all) say of what arrived within `span`; with `apply` the alerts are raised."""
        report = Report("lists of indicators", span, applied=apply)
        if self.app.enricher is None or not self.app.enricher.threats.lists:
            return report
        threats, now = self.app.enricher.threats, self.app.clock.now()
        with self.app.reading() as store, self.app.book() as desk:
            rules = [one for one in self.app.rules.detections if asks(one)]
            names = {one.id: one for one in rules}
            with closing(Again(store, rules, lambda _: False)) as again:
                for marked in self._marked(store, threats, span, lists, report):
                    judged = again.judge(marked, desk.judged().to(*(one.seq for one in marked)))
                    for rule_id, number in judged.hits.items():
                        report.hit(names[rule_id], number)
                    report.unjudged(judged.gaps)
                    found = late(judged.findings, marked, SAYS, now)
                    for alert_id in desk.record(found, 0) if apply else ():
                        report.alert(desk.alert(alert_id))
        return report

    def _marked(
        self, store: Store, threats: Threats, span: Span, lists: Collection[str], report: Report
    ) -> Iterator[list[Event]]:
        # events that say now what they did not say when they came
        moment = self.app.clock.now().timestamp()
        seen: set[str] = set()
        for value in self._known(store, threats, span, lists, report):
            where = AnyOf(tuple(Is(name, value) for name in PLACES))
            events = store.search(where, span, EVENTS_MAX + 1)
            if len(events) > EVENTS_MAX:
                report.problems[f"more than {EVENTS_MAX:,} events with {value}: the latest are judged"] += 1
            new = [
                one for event in events[:EVENTS_MAX] if event.id not in seen and (one := _mark(threats, event, moment))
            ]
            seen.update(one.id for one in new)
            report.records += len(new)
            for at in range(0, len(new), _PAGE):
                yield new[at : at + _PAGE]

    def _known(
        self, store: Store, threats: Threats, span: Span, lists: Collection[str], report: Report
    ) -> Iterator[Scalar]:
        now = self.app.clock.now().timestamp()
        looked: set[Scalar] = set()
        found = 0
        for name in PLACES:
            for value in _different(store, name, span):
                if value in looked:
                    continue
                if len(looked) < TALLY_MAX * 20:
                    looked.add(value)
                hits = (one for one in threats.about(str(value)) if not lists or one.feed in lists)
                if not any(one.terms.since <= now < one.terms.until for one in hits):
                    continue
                found += 1
                if found > VALUES_MAX:
                    report.problems[
                        f"more than {VALUES_MAX:,} values that indicators stand for: the others are left"
                    ] += 1
                    return
                looked.add(value)
                yield value


def asks(rule: Detection) -> bool:
    """Say whether a rule is about single events and asks for indicators."""
    single = rule.correlation is None and rule.history is None
    return single and any(name.startswith("threat.") for name in fields_of(rule.where))


def _different(store: Store, name: str, span: Span) -> Iterator[Scalar]:
    rows = store.tally(Exists(name), span, [name], TALLY_MAX)
    if len(rows) >= TALLY_MAX and span.end - span.start > _SECOND:
        middle = span.start + (span.end - span.start) / 2
        yield from _different(store, name, replace(span, end=middle))
        yield from _different(store, name, replace(span, start=middle))
        return
    for (held,), _ in rows:
        yield from values(held)


def _mark(threats: Threats, event: Event, now: float) -> Event | None:
    fields: Fields = {name: value for name, value in event.fields.items() if not name.startswith("threat.")}
    threats.mark(fields, now)
    if set(values(fields.get(_NAME))) <= set(values(event.fields.get(_NAME))):
        return None  # it said so when it came
    return replace(event, fields=fields)
