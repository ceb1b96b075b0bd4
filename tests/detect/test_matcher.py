"""The matcher says of every rule and event what `holds` says, whatever it remembers, forgets, or finds broken."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sentinel.core.detection import Detection
from sentinel.core.event import Value
from sentinel.core.regex import compile_regex
from sentinel.core.where import (
    ALWAYS,
    AllOf,
    AnyOf,
    Compare,
    Dated,
    Exists,
    Is,
    Keyword,
    Like,
    Matches,
    Not,
    Same,
    Where,
    Within,
    holds,
)
from sentinel.core.wildcard import fold
from sentinel.detect import columns, shapes, tree
from sentinel.detect.guards import guard, least
from sentinel.detect.literals import FOLDING
from sentinel.detect.matcher import Matcher

# values and predicates are drawn from one small pool, so that they meet
NAMES = [
    "event.code",
    "event.dataset",
    "winlog.channel",
    "message",
    "source.ip",
    "user.name",
    "process.pid",
    "@timestamp",
]
FIELDS = st.sampled_from(NAMES)
TEXTS = st.sampled_from([
    "", "1", "a", "A", "ab", "aab", "b a", "straße", "STRASSE", "ſs", "Müller", "MÜLLER", "\u212a", "K", "a*b", "a?b",
    "a\nb", "a\\b", "\\", "true", "2.5", "192.0.2.7", "::ffff:192.0.2.7", "2001:db8::7", "2026-11-23T22:00:00Z",
    "2026-11-23T01:00:00+02:00", "no time", "🚒", "a\ud800b",
])  # fmt: skip
SCALARS: st.SearchStrategy[str | int | float | bool] = st.one_of(
    TEXTS, st.sampled_from([1, 0, 2.0, 2, 2.5, -0.0, 1e22, 10**22]), st.booleans()
)
VALUES: st.SearchStrategy[Value] = st.one_of(SCALARS, st.lists(SCALARS, max_size=3).map(tuple))
EVENTS = st.dictionaries(st.one_of(FIELDS, st.just("event.original")), VALUES, max_size=6)
PATTERNS = st.text(st.sampled_from("aAbkü*?\\ßs1.\n"), max_size=6)
REGEXES = st.sampled_from([
    "a", "^A$", "[0-9]+", ".", "a.b", "a+b", "ab?a", "(?:a|b)+", "a|[0-9]", "a|ß", r"\\", "k", "S", r"a\?b", "^$",
    "(?s)a.b", "a{2}b", "[^]a]", "[[:alpha:]]b", r"\d\.\d", "", "(a)(b)", r"\x61", "\n", "true",
])  # fmt: skip
FLAGS = st.sampled_from(["", "i", "m", "s", "is"])
NETWORKS = st.sampled_from(["192.0.2.0/24", "192.0.2.7", "0.0.0.0/0", "::/0", "2001:db8::/32", "::ffff:192.0.2.0/120"])
LIKENESSES = st.sampled_from(["is", "startswith", "endswith", "contains"])
LEAVES: st.SearchStrategy[Where] = st.one_of(
    st.builds(Is, FIELDS, st.one_of(SCALARS, st.none()), st.booleans()),
    st.builds(Like, FIELDS, PATTERNS, st.booleans()),
    st.builds(Matches, FIELDS, REGEXES, FLAGS),
    st.builds(Within, FIELDS, NETWORKS),
    st.builds(Compare, FIELDS, st.sampled_from(["lt", "lte", "gt", "gte"]), st.sampled_from([0, 1, 2.5])),
    st.builds(Dated, FIELDS, st.sampled_from(["hour", "week"]), st.sampled_from(["eq", "gte"]), st.integers(0, 23)),
    st.builds(Exists, FIELDS),
    st.builds(Same, FIELDS, FIELDS, st.booleans(), LIKENESSES),
    st.builds(Keyword, PATTERNS, st.booleans()),
)
BODIES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: AllOf(tuple(items))),
        st.lists(inner, max_size=4).map(lambda items: AnyOf(tuple(items))),
        inner.map(Not),
    ),
    max_leaves=8,
)
# rules begin with a log source; correlations and queries may be about several, or none
CODES = st.sampled_from([1, "1", "a", True, "A"])
SOURCES = st.sampled_from([
    Is("event.dataset", "a"), Is("event.dataset", "ab"), Exists("winlog.channel"), ALWAYS,
    AnyOf((AllOf((Is("winlog.channel", "a"), Is("event.code", "1"))), Is("event.dataset", "b a"))),
])  # fmt: skip
SINGLE = st.one_of(
    st.builds(lambda source, code, body: AllOf((source, Is("event.code", code), body)), SOURCES, CODES, BODIES),
    st.builds(lambda source, body: AllOf((source, body)), SOURCES, BODIES),
)
WHERES: st.SearchStrategy[Where] = st.one_of(
    BODIES, SINGLE, st.lists(SINGLE, min_size=1, max_size=3).map(lambda items: AnyOf(tuple(items)))
)


def rule(number: int, where: Where) -> Detection:
    return Detection(str(number), f"rule {number}", "low", where, "v", "x.yml")


def unexpected(detection: Detection, error: Exception) -> None:
    raise AssertionError(detection.id) from error


def wanted(wheres: list[Where], event: dict[str, Value]) -> list[str]:
    return [str(number) for number, where in enumerate(wheres) if holds(where, event)]


@pytest.fixture(scope="module", params=["roomy", "cramped"])
def bounds(request: pytest.FixtureRequest) -> Iterator[None]:
    """Once as it is, once so that everything is forgotten all the time, every way is taken and every text is long."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "cramped":
            patch.setattr(columns, "ENTRIES_MAX", 3)
            patch.setattr(columns, "LONG", 1)
            patch.setattr(columns, "SHORT", 0)
            patch.setattr(shapes, "MANY", 0)
            patch.setattr(tree, "LANES_MAX", 2)
            patch.setattr(tree, "SOURCES_MAX", 3)
            patch.setattr(tree, "FORKED_MIN", 1)
            patch.setattr("sentinel.detect.matcher.TOGETHER_MAX", 2)
        yield


