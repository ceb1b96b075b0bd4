"""What correlations find: by their definition, whatever the order of arrival, read from Sigma's own words."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import product
from pathlib import Path
from statistics import mean, median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.alert.book import Book
from sentinel.core.clock import ManualClock
from sentinel.core.detection import Correlation, Detection, Part, Relation
from sentinel.core.event import Event, Value
from sentinel.core.ports import Span, Store
from sentinel.core.where import AllOf, AnyOf, Exists, Is, Not, Where
from sentinel.detect.runner import Runner, RunReport
from sentinel.detect.sigma import load
from sentinel.store.embedded import EmbeddedStore

CLOCK = ManualClock(datetime(2026, 11, 23, 12, tzinfo=UTC))
START = datetime(2026, 11, 23, 8, tzinfo=UTC)
UNIT = timedelta(seconds=10)
Make = Callable[..., Event]
Write = Callable[..., Path]
Drawn = tuple[int, str, int]
"""When (in UNITs), the group, and what: the value, or which part."""

STEPS = tuple(
    Part(Is("event.action", f"step{number}"), ("source.ip" if number else "destination.ip",), (), f"step{number}")
    for number in range(3)
)


def rule(kind: str, span: int, relation: Relation = "gte", count: float = 1) -> Detection:
    """Return a correlation about the events of `fields`, its span in UNITs."""
    everything = Exists("event.action")
    parts = STEPS if kind.startswith("temporal") else (Part(everything, ("source.ip",), ("network.bytes",)),)
    where = AnyOf(tuple(part.where for part in STEPS)) if kind.startswith("temporal") else everything
    asked = Correlation(kind, ("source.ip",), span * UNIT, relation, count, parts)  # type: ignore[arg-type]  # one of the kinds
    return Detection("c", "c", "high", where, "v", "x.yml", fold_by=("source.ip",), correlation=asked)


def fields(ip: str, what: int) -> dict[str, Value]:
    """Return an event; the first step tells its group in another field than the others."""
    group = "destination.ip" if what == 0 else "source.ip"
    return {"event.action": f"step{what}", group: ip, "source.ip": ip, "network.bytes": what}


def stands(kind: str, window: Sequence[tuple[int, int]], count: float) -> bool:
    """Say whether a window of (when, what) stands, by the definition."""
    things = [what for _, what in window]
    match kind:
        case "value_count":
            return len(set(things)) >= count
        case "value_sum":
            return sum(things) >= count
        case "value_avg":
            return mean(map(Fraction, things)) >= count
        case "value_median":
            return median(map(Fraction, things)) >= count
        case "temporal":
            return len(set(things)) >= count
        case _:
            times = [[at for at, what in window if what == step] for step in range(3)]
            return any(one <= two <= three for one, two, three in product(*times))


def offline(
    events: Sequence[Drawn], kind: str, count: float, span: int, quiet: timedelta
) -> set[tuple[str, datetime, datetime, int]]:
    """Return (group, first, last, count) of the alerts: try every window, join what is near."""
    found = set()
    for ip in {one[1] for one in events}:
        own = sorted((at, what) for at, address, what in events if address == ip)
        ends = {at for at, _ in own}
        good = [end for end in ends if stands(kind, [one for one in own if end - span < one[0] <= end], count)]
        hits = [at for at, _ in own if any(end - span < at <= end for end in good)]
        groups: list[list[int]] = []
        for at in hits:
            if groups and (at - groups[-1][-1]) * UNIT <= max(quiet, span * UNIT):
                groups[-1].append(at)
            else:
                groups.append([at])
        found |= {(ip, START + one[0] * UNIT, START + one[-1] * UNIT, len(one)) for one in groups}
    return found


def judge(store: Store, book: Book, *detections: Detection, batch: int = 5000) -> RunReport:
    return Runner(store, book, detections, CLOCK, store.newest, batch=batch).run()


def told(book: Book) -> set[tuple[str, datetime, datetime, int]]:
    return {(str(one.key[0][1]), one.first_seen, one.last_seen, one.count) for one in book.alerts()}


EVENTS = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from(["192.0.2.1", "192.0.2.2"]), st.integers(0, 2)),
    min_size=1,
    max_size=20,
)
GROWING = ["value_count", "value_sum", "temporal", "temporal_ordered"]
"""What more events can only make stand."""


@settings(max_examples=max(300, settings().max_examples))
@given(
    kind=st.sampled_from(GROWING),
    events=EVENTS,
    count=st.integers(1, 3),
    span=st.integers(1, 8),
    batch=st.integers(1, 7),
    direct=st.sampled_from([0, 8]),
    seed=st.integers(0, 1000),
)
def test_delays_batches_and_restarts_change_no_alert_of_any_kind(  # noqa: PLR0917  what is drawn
    tmp_path_factory: pytest.TempPathFactory,
    make: Make,
    new_store: Callable[[], Store],
    kind: str,
    events: list[Drawn],
    count: int,
    span: int,
    batch: int,
    direct: int,
    seed: int,
) -> None:
    chance = random.Random(seed)  # noqa: S311  a test's order of arrival
    store = new_store()
    path = tmp_path_factory.mktemp("book") / "state.db"
    detection = rule(kind, span, count=count)
    quiet = chance.randint(1, 15) * UNIT
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sentinel.detect.correlate.DIRECT_MAX", direct)
        with Book(path, CLOCK, quiet) as book:
            runner = Runner(store, book, [detection], CLOCK, store.newest, batch=batch)
            for number, (at, ip, what) in enumerate(chance.sample(events, len(events)), start=1):
                store.append([make(number, fields(ip, what), at=at * UNIT)])
                if chance.random() < 0.4:
                    if chance.random() < 0.5:
                        runner = Runner(store, book, [detection], CLOCK, store.newest, batch=batch)
                    if chance.random() < 0.2:
                        book._db.execute("DELETE FROM progress")  # as if the cursor had never been written
                    runner.run()
            runner.run()
            assert told(book) == offline(events, kind, count, span, quiet)


@given(
    kind=st.sampled_from(["value_avg", "value_median"]), events=EVENTS, count=st.integers(0, 2), span=st.integers(1, 8)
)
def test_averages_and_medians_are_those_of_the_definition(  # noqa: PLR0917  what is drawn
    tmp_path_factory: pytest.TempPathFactory,
    make: Make,
    new_store: Callable[[], Store],
    kind: str,
    events: list[Drawn],
    count: int,
    span: int,
) -> None:
    store = new_store()
    store.append([make(n, fields(ip, what), at=at * UNIT) for n, (at, ip, what) in enumerate(events, start=1)])
    with Book(tmp_path_factory.mktemp("book") / "state.db", CLOCK, UNIT) as book:
        judge(store, book, rule(kind, span, count=count))
        assert told(book) == offline(events, kind, count, span, UNIT)


BURST = Correlation(
    "event_count", ("destination.ip",), 3 * UNIT, "gte", 2, (Part(STEPS[0].where, STEPS[0].group), )
)  # fmt: skip


def chained(kind: str, span: int) -> Detection:
    """Return a correlation of two first steps within 3 UNITs, and then (or: and) the second step."""
    burst = Part(STEPS[0].where, ("destination.ip",), (), "burst", BURST)
    where = AnyOf((STEPS[0].where, STEPS[1].where))
    asked = Correlation(kind, ("ip",), span * UNIT, "gte", 2, (burst, STEPS[1]))  # type: ignore[arg-type]  # one of the kinds
    return Detection("c", "c", "high", where, "v", "x.yml", fold_by=("ip",), correlation=asked)


def offline_chained(events: Sequence[Drawn], kind: str, span: int) -> set[tuple[str, datetime, datetime, int]]:
    """Return (group, first, last, count) of the alerts, by the definition."""
    found = set()
    for ip in {one[1] for one in events}:
        own = sorted((at, what, number) for number, (at, address, what) in enumerate(events) if address == ip)
        firsts = [one for one in own if one[1] == 0]
        windows = {end: [one for one in firsts if end - 3 < one[0] <= end] for end, _, _ in firsts}
        bursts = {end: inside for end, inside in windows.items() if len(inside) >= 2}
        seconds = [one for one in own if one[1] == 1]
        hits = set()
        for end in {*bursts, *(at for at, _, _ in seconds)}:
            one = [at for at in bursts if end - span < at <= end]
            two = [event for event in seconds if end - span < event[0] <= end]
            if one and two and (kind == "temporal" or min(one) <= max(at for at, _, _ in two)):
                hits |= {*two, *(event for at in one for event in bursts[at])}
        groups: list[list[int]] = []
        for at, _, _ in sorted(hits):
            if groups and at - groups[-1][-1] <= span + 3:
                groups[-1].append(at)
            else:
                groups.append([at])
        found |= {(ip, START + one[0] * UNIT, START + one[-1] * UNIT, len(one)) for one in groups}
    return found


@settings(max_examples=max(300, settings().max_examples))
@given(
    kind=st.sampled_from(["temporal", "temporal_ordered"]),
    events=EVENTS,
    span=st.integers(1, 8),
    batch=st.integers(1, 7),
    direct=st.sampled_from([0, 8]),
    seed=st.integers(0, 1000),
)
def test_delays_batches_and_restarts_change_no_alert_about_correlations(  # noqa: PLR0917  what is drawn
    tmp_path_factory: pytest.TempPathFactory,
    make: Make,
    new_store: Callable[[], Store],
    kind: str,
    events: list[Drawn],
    span: int,
    batch: int,
    direct: int,
    seed: int,
) -> None:
    chance = random.Random(seed)  # noqa: S311  a test's order of arrival
    store = new_store()
    with pytest.MonkeyPatch.context() as patch, Book(tmp_path_factory.mktemp("book") / "b.db", CLOCK, UNIT) as book:
        patch.setattr("sentinel.detect.correlate.DIRECT_MAX", direct)
        for number, (at, ip, what) in enumerate(chance.sample(events, len(events)), start=1):
            store.append([make(number, fields(ip, what), at=at * UNIT)])
            if chance.random() < 0.4:
                judge(store, book, chained(kind, span), batch=batch)
        judge(store, book, chained(kind, span), batch=batch)
        assert told(book) == offline_chained(events, kind, span)


@given(
    kind=st.sampled_from(["value_avg", "value_median", "value_count"]),
    relation=st.sampled_from(["lt", "lte", "eq", "neq"]),
    events=EVENTS,
    count=st.integers(1, 2),
    span=st.integers(1, 8),
    seed=st.integers(0, 1000),
)
def test_what_an_event_could_undo_is_at_least_found(  # noqa: PLR0917  what is drawn
    tmp_path_factory: pytest.TempPathFactory,
    make: Make,
    new_store: Callable[[], Store],
    kind: str,
    relation: Relation,
    events: list[Drawn],
    count: int,
    span: int,
    seed: int,
) -> None:
    chance = random.Random(seed)  # noqa: S311  a test's order of arrival
    detection = rule(kind, span, relation, count)
    arrived = [
        make(number, fields(ip, what), at=at * UNIT)
        for number, (at, ip, what) in enumerate(chance.sample(events, len(events)), start=1)
    ]
    whole, store = new_store(), new_store()
    whole.append(arrived)
    folder = tmp_path_factory.mktemp("book")
    with Book(folder / "one.db", CLOCK) as one, Book(folder / "many.db", CLOCK) as many:
        judge(whole, one, detection)
        for event in arrived:
            store.append([event])
            if chance.random() < 0.4:
                judge(store, many, detection)
        judge(store, many, detection)
        assert evidence(one) <= evidence(many)


def evidence(book: Book) -> set[str]:
    return {event for alert in book.alerts() for event in alert.evidence}


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with Book(tmp_path / "state.db", CLOCK) as one:
        yield one


RULES = """\
title: A failed login
id: 11111111-0000-4000-8000-000000000001
name: failed
logsource: {product: linux, service: sshd}
detection:
  sel: {event.outcome: failure}
  condition: sel
