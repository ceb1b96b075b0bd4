"""SigmaHQ's regression data: each event file goes the way of any event and must raise the rule it is named for.

In: a checkout of SigmaHQ/sigma as it is. Its files below `regression_data` enter as files that are imported do, are
read by the packs, stored, and judged by the runner with all of the checkout's rules. Format (`info.yml` beside the
event files): https://github.com/SigmaHQ/sigma/tree/master/regression_data.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from sqlite3 import Connection
from tempfile import TemporaryDirectory
from typing import cast

from sentinel.alert.book import Book
from sentinel.collect.evtx import read_file
from sentinel.core.detection import Detection, Finding
from sentinel.core.errors import RuleError, UsageError
from sentinel.core.event import Entry, Event
from sentinel.core.explain import deciding, explained, leaves_of
from sentinel.core.ports import Clock
from sentinel.core.reached import Reached
from sentinel.core.where import AllOf, Where, holds
from sentinel.detect.documents import Document, read_documents
from sentinel.detect.rules import Rules
from sentinel.detect.runner import Runner
from sentinel.parse.record import Reader
from sentinel.testing.proof import embedded

SOURCE = "sigmahq"
FILES_MAX = 20_000
EVENTS_MAX = 1_000_000
LEAVES_SHOWN = 6
_ENDINGS = (".evtx", ".json", ".jsonl", ".xml", ".log", ".txt")


@dataclass(frozen=True, slots=True)
class Sample:
    """An event file and what is said of it: the rule it must raise and how often (None: at least once)."""

    path: Path
    rule_id: str
    title: str
    count: int | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How often the rule was raised by the events of the file; `why` says what kept it from it, empty if nothing did.

    `kind` is one word for the reason: refused, unread, lane, field, condition.
    """

    sample: Sample
    events: int
    raised: int
    kind: str = ""
    why: str = ""

    @property
    def found(self) -> bool:
        """Say whether the rule was raised as often as is stated, or more."""
        return self.raised >= (self.sample.count or 1)


def folders(checkout: Path) -> list[Path]:
    """Return the folders of rules of a checkout: `rules` and `rules-…`; raises UsageError if there are none."""
    found = sorted(one for one in checkout.glob("rules*") if one.is_dir())
    if not found or not (checkout / "regression_data").is_dir():
        raise UsageError(f"{checkout}: a checkout of SigmaHQ/sigma has folders rules and regression_data")
    return found


def samples(checkout: Path) -> tuple[list[Sample], list[RuleError]]:
    """Return every event file that an `info.yml` names, its forms in other formats too, and what cannot be read."""
    found: dict[tuple[Path, str], Sample] = {}
    wrong: list[RuleError] = []
    for info in sorted((checkout / "regression_data").rglob("info.yml")):
        try:
            for document in read_documents(info):
                for sample in _samples(checkout, info, document):
                    found.setdefault((sample.path, sample.rule_id), sample)
        except RuleError as error:
            wrong.append(error)
        if len(found) > FILES_MAX:
            raise UsageError(f"{checkout}: more than {FILES_MAX} event files")
    return list(found.values()), wrong


def _samples(checkout: Path, info: Path, document: Document) -> Iterator[Sample]:
    rules, tests = (_mappings(document.get(name)) for name in ("rule_metadata", "regression_tests_info"))
    if not rules or not tests:
        raise RuleError(info, "names no rule or no event file (rule_metadata, regression_tests_info)")
    for test in tests:
        said = Path(str(test.get("path", "")))
        count = test.get("match_count")
        forms = [one for ending in _ENDINGS if (one := (checkout / said).with_suffix(ending)).is_file()]
        if not forms or not (checkout / said).resolve().is_relative_to(checkout.resolve()):
            raise RuleError(info, f"there is no event file {said}")
        for path in forms:
            for rule in rules:
                own = count if isinstance(count, int) else None
                yield Sample(path, str(rule.get("id", "")), str(rule.get("title", "")), own)


def _mappings(given: object) -> list[Mapping[str, object]]:
    listed = given if isinstance(given, list) else []
    return [cast("Mapping[str, object]", one) for one in listed if isinstance(one, dict)]


class _Noted(Book):
    """A book of alerts that notes which events raised which rule."""

    evidence: dict[str, set[str]]

    def record(
        self,
        findings: Iterable[Finding],
        cursor: int,
        *,
        after: Reached | None = None,
        also: Callable[[Connection], None] = lambda _db: None,
    ) -> tuple[str, ...]:
        """Keep findings as any book does."""
        found = list(findings)
        for one in found:
            self.evidence.setdefault(one.detection.id, set()).update(one.evidence)
        return super().record(found, cursor, after=after, also=also)


