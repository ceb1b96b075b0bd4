"""Datagrams of NetFlow to records that stand for themselves: one JSON object a flow, read by `parsers/netflow`.

    {"version": 9, "domain": 0, "sequence": 71, "exported": ms since 1970, "uptime": ms, "template": 256,
     "sampling": {"interval": 100, "algorithm": 1}, "ingress": "wan", "flow": {"sourceIPv4Address": "192.0.2.7", …}}

`options` stands for `flow` where an exporter tells about itself. A record's position is made of the bytes of its
datagram (which hold the exporter's clock and sequence number) and its place in it: a datagram that the network
doubled gives the same records.
"""

from collections.abc import Iterator
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

import orjson

from sentinel.collect.netflow_exporters import (
    Domain,
    Exporters,
    Held,
    Lose,
    lose_missing,
)
from sentinel.collect.netflow_packets import (
    IPFIX,
    RECORDS_MAX,
    V5,
    V5_TEMPLATE,
    V9,
    Header,
    MalformedError,
    Record,
    Template,
    Value,
    header,
    sets,
    templates,
)

_TEMPLATE_SETS = {V9: (0, 1), IPFIX: (2, 3)}
_DATA_SETS = 256
RELEASED_MAX = 4 * RECORDS_MAX
"""So many records that waited are read when a datagram brings their templates."""

_STATISTICS = frozenset({
    "exportedOctetTotalCount", "exportedMessageTotalCount", "exportedFlowRecordTotalCount", "observedFlowTotalCount",
    "ignoredPacketTotalCount", "ignoredOctetTotalCount", "notSentFlowTotalCount", "notSentPacketTotalCount",
    "notSentOctetTotalCount",
})  # fmt: skip


class Found(NamedTuple):
    """A record: its body, its identity at the exporter, when its datagram came."""

    body: bytes
    position: str
    received: datetime


class Reader:
    """Reads datagrams in the order in which they came; what it cannot read it tells `lose`."""

    def __init__(self, exporters: Exporters, lose: Lose) -> None:
        self.exporters = exporters
        self.templates = self.options = 0
        self._lose = lose

    def read(self, data: bytes, address: str, port: int, received: datetime) -> list[Found]:
        """Return the records of a datagram, and those of earlier ones that waited for a template in it."""
        try:
            head = header(data)
        except MalformedError:
            self._lose(address, "malformed", 1)
            return []
        domain = self.exporters.domain(address, port, head)
        stamp = blake2b(data, digest_size=8).hexdigest()
        reading = _Reading(self, address, domain, Held(data, head, stamp, 0, received))
        try:
            if head.version == V5:
                reading.data(V5_TEMPLATE, 0, head.body, head.end)
            else:
                reading.sets()
        except MalformedError:
            self._lose(address, "malformed", 1)
            reading.units = None
        units = 1 if head.version == V9 else reading.units
        lost = domain.sequence.arrived(head.sequence, units, head.exported, received.timestamp())
        lose_missing(self._lose, address, head.version, lost)
        return reading.found

    def lose(self, address: str, reason: str) -> None:
        """Count one loss."""
        self._lose(address, reason, 1)


