"""Syslog over UDP (RFC 5426): one datagram, one record; best effort, but every loss on this host is counted.

Once the entrance has stopped: sent to this host = written + blank + dropped.
"""

from dataclasses import dataclass

from sentinel.collect.datagrams import QUEUE_MAX, RECEIVE_BUFFER_BYTES, SOCKETS, Address, UdpEntrance
from sentinel.collect.datagrams import Counters as Received
from sentinel.collect.sockets import peer_text
from sentinel.core.event import Origin, Raw
from sentinel.core.ports import Clock

PEERS_MAX = 4096
_ENDS = b"\r\n\0"


@dataclass(slots=True)
class Counters(Received):
    """What became of the datagrams: received = written + blank + dropped_overflow + those still in the queue."""

    blank: int = 0


class SyslogUdp(UdpEntrance):
    """The UDP entrance of syslog; see `UdpEntrance` for the options."""

    def __init__(  # noqa: PLR0913  plain arguments, so that app.py can wire them
        self,
        name: str,
        clock: Clock,
        *,
        host: str = "127.0.0.1",
        port: int = 514,
        sockets: int = SOCKETS,
        receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES,
        queue_max: int = QUEUE_MAX,
    ) -> None:
        super().__init__(
            name,
            clock,
            host=host,
            port=port,
            sockets=sockets,
            receive_buffer_bytes=receive_buffer_bytes,
            queue_max=queue_max,
        )
        self.counters: Counters = Counters()
        self._origins: dict[Address, Origin] = {}

    def _batch(self) -> list[Raw]:
        name, origins = self.name, self._origins
        batch: list[Raw] = []
        for datagram, peer, received in self._taken():
            body = datagram.rstrip(_ENDS)
            if body:
                batch.append(Raw(body, name, received, origins.get(peer) or self._origin(peer)))
            else:
                self.counters.blank += 1
        return batch

    def _origin(self, peer: Address) -> Origin:
        if len(self._origins) >= PEERS_MAX:  # forged senders must not fill the memory
            self._origins.clear()
        origin = self._origins[peer] = Origin("syslog-udp", peer_text(peer))
        return origin
