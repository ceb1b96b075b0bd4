"""The store in Elasticsearch: one index a UTC day of arrival, found through the index, judged by `holds`.

Every answer is what `holds` would give. What the index can tell by itself it tells (see `where_es`); events it is not
sure of are read and judged here. Readers see whatever was stored before they asked: each question refreshes first.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import orjson
import urllib3
from elastic_transport import ConnectionError as Unreachable
from elastic_transport import (
    ConnectionTimeout,
    NodeConfig,
    SerializationError,
    TlsError,
    TransportError,
    Urllib3HttpNode,
)
from elasticsearch import (
    ApiError,
    AuthenticationException,
    AuthorizationException,
    Elasticsearch,
    NotFoundError,
    OrjsonSerializer,
    UnsupportedProductError,
)

from sentinel.core.errors import StoreError
from sentinel.core.event import Event, Value
from sentinel.core.ports import Appended, Formed, Span
from sentinel.core.where import Where, holds
from sentinel.store import es_mapping as es
from sentinel.store.es_bulk import (
    BUSY,
    REQUEST_BYTES_MAX,
    Delivery,
    Former,
    Line,
    Lines,
    Outcome,
    Patience,
    Trouble,
    divisible,
    index_of,
    reason,
    requests,
)
from sentinel.store.es_document import decode
from sentinel.store.es_query import NONE, Query, all_of, any_of
from sentinel.store.es_tally import axis_of, counted, inside, most_frequent, odd, sides_of
from sentinel.store.where_es import translate

T = TypeVar("T")
Hit = dict[str, Any]

_PAGE = 1_000
_SENDERS = 2
_ANSWER_SECONDS_MAX = 60.0
_KEEP_ALIVE = "2m"
_SEQ_MAX = (1 << 63) - 1


class _TooLargeError(StoreError):
    """An answer was larger than we take; the same question in smaller pieces may do."""


class _TooMuchError(TransportError):
    """More bytes than an answer may have."""


class _BoundedNode(Urllib3HttpNode):
    """Reads no answer for longer than a request may take, however slowly it trickles, nor a larger one than we take."""

    ANSWER_BYTES_MAX = 256 << 20

    def __init__(self, config: NodeConfig) -> None:
        """Stand between the client and its connections."""
        super().__init__(config)
        ask = self.pool.urlopen

        def bounded(*args: Any, **options: Any) -> urllib3.BaseHTTPResponse:  # noqa: ANN401  passed on
            options["preload_content"] = False
            response = ask(*args, **options)
            until = time.monotonic() + (config.request_timeout or _ANSWER_SECONDS_MAX)
            try:
                whole = self._whole(response, until)
            except BaseException:
                response.close()
                raise
            finally:
                response.release_conn()  # also a broken one: its place is wanted
            return urllib3.HTTPResponse(whole, response.headers, response.status)

        self.pool.urlopen = bounded  # type: ignore[method-assign]  # the class has no better place for it

    def _whole(self, response: urllib3.BaseHTTPResponse, until: float) -> bytes:
        whole = bytearray()
        while part := response.read1(1 << 20):
            whole += part
            if len(whole) > self.ANSWER_BYTES_MAX:
                raise _TooMuchError("too large")
            if time.monotonic() > until:
                raise urllib3.exceptions.ReadTimeoutError(self.pool, "", "the answer trickles")
        return bytes(whole)


class ElasticStore:
    """Events in Elasticsearch 8 or 9 at `url`; see `core.ports.Store`.

    `ca_cert` is the file with the authority that signed the server's certificate, `api_key` the encoded key.
    A store that writes sees to its index template first; with `manage=False` an administrator has done so. `pause`
    and `chance` are what waits between attempts and how long is drawn. Raises StoreError if the server cannot be
    used.
    """

    def __init__(  # noqa: PLR0913  one argument for each thing a city may decide
        self,
        url: str,
        *,
        prefix: str = "sentinel",
        ca_cert: Path | None = None,
        api_key: str | None = None,
        readonly: bool = False,
        manage: bool = True,
        shards: int = 1,
        replicas: int | None = None,
        timeout_seconds: float = 30.0,
        request_bytes_max: int = REQUEST_BYTES_MAX,
        patience: Patience | None = None,
        pause: Callable[[float], None] = time.sleep,
        chance: Random | None = None,
    ) -> None:
        self._url = url.rsplit("@", maxsplit=1)[-1]  # never a password in a message
        self._prefix = prefix
        self._form = Former(prefix)
        self._everywhere = f"{prefix}-events-*"
        self._template = es.template(prefix, shards=shards, replicas=replicas)
        self._readonly = readonly
        self._timeout_seconds = timeout_seconds
        self._request_bytes_max = request_bytes_max
        self._delivery = Delivery(
            send=self._send,
            patience=patience or Patience(),
            pause=pause,
            chance=chance or Random(),  # noqa: S311  spreads retries, keeps no secret
        )
        self._senders = ThreadPoolExecutor(_SENDERS, thread_name_prefix="elastic")
        trust = {"ca_certs": str(ca_cert)} if ca_cert else {}
        try:
            self._client = Elasticsearch(
                url,
                api_key=api_key,
                request_timeout=timeout_seconds,
                max_retries=0,
                retry_on_timeout=False,
                node_class=_BoundedNode,
                serializers={"application/vnd.elasticsearch+json": OrjsonSerializer()},
                **trust,  # type: ignore[arg-type]  # the client tells an absent argument from None
            )
        except (ValueError, OSError) as error:
            raise StoreError(f"the address of Elasticsearch cannot be used: {self._url}: {error}") from error
        if readonly or not manage:
            self.newest()
        else:
            self.setup()

    # -- the index template, days

    def setup(self, *, check: bool = False) -> list[str]:
        """See to the index template and return how it differed; with `check`, change nothing.

        A template of a newer Sentinel is left alone.
        """
        name = f"{self._prefix}-events"
        found = self._ask(lambda: self._found(lambda: self._client.indices.get_index_template(name=name).body))
        have = found["index_templates"][0]["index_template"] if found else {}
        different = es.differences(have, self._template)
        if different and not check and int(have.get("version", 0)) <= es.VERSION:
            self._ask(lambda: self._client.indices.put_index_template(name=name, **self._template))
        return different

    def days(self) -> list[date]:
        """Return the UTC days of arrival of which there are events, earliest first."""
        wanted = f"{self._prefix}-events-standard-*"
        found = self._ask(lambda: self._client.indices.get(index=wanted, features="aliases").body)
        return sorted(date.fromisoformat(name[-10:].replace(".", "-")) for name in found)

    def drop(self, day: date) -> None:
        """Forget all events that arrived on that UTC day."""
        self._ask(lambda: self._client.indices.delete(index=index_of(self._prefix, day), ignore_unavailable=True))

    # -- append

    def keep(self, formed: Formed, /) -> Appended:
        """Keep events; an event that a lost answer had already stored counts as one that was there before."""
        if not isinstance(formed, Lines):
            raise TypeError(f"{type(formed).__name__} is no form of Elasticsearch's")
        if self._readonly:
            raise StoreError("this store was opened for reading only")
        whole = Outcome()
        batches = requests(formed.lines, self._request_bytes_max)
        under_way = [self._senders.submit(self._delivery, batch) for batch in batches]
        wait(under_way)
        for delivered in under_way:
            whole.add(delivered.result())
        return Appended(whole.stored, tuple(whole.known), tuple(whole.rejected))

    def append(self, events: Sequence[Event], /) -> Appended:
        """Form events and keep them; see `Store.append`."""
        formed = self._form(events)
        kept = self.keep(formed)
        return replace(kept, rejected=(*formed.rejected, *kept.rejected))

    def _send(self, batch: Sequence[Line]) -> object | Trouble:
        try:
            answer = self._client.bulk(
                operations=b"".join(line.data for line in batch),  # type: ignore[arg-type]  # bytes go as they are
                filter_path="errors,took,items.*.error,items.*.status",
            )
        except (ApiError, TransportError) as error:
            divide = isinstance(error, ApiError) and divisible(error.meta.status, error.body)
            return Trouble(self._explained(error), error, _may_pass(error), _retry_after(error), divide=divide)
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
        found: list[Event] = []
        for hits in self._pages(query, sort, min(limit, _PAGE) if sides.exact else _PAGE):
            found += [event for event in map(_event, hits) if holds(where, event)]
            if len(found) >= limit:
                break
        return found[:limit]

    def tally(
        self, where: Where, span: Span, by: Sequence[str], limit: int
    ) -> list[tuple[tuple[Value | None, ...], int]]:
        """Count the events for which `where` holds by their values of the fields `by`, most frequent first."""
        certain, doubtful = sides_of(where, span, by)
        self._refresh()
        counts = dict(counted(lambda **question: self._search(index=self._everywhere, **question), certain, by))
        for hits in self._pages(doubtful, [{"_shard_doc": "asc"}], _PAGE):
            for event in map(_event, hits):
                if holds(where, event):
                    key = orjson.dumps([event.fields.get(name) for name in by])
                    counts[key] = counts.get(key, 0) + 1
        return most_frequent(counts, limit)

    def since(self, cursor: int, until: int, limit: int) -> list[Event]:
        """Return the first `limit` events with `cursor < seq <= until` in order of `seq`."""
        if limit <= 0 or cursor >= until:
            return []
        query = {"range": {es.SEQ: {"gt": max(cursor, -1), "lte": min(until, _SEQ_MAX)}}}
        self._refresh()
        found: list[Event] = []
        for hits in self._pages(query, [{es.SEQ: "asc"}], min(limit, _PAGE)):
            found += map(_event, hits)
            if len(found) >= limit:
                break
        return found[:limit]

    def newest(self) -> int:
        """Return the highest `seq` stored, 0 if empty."""
        self._refresh()
        sort = [{es.SEQ: {"order": "desc", "unmapped_type": "long"}}]
        answer = self._search(index=self._everywhere, sort=sort, size=1, source=False, track_total_hits=False)
        hits = answer["hits"]["hits"]
        return int(hits[0]["sort"][0]) if hits else 0

    def close(self) -> None:
        """Let go of the connections."""
        self._senders.shutdown()
        self._client.close()

    # -- asking

    def _refresh(self) -> None:
        # a key that may only read may not refresh: it sees what the server shows of its own accord, five seconds later
        try:
            self._ask(lambda: self._client.indices.refresh(index=self._everywhere))
        except StoreError as error:
            if not isinstance(error.__cause__, AuthorizationException):
                raise

    def _pages(self, query: Query, sort: list[Hit], size: int) -> Iterator[list[Hit]]:
        # all that `query` finds as things are now, `size` at a time
        if query is NONE:
            return
        opened = self._ask(
            lambda: self._found(
                lambda: self._client.open_point_in_time(index=self._everywhere, keep_alive=_KEEP_ALIVE).body
            )
        )
        if opened is None:
            return
        pit, after = opened["id"], None
        question = {"query": query, "sort": sort, "track_total_hits": False}
        try:
            while True:
                held = {"id": pit, "keep_alive": _KEEP_ALIVE}
                try:
                    answer = self._search(pit=held, size=size, search_after=after, **question)
                except _TooLargeError:
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
                self._ask(lambda: self._found(lambda: self._client.close_point_in_time(id=pit)))

    def _search(self, **question: object) -> Hit:
        answer: Hit = self._ask(lambda: self._client.search(**question).body)  # type: ignore[arg-type]  # passed on
        shards = answer.get("_shards", {})
        if answer.get("timed_out") or shards.get("failed"):
            why = reason((shards.get("failures") or [{}])[0].get("reason"))
            raise StoreError(f"Elasticsearch could search only a part of the events: {why or 'it ran out of time'}")
        return answer

    def _found(self, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except NotFoundError:
            return None

    def _ask(self, call: Callable[[], T]) -> T:
        how = self._delivery
        failures = 0
        while True:
            try:
                return call()
            except (ApiError, TransportError) as error:
                failures += 1
                if not _may_pass(error) or failures >= min(3, how.patience.attempts):
                    raise self._explained(error) from error
                how.pause(how.patience.pause(failures, _retry_after(error), how.chance))

    def _explained(self, error: ApiError | TransportError) -> StoreError:
        kind: type[StoreError] = StoreError
        match error:
            case UnsupportedProductError():
                what = "is not Elasticsearch 8 or 9 (OpenSearch and other relatives will not do)"
            case AuthenticationException():
                what = "does not accept the API key"
            case AuthorizationException():
                what = f"does not allow this with the API key given: {_said(error)}"
            case ApiError():
                what = f"answers with status {error.meta.status}: {_said(error)}"
            case TlsError():
                what = f"cannot be trusted: {error.message}; is ca_cert the authority that signed its certificate?"
            case ConnectionTimeout():
                what = f"does not answer within {self._timeout_seconds:g} seconds"
            case Unreachable(__cause__=_TooMuchError()):
                kind, what = _TooLargeError, f"answers with more than {_BoundedNode.ANSWER_BYTES_MAX} bytes"
            case Unreachable():
                what = f"cannot be reached: {error.message}; is it running, and is http or https right?"
            case SerializationError():
                what = "answers with something that is not its JSON"
            case _:
                what = f"cannot be used: {error}"
        return kind(f"Elasticsearch at {self._url} {what}")


def _may_pass(error: ApiError | TransportError) -> bool:
    if isinstance(error, ApiError):
        return error.meta.status in BUSY
    lasting = isinstance(error, TlsError) or isinstance(error.__cause__, _TooMuchError)
    return isinstance(error, Unreachable | ConnectionTimeout | SerializationError) and not lasting


def _retry_after(error: ApiError | TransportError) -> str | None:
    return error.meta.headers.get("retry-after") if isinstance(error, ApiError) else None


def _said(error: ApiError) -> str:
    body = error.body
    return (reason(body.get("error")) if isinstance(body, dict) else str(body)[:200]) or error.message


def _event(hit: Hit) -> Event:
    return decode(hit["_id"], hit["_source"])
