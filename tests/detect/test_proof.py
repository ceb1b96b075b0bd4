"""No rule goes live of which its definition, the matcher and the store do not say the same: broken ones are refused."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.app import App
from sentinel.config import load as options
from sentinel.core.content import content
from sentinel.core.detection import Correlation, Detection
from sentinel.core.errors import StoreError
from sentinel.core.event import Event, Value
from sentinel.core.ports import Span, Store
from sentinel.core.regex import compile_regex
from sentinel.core.where import AllOf, AnyOf, Compare, Dated, Exists, Is, Like, Matches, Not, Where, Within, holds
from sentinel.detect import correlate, windows
from sentinel.detect.matcher import Matcher
from sentinel.detect.proof import Verdict, made, prove
from sentinel.detect.recent import Seen
from sentinel.detect.rules import Rules
from sentinel.detect.sample import samples
from sentinel.detect.witness import cases, witness
from sentinel.testing.proof import Proving, embedded

Rewrite = Callable[[Where], Where | None]
Write = Callable[..., Path]


def detection(where: Where, correlation: Correlation | None = None) -> Detection:
    return Detection("r", "R", "high", where, "v", "r.yml", correlation=correlation)


def verdict(where: Where, correlation: Correlation | None = None, **how: object) -> Verdict:
    how.setdefault("stored", embedded)
    (one,) = prove([detection(where, correlation)], **how)  # type: ignore[arg-type]  # passed on
    return one


def rewritten(where: Where, leaf: Rewrite) -> Where:
    changed = leaf(where)
    if changed is not None:
        return changed
    match where:
        case AllOf(items) | AnyOf(items):
            return type(where)(tuple(rewritten(item, leaf) for item in items))
        case Not(item):
            return Not(rewritten(item, leaf))
        case _:
            return where


class Mistranslating:
    """A real store that asks for something slightly else than it is asked."""

    def __init__(self, store: Store, wrong: Rewrite) -> None:
        self._store = store
        self._wrong = wrong

    def __getattr__(self, name: str) -> object:
        """Return what the real store has."""
        return getattr(self._store, name)

    def search(self, where: Where, span: Span, limit: int) -> list[Event]:
        return self._store.search(rewritten(where, self._wrong), span, limit)


def mistranslating(wrong: Rewrite) -> Callable[[Sequence[Event]], AbstractContextManager[Store]]:
    @contextmanager
    def stored(events: Sequence[Event]) -> Iterator[Store]:
        with embedded(events) as store:
            yield Mistranslating(store, wrong)  # type: ignore[misc]  # all else is the real store's

    return stored


def one_off(where: Where) -> Where | None:
    match where:
        case Compare(field, "gte", number):
            return Compare(field, "gt", number)
        case Dated(field, part, operator, number):
            return Dated(field, part, operator, number + 1)
        case Within(field, "192.0.2.0/25"):
            return Within(field, "192.0.2.0/26")
        case _:
            return None


def with_case(where: Where) -> Where | None:
    match where:
        case Is(field, str() as value, False):
            return Is(field, value, cased=True)
        case Like(field, pattern, False):
            return Like(field, pattern, cased=True)
        case _:
            return None


def all_wild(where: Where) -> Where | None:
    return Like(where.field, where.value) if isinstance(where, Is) and isinstance(where.value, str) else None


def dots_and_underscores_wild(where: Where) -> Where | None:
    match where:
        case Like(field, pattern, cased):
            return Like(field, pattern.replace("_", "?"), cased)
        case _:
            return None


def without_exceptions(where: Where) -> Where | None:
    return AllOf(()) if isinstance(where, Not) else None


def null_is_empty(where: Where) -> Where | None:
    return Is(where.field, "") if isinstance(where, Is) and where.value is None else None


def dot_all(where: Where) -> Where | None:
    return Matches(where.field, where.regex, "s") if isinstance(where, Matches) else None


def alternatives_lost(where: Where) -> Where | None:
    return AnyOf(where.items[:-1]) if isinstance(where, AnyOf) else None


@pytest.mark.parametrize(
    ("where", "wrong"),
    [
        (Compare("source.port", "gte", 1024), one_off),
        (Dated("@timestamp", "hour", "gte", 22), one_off),
        (Within("source.ip", "192.0.2.0/25"), one_off),
        (Is("user.name", "root"), with_case),
        (Like("process.command_line", "*mimikatz*"), with_case),
        (Is("file.name", "a*b"), all_wild),
        (Like("file.name", "*my_file*"), dots_and_underscores_wild),
        (AllOf((Is("user.name", "root"), Not(Is("source.ip", "192.0.2.1")))), without_exceptions),
        (AllOf((Is("user.name", "root"), Is("source.ip", None))), null_is_empty),
        (Matches("process.command_line", "a.+b"), dot_all),
        (AnyOf((Is("user.name", "a"), Is("user.name", "b"), Is("user.name", "c"))), alternatives_lost),
    ],
)
def test_a_rule_that_the_store_understands_otherwise_is_refused_and_the_event_shown(
    where: Where, wrong: Rewrite
) -> None:
    assert verdict(where).reason == ""
    refused = verdict(where, stored=mistranslating(wrong))
    assert refused.reason.startswith("not proven: ")
    shown = json.loads(refused.reason[refused.reason.index("): ") + 3 :])
    named = {value for value in ("user.name", "source.ip", "source.port", "file.name", "@timestamp") if value in shown}
    assert named
    assert holds(where, shown) != holds(rewritten(where, wrong), shown)


@pytest.mark.parametrize("wrong", [with_case, alternatives_lost, without_exceptions])
def test_a_rule_that_the_matcher_understands_otherwise_is_refused(wrong: Rewrite) -> None:
    where = AllOf((AnyOf((Is("user.name", "a"), Is("user.name", "b"))), Not(Exists("source.ip"))))

    def matcher(given: Sequence[Detection]) -> Matcher:
        return Matcher([replace(one, where=rewritten(one.where, wrong)) for one in given])

    assert verdict(where).reason == ""
    assert "the matcher" in verdict(where, matcher=matcher).reason


def test_a_matcher_that_fails_over_an_event_proves_nothing() -> None:
    class Failing(Matcher):
        def each(
            self, events: Iterable[Event | Mapping[str, Value]], failed: Callable[[Detection, Exception], None]
        ) -> Iterator[list[Detection]]:
            for found in super().each(events, failed):
                failed(detection(Exists("user.name")), ValueError("too odd"))
                yield found[:0]

    assert "too odd" in verdict(Exists("user.name"), matcher=Failing).reason


def test_a_rule_of_which_no_event_can_be_made_is_refused_unless_one_lies_beside_it() -> None:
    assert verdict(AllOf((Is("user.name", "a"), Not(Is("user.name", "a"))))).reason.startswith("cannot be proven: ")
    odd = Matches("user.name", r"^ab\b.c$")
    assert verdict(odd).reason.startswith("cannot be proven: ")
    assert verdict(odd, fixtures=lambda _one: [{"user.name": "ab c"}]).reason == ""


MINUTES = timedelta(minutes=5)
KINDS = [
    Correlation("event_count", ("source.ip",), MINUTES, "gte", 4),
    Correlation("event_count", (), MINUTES, "gt", 2),
]


@pytest.mark.parametrize("asked", KINDS, ids=lambda one: f"{one.kind} {one.relation}")
def test_a_window_one_tick_too_long_or_one_event_too_few_is_found(
    asked: Correlation, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = Is("event.action", "login")
    assert verdict(where, asked).reason == ""
    for wrong in (
        replace(asked, span=asked.span + timedelta(milliseconds=1)),
        replace(asked, span=asked.span - timedelta(milliseconds=1)),
        replace(asked, count=asked.count + 1),
        replace(asked, count=asked.count - 1),
        replace(asked, relation="eq"),
    ):

        def firing(_rule: Correlation, around: Sequence[Seen], *ends: object, wrong: Correlation = wrong) -> list[Seen]:
            return windows.firing(wrong, around, *ends)  # type: ignore[arg-type]  # passed on

        monkeypatch.setattr(correlate, "firing", firing)
        assert verdict(where, asked).reason.startswith("not proven: "), wrong
        monkeypatch.undo()


class Forgetful(Mistranslating):
    """A store that does not find the event that came first of many."""

    def search(self, where: Where, span: Span, limit: int) -> list[Event]:
        found = self._store.search(where, span, limit)
        return found[:-1] if len(found) > 2 and span.axis == "timestamp" else found


def test_a_correlation_over_a_store_that_loses_an_event_is_refused() -> None:
    @contextmanager
    def stored(events: Sequence[Event]) -> Iterator[Store]:
        with embedded(events) as store:
            yield Forgetful(store, lambda _where: None)  # type: ignore[misc]  # all else is the real store's

    refused = verdict(Is("event.action", "login"), KINDS[0], stored=stored)
    assert refused.reason.startswith("not proven: over the store it misses")


# -- witnesses

NAMES = st.sampled_from(["user.name", "process.command_line", "source.ip", "source.port", "message"])
LEAVES: st.SearchStrategy[Where] = st.one_of(
    st.builds(Is, NAMES, st.sampled_from(["root", "a*b", "192.0.2.7", 443, None]), st.booleans()),
    st.builds(Like, NAMES, st.sampled_from(["*x*", "a*", "*.exe", "a?c*", "192.0.*", r"*\**"]), st.booleans()),
    st.builds(Matches, NAMES, st.sampled_from(["a+b", "^x", "[0-9]{3}$", "(one|two) three"])),
    st.builds(Within, st.just("source.ip"), st.sampled_from(["192.0.2.0/24", "2001:db8::/32"])),
    st.builds(Compare, st.just("source.port"), st.sampled_from(["lt", "gte"]), st.integers(0, 9)),
    st.builds(Exists, NAMES),
)


@given(st.lists(LEAVES, min_size=1, max_size=4).map(tuple))
def test_alternatives_always_have_a_witness_for_each(items: tuple[Where, ...]) -> None:
    made = cases(AnyOf(items))
    for item in items:
        assert any(holds(item, case.fields) for case in made)
    found = witness(AnyOf(items))
    assert found is not None
    assert holds(AnyOf(items), found)


@pytest.mark.parametrize(
    "regex",
    [
        r"^[a-z]{3}-\d+$", r"(?i)invoke-(?:mimikatz|expression)", r"\s\$\{?x+\}?", r"[^\s\"']{12,}=", r"a|b(c|d)+?e",
        r"\x41\x{1F692}", r"(?P<name>[[:alpha:]]+)\.(exe|dll)\b", r"\QC:\Users\E.*\\x", r"[\]\-^]{2}", r".{400}",
    ],
)  # fmt: skip
def test_a_text_is_made_in_which_an_expression_occurs(regex: str) -> None:
    made = list(samples(regex))
    assert made
    assert all(compile_regex(regex).search(one) is not None for one in made)


# -- as rules are loaded

RULE = """\
title: {title}
id: 00000000-0000-4000-8000-00000000000{number}
logsource: {{product: linux, service: sshd}}
detection:
  sel: {{user.name: {user}}}
  condition: sel