---
title: A login
id: 11111111-0000-4000-8000-000000000002
name: succeeded
logsource: {product: linux, service: sshd}
detection:
  sel: {event.outcome: success}
  condition: sel
---
title: They came together
id: 11111111-0000-4000-8000-000000000003
level: high
correlation:
"""
BOTH = "  type: %s\n  rules: [failed, succeeded]\n  group-by: [source.ip]\n  timespan: 5m\n"


def loaded(write: Write, correlation: str) -> Detection:
    rules = load([write(text=RULES + correlation)])
    assert not rules.refused
    (detection,) = rules.detections
    return detection


def login(outcome: str, ip: str = "192.0.2.7") -> Mapping[str, Value]:
    return {"event.outcome": outcome, "source.ip": ip}


@pytest.mark.parametrize(
    ("kind", "outcomes", "fires"),
    [("temporal", ("failure", "success"), True), ("temporal", ("success", "failure"), True),
     ("temporal", ("failure", "failure"), False), ("temporal_ordered", ("failure", "success"), True),
     ("temporal_ordered", ("success", "failure"), False),
     ("temporal_ordered", ("success", "failure", "success"), True)],
)  # fmt: skip
def test_rules_come_together_and_in_order(
    memory: Store, book: Book, make: Make, write: Write, kind: str, outcomes: Sequence[str], *, fires: bool
) -> None:
    memory.append([make(number, login(outcome)) for number, outcome in enumerate(outcomes, start=1)])
    judge(memory, book, loaded(write, BOTH % kind))
    assert bool(book.alerts()) == fires


@pytest.mark.parametrize("kind", ["temporal", "temporal_ordered"])
def test_an_event_that_comes_late_completes_the_rules(
    memory: Store, book: Book, make: Make, write: Write, kind: str
) -> None:
    detection = loaded(write, BOTH % kind)
    memory.append([make(1, login("success"), at=timedelta(minutes=4))])
    judge(memory, book, detection)
    assert not book.alerts()
    memory.append([make(2, login("failure"), at=timedelta(0))])
    judge(memory, book, detection)
    (alert,) = book.alerts()
    assert (alert.count, alert.key) == (2, (("source.ip", "192.0.2.7"),))


def test_rules_that_are_a_whole_span_apart_do_not_come_together(
    memory: Store, book: Book, make: Make, write: Write
) -> None:
    memory.append([make(1, login("failure"), at=timedelta(0)), make(2, login("success"), at=timedelta(minutes=5))])
    judge(memory, book, loaded(write, BOTH % "temporal"))
    assert not book.alerts()


@pytest.mark.parametrize(
    ("words", "outcomes", "fires"),
    [("failed and not succeeded", ("failure",), True), ("failed and not succeeded", ("failure", "success"), True),
     ("failed and not succeeded", ("success", "failure"), False), ("failed or succeeded", ("success",), True),
     ("failed and succeeded", ("success",), False)],
)  # fmt: skip
def test_a_condition_in_words_is_asked_of_each_window(
    memory: Store, book: Book, make: Make, write: Write, words: str, outcomes: Sequence[str], *, fires: bool
) -> None:
    detection = loaded(write, BOTH % "temporal" + f"  condition: {words}\n")
    memory.append([make(number, login(outcome)) for number, outcome in enumerate(outcomes, start=1)])
    judge(memory, book, detection)
    assert bool(book.alerts()) == fires


def test_a_condition_in_words_names_its_rules_itself(write: Write) -> None:
    text = (BOTH % "temporal").replace("  rules: [failed, succeeded]\n", "") + "  condition: failed and not succeeded\n"
    correlation = loaded(write, text).correlation
    assert correlation is not None
    assert correlation.condition == AllOf((Exists("failed"), Not(Exists("succeeded"))))
    assert [part.name for part in correlation.parts] == ["failed", "succeeded"]


def test_an_alias_is_another_field_for_each_rule(memory: Store, book: Book, make: Make, write: Write) -> None:
    text = (BOTH % "temporal_ordered").replace("[source.ip]", "[host]")
    detection = loaded(write, text + "  aliases: {host: {failed: source.ip, succeeded: destination.ip}}\n")
    other = {"event.outcome": "success", "destination.ip": "192.0.2.7"}
    memory.append([make(1, login("failure")), make(2, login("success")), make(3, other)])
    judge(memory, book, detection)
    (alert,) = book.alerts()
    assert (alert.key, alert.count, alert.title) == ((("host", "192.0.2.7"),), 2, "They came together")


def test_different_values_are_counted_without_regard_to_case(
    memory: Store, book: Book, make: Make, write: Write
) -> None:
    text = "  type: value_count\n  rules: failed\n  group-by: [source.ip]\n  timespan: 5m\n"
    detection = loaded_beside(write, text + "  condition: {gte: 3, field: user.name}\n")
    names = ["root", "ROOT", "admin", "admin", "Root"]
    memory.append([make(n, {**login("failure"), "user.name": name}) for n, name in enumerate(names, start=1)])
    judge(memory, book, detection)
    assert not book.alerts()
    memory.append([make(9, {**login("failure"), "user.name": ("guest", "root")}), make(10, login("failure"))])
    judge(memory, book, detection)
    (alert,) = book.alerts()
    assert (alert.count, alert.summary) == (6, "at least 3 different values of user.name within 5 min")


def loaded_beside(write: Write, correlation: str) -> Detection:
    """Return a correlation that leaves the other rule alone."""
    rules = load([write(text=RULES + correlation)])
    assert not rules.refused
    return next(one for one in rules.detections if one.correlation)


def test_combinations_of_several_fields_are_counted(memory: Store, book: Book, make: Make, write: Write) -> None:
    text = (
        "  type: value_count\n  rules: failed\n  timespan: 5m\n  condition: {gte: 3, field: [source.ip, user.name]}\n"
    )
    detection = loaded_beside(write, text)
    memory.append([make(1, {**login("failure", "192.0.2.1"), "user.name": ("a", "b")})])
    judge(memory, book, detection)
    assert not book.alerts()
    memory.append([make(2, {**login("failure", "192.0.2.2"), "user.name": "a"})])
    judge(memory, book, detection)
    assert len(book.alerts()) == 1


@pytest.mark.parametrize(
    ("kind", "condition", "fires"),
    [("value_sum", "gt: 109, field: source.bytes", True), ("value_sum", "gt: 110, field: source.bytes", False),
     ("value_avg", "gte: 27.5, field: source.bytes", True), ("value_avg", "gt: 27.5, field: source.bytes", False),
     ("value_median", "eq: 25, field: source.bytes", True),
     ("value_percentile", "gte: 44, percentile: 90, field: source.bytes", True),
     ("value_percentile", "gt: 44, percentile: 90, field: source.bytes", False)],
)  # fmt: skip
def test_numbers_are_reckoned_exactly(
    memory: Store, book: Book, make: Make, write: Write, kind: str, condition: str, *, fires: bool
) -> None:
    text = f"  type: {kind}\n  rules: failed\n  group-by: source.ip\n  timespan: 5m\n  condition: {{{condition}}}\n"
    detection = loaded_beside(write, text)
    sizes: list[Value] = [(10, 20), 30, 50, "1000", True]
    memory.append([make(n, {**login("failure"), "source.bytes": size}, at=UNIT) for n, size in enumerate(sizes, 1)])
    judge(memory, book, detection)
    assert bool(book.alerts()) == fires


@pytest.mark.parametrize(
    ("correlation", "reason"),
    [
        (BOTH % "temporal" + "  condition: {gte: 3}\n", "can never fire: it asks for 3 of 2 rules"),
        (BOTH % "temporal_ordered" + "  condition: {gte: 1}\n", "asks for all of its rules"),
        (BOTH % "temporal_ordered" + "  condition: failed and succeeded\n", "temporal_ordered takes none"),
        (BOTH % "temporal" + "  condition: failed and nobody\n", "not valid"),
        (BOTH % "temporal" + "  condition: failed\n", "not valid"),
        (BOTH % "temporal" + "  condition: {gte: 2, field: user.name}\n", "nothing else"),
        (BOTH % "value_sum" + "  condition: {gte: 2, field: user.name}\n", "user.name holds keyword, not numbers"),
        (BOTH % "value_sum" + "  condition: {gte: 2, field: [source.bytes, source.port]}\n", "looks at one field"),
        (BOTH % "value_count" + "  condition: {gte: 2, field: nobody}\n", "'nobody' is no known field"),
        (BOTH % "value_count" + "  condition: {gte: 2, field: []}\n", "not valid|a list of them"),
        (BOTH % "value_count" + "  condition: {gte: 2.5, field: user.name}\n", "whole number"),
        (BOTH % "value_count" + "  condition: {lt: 0, field: user.name}\n", "never fire"),
        (BOTH % "value_percentile" + "  condition: {gte: 2, field: source.bytes}\n", "needs 'percentile'"),
        (BOTH % "value_percentile" + "  condition: {gte: 2, field: source.bytes, percentile: 101}\n", "0 and 100"),
        ((BOTH % "temporal").replace("succeeded", "gone"), "counts 'gone'"),
    ],
)
def test_a_correlation_that_makes_no_sense_is_refused(write: Write, correlation: str, reason: str) -> None:
    rules = load([write(text=RULES + correlation)])
    (refused,) = rules.refused
    assert any(part in refused.reason for part in reason.split("|")), refused.reason


@pytest.mark.parametrize(
    ("correlation", "refused"),
    [(BOTH % "temporal_ordered", 1), (BOTH % "temporal", 1), (BOTH % "temporal" + "  condition: {gt: 1}\n", 1),
     (BOTH % "temporal" + "  condition: {gte: 1}\n", 0), (BOTH % "temporal" + "  condition: failed or succeeded\n", 0)],
)  # fmt: skip
def test_rules_that_must_come_together_can_never_fire_if_one_of_them_cannot(
    write: Write, correlation: str, refused: int
) -> None:
    text = RULES.replace("{event.outcome: success}", "{event.outcome: success, user.roles: admin}")
    rules = load([write(text=text + correlation)], {"event.outcome", "source.ip"})
    assert [one.reason for one in rules.refused] == ["can never fire: no pack supplies field user.roles"] * refused


BRUTE = """\
  type: event_count
  rules: [failed]
  group-by: [source.ip, user.name]
  timespan: 5m
  condition: {gte: 3}
