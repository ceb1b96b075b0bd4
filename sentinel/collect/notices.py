"""What Sentinel has to say of itself becomes records like all others: `parsers/sentinel` reads them, rules judge them.

So what goes wrong with Sentinel is found, judged and kept in the same way as what goes wrong elsewhere.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime

import orjson

from sentinel.core.errors import SpoolError
from sentinel.core.event import Origin, Raw
from sentinel.core.ports import Clock, Sink

VIA = "sentinel"
SOURCE = "sentinel"
"""The source of what is nobody else's."""
TOLD_MAX = 1000
_LOOK_SECONDS = 1.0


def notice(source: str, received: datetime, said: dict[str, object], peer: str = "") -> Raw:
    """Return a record that tells something; `said` has an `action` that the pack knows."""
    return Raw(orjson.dumps(said), source, received, Origin(VIA, peer))


class SpoolProblems:
    """Tells what is found wrong with the spool: each problem that `look` returns once, TOLD_MAX of them at most."""

    def __init__(self, clock: Clock, look: Callable[[], Iterable[str]]) -> None:
        self._clock = clock
        self._look = look
        self._told: set[str] = set()

    async def run(self, sink: Sink) -> None:
        """Write what is new until cancelled, and the rest then."""
        try:
            while True:
                await self._write(sink)
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            with suppress(SpoolError):  # a spool that is broken or full cannot be told so
                await self._write(sink)

    async def _write(self, sink: Sink) -> None:
        new = [one for one in self._look() if one not in self._told][: TOLD_MAX - len(self._told)]
        self._told.update(new)
        now = self._clock.now()
        if new:
            await sink.write([notice(SOURCE, now, {"action": "spool_problem", "reason": one}) for one in new])
