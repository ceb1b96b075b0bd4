"""Proves a rule on the events beside it: `x.fires.jsonl` must raise the rule, `x.quiet.jsonl`, near misses, must not.

Both hold one flat ECS event a line, as a pack would make it. The events go the real way: into an embedded store,
through the runner, into a book of alerts. Of a rule about single events every line of *fires* must be in an alert;
of a correlation, or of a comparison with a history, the lines together must raise one. A rule that looks at a history
has it in `x.earlier.jsonl`: what came before either, was judged before, and raised nothing.
Each rule must also stand the conversion proof (`detect.proof`).
"""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from sentinel.alert.book import Book
from sentinel.core.clock import ManualClock, iso
from sentinel.core.detection import Baseline, Detection
from sentinel.core.errors import RuleError
from sentinel.core.event import Event, Fields, Value
from sentinel.detect import attack
from sentinel.detect.documents import read_documents
from sentinel.detect.proof import prove
from sentinel.detect.rules import rule_files
from sentinel.detect.runner import Runner
from sentinel.detect.sigma import load
from sentinel.detect.supply import Supply
from sentinel.store.embedded import EmbeddedStore
from sentinel.testing.packs import Problem, faults
from sentinel.testing.proof import embedded, fixtures, neighbours

__all__ = ["Problem", "check", "neighbours", "rule_files"]

LINES_MAX = 10_000
ARRIVED = datetime(2026, 11, 23, 12, tzinfo=UTC)
_TAG = re.compile(r"attack\.(?:t\d{4}(?:\.\d{3})?|[gs]\d{4}|[a-z]+(?:-[a-z]+)*)|[a-z0-9]+\.[a-z0-9._-]+")
_TACTIC = re.compile(r"[a-z]+(?:-[a-z]+)*")
_TECHNIQUE = re.compile(r"attack\.t\d{4}(?:\.\d{3})?")


def earlier(rule: Path) -> Path:
    """Return where the events lie that came before."""
    return rule.with_suffix(".earlier.jsonl")


def check(rule: Path, supplied: Collection[str] | None = None) -> list[Problem]:
    """Return everything wrong with the rule file `rule`, nothing if it keeps its promise.

    `supplied` names the fields the active packs can fill, by data set or all in one (None: not known): no event may
    hold another. A file of filters promises nothing by itself: it is read with the rules it is about.
    """
    if _only_filters(rule):
        return []
    rules = load([rule], supplied)
    mine = [one for one in rules.refused if one.path == str(rule)]
    if mine or not rules.detections:
        return [Problem(rule, 0, one.reason) for one in mine] or [Problem(rule, 0, "holds no rule that is on")]
    problems = list(_tags(rule))
    supply = Supply() if supplied is None else Supply.of(supplied)
    before: list[Event] = []
    if any(one.history is not None for one in rules.detections):
        problems += _read(earlier(rule), supply, before)
    for path, kind in zip(neighbours(rule), ("fires", "quiet"), strict=True):
        events: list[Event] = []
        problems += _read(path, supply, events, len(before))
        if not events:
            continue
        told = _alerted(before, events, rules.detections)
        for detection in rules.detections:
            found = told.get(detection.id, set())
            problems += _loud(earlier(rule), before, found)
            problems += _missing(path, detection, events, found) if kind == "fires" else _loud(path, events, found)
    verdicts = prove(rules.detections, embedded, fixtures=fixtures)
    return [*problems, *(Problem(rule, 0, verdict.reason) for verdict in verdicts if verdict.reason)]


def _only_filters(rule: Path) -> bool:
    try:
        documents = read_documents(rule)
    except RuleError:
        return False  # told when it is loaded
    return bool(documents) and all("filter" in document for document in documents)


