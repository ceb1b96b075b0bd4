"""What an operator changed in rules of others stays over an update, whatever upstream does, and is told."""

from hypothesis import given
from hypothesis import strategies as st

from sentinel.detect.merging import LOCAL, merged

A, B = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2))


def rule(ident: str, text: str = "") -> bytes:
    """Return a rule's file."""
    return f"title: x\nid: {ident}\n{text}\n".encode()


def test_each_case_has_its_fate() -> None:
    old, new, mine = rule(A, "old"), rule(A, "new"), rule(A, "mine")
    cases = [
        ({}, {"a": new}, {}, "added", new),
        ({"a": old}, {"a": new}, {"a": old}, "updated", new),
        ({"a": old}, {"a": old}, {"a": old}, "unchanged", old),
        ({"a": old}, {}, {"a": old}, "removed", None),
        ({"a": old}, {}, {}, "removed", None),
        ({"a": old}, {"a": old}, {"a": mine}, "changed here", mine),
        ({"a": old}, {"a": new}, {"a": mine}, "changed by both", mine),
        ({"a": old}, {"a": mine}, {"a": mine}, "unchanged", mine),
        ({"a": old}, {}, {"a": mine}, "gone upstream", mine),
        ({"a": old}, {"a": new}, {}, "removed here", None),
        ({}, {}, {"a": mine}, "yours", mine),
        ({}, {"a": new}, {"a": mine}, "changed by both", mine),
    ]
    for before, now, here, fate, body in cases:
        found = merged(before, now, here)
        assert found.fates == (("a", fate),), (before, now, here)
        assert found.files == ({} if body is None else {"a": body})


def test_a_rule_that_moved_is_the_same_and_what_was_changed_of_it_stays_once() -> None:
    found = merged({"old/a.yml": rule(A)}, {"new/a.yml": rule(A, "better")}, {"old/a.yml": rule(A, "mine")})
    assert found.files == {"old/a.yml": rule(A, "mine")}
    assert found.fates == (("old/a.yml", "changed by both"),)


def test_another_rule_under_the_name_of_one_that_stays_gets_a_name_beside_it() -> None:
    found = merged({"a.yml": rule(A)}, {"a.yml": rule(B)}, {"a.yml": rule(A, "mine")})
    assert found.files == {"a.yml": rule(A, "mine"), f"a_{B[:8]}.yml": rule(B)}


FILES = st.dictionaries(
    st.sampled_from(["a.yml", "b/a.yml", "c.yml"]),
    st.builds(rule, st.sampled_from([A, B]), st.sampled_from(["1", "2", "3"])),
)


@given(before=FILES, now=FILES, here=FILES)
def test_nothing_of_the_operators_is_lost_and_a_second_time_changes_nothing(
    before: dict[str, bytes], now: dict[str, bytes], here: dict[str, bytes]
) -> None:
    found = merged(before, now, here)
    untouched = set(before.values()) | set(now.values())
    assert {body for body in here.values() if body not in untouched} <= set(found.files.values())
    again = merged(now, now, found.files)
    assert set(again.files.values()) == set(found.files.values())
    assert all(fate in {"unchanged", *LOCAL} for _, fate in again.fates)