@given(wheres=st.lists(WHERES, max_size=10), events=st.lists(EVENTS, min_size=1, max_size=6))
@example(
    [Is("event.code", 1), Is("event.code", value=True)], [{"event.code": 1}, {"event.code": True}, {"event.code": 1.0}]
)
@example([AllOf((Like("user.name", "*aab*"), Like("user.name", "*k*")))], [{"user.name": ("aab", "K")}])
@example([Keyword("ss"), Keyword("k")], [{"message": "x" * 300 + "ß"}, {"event.original": "ü" * 3000 + "\u212a"}])
@example([Keyword("ab"), Like("message", "*AB*")], [{"message": "x" * 300 + "ab"}, {"message": "x" * 3000}])
def test_every_rule_holds_for_the_events_for_which_it_holds(
    bounds: None, wheres: list[Where], events: list[dict[str, Value]]
) -> None:
    matcher = Matcher(rule(number, where) for number, where in enumerate(wheres))
    assert not matcher.broken
    for found, event in zip(matcher.each((*events, *events), unexpected), (*events, *events), strict=True):
        assert [one.id for one in found] == wanted(wheres, event)
    assert [one.id for one in matcher.matching(events[0], unexpected)] == wanted(wheres, events[0])


@given(expression=st.one_of(REGEXES, st.text(st.sampled_from("aAbk|()[]{}.^$*+?\\12-,:ß"), max_size=8)), text=TEXTS)
@example("k", "\u212a")
@example("(?i)s", "ſs")
@example("a{,2}b", "a{,2}b")
@example(r"\Qa|b\E", "a|b")
@example("[]|]a", "|a")
@example("ab*", "xa")
@example(r"\x7c", "|")
@example("a{2}*", "")
@example("[ab]{1}1", "b1")
@example("a[b.]{1}?", "a")
def test_a_text_without_what_guards_an_expression_does_not_match_it(expression: str, text: str) -> None:
    try:
        compile_regex(expression)
    except ValueError:
        return
    literals = guard(expression)
    if len(text) < least(expression) or (literals and not any(fold(one) in fold(text) for one in literals)):
        assert not any(holds(Matches("message", expression, flags), {"message": text}) for flags in ("", "i", "ims"))


def test_an_expression_is_guarded_by_the_longest_text_of_each_alternative() -> None:
    assert guard(r"net\s+group|(?:a|b)whoami\.exe$") == ("group", "whoami.exe")
    assert guard(r"[a-z]+|whoami") == ()
    assert guard(r"\w\.[ ']{1}") == (". ", ".'")


def test_a_text_shorter_than_all_that_an_expression_matches_is_not_searched() -> None:
    assert [least(one) for one in (r"\s[a-f0-9]{64}\s", "a|bc", "^a*b{2,}c?$", "(abc)d", r"\Qab\E")] == [66, 1, 2, 1, 0]


def test_every_character_is_known_that_folds_to_what_an_ascii_literal_may_hold() -> None:
    beyond = (chr(code) for code in range(128, 0x110000))
    assert "".join(one for one in beyond if any(map(str.isascii, one.casefold()))) == FOLDING


