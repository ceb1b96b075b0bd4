"""An explanation says what `holds` says, names what met each condition, and keeps what decides."""

from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.event import Value
from sentinel.core.explain import Found, Step, deciding, explained, leaves_of
from sentinel.core.where import AllOf, AnyOf, Compare, Exists, Is, Keyword, Like, Not, Same, Where, holds
from tests.conformance.test_property import FIELDS, POOL, predicates

EVENTS: st.SearchStrategy[dict[str, Value]] = st.dictionaries(
    st.sampled_from(FIELDS), st.sampled_from(POOL) | st.lists(st.sampled_from(POOL), max_size=3).map(tuple), max_size=6
)


def answer(step: Step) -> bool:
    # what follows from the leaves alone
    match step.kind:
        case "leaf":
            return step.held
        case "all":
            return all(map(answer, step.steps))
        case "any":
            return any(map(answer, step.steps))
        case "not":
            return not answer(step.steps[0])


@given(where=predicates, event=EVENTS)
def test_every_step_says_what_holds_says_and_what_decides_decides(where: Where, event: dict[str, Value]) -> None:
    step = explained(where, event)
    assert step.held == holds(where, event) == answer(step) == answer(deciding(step))
    for leaf in leaves_of(step):
        assert leaf.leaf is not None
        assert leaf.held == holds(leaf.leaf, event)
        met = any(one.met for one in leaf.found)
        assert met == leaf.held or (isinstance(leaf.leaf, Is) and leaf.leaf.value is None)


def test_each_leaf_names_the_values_that_met_it() -> None:
    event: dict[str, Value] = {"user.name": ("anna", "root"), "source.port": 443, "message": "Failed for anna"}
    where = AllOf(
        (Is("user.name", "root"), Compare("source.port", "gte", 1024), Keyword("failed"), Exists("host.name"))
    )
    step = explained(where, event)
    assert [leaf.held for leaf in step.steps] == [True, False, True, False]
    assert step.steps[0].found == (Found("user.name", ("anna", "root"), ("root",)),)
    assert step.steps[1].found == (Found("source.port", (443,), ()),)
    assert step.steps[2].found[0].met == ("Failed for anna",)
    assert step.steps[3].found == (Found("host.name", (), ()),)
    assert [one.leaf for one in leaves_of(deciding(step))] == [where.items[1], where.items[3]]


def test_of_two_fields_both_are_named() -> None:
    step = explained(Same("user.name", "host.name"), {"user.name": ("a", "b"), "host.name": "B"})
    assert step.found == (Found("user.name", ("a", "b"), ("b",)), Found("host.name", ("B",), ("B",)))


def test_of_alternatives_only_those_that_held_decide() -> None:
    where = AnyOf((Is("user.name", "root"), Like("user.name", "r*"), Not(Exists("user.name"))))
    assert len(deciding(explained(where, {"user.name": "root"})).steps) == 2
    assert len(deciding(explained(where, {"user.name": "anna"})).steps) == 3
