"""A store on a real node, a gate in front of the node that misbehaves as told, and events to put in."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import pytest

from sentinel.core.clock import iso
from sentinel.core.event import Event, Value
from sentinel.store.elastic import ElasticStore
from sentinel.store.es_bulk import Patience
from tests.elastic.gate import Fault, Gate

START = datetime(2026, 11, 23, 8, 0, 0, tzinfo=UTC)


@pytest.fixture
def make() -> Callable[..., Event]:
    """Return what makes an event: `make(number, {field: value}, ingested=…, ident=…)`."""

    def maker(
        number: int,
        fields: Mapping[str, Value] | None = None,
        *,
        ingested: datetime | None = None,
        ident: str | None = None,
    ) -> Event:
        happened = START + timedelta(seconds=number)
        name = ident or blake2b(b"%d" % number, digest_size=16).hexdigest()
        whole: dict[str, Value] = {"@timestamp": iso(happened), "event.id": name, **(fields or {})}
        return Event(name, number, happened, ingested or happened, whole)

    return maker


@pytest.fixture
def opened(elastic_url: str, elastic_prefix: str) -> Iterator[Callable[..., ElasticStore]]:
    """Return what opens a store on the node; it is closed when the test ends."""
    with ExitStack() as stack:

        def opener(url: str = elastic_url, **options: Any) -> ElasticStore:  # noqa: ANN401  handed on
            store = ElasticStore(url, prefix=elastic_prefix, **options)
            stack.callback(store.close)
            return store

        yield opener


@pytest.fixture
def store(opened: Callable[..., ElasticStore]) -> ElasticStore:
    """Return a store on the node."""
    return opened()


@pytest.fixture
def gate(elastic_url: str) -> Iterator[Gate]:
    """Return a gate before the node."""
    opened = Gate(elastic_url.removeprefix("http://"))
    yield opened
    opened.close()


@pytest.fixture
def pauses() -> list[float]:
    """Return the list of pauses a store behind the gate would have made."""
    return []


@pytest.fixture
def behind(opened: Callable[..., ElasticStore], gate: Gate, pauses: list[float]) -> ElasticStore:
    """Return a store that knows the node only through the gate and waits in `pauses` only."""
    patience = Patience(attempts=4, base_seconds=0.1, cap_seconds=20)
    return opened(gate.url, patience=patience, pause=pauses.append, request_bytes_max=50_000)


@pytest.fixture
def status() -> Callable[..., Fault]:
    """Return what makes a fault: an answer with this status instead of the node's."""

    def maker(code: int, headers: Mapping[str, str] | None = None, kind: str = "some_exception") -> Fault:
        body = json.dumps({"error": {"type": kind, "reason": "as told"}, "status": code}).encode()
        return lambda passage: passage.reply(code, body, headers)

    return maker
