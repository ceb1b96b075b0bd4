"""RELP (the protocol of librelp): syslog whose sender is told, message by message, that it is on disk.

    frame     TXNR SP COMMAND SP DATALEN [SP DATA] LF
    open      relp_version=0, commands=syslog        -> rsp 200 OK and what is offered here
    syslog    one message                            -> rsp 200 OK, once it survives a crash
    close                                            -> rsp, then serverclose

Described at https://www.rsyslog.com/doc/relp.html. A sender that was not answered sends again after it has connected
anew; RELP has no identity by which that could be told from a new message, so it is stored twice then.
"""

import asyncio
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

from sentinel.collect.acknowledged import Counters, Delivery
from sentinel.collect.lines import MESSAGE_MAX
from sentinel.collect.link import Link
from sentinel.collect.listening import Limits, Listener
from sentinel.collect.refusals import Refusals
from sentinel.collect.tls import Tls
from sentinel.core.event import Origin, Raw
from sentinel.core.ports import Clock, Sink

FRAME_MAX = 1 << 20
"""A frame that announces more ends the connection."""
_HEAD_MAX = 9 + 1 + 32 + 1 + 9 + 1
_HEAD = re.compile(rb"(\d{1,9}) ([A-Za-z]{1,32}) (\d{1,9})([ \n])")
_BEGUN = re.compile(rb"\d{1,9}(?: (?:[A-Za-z]{1,32}(?: \d{0,9})?)?)?")
_ENDS = b"\r\n\0"
_OFFERS = b"200 OK\nrelp_version=0\nrelp_software=sentinel\ncommands=syslog"


class Frame(NamedTuple):
    """One frame; `txnr` as it was written."""

    txnr: bytes
    command: bytes
    data: bytes


class Frames:
    """One connection's bytes to frames; `broken` says why none can follow (empty while all is well)."""

    __slots__ = ("_rest", "broken")

    def __init__(self) -> None:
        self._rest = b""
        self.broken = ""

    @property
    def held(self) -> int:
        """How many bytes of an unfinished frame are kept in memory."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next piece; return the frames it completes."""
        if self.broken:
            return []
        data = self._rest + data
        frames: list[Frame] = []
        at, end, match = 0, len(data), _HEAD.match
        while at < end:
            head = match(data, at)
            if head is None:
                self._judge(data[at : at + _HEAD_MAX])
                break
            txnr, command, digits, delimiter = head.groups()
            size, start = int(digits), head.end()
            if size > FRAME_MAX:
                self.broken = "frame_too_large"
                break
            if delimiter == b"\n":
                if size:
                    self.broken = "bad_frame"
                    break
                frames.append(Frame(txnr, command, b""))
                at = start
                continue
            stop = start + size
            if stop >= end:
                break
            if data[stop] != 10:
                self.broken = "bad_frame"
                break
            frames.append(Frame(txnr, command, data[start:stop]))
            at = stop + 1
        self._rest = b"" if self.broken else data[at:]
        return frames

    def _judge(self, start: bytes) -> None:
        if not _BEGUN.fullmatch(start):
            self.broken = "bad_frame"


class Relp:
    """The RELP entrance. `port` 0 takes any free one."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        host: str = "127.0.0.1",
        port: int = 2514,
        limits: Limits | None = None,
        tls: Tls | None = None,
    ) -> None:
        self.name = name
        self.ready = asyncio.Event()
        self.counters = Counters()
        self.clock = clock
        self._sink: Sink | None = None
        refusals = None if tls is None else Refusals(name, clock)
        self._listener = Listener(
            host, port, self._session, counters=self.counters, limits=limits, tls=tls, refusals=refusals
        )

    @property
    def port(self) -> int:
        """The port it is bound to; 0 before it is `ready`."""
        return self._listener.port

    async def run(self, sink: Sink, /) -> None:
        """Receive until cancelled; what was received by then is written and answered."""
        self._sink = sink
        self._listener.open(sink)
        self.ready.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ready.clear()
            await self._listener.close(drain=False)

    def _session(self, link: Link) -> "_Session":
        assert self._sink is not None  # noqa: S101  for the type checker: `run` has set it
        return _Session(self, link, self._sink)


class _Session:
    def __init__(self, entrance: Relp, link: Link, sink: Sink) -> None:
        self._entrance, self._link = entrance, link
        self._frames = Frames()
        self._delivery = Delivery(link, sink, entrance.counters)
        self._origin = Origin("syslog-relp", link.peer, identity=link.identity)
        self._opened = self._over = False

    def received(self, data: bytes, /) -> None:
        if self._over:
            return
        for command, frames in _grouped(self._frames.feed(data)):
            if command == b"syslog" and self._opened:
                self._messages(frames)
            elif command == b"open" and not self._opened:
                self._opened = True
                self._answer(frames[0], _OFFERS)
            elif command == b"close" and self._opened:
                self._close(frames[0])
                return
            else:
                self._answer(frames[0], b"500 not expected here: " + command)
                self.ended()
                return
        if self._frames.broken:
            self._entrance.counters.closed[self._frames.broken] += 1
            self.ended()

    def ended(self) -> None:
        self._over = True
        self._delivery.close()

    def _messages(self, frames: list[Frame]) -> None:
        received, name, origin = self._entrance.clock.now(), self._entrance.name, self._origin
        raws = []
        for _, _, data in frames:
            body = data.rstrip(_ENDS)
            if len(body) > MESSAGE_MAX:
                raws.append(_cut(body, Raw(body, name, received, origin)))
            elif body:
                raws.append(Raw(body, name, received, origin))
        answers = b"".join([b"%b rsp 6 200 OK\n" % frame.txnr for frame in frames])
        self._delivery.add(raws, lambda: self._link.send(answers))

    def _answer(self, frame: Frame, said: bytes) -> None:
        answer = b"%b rsp %d %b\n" % (frame.txnr, len(said), said)
        self._delivery.add((), lambda: self._link.send(answer))

    def _close(self, frame: Frame) -> None:
        self._delivery.add((), lambda: self._link.send(b"%b rsp 0\n0 serverclose 0\n" % frame.txnr))
        self.ended()


def _grouped(frames: list[Frame]) -> Iterator[tuple[bytes, list[Frame]]]:
    """Yield runs of messages, and every other frame by itself."""
    run: list[Frame] = []
    for frame in frames:
        if frame.command == b"syslog":
            run.append(frame)
            continue
        if run:
            yield b"syslog", run
            run = []
        yield frame.command, [frame]
    if run:
        yield b"syslog", run


def _cut(body: bytes, raw: Raw) -> Raw:
    note = f"cut:{len(body)}:sha256={sha256(body).hexdigest()}"
    origin = raw.origin
    return Raw(body[:MESSAGE_MAX], raw.source, raw.received, Origin(origin.via, origin.peer, "", note, origin.identity))
