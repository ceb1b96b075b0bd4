"""On a real node sites are compared as in the embedded store: the same ranking, to the last number."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sentinel.compare.counting import counted, day_of
from sentinel.compare.ranking import Comparison
from sentinel.core.odd import Ranking
from sentinel.core.ports import Store
from sentinel.store.elastic import ElasticStore
from tests.compare.schools import DAY, KIND, LESSONS, SCHOOLS, Contact, Town, beacon, events, moment, seeded, stored


@pytest.fixture
def node(elastic_url: str, elastic_prefix: str) -> Iterator[ElasticStore]:
    """Return a store on the node."""
    store = ElasticStore(elastic_url, prefix=elastic_prefix)
    yield store
    store.close()


@pytest.mark.elastic
def test_elasticsearch_ranks_the_schools_as_the_embedded_store_does(tmp_path: Path, node: ElasticStore) -> None:
    seen = (*range(1, 13), 30)
    addresses = (
        Contact(moment(DAY, 20 * at), school, 44, "", {"destination.ip": f"203.0.113.{school}"})
        for school in seen
        for at in range(60)
    )
    everyday = (one for one in Town(3, largest=3).everyday(DAY) if one.school in seen)
    happened = [*everyday, *beacon(seeded(3), DAY, 5, "c2.example"), *addresses]
    node.append(events(happened))
    embedded = stored(tmp_path, happened)
    whole = day_of(LESSONS, DAY)

    def ranked(store: Store) -> tuple[Ranking, bytes]:
        with counted(store, KIND, whole, tmp_path) as found:
            return Comparison(store, KIND, whole, []).ranking(found), found.habits().held()

    there, here = ranked(node), ranked(embedded)
    embedded.close()
    assert there == here
    traits = {(one.site, trait.value) for one in here[0].odd for trait in one.traits}
    assert traits >= {(SCHOOLS[4], "c2.example"), (SCHOOLS[29], "203.0.113.30")}
