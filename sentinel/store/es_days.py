"""The days in Elasticsearch: an index for each class and UTC day of arrival, removed as a whole."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date
from typing import Any

from elasticsearch import Elasticsearch

from sentinel.core.errors import StoreError
from sentinel.core.ports import Kept, Removed
from sentinel.store.es_bulk import index_of
from sentinel.store.es_ground import Ask, found
from sentinel.store.receipt import removed

_DAY = re.compile(r"-events-(.+)-(\d{4})\.(\d\d)\.(\d\d)")


def kept(client: Elasticsearch, ask: Ask, prefix: str) -> list[Kept]:
    """Return what there is, the earliest day first."""
    told: Any = ask(lambda: client.indices.get(index=f"{prefix}-events-*", features="aliases").body)
    there = (_DAY.fullmatch(index.removeprefix(prefix)) for index in told)
    return sorted(
        (Kept(one[1], date(int(one[2]), int(one[3]), int(one[4]))) for one in there if one),
        key=lambda one: (one.day, one.name),
    )


def dropped(
    client: Elasticsearch,
    ask: Ask,
    index: str,
    hits: Callable[[], Iterable[list[dict[str, Any]]]],
    first: Callable[[Removed], None],
) -> Removed:
    """Remove an index; `hits` gives its events in order of arrival. See `Archive.drop`.

    Nothing more is let in before it is looked at: what comes meanwhile finds a new index afterwards.
    """
    if ask(lambda: found(lambda: client.indices.add_block(index=index, block="write"))) is None:
        return removed(())
    try:
        ask(lambda: client.indices.refresh(index=index))
        what = removed(_ids(hits()))
        if what.count:
            first(what)
    except BaseException:
        with suppress(StoreError):  # what is to be said is why
            ask(lambda: client.indices.put_settings(index=index, settings={"index.blocks.write": None}))
        raise
    ask(lambda: client.indices.delete(index=index, ignore_unavailable=True))
    return what


def _ids(pages: Iterable[list[dict[str, Any]]]) -> Iterator[str]:
    for page in pages:
        yield from (str(hit["_id"]) for hit in page)


def forgotten(client: Elasticsearch, ask: Ask, prefix: str) -> None:
    """Forget all that is under this prefix: events, what machines share, who they are, and the index template."""
    for one in kept(client, ask, prefix):
        ask(lambda one=one: client.indices.delete(index=index_of(prefix, one.name, one.day), ignore_unavailable=True))  # type: ignore[misc]  # a default binds the loop's variable
    shared = f"{prefix}-state,{prefix}-nodes"
    ask(lambda: client.indices.delete(index=shared, ignore_unavailable=True))
    ask(lambda: found(lambda: client.indices.delete_index_template(name=f"{prefix}-events").body))
