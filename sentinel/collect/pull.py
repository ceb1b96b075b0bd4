"""Pulled sources: what an API over HTTPS has to give is asked for at intervals, and kept once.

The server keeps its records; our mark moves forward only after the sink has kept what came before it. Stretches
overlap, for records may become visible late; what was kept already is known by its identity and not kept again.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from random import Random

from sentinel.collect.lines import Lines
from sentinel.collect.pull_answers import Record, complaint
from sentinel.collect.pull_client import Answer, Client, Method, PullError, Question, place
from sentinel.collect.pull_feeds import Feed, Page
from sentinel.collect.pull_marks import Marks, Stretch
from sentinel.collect.pull_tokens import Tokens
from sentinel.collect.pull_troubles import Troubles
from sentinel.collect.threads import finished
from sentinel.core.check import Check
from sentinel.core.errors import StoreError
from sentinel.core.event import Origin, Raw, arriving
from sentinel.core.kill import point
from sentinel.core.ports import Clock, Sink

VIA = "pull"
PAUSE_SECONDS = (1.0, 300.0)
AFTER_SECONDS_MAX = 3600.0
PATIENCE = 6
"""So often one question is asked again in the middle of a stretch, before the stretch is read anew."""
BATCH = 1000
_SLACK = timedelta(hours=1)
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(slots=True)
class Counters:
    """Records kept, and those met `again` that were kept before; questions asked, and those without an answer.

    `gone` counts what was listed and could not be had any more.
    `problems` has the latest word on each feed that cannot be read.
    """

    received: int = 0
    written: int = 0
    again: int = 0
    cut: int = 0
    gone: int = 0
    dropped_nested_too_deeply: int = 0
    asked: int = 0
    failed: int = 0
    problems: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, how far at once, how far back: `overlap` is read again each time, `start` is where to begin."""

    interval: timedelta = timedelta(minutes=1)
    window: timedelta = timedelta(hours=1)
    overlap: timedelta = timedelta(minutes=10)
    start: timedelta = timedelta(hours=24)


class Pull:
    """One API and what is read from it; `client` makes the connections of one feed."""

    def __init__(  # noqa: PLR0913  plain arguments, so that entrances.py can wire them
        self,
        name: str,
        clock: Clock,
        feeds: Sequence[Feed],
        *,
        url: str,
        tokens: Tokens,
        client: Callable[[], Client],
        marks: Path,
        pace: Pace | None = None,
        headers: dict[str, str] | None = None,
        chance: Random | None = None,
        pause: tuple[float, float] = PAUSE_SECONDS,
    ) -> None:
        self.name = name
        self.ready = asyncio.Event()
        self.counters = Counters()
        self.clock = clock
        self.host = place(url)[0]
        self.tokens, self.client, self.headers = tokens, client, headers or {}
        self.pace = pace or Pace()
        self.feeds, self._path = feeds, marks
        self._chance, self._pause = chance or Random(), pause  # noqa: S311  it spreads load, nothing else
        self.troubles = Troubles(name, self.host, clock)

    async def run(self, sink: Sink, /) -> None:
        """Ask until cancelled; raises StoreError if the marks cannot be opened, SpoolError."""
        marks = await finished(lambda: Marks(self._path))
        if marks.set_aside is not None:
            self.troubles.lost("", f"the marks were damaged and begin anew; what they were is in {marks.set_aside}")
        reading = [asyncio.create_task(_Reading(self, feed, marks, sink).run()) for feed in self.feeds]
        self.ready.set()
        try:
            done, _ = await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            self.ready.clear()
            for one in reading:
                one.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
            marks.close()

    def wait(self, failures: int, after: float | None) -> float:
        """Return how long to wait (seconds) after so many failures in a row: full jitter, or as the server wishes."""
        first, longest = self._pause
        jitter = self._chance.uniform(0, min(longest, first * 2 ** min(failures, 20)))
        return jitter if after is None else min(after, AFTER_SECONDS_MAX) + min(jitter, first)

    async def ask(self, client: Client, url: str, method: Method = "GET") -> Answer:
        """Ask once, and once more with another token if the first was refused; raises PullError."""
        body = b"" if method == "POST" else None
        self.counters.asked += 1
        answer = await client.ask(Question(url, self.headers | await self.tokens.headers(client), method, body))
        if answer.status == 401 and self.tokens.refused():
            answer = await client.ask(Question(url, self.headers | await self.tokens.headers(client), method, body))
        if 200 <= answer.status < 300:
            return answer
        said = self.tokens.redacted(complaint(answer))
        said = said or ("redirects are not followed" if 300 <= answer.status < 400 else "")
        raise PullError(
            f"{self.host}: status {answer.status}{': ' + said if said else ''}",
            status=answer.status,
            passing=answer.status in _PASSING,
            after=answer.after(self.clock.now()) if answer.status in {429, 503} else None,
        )


