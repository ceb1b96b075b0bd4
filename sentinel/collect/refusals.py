"""Who was not let in, and what was lost of whom, becomes an event of its own: it is news, not a counter alone.

A stranger who knocks ten times a second must not fill the store, so the same sender with the same reason is told once
at once, and then once a minute with how often it was.
"""

import asyncio
from collections import Counter
from time import monotonic

from sentinel.collect.notices import notice
from sentinel.core.ports import Clock, Sink

EVERY_SECONDS = 60.0
SENDERS_MAX = 1000
_LOOK_SECONDS = 1.0


class Refusals:
    """What one entrance refused or lost; written as records that `parsers/sentinel` reads."""

    def __init__(self, name: str, clock: Clock, *, every_seconds: float = EVERY_SECONDS) -> None:
        self._name, self._clock, self._every = name, clock, every_seconds
        self._new: Counter[tuple[str, str, str]] = Counter()
        self._told: dict[tuple[str, str, str], float] = {}
        self.unknown = 0
        """Refusals of senders beyond the first thousand of a minute: in the counters only."""

    def add(self, host: str, reason: str, count: int = 1, *, action: str = "connection_refused") -> None:
        """Note that `host` was refused, or that records of it were lost (`records_lost`), for `reason`."""
        who = (host, reason, action)
        if who in self._new or len(self._new) < SENDERS_MAX:
            self._new[who] += count
        else:
            self.unknown += count

    async def run(self, sink: Sink) -> None:
        """Write what was refused until cancelled, and the rest then."""
        try:
            while True:
                await asyncio.sleep(_LOOK_SECONDS)
                await self._write(sink, due=True)
        finally:
            await self._write(sink, due=False)

    async def _write(self, sink: Sink, *, due: bool) -> None:
        now = self._clock.now()
        seconds = monotonic()
        self._told = {who: at for who, at in self._told.items() if seconds - at < self._every}
        ready = [who for who in self._new if not due or who not in self._told]
        raws = []
        for who in ready:
            host, reason, action = who
            count = self._new.pop(who)
            self._told[who] = seconds
            said = {
                "action": action,
                "entrance": self._name,
                "peer": host,
                "reason": reason,
                "count": count,
            }
            raws.append(notice(self._name, now, said, host))
        if raws:
            await sink.write(raws)