def _tags(rule: Path) -> Iterator[Problem]:
    try:
        documents = read_documents(rule)
    except RuleError as error:
        yield Problem(rule, 0, error.reason)
        return
    tags = [str(tag).lower() for document in documents for tag in cast("list[object]", document.get("tags") or ())]
    for tag in tags:
        if not _TAG.fullmatch(tag):
            yield Problem(rule, 0, f"the tag {tag!r} is not shaped like one of ATT&CK's (attack.t1110.001)")
        named = tag.removeprefix("attack.")
        if named != tag and _TACTIC.fullmatch(named) and named not in attack.tactics():
            yield Problem(rule, 0, f"ATT&CK {attack.VERSION} has no tactic {named!r}: {', '.join(attack.tactics())}")
    named_techniques = [tag.removeprefix("attack.") for tag in tags if _TECHNIQUE.fullmatch(tag)]
    for doubt in attack.doubts(named_techniques):
        yield Problem(rule, 0, doubt)
    if not named_techniques:
        yield Problem(rule, 0, "names no ATT&CK technique: tag it with one (attack.t1110.001)")


def _read(path: Path, supply: Supply, events: list[Event], before: int = 0) -> Iterator[Problem]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        yield Problem(path, 0, f"cannot be read: {error}; a rule is proven by events that raise it and near misses")
        return
    if not lines or len(lines) > LINES_MAX:
        yield Problem(path, 0, f"holds {len(lines)} events; it must be 1 to {LINES_MAX}")
        return
    for number, line in enumerate(lines, start=1):
        try:
            event = _event(before + number, json.loads(line))
        except (ValueError, TypeError, RecursionError) as error:
            yield Problem(path, number, f"no flat ECS event: {error}")
            continue
        events.append(event)
        fields = dict(event.fields)
        for fault in faults(fields):
            yield Problem(path, number, fault)
        for field in fields:
            if not supply.has(field):
                yield Problem(path, number, f"{field} is supplied by no pack")


def _event(number: int, said: object) -> Event:
    if not isinstance(said, dict):
        raise TypeError("a line must hold one JSON object")
    fields: Fields = {name: _value(name, value) for name, value in said.items()}
    happened = datetime.fromisoformat(str(fields["@timestamp"])) if "@timestamp" in fields else None
    if happened is None or happened.tzinfo is None:
        raise ValueError("@timestamp with a zone is missing")
    ident = blake2b(b"%d" % number, digest_size=16).hexdigest()
    fields.update({"event.id": ident, "event.sequence": number, "event.ingested": iso(ARRIVED)})
    return Event(ident, number, happened.astimezone(UTC), ARRIVED, fields)


def _value(name: str, value: object) -> Value:
    if isinstance(value, list):
        if not all(isinstance(one, str | int | float | bool) for one in value):
            raise TypeError(f"{name} holds something other than text, numbers and truth")
        return tuple(value)
    if not isinstance(value, str | int | float | bool):
        raise TypeError(f"{name} holds {type(value).__name__}")
    return value


def _alerted(before: Sequence[Event], events: Sequence[Event], detections: Sequence[Detection]) -> dict[str, set[str]]:
    # the ids of the events in alerts, by rule; `before` is judged first
    clock = ManualClock(ARRIVED)
    found: dict[str, set[str]] = {}
    with TemporaryDirectory(prefix="sentinel-rule-") as folder:
        store = EmbeddedStore(Path(folder) / "store")
        try:
            with Book(Path(folder) / "state.db", clock, quiet=timedelta(0)) as book:
                runner = Runner(store, book, detections, clock, store.newest)
                for some in (before, events):
                    store.append(some)
                    runner.run()
                for alert in book.alerts(limit=LINES_MAX):
                    found.setdefault(alert.rule_id, set()).update(alert.evidence)
        finally:
            store.close()
    return found


def _missing(path: Path, detection: Detection, events: Sequence[Event], found: set[str]) -> Iterator[Problem]:
    if detection.correlation is not None or isinstance(detection.history, Baseline):
        if found.isdisjoint(event.id for event in events):
            yield Problem(path, 0, f"does not raise {detection.title!r}")
        return
    for number, event in enumerate(events, start=1):
        if event.id not in found:
            yield Problem(path, number, f"does not raise {detection.title!r}")


def _loud(path: Path, events: Sequence[Event], found: set[str]) -> Iterator[Problem]:
    for number, event in enumerate(events, start=1):
        if event.id in found:
            yield Problem(path, number, "raises the rule, and must not")
