"""HTTP: records by POST, a token for each source; 200 is said when they are on disk.

A body is taken wholly or not at all. A sender that is not answered sends again, and what it sends again is stored
again unless its records have an identity of their own.
"""

import asyncio
from collections.abc import Mapping, Sequence
from hmac import compare_digest

from sentinel.collect.acknowledged import Counters, Delivery
from sentinel.collect.http_requests import BadRequestError, Request, Requests, lines_of
from sentinel.collect.link import Link
from sentinel.collect.listening import Limits, Listener
from sentinel.collect.refusals import Refusals
from sentinel.collect.tls import Tls
from sentinel.core.errors import SpoolError
from sentinel.core.event import Origin, Raw
from sentinel.core.ports import Clock, Sink

PATHS = frozenset({"/", "/v1/events"})
RETRY_SECONDS = 5
_BODY_SECONDS = 60.0
_IDLE_SECONDS = 75.0


class HttpEntrance:
    """A port for senders of JSON, lines or Windows events; `tokens` maps each token to its source's name."""

    def __init__(  # noqa: PLR0913  plain arguments, so that entrances.py can wire them
        self,
        name: str,
        clock: Clock,
        tokens: Mapping[str, str],
        *,
        host: str = "127.0.0.1",
        port: int = 8514,
        limits: Limits | None = None,
        tls: Tls | None = None,
    ) -> None:
        self.name = name
        self.ready = asyncio.Event()
        self.counters = Counters()
        self.clock = clock
        self.sink: Sink | None = None
        self.refusals = Refusals(name, clock)
        self._tokens = [(token.encode(), source) for token, source in tokens.items()]
        self.limits = limits or Limits()
        self._partial_bytes = 0
        self._failure: asyncio.Future[None] | None = None
        self._listener = Listener(
            host, port, self._session, counters=self.counters, limits=self.limits, tls=tls, refusals=self.refusals
        )

    @property
    def port(self) -> int:
        """The port it is bound to; 0 before it is `ready`."""
        return self._listener.port

    async def run(self, sink: Sink, /) -> None:
        """Receive until cancelled; requests that are whole by then are written and answered. Raises SpoolError."""
        self.sink = sink
        self._failure = asyncio.get_running_loop().create_future()
        self._listener.open(sink)
        self.ready.set()
        try:
            await self._failure
        finally:
            self.ready.clear()
            await self._listener.close(drain=False)

    def failed(self, error: SpoolError) -> None:
        """End the entrance: the sink takes nothing more, for good."""
        if self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)

    def _session(self, link: Link) -> "_Session":
        assert self.sink is not None  # noqa: S101  for the type checker: `run` has set it
        return _Session(self, link, self.sink)

    def source(self, request: Request) -> str | None:
        """Return the source whose token the request shows, None if it shows none that is known."""
        kind, _, shown = request.headers.get("authorization", "").partition(" ")
        if kind.lower() not in {"bearer", "splunk"}:
            return None
        given, found = shown.strip().encode("latin-1", "replace"), None
        for token, source in self._tokens:  # all are compared, so that time tells nothing
            if compare_digest(token, given):
                found = source
        return found

    def holds(self, change: int) -> bool:
        """Account for a change of the bytes in unfinished bodies; say whether there is still room for them."""
        self._partial_bytes += change
        return change <= 0 or self._partial_bytes <= self.limits.partial_bytes


class _Session:
    def __init__(self, entrance: HttpEntrance, link: Link, sink: Sink) -> None:
        self._entrance, self._link, self._sink = entrance, link, sink
        self._requests = Requests()
        self._delivery = Delivery(link, sink, entrance.counters, failed=entrance.failed)
        self._held = 0
        self._source = ""
        link.expire(entrance.limits.handshake_seconds, "slow_head")

    def received(self, data: bytes, /) -> None:
        if self._delivery.idle and not self._requests.begun:
            self._link.expire(self._entrance.limits.handshake_seconds, "slow_head")
        self._requests.feed(data)
        self._work()

    def ended(self) -> None:
        self._account(0)
        self._delivery.close()

    def _work(self) -> None:
        requests = self._requests
        try:
            while self._delivery.idle and self._link.open and (request := requests.next()) is not None:
                if request.whole:
                    self._account(0)
                    self._take(request)
                else:
                    self._admit(request)
            self._bound(requests.held)
        except BadRequestError as error:
            self._entrance.counters.refused[f"status_{error.status}"] += 1
            headers = {"Retry-After": str(RETRY_SECONDS)} if error.status in {429, 503} else None
            self._answer(error.status, {"error": str(error)}, headers)
            self._account(0)
            self._link.close()

    def _bound(self, held: int) -> None:
        if not self._account(held):
            raise BadRequestError(503, "too many bodies are under way: send again later")

    def _account(self, held: int) -> bool:
        change, self._held = held - self._held, held
        return self._entrance.holds(change)

    def _admit(self, request: Request) -> None:
        """Look at the head of a request, before its body is taken."""
        self._link.expire(_BODY_SECONDS, "slow_body")
        if request.method in {"GET", "HEAD"} and request.path == "/health":
            return
        source = self._entrance.source(request)
        if source is None:
            self._entrance.refusals.add(self._link.host, "token_unknown")
            raise BadRequestError(401, "show a token that is known here: Authorization: Bearer TOKEN")
        if request.method != "POST":
            raise BadRequestError(405, "records come by POST")
        if request.path not in PATHS:
            raise BadRequestError(404, f"records are taken at {' and '.join(sorted(PATHS))}")
        if self._sink.full:
            raise BadRequestError(429, "the spool is full: send again later; nothing of this was taken")
        self._source = source
        self._link.send(self._requests.carry_on())

    def _take(self, request: Request) -> None:
        if request.method != "POST":
            self._answer(200, {"status": "up"})
            return
        raws = self._raws(request)
        self._link.expire(None)
        self._delivery.add(raws, lambda: self._taken(len(raws)))

    def _raws(self, request: Request) -> Sequence[Raw]:
        lines = lines_of(request.headers.get("content-type", ""), bytes(request.body))
        received, link = self._entrance.clock.now(), self._link
        plain = Origin("http", link.peer, identity=link.identity)
        return [
            Raw(
                line.body,
                self._source,
                received,
                Origin("http", link.peer, note=line.note, identity=link.identity) if line.note else plain,
            )
            for line in lines
        ]

    def _taken(self, count: int) -> None:
        self._answer(200, {"accepted": count})
        asyncio.get_running_loop().call_soon(self._work)  # what the sender has sent behind it

    def _answer(self, status: int, said: dict[str, object], headers: dict[str, str] | None = None) -> None:
        self._link.send(self._requests.answer(status, said, headers))
        self._link.expire(_IDLE_SECONDS, "idle")
        if self._requests.over:
            self._link.close()