def unsound(number: int = 1) -> Matches:
    regex = object.__new__(Matches)
    for name, value in (("field", "message"), ("regex", f"(?=x){number}"), ("flags", "")):
        object.__setattr__(regex, name, value)
    return regex


def test_a_rule_that_raises_trips_only_itself_and_only_where_it_matters() -> None:
    named = Is("user.name", "x")
    rules = [
        rule(1, AllOf((named, unsound()))),
        rule(2, named),
        rule(3, AnyOf((named, unsound()))),
        rule(4, Not(AllOf((Is("user.name", "y"), unsound(2))))),
    ]
    matcher = Matcher(rules)
    told: list[tuple[str, str]] = []

    def failed(detection: Detection, error: Exception) -> None:
        told.append((detection.id, type(error).__name__))

    assert [one.id for one in matcher.matching({"user.name": "x", "message": "x"}, failed)] == ["2", "3", "4"]
    assert told == [("1", "ValueError")]
    told.clear()
    assert [one.id for one in matcher.matching({"user.name": "z", "message": "x"}, failed)] == ["4"]
    assert told == [("3", "ValueError")]
    told.clear()
    each = matcher.each([{"user.name": name, "message": "x"} for name in ("z", "x", "z", "y")], failed)
    heard = [([one.id for one in found], [told.pop(0)[0] for _ in range(len(told))]) for found in each]
    assert heard == [(["4"], ["3"]), (["2", "3", "4"], ["1"]), (["4"], ["3"]), ([], ["3", "4"])]


def test_a_comparison_that_breaks_on_some_value_is_left_to_its_own_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [rule(1, Dated("event.created", "hour", "eq", 1)), rule(2, Like("event.created", "*x*")), rule(3, ALWAYS)]
    matcher = Matcher(rules)
    told: list[str] = []
    event: dict[str, Value] = {"event.created": "x"}
    with monkeypatch.context() as patch:
        for module in ("core.where", "detect.columns"):
            patch.setattr(f"sentinel.{module}.dated", lambda *_: 1 / 0)
        assert [one.id for one in matcher.matching(event, lambda one, _: told.append(one.id))] == ["2", "3"]
        assert [one.id for one in matcher.matching(event, lambda one, _: told.append(one.id))] == ["2", "3"]
    assert told == ["1", "1"]
    assert [one.id for one in matcher.matching(event, unexpected)] == ["2", "3"]


def test_where_a_comparison_breaks_among_many_events_all_are_answered_and_each_failure_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raising = AllOf((Is("user.name", "x"), unsound()))
    matcher = Matcher([rule(1, raising), rule(2, Dated("event.created", "hour", "eq", 1)), rule(3, ALWAYS)])
    told: list[str] = []
    events: list[dict[str, Value]] = [{"user.name": "x", "message": "x"}, {"event.created": "x"}, {}]
    for module in ("core.where", "detect.columns"):
        monkeypatch.setattr(f"sentinel.{module}.dated", lambda *_: 1 / 0)
    each = matcher.each(events, lambda one, _: told.append(one.id))
    assert [[one.id for one in found] for found in each] == [["3"], ["3"], ["3"]]
    assert told == ["1", "2"]


def test_a_text_that_utf8_cannot_carry_costs_no_question_a_leaf(monkeypatch: pytest.MonkeyPatch) -> None:
    likes = [Like("user.name", pattern) for pattern in ("*ab*", "*b*c*", "a*d", "*\ue000*", "*\ufffd*", "ab*")]
    matcher = Matcher([rule(0, Is("user.name", "ab\ud800cd")), *(rule(at, one) for at, one in enumerate(likes, 1))])
    asked: list[object] = []
    monkeypatch.setattr("sentinel.detect.columns.holds", lambda *of: asked.append(of))
    found = matcher.matching({"user.name": "AB\ud800cd"}, unexpected)
    assert ([one.id for one in found], asked) == (["0", "1", "2", "3", "6"], [])


def test_a_rule_that_cannot_be_prepared_is_set_aside_with_its_reason() -> None:
    deep: Where = Is("user.name", "x")
    for _ in range(5000):
        deep = Not(deep)
    matcher = Matcher([rule(1, deep), rule(2, Is("user.name", "x"))])
    assert [(detection.id, reason) for detection, reason in matcher.broken] == [
        ("1", "cannot be prepared: nested deeper than 200 levels")
    ]
    assert [one.id for one in matcher.matching({"user.name": "x"}, unexpected)] == ["2"]
