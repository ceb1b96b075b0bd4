"""The compiled rules answer as the definition does, and lanes leave no rule out."""

from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.detection import Detection
from sentinel.core.event import Value
from sentinel.core.where import (
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
from sentinel.detect.matcher import Matcher, View, anchors, compiled

# values and predicates are drawn from one small pool, so that they meet
FIELDS = st.sampled_from(["event.code", "event.dataset", "message", "source.ip"])
TEXTS = st.sampled_from(
    ["", "1", "a", "A", "ab", "straße", "STRASSE", "a*b", "a?b", "\\", "192.0.2.7", "::ffff:192.0.2.7"]
)
SCALARS: st.SearchStrategy[str | int | float | bool] = st.one_of(
    TEXTS, st.sampled_from([1, 0, 2.0, 1.5]), st.booleans()
)
VALUES: st.SearchStrategy[Value] = st.one_of(SCALARS, st.lists(SCALARS, max_size=3).map(tuple))
EVENTS = st.dictionaries(st.one_of(FIELDS, st.just("event.original")), VALUES, max_size=4)
PATTERNS = st.text(st.sampled_from("aAb*?\\ßs1."), max_size=5)
LIKENESSES = st.sampled_from(["is", "startswith", "endswith", "contains"])
LEAVES: st.SearchStrategy[Where] = st.one_of(
    st.builds(Is, FIELDS, st.one_of(SCALARS, st.none()), st.booleans()),
    st.builds(Like, FIELDS, PATTERNS, st.booleans()),
    st.builds(Matches, FIELDS, st.sampled_from(["a", "^A$", "[0-9]+", "."]), st.sampled_from(["", "i"])),
    st.builds(Within, FIELDS, st.sampled_from(["192.0.2.0/24", "::/0"])),
    st.builds(Compare, FIELDS, st.sampled_from(["lt", "lte", "gt", "gte"]), st.sampled_from([0, 1, 1.5])),
    st.builds(Dated, FIELDS, st.sampled_from(["hour", "week"]), st.sampled_from(["eq", "gte"]), st.integers(0, 2)),
    st.builds(Exists, FIELDS),
    st.builds(Same, FIELDS, FIELDS, st.booleans(), LIKENESSES),
    st.builds(Keyword, PATTERNS, st.booleans()),
)
WHERES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: AllOf(tuple(items))),
        st.lists(inner, max_size=4).map(lambda items: AnyOf(tuple(items))),
        inner.map(Not),
    ),
    max_leaves=8,
)


def rule(number: int, where: Where) -> Detection:
    return Detection(str(number), f"rule {number}", "low", where, "v", "x.yml")


def unexpected(detection: Detection, error: Exception) -> None:
    raise AssertionError(detection.id) from error


@given(where=WHERES, event=EVENTS)
def test_a_compiled_rule_answers_as_the_definition_does(where: Where, event: dict[str, Value]) -> None:
    assert compiled(where)(View(event)) == holds(where, event)


@given(wheres=st.lists(WHERES, max_size=6), event=EVENTS)
def test_lanes_leave_no_rule_out_that_holds(wheres: list[Where], event: dict[str, Value]) -> None:
    matcher = Matcher(rule(number, where) for number, where in enumerate(wheres))
    wanted = [str(number) for number, where in enumerate(wheres) if holds(where, event)]
    assert [one.id for one in matcher.matching(event, unexpected)] == wanted


def test_a_lane_is_an_equality_the_rule_cannot_do_without() -> None:
    code, channel = Is("event.code", 1), Is("winlog.channel", "Security")
    assert anchors(AllOf((channel, code))) == frozenset({("event.code", "1")})
    assert anchors(AnyOf((AllOf((channel, code)), Is("event.code", "4688")))) == frozenset(
        {("event.code", "1"), ("event.code", "4688")}
    )
    assert anchors(AnyOf((code, Exists("user.name")))) is None
    assert anchors(Not(code)) is None
    assert anchors(Is("event.code", None)) is None


def test_a_rule_that_cannot_be_compiled_is_set_aside_with_its_reason() -> None:
    deep: Where = Is("user.name", "x")
    for _ in range(5000):
        deep = Not(deep)
    matcher = Matcher([rule(1, deep), rule(2, Is("user.name", "x"))])
    assert [detection.id for detection, _ in matcher.broken] == ["1"]
    assert [one.id for one in matcher.matching({"user.name": "x"}, unexpected)] == ["2"]
