"""Lumberjack version 2: Filebeat, Winlogbeat and every other sender with `output.logstash`.

A sender waits after a window of events; it is answered when the whole window is on disk. While the disk is slow it
hears every few seconds how far that has come, so that it does not take us for dead and send everything again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import orjson

from sentinel.collect.acknowledged import AcknowledgedEntrance, AcknowledgedSession, Counters
from sentinel.collect.link import Link
from sentinel.collect.listening import Limits
from sentinel.collect.lumberjack_frames import Frames, Sent, Window, answer
from sentinel.collect.tls import Tls
from sentinel.core.event import Origin, Raw
from sentinel.core.ports import Clock

ALIVE_SECONDS = 5.0
"""Beats give up after 30 seconds of silence."""
_SEQ = 1 << 32
_PLACE_MAX = 4096


@dataclass(slots=True)
class LumberjackCounters(Counters):
    """`cut` events were too long, `blank` had no bytes; `alive` is how often a sender had to be asked for patience.

    Connections are ended for what `Frames.broken` says, and for `no_window`, `sequence`, `partial_memory`.
    """

    cut: int = 0
    blank: int = 0
    alive: int = 0


class Lumberjack(AcknowledgedEntrance):
    """The entrance for Beats."""

    via = "lumberjack"

    def __init__(  # noqa: PLR0913  plain arguments, so that entrances.py can wire them
        self,
        name: str,
        clock: Clock,
        *,
        host: str = "127.0.0.1",
        port: int = 5044,
        limits: Limits | None = None,
        tls: Tls | None = None,
        alive_seconds: float = ALIVE_SECONDS,
    ) -> None:
        self.counters = LumberjackCounters()
        self.alive_seconds = alive_seconds
        super().__init__(name, clock, host=host, port=port, counters=self.counters, limits=limits, tls=tls)

    def session(self, link: Link) -> "_Session":
        """Return what speaks the protocol on `link`."""
        return _Session(self, link)


class _Session(AcknowledgedSession):
    """One sender: `_due` events make its window whole, `_count` of them have come, the last with number `_seq`."""

    def __init__(self, entrance: Lumberjack, link: Link) -> None:
        super().__init__(entrance, link, entrance.counters)
        self.origin = Origin(entrance.via, link.host, identity=link.identity)
        self._entrance = entrance
        self._frames = Frames()
        self._due = self._count = self._seq = 0
        self._reached = 0
        self._alive: asyncio.TimerHandle | None = None

    def received(self, data: bytes, /) -> None:
        problem = self._take(self._frames.feed(data)) or self._frames.broken
        if not self.account(self._frames.held):
            problem = "partial_memory"
        if problem:
            self.account(0)
            self.link.abort(problem)

    def ended(self) -> None:
        self.account(0)
        self.delivery.close()

    def _take(self, frames: list[Window | Sent]) -> str:
        """Hand events on, window by window; return what is wrong with them."""
        now, name, counters = self._entrance.clock.now(), self._entrance.name, self._entrance.counters
        raws: list[Raw] = []
        size = events = 0

        def deliver(*, whole: bool) -> None:
            nonlocal raws, size, events
            self._deliver(raws, partial(self._durable, self._seq, events, size, whole=whole))
            raws, size, events = [], 0, 0

        for frame in frames:
            if isinstance(frame, Window):
                if self._count:  # the sender changes its mind in the middle: it is told what has come
                    deliver(whole=True)
                self._due, self._count = frame.size, 0
                continue
            seq, body, note = frame
            if not self._due or (self._count and seq != (self._seq + 1) % _SEQ):
                if events:
                    deliver(whole=False)
                return "sequence" if self._due else "no_window"
            if body:
                raws.append(Raw(body, name, now, self._whence(body, note)))
            counters.blank += not body
            counters.cut += bool(note)
            size += len(body)
            events += 1
            self._seq = seq
            self._count += 1
            if self._count == self._due:
                deliver(whole=True)
                self._count = 0
        if events:
            deliver(whole=False)
        return ""

    def _whence(self, body: bytes, note: str) -> Origin:
        place = "" if note else position(body)
        if not place and not note:
            return self.origin
        origin = self.origin
        return Origin(origin.via, origin.peer, place, note, origin.identity)

    def _deliver(self, raws: list[Raw], told: Callable[[], None]) -> None:
        self.delivery.add(raws, told)
        if self._alive is None:
            self._wait()

    def _durable(self, seq: int, events: int, size: int, *, whole: bool) -> None:
        self._frames.answered(events, size)
        if whole:
            self._reached = 0
            self.send(answer(seq))
        elif events:
            self._reached = seq

    def _wait(self) -> None:
        self._alive = asyncio.get_running_loop().call_later(self._entrance.alive_seconds, self._still_alive)

    def _still_alive(self) -> None:
        self._alive = None
        if not self.delivery.idle and self.link.open:
            self._entrance.counters.alive += 1
            self.send(answer(self._reached))
            self._wait()


def position(body: bytes) -> str:
    """Return what makes an event itself at its sender, as a resend shows it again; empty if it does not say.

    That is the id a Beat was told to add, or the place it was read from (an event log's record, an offset in a
    file), always with the agent and the time of reading: a file that was emptied begins its offsets anew.
    """
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(said, dict):
        return ""
    agent, log, winlog, meta = (_dict(said, name) for name in ("agent", "log", "winlog", "@metadata"))
    read = [said.get("@timestamp"), agent.get("id")]
    if meta.get("_id"):
        place = ["id", meta["_id"]]
    elif "record_id" in winlog:
        place = ["winlog", *read, winlog.get("computer_name"), winlog.get("channel"), winlog["record_id"]]
    elif "offset" in log and all(read):
        file = _dict(log, "file")
        place = ["log", *read, file.get("device_id"), file.get("inode"), file.get("path"), log["offset"]]
    else:
        return ""
    found = orjson.dumps(place).decode()
    return found if len(found) <= _PLACE_MAX else ""


def _dict(said: dict[str, object], name: str) -> dict[str, object]:
    inner = said.get(name)
    return inner if isinstance(inner, dict) else {}