class _Reading:
    """One feed being read."""

    def __init__(self, pull: Pull, feed: Feed, marks: Marks, sink: Sink) -> None:
        self._pull, self._feed, self._marks, self._sink = pull, feed, marks, sink
        self._client = pull.client()
        self._begun = False
        self._progress = self._noted = False
        self._cursor = self._gap = ""
        self._twins: Counter[bytes] = Counter()

    async def run(self) -> None:
        failures = 0
        try:
            while True:
                try:
                    more = await self._turn()
                except (PullError, StoreError) as error:  # a full disk may have room again
                    failures += 1
                    trouble = error if isinstance(error, PullError) else PullError(str(error), passing=True)
                    await self._failed(trouble)
                    await asyncio.sleep(self._pull.wait(failures, trouble.after))
                    continue
                failures = 0
                await self._well()
                if not more:
                    await asyncio.sleep(self._pull.pace.interval.total_seconds())
        finally:
            self._client.close()

    async def _failed(self, error: PullError) -> None:
        self._pull.counters.failed += 1
        self._pull.counters.problems[self._feed.key] = str(error)
        self._pull.troubles.failed(self._feed.key, str(error), passing=error.passing)
        await self._tell()

    async def _well(self) -> None:
        self._pull.counters.problems.pop(self._feed.key, None)
        self._pull.troubles.over(self._feed.key)
        await self._tell()

    async def _tell(self) -> None:
        said = self._pull.troubles.taken()
        if said:
            await self._sink.write(said)

    async def _turn(self) -> bool:
        """Read one stretch; say whether there is more to read at once."""
        self._progress = False
        if not self._begun:
            await self._feed.ready(self._ask)
            self._begun = True
        stretch = await self._stretch()
        self._cursor = stretch.cursor
        self._twins.clear()
        async with aclosing(self._feed.pages(stretch, self._ask, self._known)) as pages:
            async for page in pages:
                await self._keep(page, stretch)
                self._progress = True
        pace = self._pull.pace
        forget = stretch.until - pace.overlap - _SLACK
        await finished(lambda: self._marks.end(self._feed.key, stretch, forget))
        if self._gap:
            self._pull.troubles.lost(self._feed.key, self._gap)
        return self._pull.clock.now() - stretch.until > pace.interval

    async def _stretch(self) -> Stretch:
        now, pace, feed = self._pull.clock.now(), self._pull.pace, self._feed
        first = now - pace.start + pace.overlap  # noted, so that days in which nobody answers move nothing
        read_to = await finished(lambda: self._marks.read_to(feed.key, first))
        since = min(read_to, now) - pace.overlap  # a clock that was set back asks for nothing that is yet to come
        oldest = now - feed.oldest if feed.oldest is not None else datetime.min.replace(tzinfo=now.tzinfo)
        # told when the rest could be read: until then it grows
        self._gap = f"{self._pull.host} has nothing of {read_to} to {oldest} any more" if read_to < oldest else ""
        since = max(since, oldest)
        wanted = Stretch(since, min(now, since + pace.window), now)
        stretch, self._noted = await finished(lambda: self._marks.open(feed.key, wanted, oldest))
        return stretch

    async def _ask(self, url: str, /, method: Method = "GET") -> Answer:
        """Ask; in the middle of a stretch with patience, for pages that were read would have to be read again."""
        failures = 0
        while True:
            try:
                return await self._pull.ask(self._client, url, method)
            except PullError as error:
                failures += 1
                if not (self._progress and error.passing and failures < PATIENCE):
                    raise
                await self._failed(error)
                await asyncio.sleep(self._pull.wait(failures, error.after))

    async def _known(self, ids: Iterable[str]) -> set[str]:
        return await finished(lambda: self._marks.known(self._feed.key, ids))

    async def _keep(self, page: Page, stretch: Stretch) -> None:
        """Keep what is new of a page, then note it."""
        counters, key = self._pull.counters, self._feed.key
        counters.dropped_nested_too_deeply += page.deep
        if page.gone:
            counters.gone += 1
            self._pull.troubles.lost(key, page.gone)
        named = list(self._named(page.records, stretch))
        known = await self._known([name for name, _ in named])
        counters.again += len(known)
        fresh = [(name, body) for name, body in named if name not in known]
        if not self._noted and (fresh or page.cursor):
            await finished(lambda: self._marks.begin(key, stretch))
            self._noted = True
        for first in range(0, len(fresh), BATCH):
            raws = [self._raw(name, body, stretch) for name, body in fresh[first : first + BATCH]]
            counters.received += len(raws)
            await self._sink.write(raws)
            counters.written += len(raws)
        point("pull.kept")
        names = [name for name, _ in fresh]
        units = [page.unit] if page.unit else []
        await finished(lambda: self._marks.kept(key, names + units, stretch, page.cursor))
        if page.cursor:
            self._cursor = page.cursor
            self._twins.clear()

    def _named(self, records: Sequence[Record], stretch: Stretch) -> Iterator[tuple[str, bytes]]:
        """Yield each record with its identity: its own name, or else its content and the how-manieth of its kind.

        Content is no identity beyond the stretch, unless stretches overlap: then the same again is the same.
        """
        where = "" if self._pull.pace.overlap else f"{stretch.begun.isoformat()}:{self._cursor}:"
        met: set[str] = set()
        for record in records:
            name = f"id:{record.id}"
            if not record.id:
                digest = blake2b(record.body, digest_size=16).digest()
                name = f"body:{where}{digest.hex()}:{self._twins[digest]}"
                self._twins[digest] += 1
            if name not in met:
                yield name, record.body
            met.add(name)

    def _raw(self, name: str, body: bytes, stretch: Stretch) -> Raw:
        (line,) = Lines().feed(body + b"\n")
        self._pull.counters.cut += bool(line.note)
        origin = Origin(VIA, self._pull.host, f"{self._feed.key}:{name}", line.note)
        return arriving(Raw(line.body, self._pull.name, self._pull.clock.now(), origin), stretch.begun)


def check(pull: Pull) -> Check:
    """Ask the API for something small, as `run` would: nothing of it is kept."""

    async def look() -> str:
        feed, client = pull.feeds[0], pull.client()
        try:
            return feed.doubt(await pull.ask(client, feed.probe(pull.clock.now())))
        finally:
            client.close()

    name = f"pull {pull.name}"
    try:
        doubt = asyncio.run(look())
    except PullError as error:
        return Check(name, "fail", str(error), "deploy/docs/pull.md says what it means; what is missed is read later")
    if doubt:
        return Check(name, "warn", f"{pull.host} answers, but {doubt}", "fine if nothing happened in the last minute")
    return Check(name, "ok", f"{pull.host} is trusted, knows us and answers")