"""


@pytest.fixture
def app(tmp_path: Path) -> App:
    own = tmp_path / "rules"
    own.mkdir()
    for number, user in enumerate(["anna", "bernd"], start=1):
        (own / f"{user}.yml").write_text(RULE.format(title=user, number=number, user=user))
    path = tmp_path / "sentinel.toml"
    path.write_text(f'data = "{tmp_path}/data"\n[content]\nrules = ["{own}"]\n')
    return App(options(path))


def own(app: App) -> Rules:
    return app.rules_in(app.config.content.rules)


def titles(rules: Rules) -> set[str]:
    return {one.title for one in rules.detections}


def test_what_is_not_proven_does_not_go_live_and_is_proven_anew_each_time(app: App) -> None:
    def wrong(where: Where) -> Where | None:
        return Is("user.name", "nobody") if where == Is("user.name", "bernd") else None

    for _ in range(2):
        rules = replace(app.proving, stored=mistranslating(wrong)).live(own(app), print)
        assert titles(rules) == {"anna"}
        (refused,) = (one for one in rules.refused if "bernd" in one.path)
        assert refused.reason.startswith("not proven: its definition and the matcher say yes, the store no")
    assert titles(app.proving.live(own(app), print)) == {"anna", "bernd"}


def test_what_has_been_proven_is_not_proven_again_until_it_changes(app: App) -> None:
    proven: list[int] = []

    def counting(app: App) -> Proving:
        @contextmanager
        def stored(events: Sequence[Event]) -> Iterator[Store]:
            proven.append(len(events))
            with embedded(events) as store:
                yield store

        return replace(app.proving, stored=stored)

    counting(app).live(own(app), print)
    assert len(proven) == 1
    counting(app).live(own(app), print)
    assert len(proven) == 1
    rule = next(Path(one.path) for one in own(app).detections if one.title == "anna")
    rule.write_text(rule.read_text().replace("anna}", "anke}"))
    counting(app).live(own(app), print)
    rule.with_suffix(".fires.jsonl").write_text('{"user.name": "ANKE", "event.dataset": "sshd.log"}\n')
    counting(app).live(own(app), print)
    assert len(proven) == 3
    assert max(proven[1:]) < proven[0]


def test_without_a_store_to_prove_rules_on_they_are_live_and_that_is_told(app: App) -> None:
    @contextmanager
    def away(events: Sequence[Event]) -> Iterator[Store]:
        if events:
            raise StoreError("the node is away")
        with embedded(events) as store:
            yield store

    told: list[str] = []
    rules = replace(app.proving, stored=away).live(own(app), told.append)
    assert titles(rules) == {"anna", "bernd"}
    assert [("live without having been proven" in one, "the node is away" in one) for one in told] == [(True, True)]
    assert any("without having been proven" in note for note in rules.notes)


@pytest.mark.elastic
def test_the_shipped_rules_are_proven_on_elasticsearch(tmp_path: Path, elastic_url: str, elastic_prefix: str) -> None:
    path = tmp_path / "sentinel.toml"
    node = f'kind = "elasticsearch"\nurl = "{elastic_url}"\nprefix = "{elastic_prefix}"\n'
    path.write_text(f'data = "{tmp_path}/data"\n[store]\n{node}')
    app = App(options(path))
    rules = app.rules_in([content("rules")])
    verdicts = list(app.proving.verdicts(rules.detections))
    assert [one.reason for one in verdicts if one.reason] == []
    assert len(verdicts) == len(rules.detections) > 10
    assert min(one.held for one in verdicts) > 0
    with app.writing() as store:
        assert store.newest() == 0
        store.append([made(1, {"user.name": "anna"}, datetime(2026, 11, 23, tzinfo=UTC))])
        assert store.newest() == 1
