"""Machines that share a node of Elasticsearch: none has another's number, and each says how far it has stored."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sentinel.core.errors import TakenError
from sentinel.core.node import Node
from sentinel.store.elastic import ElasticStore
from tests.elastic.gate import Gate, Passage

pytestmark = pytest.mark.elastic

NOW = datetime(2026, 11, 28, 8, tzinfo=UTC)
ONE = Node(3, "a" * 32, "run 1", "hall-1", "collect", 3 << 53, NOW, NOW)


@pytest.fixture(autouse=True)
def _ready(store: ElasticStore) -> None:
    store.setup()


def test_a_number_is_claimed_once_and_kept_by_the_spool_that_has_it(opened: Callable[..., ElasticStore]) -> None:
    register = opened().register()
    assert register.nodes() == []
    register.tell(ONE)
    later = replace(ONE, stored=ONE.stored + 9, beat=NOW + timedelta(seconds=5))
    register.tell(later)
    again = replace(later, session="run 2")
    opened().register().tell(again)
    assert register.nodes() == [again]


def test_another_spool_is_refused_the_number_and_told_which_are_taken(opened: Callable[..., ElasticStore]) -> None:
    opened().register().tell(ONE)
    opened().register().tell(replace(ONE, number=0, spool="c" * 32))
    with pytest.raises(TakenError, match=r"node 3 is hall-1 .*give this machine a `node` .*\(0, 3 are taken\)"):
        opened().register().tell(replace(ONE, spool="b" * 32, name="hall-2"))


def test_a_copied_spool_at_work_twice_is_noticed_by_the_one_that_was_first(
    opened: Callable[..., ElasticStore],
) -> None:
    first, copy = opened().register(), opened().register()
    first.tell(ONE)
    copy.tell(replace(ONE, session="run 2", name="hall-2"))
    with pytest.raises(TakenError, match=r"another process stores as node 3 by now, on hall-2"):
        first.tell(ONE)
    copy.tell(replace(ONE, session="run 2", name="hall-2"))


def test_a_store_that_is_forgotten_gives_every_number_to_whoever_comes_next(
    opened: Callable[..., ElasticStore],
) -> None:
    opened().share(None)
    opened().register().tell(ONE)
    opened().forget()
    assert opened().share(None, check=True) != []
    assert opened().register().nodes() == []
    opened().register().tell(replace(ONE, spool="b" * 32))


def test_an_entry_whose_answer_was_lost_is_no_strangers(opened: Callable[..., ElasticStore], gate: Gate) -> None:
    register = opened(gate.url, pause=lambda _: None).register()
    register.tell(ONE)

    def applied_and_lost(passage: Passage) -> None:
        passage.forward()
        passage.close_connection = True

    gate.on = "_doc"
    gate.faults += [applied_and_lost]
    register.tell(replace(ONE, stored=ONE.stored + 1))
    register.tell(replace(ONE, stored=ONE.stored + 2))
    assert [one.stored for one in opened().register().nodes()] == [ONE.stored + 2]
