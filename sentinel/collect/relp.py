"""RELP: rsyslog, and whatever else speaks it, learns for each message that it is on disk, or sends it again."""

from dataclasses import dataclass, replace

from sentinel.collect.acknowledged import AcknowledgedEntrance, AcknowledgedSession, Counters
from sentinel.collect.link import Link
from sentinel.collect.listening import Limits
from sentinel.collect.relp_frames import ENDS, Frame, Frames, after, frame
from sentinel.collect.tls import Tls
from sentinel.core.event import Origin, Raw
from sentinel.core.ports import Clock

_OFFERS = b"relp_version=0\nrelp_software=sentinel\ncommands=syslog"
_OK = b"200 OK"
_GOODBYE = frame(0, b"serverclose")


@dataclass(slots=True)
class RelpCounters(Counters):
    """`cut` messages were too long, `blank` had no bytes.

    Connections are ended for `bad_frame`, `frame_too_large`, `sequence`, `not_open`, `offers`, `unknown_command`,
    `partial_memory`.
    """

    cut: int = 0
    blank: int = 0


class Relp(AcknowledgedEntrance):
    """The RELP entrance."""

    via = "syslog-relp"

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
        self.counters = RelpCounters()
        super().__init__(name, clock, host=host, port=port, counters=self.counters, limits=limits, tls=tls)

    def session(self, link: Link) -> "_Session":
        """Return what speaks the protocol on `link`."""
        return _Session(self, link)


class _Session(AcknowledgedSession):
    """One sender: `_last` is the number of its newest transaction."""

    def __init__(self, entrance: Relp, link: Link) -> None:
        super().__init__(entrance, link, entrance.counters)
        self._entrance = entrance
        self._frames = Frames()
        self._last = 0
        self._open = self._over = False

    def received(self, data: bytes, /) -> None:
        if self._over:
            return
        problem = self._take(self._frames.feed(data)) or self._frames.broken
        if not self.account(self._frames.held):
            problem = "partial_memory"
        if problem:
            self._entrance.counters.closed[problem] += 1
        if problem or self._over:
            self._goodbye()

    def ended(self) -> None:
        if not self._over:
            self._goodbye()

    def _goodbye(self) -> None:
        """Answer what was taken before, then end the connection."""
        self._over = True
        self.account(0)
        self.link.pause()
        self.delivery.add((), lambda: self.send(_GOODBYE))
        self.delivery.close()

    def _take(self, frames: list[Frame]) -> str:
        """Write messages, carry out commands in their order; return what is wrong with them."""
        now, name = self._entrance.clock.now(), self._entrance.name
        raws: list[Raw] = []
        answers: list[bytes] = []
        problem, last = "", self._last
        for txnr, command, data, note in frames:
            if last and txnr != after(last):
                problem = "sequence"
                break
            last = txnr
            if command == b"syslog" and self._open:
                body = data if note else data.rstrip(ENDS)
                if body:
                    raws.append(Raw(body, name, now, self._noted(note) if note else self.origin))
                else:
                    self._entrance.counters.blank += 1
                answers.append(b"%d rsp 6 200 OK\n" % txnr)
                continue
            problem, said = self._command(command, data)
            answers.append(frame(txnr, b"rsp", said))
            if problem or self._over:
                break
        self._last = last
        if answers:
            self.delivery.add(raws, lambda: self.send(b"".join(answers)))
        return problem

    def _noted(self, note: str) -> Origin:
        self._entrance.counters.cut += 1
        return replace(self.origin, note=note)

    def _command(self, command: bytes, data: bytes) -> tuple[str, bytes]:
        """Return what is wrong with a command that is no message, and the answer to it."""
        if command == b"open" and not self._open:
            if not _offered(data):
                return "offers", b"500 the command syslog is needed and was not offered"
            self._open = True
            return "", _OK + b"\n" + _OFFERS
        if command == b"close" and self._open:
            self._over = True
            return "", b""
        if not self._open:
            return "not_open", b"500 open a session first"
        return "unknown_command", b"500 this command is not known here"


def _offered(data: bytes) -> bool:
    """Say whether the sender's offers name the one command that we need."""
    for line in data.split(b"\n"):
        name, _, value = line.partition(b"=")
        if name == b"commands" and b"syslog" in value.split(b","):
            return True
    return False
