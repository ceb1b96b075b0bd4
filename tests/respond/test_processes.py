"""A host's processes are a tree: every beginning stands in it once, and what is missing is seen to be missing."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.event import Event, Fields
from sentinel.respond.processes import SECURITY, SYSMON, Process, Tree, grown

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def told(number: int, code: str, seconds: float, **said: str | int) -> Event:
    fields: Fields = {name.replace("__", "."): value for name, value in said.items()}
    fields |= {"event.code": code, "event.provider": SYSMON if len(code) == 1 else SECURITY, "host.name": "pc"}
    return Event(f"e{number}", number, NOW + timedelta(seconds=seconds), NOW, fields)


def sysmon(number: int, seconds: float, own: str, parent: str, name: str = "x.exe", pid: int = 7) -> Event:
    return told(
        number, "1", seconds, process__entity_id=own, process__parent__entity_id=parent, process__executable=name,
        process__pid=pid, process__parent__executable=f"parent of {name}",
    )  # fmt: skip


def security(number: int, seconds: float, pid: int, parent: int, name: str = "x.exe") -> Event:
    return told(
        number, "4688", seconds, process__pid=pid, process__parent__pid=parent, process__executable=name,
        process__parent__executable=f"parent of {name}",
    )  # fmt: skip


def drawn(roots: list[Process]) -> list[str]:
    tree = Tree(tuple(roots), more=False)
    return [f"{'.' * depth}{'?' if one.gap else ''}{one.name}" for depth, one in tree.walk()]


def test_children_stand_below_their_parents_by_guid_and_a_missing_parent_is_a_gap_that_its_children_share() -> None:
    events = [
        sysmon(1, 0, "A", "?", "winword.exe"),
        sysmon(2, 1, "B", "A", "cmd.exe"),
        sysmon(3, 2, "C", "B", "powershell.exe"),
        sysmon(4, 3, "D", "?", "winword.exe"),
        told(5, "5", 9, process__entity_id="C"),
    ]
    roots = grown(events)
    assert drawn(roots) == [
        "?parent of winword.exe", ".winword.exe", "..cmd.exe", "...powershell.exe", ".winword.exe",
    ]  # fmt: skip
    assert roots[0].children[0].children[0].children[0].ended == NOW + timedelta(seconds=9)


def test_a_number_that_is_used_again_belongs_to_who_had_it_at_the_time() -> None:
    events = [
        security(1, 0, 100, 4, "first.exe"),
        security(2, 10, 200, 100, "of-first.exe"),
        told(3, "4689", 20, process__pid=100),
        security(4, 25, 201, 100, "orphan.exe"),
        security(5, 30, 100, 4, "second.exe"),
        security(6, 40, 202, 100, "of-second.exe"),
    ]
    assert drawn(grown(events)) == [
        "?parent of first.exe", ".first.exe", "..of-first.exe",
        "?parent of orphan.exe", ".orphan.exe",
        "?parent of second.exe", ".second.exe", "..of-second.exe",
    ]  # fmt: skip


def test_what_both_logs_tell_of_is_one_process_whichever_tells_first() -> None:
    for first, second in ((0.0, 0.5), (0.5, 0.0)):
        events = [
            sysmon(1, first, "A", "", "cmd.exe", 100),
            security(2, second, 100, 0, "cmd.exe"),
            sysmon(3, 5, "B", "A", "who.exe", 101),
            security(4, 6, 102, 100, "net.exe"),
        ]
        names = drawn(grown(events))
        assert Counter(one.lstrip(".") for one in names)["cmd.exe"] == 1
        assert {"who.exe", "net.exe"} == {child.name for one in grown(events) for child in _all(one, "cmd.exe")}


def _all(root: Process, name: str) -> list[Process]:
    tree = Tree((root,), more=False)
    return next((one.children for _, one in tree.walk() if one.name == name), [])


def test_a_number_used_again_at_once_is_another_process_in_the_same_log() -> None:
    assert len(grown([sysmon(1, 0, "A", "", pid=9), sysmon(2, 1, "B", "", pid=9)])) == 2


GUIDS = st.sampled_from(["", "A", "B", "C", "D"])
EVENTS = st.lists(
    st.one_of(
        st.builds(lambda at, own, parent, pid: sysmon(0, at, own, parent, pid=pid), st.integers(0, 9), GUIDS, GUIDS,
                  st.integers(1, 3)),
        st.builds(lambda at, pid, parent: security(0, at, pid, parent), st.integers(0, 9), st.integers(1, 3),
                  st.integers(1, 3)),
        st.builds(lambda at, pid: told(0, "4689", at, process__pid=pid), st.integers(0, 9), st.integers(1, 3)),
        st.builds(lambda at, own: told(0, "5", at, process__entity_id=own), st.integers(0, 9), GUIDS),
    ),
    max_size=15,
)  # fmt: skip


@given(events=EVENTS, random=st.randoms(use_true_random=False))
def test_whatever_the_logs_say_and_in_whatever_order_each_process_stands_in_the_tree_once_and_after_its_parent(
    events: list[Event], random: Random
) -> None:
    named = [Event(f"e{at}", at, one.timestamp, NOW, one.fields) for at, one in enumerate(events)]
    roots = grown(named)
    mixed = list(named)
    random.shuffle(mixed)
    assert drawn(grown(mixed)) == drawn(roots)
    tree = Tree(tuple(roots), more=False)
    met = Counter(one.event for _, one in tree.walk() if not one.gap)
    assert set(met.values()) <= {1}
    assert met.keys() <= {one.id for one in named if one.fields["event.code"] in {"1", "4688"}}
    for _, one in tree.walk():
        assert one.children or not one.gap
        assert all(one.gap or one.started <= child.started for child in one.children)  # type: ignore[operator]  # both began
