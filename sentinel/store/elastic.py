"""The store in Elasticsearch: one index a UTC day of arrival, found through the index, judged by `holds`.

Every answer is what `holds` would give. What the index can tell by itself it tells (see `where_es`); events it is not
sure of are read and judged here. Readers see whatever was stored before they asked: each question refreshes first.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from threading import Event as Flag
from time import monotonic
from typing import Any, TypeVar

import orjson
from elastic_transport import ConnectionTimeout, TransportError
from elasticsearch import ApiError, AuthorizationException

from sentinel.core.errors import StoreError
from sentinel.core.event import Event, Value, node_of
from sentinel.core.ports import Appended, Formed, Kept, Plan, Removed, Span
from sentinel.core.retention import Retention
from sentinel.core.where import Where, holds
from sentinel.store import es_days, es_journal
from sentinel.store import es_mapping as es
from sentinel.store.es_bulk import (
    REQUEST_BYTES_MAX,
    Delivery,
    Former,
    Line,
    Lines,
    Outcome,
    Patience,
    Trouble,
    amended,
    amendment,
    index_of,
    requests,
)
from sentinel.store.es_client import TooLargeError, connected, explained, may_pass, retry_after, spoken, trouble
from sentinel.store.es_document import decode
from sentinel.store.es_ground import found, laid
from sentinel.store.es_keys import provided
from sentinel.store.es_nodes import Nodes
from sentinel.store.es_pace import Pace
from sentinel.store.es_query import ALL, NONE, Query, all_of, any_of
from sentinel.store.es_server import Server, awaited, has_wildcard, looked_at, secured, troubles
from sentinel.store.es_snapshots import brought_back, taken
from sentinel.store.es_tally import axis_of, counted, inside, most_frequent, odd, sides_of, spread
from sentinel.store.es_words import reason
from sentinel.store.where_es import translate

T = TypeVar("T")
Hit = dict[str, Any]

_PAGE = 1_000
_IDS_PAGE = 10_000
_SENDERS = 2
_KEEP_ALIVE = "2m"
_SEQ_MAX = (1 << 63) - 1


class ElasticStore:
    """Events in Elasticsearch 8 or 9 at `url`, and at `other_urls` of the same cluster; see `core.ports.Store`.

    `ca_cert` is the file with the authority that signed the server's certificate, `api_key` the encoded key.
    The server is not asked anything before it is used, so that a Sentinel can begin while it is away. A store that
    writes sees to its index template first; with `manage=False` an administrator has done so. `pause` and `chance`
    are what waits between attempts and how long is drawn. Raises StoreError if the address cannot be used.
    """

    def __init__(  # noqa: PLR0913  one argument for each thing a city may decide
        self,
        url: str,
        *,
        other_urls: Sequence[str] = (),
        prefix: str = "sentinel",
        ca_cert: Path | None = None,
        api_key: str | None = None,
        readonly: bool = False,
        manage: bool = True,
        shards: int = 1,
        replicas: int | None = None,
        retention: Retention | None = None,
        timeout_seconds: float = 30.0,
        request_bytes_max: int = REQUEST_BYTES_MAX,
        patience: Patience | None = None,
        pause: Callable[[float], None] | None = None,
        chance: Random | None = None,
    ) -> None:
        urls = (url, *other_urls)
        self._url = ",".join(map(spoken, urls))
        self._timeout_seconds = timeout_seconds
        self._prefix = prefix
        self._form = Former(prefix, retention or Retention())
        self._reading: dict[int, tuple[int, int]] = {}
        self._everywhere = f"{prefix}-events-*"
        self._template = es.template(prefix, shards=shards, replicas=replicas)
        self._readonly = readonly
        self._unmanaged = manage and not readonly
        self._given_up = Flag()
        self._delivery = Delivery(
            send=self._send,
            patience=patience or Patience(),
            pause=pause or self._rest,
            chance=chance or Random(),  # noqa: S311  spreads retries, keeps no secret
            pace=Pace(request_bytes_max),
        )
        self._senders = ThreadPoolExecutor(_SENDERS, thread_name_prefix="elastic")
        self._client = connected(urls, api_key, ca_cert, timeout_seconds)

    # -- the index template, days

    def setup(self, *, check: bool = False) -> list[str]:
        """See to index template and mappings and return how they differed; with `check`, change nothing."""
        return laid(self._client, self._ask, self._prefix, self._template, check=check)

    def share(self, replicas: int | None, *, check: bool = False) -> list[str]:
        """See to the index of what machines share and return what was wrong; with `check`, change nothing."""
        return es_journal.laid(self._client, self._ask, f"{self._prefix}-state", replicas, check=check)

    def look(self) -> Server:
        """Return what the server is; raises StoreError."""
        return looked_at(self._client, self._ask, self._prefix)

    def troubles(self) -> list[str]:
        """Return what is wrong with the server; see `Archive.troubles`."""
        return troubles(self.look())

    def has_wildcard(self) -> bool:
        """Say whether the server has the field type `wildcard`; raises StoreError."""
        return has_wildcard(self._client, self._ask)

    def secured(self) -> bool:
        """Say whether the server wants to know who asks; raises StoreError."""
        return secured(self._client, self._ask)

    def provide_keys(self, folder: Path, *, check: bool = False) -> dict[str, str]:
        """See to the API keys in `folder` and return by role what was wrong; with `check`, change nothing."""
        return provided(self._client, self._ask, self._prefix, folder, check=check)

    def register(self) -> Nodes:
        """Return where the machines that share this store are entered."""
        return Nodes(self._client, self._ask, self._prefix)

    def kept(self) -> list[Kept]:
        """Return what there is by class and day; see `Archive.kept`."""
        return es_days.kept(self._client, self._ask, self._prefix)

    def drop(self, kept: Kept, first: Callable[[Removed], None] = lambda _: None) -> Removed:
        """Remove what is kept of a class and day; see `Archive.drop`."""
        if self._readonly:
            raise StoreError("this store was opened for reading only")
        index = index_of(self._prefix, kept.name, kept.day)
        order = [{es.IN: "asc"}, {es.SEQ: "asc"}]

        def hits() -> Iterator[list[Hit]]:
            return self._pages(ALL, order, _IDS_PAGE, index=index, source=False)

        return es_days.dropped(self._client, self._ask, index, hits, first)

    def snapshot(self, repository: str, name: str, meanwhile: Callable[[], None]) -> int:
        """Make a snapshot of what is stored by now, calling `meanwhile` on the way; returns of how many indices."""

        def pause(seconds: float) -> None:
            meanwhile()
            self._rest(seconds)

        return taken(self._client, self._ask, self._prefix, (repository, name), pause)

    def bring_back(self, repository: str, name: str) -> int:
        """Bring a snapshot back into a server that has no such indices; returns how many there are."""
        return brought_back(self._client, self._ask, self._prefix, (repository, name), self._rest)

    def forget(self) -> None:
        """Forget all that is under this prefix: for stores that are made for a while."""
        es_days.forgotten(self._client, self._ask, self._prefix)

    def keep(self, *formed: Formed) -> Appended:
        """Keep events; an event that a lost answer had already stored counts as one that was there before."""
        lines: list[Line] = []
        for one in formed:
            if not isinstance(one, Lines):
                raise TypeError(f"{type(one).__name__} is no form of Elasticsearch's")
            lines += one.lines
        if self._readonly:
            raise StoreError("this store was opened for reading only")
        if self._unmanaged:
            self.setup()
            self._unmanaged = False
        whole = Outcome()
        size = self._delivery.pace.part(sum(len(line.data) for line in lines), _SENDERS)
        under_way = [self._senders.submit(self._delivery, batch) for batch in requests(lines, size)]
        wait(under_way)
        for delivered in under_way:
            whole.add(delivered.result())
        return Appended(whole.stored, tuple(whole.known), tuple(whole.rejected), whole.unsure)

    def append(self, events: Sequence[Event], /) -> Appended:
        """Form events and keep them; see `Store.append`."""
        formed = self._form(events)
        kept = self.keep(formed)
        return replace(kept, rejected=(*formed.rejected, *kept.rejected))

    def amend(self, gone: Sequence[Event], new: Sequence[Event], /) -> None:
        """Let `new` be there instead of `gone`; see `Store.amend`."""
        if self._readonly:
            raise StoreError("this store was opened for reading only")
        for batch in requests(amendment(self._form, gone, new), self._delivery.pace.most):
            whole = b"".join(line.data for line in batch)
            answer = self._ask(lambda whole=whole: self._client.bulk(operations=whole).body)  # type: ignore[misc]  # a default binds the loop's variable
            amended(answer)

    def _send(self, batch: Sequence[Line]) -> object | Trouble:
        whole = b"".join(line.data for line in batch)
        begin = monotonic()
        try:
            answer = self._client.bulk(
                operations=whole,  # type: ignore[arg-type]  # bytes go as they are
                # the server gives up first, for it can say what it waits for
                timeout=f"{int(self._timeout_seconds * 600)}ms",
                filter_path="errors,took,items.*.error,items.*.status",
            )
        except (ApiError, TransportError) as error:
            return trouble(error, self._url, self._timeout_seconds)
        self._delivery.pace.answered(len(whole), monotonic() - begin)
        return answer.body  # type: ignore[no-any-return]  # judged before it is believed

    # -- search

    def search(self, where: Where, span: Span, limit: int) -> list[Event]:
        """Return up to `limit` events for which `where` holds, latest first."""
        if limit <= 0:
            return []
        sides = translate(where)
        query = all_of([inside(span), any_of([sides.upper, odd(where)])])
        if query is NONE:
            return []
        sort = [{axis_of(span): "desc"}, {es.SEQ: "desc"}]
        self._refresh()
        events: list[Event] = []
        for hits in self._pages(query, sort, min(limit, _PAGE) if sides.exact else _PAGE):
            events += [event for event in map(_event, hits) if holds(where, event)]
            if len(events) >= limit:
                break
        return events[:limit]

    def tally(
        self, where: Where, span: Span, by: Sequence[str], limit: int
    ) -> list[tuple[tuple[Value | None, ...], int]]:
        """Count the events for which `where` holds by their values of the fields `by`, most frequent first."""
        certain, doubtful = sides_of(where, span, by)
        self._refresh()
        counts = dict(counted(self._over, certain, by))
        for event in self._judged(doubtful, where):
            key = orjson.dumps([event.fields.get(name) for name in by])
            counts[key] = counts.get(key, 0) + 1
        return most_frequent(counts, limit)

    def spread(self, where: Where, span: Span, width: timedelta) -> list[int]:
        """Count the events for which `where` holds in stretches of `width`; see `Store.spread`."""
        number = span.stretches(width)
        certain, doubtful = sides_of(where, span, ())
        self._refresh()
        counts = dict(spread(self._over, certain, span, width))
        for event in self._judged(doubtful, where):
            at = ((event.timestamp if span.axis == "timestamp" else event.ingested) - span.start) // width
            counts[at] = counts.get(at, 0) + 1
        return [counts.get(at, 0) for at in range(number)]

    def plan(self, where: Where, span: Span) -> Plan:
        """Return the query in Elasticsearch's language; see `Store.plan`."""
        sides = translate(where)
        query = all_of([inside(span), any_of([sides.upper, odd(where)])])
        text = orjson.dumps({"query": query}, option=orjson.OPT_INDENT_2).decode()
        return Plan(text, (), f"the indices {self._everywhere}", exact=sides.exact)

    def _judged(self, query: Query, where: Where) -> Iterator[Event]:
        for hits in self._pages(query, [{"_shard_doc": "asc"}], _PAGE):
            yield from (event for event in map(_event, hits) if holds(where, event))

    def _over(self, **question: object) -> Hit:
        return self._search(index=self._everywhere, **question)

    def since(self, cursor: int, until: int, limit: int) -> list[Event]:
        """Return the first `limit` events with `cursor < seq <= until` in order of `seq`.

        Who goes on with the same `until` where the last answer was full sees what was there when it began: each refresh
        costs the server a segment, and a flood is read in many pieces.
        """
        if limit <= 0 or cursor >= until:
            return []
        query = {"range": {es.SEQ: {"gt": max(cursor, -1), "lte": min(until, _SEQ_MAX)}}}
        if self._reading.pop(node_of(until), None) != (cursor, until):
            self._refresh()
        events: list[Event] = []
        for hits in self._pages(query, [{es.SEQ: "asc"}], min(limit, _PAGE)):
            events += map(_event, hits)
            if len(events) >= limit:
                self._reading[node_of(until)] = events[limit - 1].seq, until
                break
        return events[:limit]

    def newest(self) -> int:
        """Return the highest `seq` stored, 0 if empty."""
        self._refresh()
        sort = [{es.SEQ: {"order": "desc", "unmapped_type": "long"}}]
        answer = self._search(index=self._everywhere, sort=sort, size=1, source=False, track_total_hits=False)
        hits = answer["hits"]["hits"]
        return int(hits[0]["sort"][0]) if hits else 0

    def give_up(self) -> None:
        """Try nothing again from now on: who waits between two attempts is told at once."""
        self._given_up.set()

    def _rest(self, seconds: float) -> None:
        if self._given_up.wait(seconds):
            raise StoreError(f"Elasticsearch at {self._url} has not answered, and nobody waits any more")

    def close(self) -> None:
        """Let go of the connections."""
        self._senders.shutdown()
        self._client.close()

    def _refresh(self) -> None:
        # a key that may only read may not refresh: it sees what the server shows of its own accord, five seconds later
        # of a part that is nowhere the server waits for a minute
        client = self._client.options(request_timeout=self._timeout_seconds / 2)
        try:
            self._ask(lambda: client.indices.refresh(index=self._everywhere))
        except StoreError as error:
            if not isinstance(error.__cause__, AuthorizationException):
                raise

    def _pages(
        self, query: Query, sort: list[Hit], size: int, *, index: str = "", source: bool = True
    ) -> Iterator[list[Hit]]:
        # all that `query` finds as things are now, `size` at a time
        if query is NONE:
            return
        opened = self._ask(
            lambda: found(
                lambda: self._client.open_point_in_time(index=index or self._everywhere, keep_alive=_KEEP_ALIVE).body
            )
        )
        if opened is None:
            return
        pit, after = opened["id"], None
        question = {"query": query, "sort": sort, "track_total_hits": False, "source": source}
        try:
            while True:
                held = {"id": pit, "keep_alive": _KEEP_ALIVE}
                try:
                    answer = self._search(pit=held, size=size, search_after=after, **question)
                except TooLargeError:
                    if size == 1:
                        raise
                    size //= 2
                    continue
                hits = answer["hits"]["hits"]
                pit = answer.get("pit_id", pit)
                if hits:
                    yield hits
                if len(hits) < size:
                    return
                after = hits[-1]["sort"]
        finally:
            with suppress(StoreError):  # the server closes it by itself before long
                self._ask(lambda: found(lambda: self._client.close_point_in_time(id=pit)))

    def _search(self, **question: object) -> Hit:
        answer: Hit = self._ask(lambda: self._client.search(**question).body)  # type: ignore[arg-type]  # passed on
        shards = answer.get("_shards", {})
        if answer.get("timed_out") or shards.get("failed"):
            why = reason((shards.get("failures") or [{}])[0].get("reason"))
            raise StoreError(f"Elasticsearch could search only a part of the events: {why or 'it ran out of time'}")
        return answer

    def _ask(self, call: Callable[[], T]) -> T:
        how = self._delivery
        failures = 0
        while True:
            try:
                return call()
            except (ApiError, TransportError) as error:
                failures += 1
                if isinstance(error, ConnectionTimeout) and (why := awaited(self._client, self._prefix)):
                    raise StoreError(why) from error
                if not may_pass(error) or failures >= min(3, how.patience.attempts):
                    raise explained(error, self._url, self._timeout_seconds) from error
                how.pause(how.patience.pause(failures, retry_after(error), how.chance))


def _event(hit: Hit) -> Event:
    return decode(hit["_id"], hit["_source"])
