"""Every store stands here; a test that takes `store_factory` runs once for each of them.

To add a store: one entry in STORES and a branch in `store_factory`. A factory call gives a fresh, empty store of its
own; what it gave is closed at the end of the test.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path

import pytest

from sentinel.core.clock import iso
from sentinel.core.event import Event, Value
from sentinel.core.ports import Store

StoreFactory = Callable[[], Store]
EventMaker = Callable[..., Event]

START = datetime(2026, 11, 23, 8, 0, 0, tzinfo=UTC)
STORES = [
    pytest.param("embedded", id="embedded"),  # everything still in the hot segment
    pytest.param("embedded-sealed", id="embedded-sealed"),  # segments of three events: nearly everything sealed
    pytest.param("elastic", id="elastic", marks=pytest.mark.elastic),
]


@pytest.fixture(params=STORES)
def store_factory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreFactory]:
    """Return what makes a fresh store of the kind under test."""
    kind: str = request.param
    made: list[Store] = []

    def factory() -> Store:
        from sentinel.store.elastic import ElasticStore  # noqa: PLC0415  the other stores run without it
        from sentinel.store.embedded import EmbeddedStore  # noqa: PLC0415  the other stores run without it

        store: Store
        match kind:
            case "embedded":
                store = EmbeddedStore(tmp_path / f"store-{len(made)}")
            case "embedded-sealed":
                store = EmbeddedStore(tmp_path / f"store-{len(made)}", segment_events=3)
            case "elastic":
                url, prefix = request.getfixturevalue("elastic_url"), request.getfixturevalue("elastic_prefix")
                store = ElasticStore(url, prefix=f"{prefix}-{len(made)}")
            case _:
                pytest.fail(f"no store called {kind}")
        made.append(store)
        return store

    yield factory
    for store in made:
        store.close()


@pytest.fixture
def make() -> EventMaker:
    """Return what makes an event the way the pipeline does: `make(number, {field: value}, …)`."""

    def maker(
        number: int,
        fields: Mapping[str, Value] | None = None,
        *,
        timestamp: datetime | None = None,
        ingested: datetime | None = None,
        ident: str | None = None,
    ) -> Event:
        happened = timestamp or START + timedelta(seconds=number)
        arrived = ingested or START + timedelta(seconds=number)
        name = ident or blake2b(b"%d" % number, digest_size=16).hexdigest()
        whole: dict[str, Value] = {
            "@timestamp": iso(happened),
            "event.id": name,
            "event.ingested": iso(arrived),
            "event.sequence": number,
            **(fields or {}),
        }
        return Event(name, number, happened, arrived, whole)

    return maker


@pytest.fixture
def examples() -> int:
    """Return how many predicates the property test tries on each store."""
    return {"dev": 100, "ci": 400, "long": 20_000}[os.environ.get("HYPOTHESIS_PROFILE", "dev")]