name: brute
---
title: It worked
id: 11111111-0000-4000-8000-000000000004
level: critical
correlation:
  type: temporal_ordered
  rules: [brute, succeeded]
  group-by: [source.ip]
  timespan: 10m
"""


def test_a_correlation_may_be_about_a_correlation(memory: Store, book: Book, make: Make, write: Write) -> None:
    detection = loaded(write, BRUTE)
    assert detection.title == "It worked"
    failures = [make(number, {**login("failure"), "user.name": "root"}) for number in (1, 2, 3)]
    memory.append([*failures[:2], make(4, login("success")), make(5, {**login("failure"), "user.name": "other"})])
    judge(memory, book, detection)
    assert not book.alerts()
    memory.append([make(6, {**login("failure"), "user.name": "root"}, at=timedelta(seconds=3))])
    judge(memory, book, detection)
    (alert,) = book.alerts()
    assert (alert.key, alert.count) == ((("source.ip", "192.0.2.7"),), 4)


@pytest.mark.parametrize("late", range(4))
def test_an_event_that_comes_late_reaches_through_both_correlations(
    memory: Store, book: Book, make: Make, write: Write, late: int
) -> None:
    detection = loaded(write, BRUTE)
    moments = [timedelta(minutes=0), timedelta(minutes=2), timedelta(minutes=4.8), timedelta(minutes=14)]
    outcomes = ["failure", "failure", "failure", "success"]
    events = [
        make(9 if number == late else number + 1, {**login(outcome), "user.name": "root"}, at=at)
        for number, (outcome, at) in enumerate(zip(outcomes, moments, strict=True))
    ]
    memory.append([event for event in events if event.seq != 9])
    judge(memory, book, detection)
    assert not book.alerts()
    memory.append([event for event in events if event.seq == 9])
    judge(memory, book, detection)
    (alert,) = book.alerts()
    assert alert.count == 4


def test_a_correlation_that_others_are_about_may_raise_alerts_as_well(write: Write) -> None:
    rules = load([write(text=RULES + BRUTE + "  generate: true\n")])
    assert {one.title for one in rules.detections} == {"A login", "They came together", "It worked"}


@pytest.mark.parametrize("direct", [0, 8])
@pytest.mark.parametrize(
    ("detection", "count"),
    [(rule("value_count", 5, count=3), 3), (rule("value_sum", 5, count=3), 3), (rule("temporal", 5, count=3), 3),
     (rule("temporal_ordered", 5), 3), (chained("temporal_ordered", 5), 3)],
    ids=["value_count", "value_sum", "temporal", "temporal_ordered", "chained"],
)  # fmt: skip
def test_what_a_store_on_disk_holds_counts_as_well(  # noqa: PLR0917  fixtures and cases
    tmp_path: Path,
    book: Book,
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
    detection: Detection,
    count: int,
    direct: int,
) -> None:
    monkeypatch.setattr("sentinel.detect.correlate.DIRECT_MAX", direct)
    store = EmbeddedStore(tmp_path / "store")
    whats = [0, 0, 1] if detection.correlation == chained("temporal_ordered", 5).correlation else [0, 1, 2]
    for number, what in enumerate(whats, start=1):
        assert not book.alerts()
        store.append([make(number, fields("192.0.2.1", what), at=number * UNIT)])
        judge(store, book, detection)  # each time a new process: what came before is in the store only
    (alert,) = book.alerts()
    assert (alert.count, alert.key[0][1]) == (count, "192.0.2.1")
    store.close()


@pytest.mark.parametrize(
    ("old", "new", "reasons"),
    [
        ("group-by: [source.ip]", "group-by: [host.name]", ["'brute' is not grouped by 'host.name'"]),
        ("temporal_ordered", "event_count", ["only temporal kinds may be about correlations"]),
        ("rules: [failed]", "rules: [again]", ["(it is about itself)", "counts 'brute'"]),
        ("rules: [failed]", "rules: [gone]", ["refused itself", "refused itself"]),
        ("name: brute", "name: failed", ["its name 'failed' is taken", "counts 'brute'"]),
    ],
)
def test_a_correlation_about_a_correlation_that_makes_no_sense_is_refused(
    write: Write, old: str, new: str, reasons: list[str]
) -> None:
    text = BRUTE.replace("level: critical", "level: critical\nname: again").replace(old, new)
    if "event_count" in new:
        text += "  condition: {gte: 2}\n"
    refused = load([write(text=RULES + text)]).refused
    assert len(refused) == len(reasons)
    for reason in reasons:
        assert any(reason in one.reason for one in refused), refused


def test_the_store_is_asked_only_while_it_may_hold_what_is_in_a_window(
    book: Book, make: Make, new_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = new_store()
    asked: list[int] = []
    search = store.search

    def counted(where: Where, span: Span, limit: int) -> list[Event]:
        asked.append(limit)
        return search(where, span, limit)

    monkeypatch.setattr(store, "search", counted)  # of few groups each is looked for
    detection = rule("event_count", 5, count=3)
    store.append([make(1, fields("192.0.2.1", 0), at=0 * UNIT)])
    Runner(store, book, [detection], CLOCK, store.newest).run()
    runner = Runner(store, book, [detection], CLOCK, store.newest)  # as after a restart

    def judged(number: int, at: int) -> list[int]:
        asked.clear()
        store.append([make(number, fields("192.0.2.1", 0), at=at * UNIT)])
        runner.run()
        return list(asked)

    assert judged(2, 1), "the one before may be in its window"
    assert judged(3, 2)
    (alert,) = book.alerts()
    assert alert.count == 3
    for number, at in enumerate(range(20, 30), start=4):
        assert judged(number, at) == [], "what was judged before this process began is long past"
    assert judged(14, 3), "a late one"
    assert sum(one.count for one in book.alerts()) == 14
