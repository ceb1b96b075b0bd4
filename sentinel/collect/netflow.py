"""NetFlow v5, v9 and IPFIX over UDP: each flow is a record; best effort, and what is missing is known where it can be.

Datagrams are read where they arrive, because templates are said once and used for minutes: a record in the spool
stands for itself. Templates are remembered in a file, so a restart waits for none. Losses on this host are counted in
datagrams (kernel, overflow, malformed, unlisted, too_many) or data sets (no_template); what exporters numbered and
never came becomes a notice (`records_lost`), in flows (v5, IPFIX) or datagrams (v9).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path

import orjson

from sentinel.collect.datagrams import QUEUE_MAX, RECEIVE_BUFFER_BYTES, Address, UdpEntrance
from sentinel.collect.datagrams import Counters as Received
from sentinel.collect.marks import remember, remembered
from sentinel.collect.netflow_exporters import Exporters
from sentinel.collect.netflow_reader import Reader
from sentinel.collect.refusals import Refusals
from sentinel.collect.sockets import host_of, peer_text
from sentinel.core.check import Check
from sentinel.core.errors import ConfigError
from sentinel.core.event import Origin, Raw
from sentinel.core.ports import Clock, Sink

RECORDS_MAX = 1000
PEERS_MAX = 4096
REMEMBER_SECONDS = 30.0
EXPIRE_SECONDS = 10.0


@dataclass(slots=True)
class Counters(Received):
    """What became of datagrams and flows.

    `written` are records. `missing_*` are gaps in exporters' numbers, with what was dropped here among them.
    """

    templates: int = 0
    options: int = 0
    missing_flows: int = 0
    missing_datagrams: int = 0
    dropped_malformed: int = 0
    dropped_unlisted: int = 0
    dropped_no_template: int = 0
    dropped_too_many: int = 0
    problem: str = ""


class Netflow(UdpEntrance):
    """The entrance; `exporters` are the networks that may send, all if empty; `mark` is the file of templates."""

    def __init__(  # noqa: PLR0913  plain arguments, so that entrances.py can wire them
        self,
        name: str,
        clock: Clock,
        *,
        mark: Path,
        host: str = "127.0.0.1",
        port: int = 2055,
        exporters: Sequence[str] = (),
        receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES,
        queue_max: int = QUEUE_MAX,
    ) -> None:
        super().__init__(
            name, clock, host=host, port=port, receive_buffer_bytes=receive_buffer_bytes, queue_max=queue_max
        )
        self.counters: Counters = Counters()
        self._mark = mark
        self._listed = [ip_network(one) for one in exporters]
        self._notices = Refusals(name, clock)
        self._exporters = Exporters(self._lose)
        self._reader = Reader(self._exporters, self._lose)
        self._peers: dict[Address, tuple[str, Origin] | None] = {}

    async def run(self, sink: Sink, /) -> None:
        """Receive until cancelled; then write what is queued, and remember the templates."""
        self._load()
        notices = asyncio.create_task(self._notices.run(sink))
        caring = asyncio.create_task(self._care())
        try:
            await super().run(sink)
        finally:
            caring.cancel()
            await asyncio.gather(caring, return_exceptions=True)
            self._exporters.close(self._clock.now())
            self._remember(orderly=True)
            notices.cancel()
            await asyncio.gather(notices, return_exceptions=True)

    async def _care(self) -> None:
        waited = 0.0
        while True:
            await asyncio.sleep(EXPIRE_SECONDS)
            waited += EXPIRE_SECONDS
            self._exporters.expire(self._clock.now())
            if waited >= REMEMBER_SECONDS and self._exporters.changed:
                waited = 0.0
                said = orjson.dumps(self._exporters.dump(orderly=False)).decode()
                await asyncio.to_thread(self._write, said)

    def _load(self) -> None:
        self._exporters = self._reader.exporters = Exporters(self._lose)
        try:
            said = remembered(self._mark)
            if said:
                self._exporters.load(orjson.loads(said))
        except (ConfigError, KeyError, TypeError, ValueError) as error:  # exporters say their templates again
            self.counters.problem = f"{self._mark}: {error}"
            self._exporters = self._reader.exporters = Exporters(self._lose)

    def _remember(self, *, orderly: bool) -> None:
        self._write(orjson.dumps(self._exporters.dump(orderly=orderly)).decode())

    def _write(self, said: str) -> None:
        try:
            remember(self._mark, said)
        except ConfigError as error:  # a full disk is no reason to receive nothing
            self.counters.problem = str(error)

    def _batch(self) -> list[Raw]:
        name, reader, peers = self.name, self._reader, self._peers
        batch: list[Raw] = []
        for data, peer, received in self._taken():
            known = peers[peer] if peer in peers else self._peer(peer)
            if known is None:
                self._lose(host_of(peer), "unlisted", 1)
                continue
            address, origin = known
            for body, position, moment in reader.read(data, address, peer[1], received):
                batch.append(Raw(body, name, moment, Origin(origin.via, origin.peer, position)))
            if len(batch) >= RECORDS_MAX:
                break
        self.counters.templates, self.counters.options = reader.templates, reader.options
        return batch

    def _peer(self, peer: Address) -> tuple[str, Origin] | None:
        if len(self._peers) >= PEERS_MAX:  # forged senders must not fill the memory
            self._peers.clear()
        address = host_of(peer)
        known = (address, Origin("netflow", peer_text(peer))) if self._may(address) else None
        self._peers[peer] = known
        return known

    def _may(self, address: str) -> bool:
        if not self._listed:
            return True
        sender = ip_address(address.partition("%")[0])
        return any(sender in network for network in self._listed if network.version == sender.version)

    def _lose(self, address: str, reason: str, count: int) -> None:
        if not count:
            return
        if reason.startswith("missing_"):
            setattr(self.counters, reason, getattr(self.counters, reason) + count)
        else:
            dropped = f"dropped_{reason}"
            setattr(self.counters, dropped, getattr(self.counters, dropped) + count)
        action = "connection_refused" if reason == "unlisted" else "records_lost"
        self._notices.add(address, reason, count, action=action)


def exporters_check(host: str, exporters: Sequence[str]) -> Check:
    """Say whether flows of anybody would be believed."""
    if exporters:
        return Check("exporters", "ok", ", ".join(exporters))
    if host in {"127.0.0.1", "::1", "localhost"}:
        return Check("exporters", "ok", "this machine's only")
    return Check("exporters", "warn", f"whoever reaches {host}", 'flows are forged easily: exporters = ["192.0.2.1"]')