def run(checkout: Path, rules: Rules, reader: Reader, clock: Clock) -> tuple[list[Outcome], list[RuleError]]:
    """Return what became of every event file, and which descriptions could not be read; raises UsageError."""
    wanted, wrong = samples(checkout)
    refused = _refused(rules)
    by_file: dict[Path, list[Event]] = {}
    problems: dict[Path, list[str]] = {}
    number = 0
    for path in dict.fromkeys(sample.path for sample in wanted):
        events = by_file[path] = []
        problems[path] = []
        with suppress(UsageError):  # it is among the problems
            for raw in read_file(path, SOURCE, clock, problems[path]):
                number += 1
                events += reader.read(Entry(number, clock.now(), raw))
        if number > EVENTS_MAX:
            raise UsageError(f"{checkout}: more than {EVENTS_MAX} records in its event files")
    judged = _judged([event for events in by_file.values() for event in events], rules.detections, clock)
    detections = {one.id: one for one in rules.detections}
    outcomes: list[Outcome] = []
    for sample in wanted:
        events = by_file[sample.path]
        mine = judged.get(sample.rule_id, set())
        raised = sum((event.seq, event.id) in mine for event in events)
        outcome = Outcome(sample, len(events), raised)
        if not outcome.found:
            why = _why(sample, detections.get(sample.rule_id), refused, events, problems[sample.path])
            outcome = Outcome(sample, len(events), raised, *why)
        outcomes.append(outcome)
    return outcomes, wrong


def _refused(rules: Rules) -> dict[str, str]:
    # rule ids of refused files; a file that cannot be read as YAML has none
    found: dict[str, str] = {}
    for error in rules.refused:
        with suppress(RuleError):
            for document in read_documents(Path(error.path)):
                found[str(document.get("id", ""))] = error.reason
    return found


def _judged(events: Sequence[Event], detections: Sequence[Detection], clock: Clock) -> dict[str, set[tuple[int, str]]]:
    # by rule: (arrival, id) of the events that raised it; a record that lies in two files has one id
    found: dict[str, set[tuple[int, str]]] = defaultdict(set)
    alone = list(_apart(events))
    places = {event.id: event.seq for event in alone}
    with (
        embedded(alone) as store,
        TemporaryDirectory(prefix="sentinel-sigmahq-") as folder,
        _Noted(Path(folder) / "state.db", clock, quiet=timedelta(0)) as book,
    ):
        book.evidence = {}
        Runner(store, book, detections, clock, store.newest, listed_max=EVENTS_MAX).run()
    for rule_id, idents in book.evidence.items():
        found[rule_id].update((places[ident], ident.partition("/")[0]) for ident in idents)
    return found


def _apart(events: Iterable[Event]) -> Iterator[Event]:
    for event in events:
        ident = f"{event.id}/{event.seq}"
        yield Event(ident, event.seq, event.timestamp, event.ingested, {**event.fields, "event.id": ident})


def _why(
    sample: Sample, rule: Detection | None, refused: Mapping[str, str], events: Sequence[Event], problems: Sequence[str]
) -> tuple[str, str]:
    if rule is None:
        reason = refused.get(sample.rule_id)
        return ("refused", reason) if reason else ("refused", "no rule of the checkout has this id")
    read = [event for event in events if event.fields.get("event.kind") != "pipeline_error"]
    if not read:
        reasons = {str(event.fields.get("error.message", "")) for event in events}
        return "unread", "; ".join(sorted({*problems, *reasons} - {""})) or "the file holds no record"
    return _told(rule.where, read)


def _told(where: Where, events: Sequence[Event]) -> tuple[str, str]:
    # (kind, words): why `where` holds for none of `events`, told of the one that comes nearest
    parts = where.items if isinstance(where, AllOf) and len(where.items) == 2 else (AllOf(()), where)
    here = [event for event in events if holds(parts[0], event)]
    if not here:
        seen = Counter(
            f"{one.fields.get('event.dataset')} {one.fields.get('event.code', '')}".strip() for one in events
        )
        return "lane", f"no event is of its log source; they are {', '.join(seen)}"
    missing, failing = min((_against(parts[1], event) for event in here), key=lambda one: len(one[1]))
    if missing:
        return "field", f"the event has no {', '.join(sorted(missing))}"
    return "condition", "; ".join(failing[:LEAVES_SHOWN]) or "the condition"


def _against(where: Where, event: Event) -> tuple[set[str], list[str]]:
    # fields that are asked for and missing, and the comparisons that decide against the rule
    missing: set[str] = set()
    failing: list[str] = []
    for step in leaves_of(deciding(explained(where, event))):
        have = {one.field: one.values for one in step.found if one.values}
        if not (step.held or have):
            missing.update(one.field for one in step.found)
        failing.append(f"{'no ' if step.held else ''}{step.leaf} of {have}")
    return missing, failing