class _Reading:
    """One datagram being read: what was found in it, and how many numbers of the sequence it used, if that is known."""

    def __init__(self, reader: Reader, address: str, domain: Domain, whole: Held) -> None:
        self.reader, self.address, self.domain, self.whole = reader, address, domain, whole
        self.found: list[Found] = []
        self.left = RECORDS_MAX
        self.units: int | None = 0

    def sets(self) -> None:
        """Read every set; raises MalformedError."""
        data, head = self.whole.data, self.whole.head
        for place, (number, start, end) in enumerate(sets(data, head)):
            if number in _TEMPLATE_SETS[head.version]:
                self._learn(number, start, end)
                continue
            if number < _DATA_SETS:
                raise MalformedError("a set of a reserved number")
            template = self.domain.templates.get(number)
            if template is not None:
                self.data(template, number, start, end, place)
                continue
            self.units = None
            held = self.whole
            one = Held(data[start:end], held.head, held.stamp, place, held.received)
            self.reader.exporters.hold(self.address, self.domain, number, one)

    def _learn(self, number: int, start: int, end: int) -> None:
        exporters = self.reader.exporters
        for name, template in templates(self.whole.data, self.whole.head.version, number, start, end):
            if template is None:  # over UDP a withdrawal has to be ignored (RFC 7011, 8.1)
                continue
            self.reader.templates += 1
            exporters.learn(self.address, self.domain, name, template)
            for held in exporters.release(self.address, self.domain, name):
                late = _Reading(self.reader, self.address, self.domain, held)
                late.left = min(RECORDS_MAX, RELEASED_MAX - len(self.found))
                try:
                    late.data(template, name, 0, len(held.data), held.place)
                except MalformedError:
                    self.reader.lose(self.address, "malformed")
                self.found += late.found

    def data(self, template: Template, number: int, start: int, end: int, place: int = 0) -> None:
        """Read the records of a data set; raises MalformedError."""
        if start == end:
            return
        whole, domain = self.whole, self.domain
        prefix = f"{whole.stamp}:{place}:"
        begun = _begun(whole.head, number)
        for at, record in enumerate(template.records(whole.data, start, end, self.left + 1)):
            if not self.left:
                self.reader.lose(self.address, "too_many")
                self.units = None
                return
            self.left -= 1
            if self.units is not None:
                self.units += 1
            if template.options:
                self.reader.options += 1
                self._remember(record)
                if _STATISTICS.isdisjoint(record):
                    continue
                said = {**begun, "options": record}
            elif whole.head.sampling[0] or domain.sampling or domain.interfaces or domain.boot:
                said = {**begun, **dict(_known(domain, whole.head, record)), "flow": record}
            else:
                said = {**begun, "flow": record}
            self.found.append(Found(orjson.dumps(said), f"{prefix}{at}", whole.received))

    def _remember(self, record: Record) -> None:
        """Note what options say of sampling (RFC 3954, 8; RFC 5477, 8.2), of interfaces and of the exporter's start."""
        address, domain, exporters = self.address, self.domain, self.reader.exporters
        index = record.get("scopeInterface", record.get("ingressInterface", record.get("egressInterface")))
        name = record.get("interfaceName") or record.get("interfaceDescription")
        if isinstance(index, int) and isinstance(name, str):
            exporters.name(address, domain, index, name)
        boot = record.get("systemInitTimeMilliseconds")
        if isinstance(boot, int):
            domain.boot = boot
        interval = _interval(record)
        if interval:
            sampler = record.get("samplerId", record.get("selectorId"))
            key = f"s{sampler}" if sampler is not None else f"i{index}" if index is not None else ""
            kind = "selector" if "selectorAlgorithm" in record else "algorithm"
            how = record.get("selectorAlgorithm", record.get("samplingAlgorithm", record.get("samplerMode", 0)))
            exporters.sample(address, domain, key, (interval, kind, how if isinstance(how, int) else 0))


def _begun(head: Header, template: int) -> dict[str, object]:
    said: dict[str, object] = {
        "version": head.version,
        "domain": head.domain,
        "sequence": head.sequence,
        "exported": head.exported,
    }
    if head.uptime is not None:
        said["uptime"] = head.uptime
    if template:
        said["template"] = template
    return said


def _known(domain: Domain, head: Header, record: Record) -> Iterator[tuple[str, object]]:
    """Yield what the exporter has said elsewhere: how it samples, when it started, the names of interfaces."""
    if head.sampling[0]:
        yield "sampling", {"interval": head.sampling[0], "algorithm": head.sampling[1]}
    else:
        sampler = record.get("samplerId", record.get("selectorId"))
        said = domain.sampling.get(f"s{sampler}") if sampler is not None else None
        if said is None and sampler is None:
            said = domain.sampling.get(f"i{record.get('ingressInterface')}") or domain.sampling.get("")
        if said is not None:
            interval, kind, how = said
            yield "sampling", {"interval": interval, kind: how}
    if domain.boot:
        yield "boot", domain.boot
    for name, side in (("ingressInterface", "ingress"), ("egressInterface", "egress")):
        index = record.get(name)
        if isinstance(index, int) and index and index in domain.interfaces:
            yield side, domain.interfaces[index]


def _interval(record: Record) -> float:
    """Return of how many packets one is looked at, 0 if the record does not say."""

    def number(name: str) -> float:
        value: Value | None = record.get(name)
        return value if isinstance(value, int | float) and value > 0 else 0

    if number("samplingPacketInterval"):
        taken = number("samplingPacketInterval")
        return (taken + number("samplingPacketSpace")) / taken
    if number("samplingSize"):
        return number("samplingPopulation") / number("samplingSize")
    if number("samplingProbability"):
        return 1 / number("samplingProbability")
    return number("samplingInterval") or number("samplerRandomInterval")
