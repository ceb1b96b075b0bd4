"""The journal of what machines share, in an index of its own: one document an entry, its id the place that it has.

A place is taken by creating its document, which the server lets happen once. Documents are only ever read by their ids,
which shows at once what was written; nothing is searched for, and no refresh is waited for. Which base there is stands
in a document that is replaced only if it still is what was seen (`if_seq_no`).

An entry before the base's floor is removed, so its place could be taken a second time by somebody who slept for days:
who has appended looks whether the floor has passed him, and counts as overtaken then.
"""

import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from elastic_transport import TransportError
from elasticsearch import ApiError, AuthorizationException, ConflictError, Elasticsearch, NotFoundError

from sentinel.core.errors import StoreError
from sentinel.core.journal import Base, Entry, Tail
from sentinel.store.es_client import TooLargeError, connected, explained, may_pass, spoken
from sentinel.store.es_ground import Ask

T = TypeVar("T")
PAGE = 32
"""So many entries are asked for at a time; of large ones fewer."""
_TRIES = 2
_PAUSE_SECONDS = 0.3
_DROPPED_AT_ONCE = 1_000
_TRIMMED_AGAIN = 1_000
"""So many places before the last floor are removed once more, for who did it may have been stopped."""
SETTINGS: dict[str, object] = {"number_of_shards": 1, "refresh_interval": "30s"}
MAPPINGS: dict[str, object] = {"dynamic": False, "_meta": {"sentinel": 1}, "properties": {"seq": {"type": "long"}}}


