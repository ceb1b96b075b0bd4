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


class Problems:
    """Tells what is found wrong as notices of `action`: each problem that `look` returns, once until it is gone.

    At most TOLD_MAX in all.
    """

    def __init__(self, action: str, clock: Clock, look: Callable[[], Iterable[str]]) -> None:
        self._action = action
        self._clock = clock
        self._look = look
        self._told: set[str] = set()
        self._number = 0

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
        there = dict.fromkeys(self._look())
        new = [one for one in there if one not in self._told][: TOLD_MAX - self._number]
        self._number += len(new)
        self._told = {*(self._told & there.keys()), *new}
        now = self._clock.now()
        if new:
            await sink.write([notice(SOURCE, now, {"action": self._action, "reason": one}) for one in new])
