"""Three real nodes lose their master under load, then their majority: nothing is lost, and it is said what is wrong."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

import pytest

from sentinel.core.errors import StoreError
from sentinel.core.event import Event
from sentinel.core.ports import Span
from sentinel.core.where import ALWAYS
from sentinel.store.elastic import ElasticStore
from sentinel.store.es_bulk import Delivery, Line, Patience, Trouble
from sentinel.store.es_pace import Pace
from tests.elastic.cluster import three_nodes
from tests.elastic.conftest import START
from tests.running import eventually

pytestmark = pytest.mark.elastic
EVER = Span(datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
GONE = Trouble(StoreError("a node is gone"), OSError(), may_pass=True, answered=False)
REFUSED = Trouble(StoreError("no elected master"), OSError(), may_pass=True)
HASTE = Patience(attempts=2, base_seconds=0.1)
BATCHES, BATCH = 30, 50


def test_a_lost_master_costs_nothing_and_a_lost_majority_is_said_in_words(make: Callable[..., Event]) -> None:
    with three_nodes() as cluster:
        master = cluster.master()
        urls = [master.url, *(node.url for node in cluster.nodes if node != master)]
        # a part of this one lies on every node, and no copy of it
        bare = ElasticStore(urls[1], other_urls=urls[2:], prefix="bare", shards=3, replicas=0, timeout_seconds=10)
        bare.append([make(1)])
        store = ElasticStore(urls[0], other_urls=urls[1:], replicas=2, timeout_seconds=10)
        kept = 0
        for at in range(BATCHES):
            done = store.append([make(number) for number in range(at * BATCH + 1, (at + 1) * BATCH + 1)])
            kept += done.stored + done.duplicates
            if at == BATCHES // 3:
                cluster.kill(master)
        found = [event.seq for event in store.since(0, 1 << 40, 2 * BATCHES * BATCH)]
        assert found == list(range(1, BATCHES * BATCH + 1))
        assert kept == len(found)
        assert cluster.master() != master
        day = f"{START:%Y.%m.%d}"
        assert any(f"the index bare-events-standard-{day} is red" in one for one in bare.troubles())
        with pytest.raises(StoreError, match=f"bare-events-standard-{day} is red.*start the node that is missing"):
            bare.search(ALWAYS, EVER, 10)
        left = cluster.master()
        cluster.kill(next(node for node in cluster.nodes if node not in {master, left}))
        hasty = ElasticStore(left.url, replicas=2, timeout_seconds=5, patience=HASTE)

        def refused() -> bool:
            # the node takes some seconds to see that it is alone
            with pytest.raises(StoreError) as caught:
                hasty.append([make(BATCHES * BATCH + 1)])
            return bool(re.search(r"no elected master.*start those that are missing", str(caught.value)))

        eventually(refused)
        for one in (bare, store, hasty):
            one.close()


def test_of_several_nodes_what_one_has_said_is_told_and_not_that_others_are_gone() -> None:
    answers = iter([GONE, REFUSED, GONE])
    deliver = Delivery(lambda _: next(answers), Patience(attempts=3), lambda _: None, Random(1), Pace(1_000))  # noqa: S311  keeps no secret
    with pytest.raises(StoreError, match="after 3 attempts: no elected master"):
        deliver([Line("1", 1, b"x")])