class ElasticJournal:
    """The journal called `name` in the index `index` at `url`, or at another node; see `core.journal.Journal`."""

    def __init__(  # noqa: PLR0913  where it is, and what a city may decide
        self,
        url: str,
        index: str,
        name: str,
        *,
        other_urls: Sequence[str] = (),
        ca_cert: Path | None = None,
        api_key: str | None = None,
        replicas: int | None = None,
        timeout_seconds: float = 8.0,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        urls = (url, *other_urls)
        self._url, self._timeout_seconds, self._pause = ",".join(map(spoken, urls)), timeout_seconds, pause
        self._index, self._name, self._replicas = index, name, replicas
        self._client = connected(urls, api_key, ca_cert, timeout_seconds)
        self._page = PAGE

    def tail(self, after: int) -> Tail:
        """Return what follows; see `Journal.tail`."""
        while True:
            wanted: list[dict[str, Any]] = [
                {"_id": self._id("base")},
                {"_id": self._id("pulse")},
                {"_id": self._id(after), "_source": ["nonce"]},
                *({"_id": self._id(after + one)} for one in range(1, self._page + 1)),
            ]
            try:
                told: Any = self._ask(lambda wanted=wanted: self._client.mget(index=self._index, docs=wanted).body)  # type: ignore[misc]  # a default binds the loop's variable
            except TooLargeError:
                if self._page == 1:
                    raise
                self._page //= 2
                continue
            break
        for one in told["docs"]:
            kind = one.get("error", {}).get("type", "index_not_found_exception")
            if kind != "index_not_found_exception":  # a shard that is nowhere at present has not lost what it holds
                raise StoreError(f"Elasticsearch at {self._url} cannot read {self._index} at present: {kind}")
        base, pulse, there, *following = told["docs"]
        beat = pulse["_source"] if pulse.get("found") else {"token": 0, "number": 0}
        entries = []
        for one in following:
            if not one.get("found"):
                break
            entries.append(_entry(one["_source"]))
        return Tail(
            base=Base(**base["_source"]["base"]) if base.get("found") else None,
            there=there["_source"]["nonce"] if there.get("found") else None,
            entries=entries,
            pulse=(beat["token"], beat["number"]),
        )

    def append(self, entry: Entry) -> bool:
        """Append; see `Journal.append`. An answer that was lost is found out by asking once more."""
        document = {**asdict(entry), "body": b64encode(entry.body).decode()}
        ident = self._id(entry.seq)
        try:
            self._ask(lambda: self._client.create(index=self._index, id=ident, document=document))
        except StoreError as error:
            if not isinstance(error.__cause__, ConflictError):
                raise StoreError(f"{error}. Whether this was written shows when it answers again") from error
            there: Any = self._ask(
                lambda: self._client.get(index=self._index, id=ident, source_includes=["nonce"]).body
            )
            if there["_source"]["nonce"] != entry.nonce:
                return False
        base, _ = self._base()
        return base is None or entry.seq >= base.floor

    def publish(self, base: Base, parts: Iterable[bytes], before: Base | None) -> bool:
        """Publish a base; see `Journal.publish`."""
        laid(self._client, self._ask, self._index, self._replicas)
        for number, part in enumerate(parts):
            self._put(f"part-{base.tag}-{number}", {"part": b64encode(part).decode()})
        there, version = self._base()
        if there != before or not self._replaced(base, version):
            self._drop(_parts(base))
            return False
        if before is not None:
            self._drop(_parts(before))
            self._drop(str(one) for one in range(max(1, before.floor - _TRIMMED_AGAIN), base.floor))
        return True

    def _replaced(self, base: Base, version: dict[str, Any]) -> bool:
        document = {"base": asdict(base)}
        try:
            self._ask(lambda: self._client.index(index=self._index, id=self._id("base"), document=document, **version))
        except StoreError as error:
            if not isinstance(error.__cause__, ConflictError):
                raise
            return self._base()[0] == base  # an answer may have been lost
        return True

    def fetch(self, base: Base) -> Iterator[bytes]:
        """Return a base piece by piece; see `Journal.fetch`."""
        for number in range(base.parts):
            ident = self._id(f"part-{base.tag}-{number}")
            told: Any = self._ask(lambda ident=ident: self._client.get(index=self._index, id=ident).body)  # type: ignore[misc]  # a default binds the loop's variable
            yield b64decode(told["_source"]["part"])

    def beat(self, token: int, number: int) -> None:
        """Write the pulse; see `Journal.beat`."""
        self._put("pulse", {"token": token, "number": number})

    def _base(self) -> tuple[Base | None, dict[str, Any]]:
        # which one there is, and what its document must still be when it is replaced
        try:
            told: Any = self._ask(lambda: self._client.get(index=self._index, id=self._id("base")).body)
        except StoreError as error:
            if isinstance(error.__cause__, NotFoundError):
                return None, {"op_type": "create"}
            raise
        return Base(**told["_source"]["base"]), {"if_seq_no": told["_seq_no"], "if_primary_term": told["_primary_term"]}

    def _id(self, what: object) -> str:
        return f"{self._name}-{what}"

    def _put(self, what: str, document: dict[str, Any]) -> None:
        self._ask(lambda: self._client.index(index=self._index, id=self._id(what), document=document))

    def _drop(self, names: Iterable[str]) -> None:
        lines = [{"delete": {"_id": self._id(one)}} for one in names]
        for begin in range(0, len(lines), _DROPPED_AT_ONCE):
            some = lines[begin : begin + _DROPPED_AT_ONCE]
            with suppress(StoreError):  # what stays takes room and is never read
                self._ask(lambda some=some: self._client.bulk(index=self._index, operations=some))  # type: ignore[misc]  # a default binds the loop's variable

    def _ask(self, call: Callable[[], T]) -> T:
        for tries in range(1, _TRIES + 1):
            try:
                return call()
            except (ApiError, TransportError) as error:
                if tries == _TRIES or not may_pass(error):
                    raise explained(error, self._url, self._timeout_seconds) from error
                self._pause(_PAUSE_SECONDS)
        raise AssertionError("not reached")


def laid(client: Elasticsearch, ask: Ask, index: str, replicas: int | None, *, check: bool = False) -> list[str]:
    """See to the index of what machines share and return what was wrong, nothing if it was there."""
    if ask(lambda: client.indices.exists(index=index).body):
        return []
    copies = {"auto_expand_replicas": "0-1"} if replicas is None else {"number_of_replicas": replicas}
    if check:
        return [f"{index} is missing"]
    try:
        ask(lambda: client.indices.create(index=index, settings={**SETTINGS, **copies}, mappings=MAPPINGS))
    except StoreError as error:
        cause = error.__cause__
        if isinstance(cause, AuthorizationException):
            raise StoreError(
                f"there is no index {index} for what machines share, and this key may not make it: let an "
                "administrator run `sentinel store setup`"
            ) from error
        if not (isinstance(cause, ApiError) and "resource_already_exists" in str(cause.body)):
            raise
    return [f"{index} is missing"]


def _entry(told: dict[str, Any]) -> Entry:
    return Entry(told["seq"], told["nonce"], told["parent"], b64decode(told["body"]))


def _parts(base: Base) -> list[str]:
    return [f"part-{base.tag}-{number}" for number in range(base.parts)]
