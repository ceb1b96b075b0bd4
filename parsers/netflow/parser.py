"""Reads flows as the `[[netflow]]` entrance writes them: one JSON object each, fields by their IPFIX names."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from sentinel.pack import Fields, ParseError, Raw, Value, community, text, when

_ICMP, _TCP, _ICMPV6 = 1, 6, 58
_TRANSPORTS = {
    1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 51: "ah", 58: "ipv6-icmp", 89: "ospf", 132: "sctp",
}  # fmt: skip
_FLAGS = "FSRPAUEC"
_FIN_RST, _SYN = 0x05, 0x02
_DIRECTIONS = {0: "ingress", 1: "egress"}
_END_REASONS = {1: "idle timeout", 2: "active timeout", 3: "end of flow", 4: "forced end", 5: "lack of resources"}
_ENDED = frozenset({1, 3})
# firewallEvent (IANA): what it is called, how the connection fared
_FIREWALL = {
    1: ("flow_created", "start"), 2: ("flow_deleted", "end"), 3: ("flow_denied", "denied"), 4: ("flow_alert", "info"),
    5: ("flow_updated", "info"),
}  # fmt: skip
_DELETED = 2
_DROPPED = 2  # forwardingStatus: the two upper bits (RFC 7270, 4.12)
# samplingAlgorithm and samplerMode; selectorAlgorithm
_ALGORITHMS = {1: "deterministic", 2: "random"}
_SELECTORS = {1: "systematic by count", 2: "systematic by time", 3: "random n of N", 4: "random by probability"}
_WRAP = 1 << 32
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES_US = (("Milliseconds", 1000), ("Seconds", 1_000_000))
_TIMES_NS = ("Nanoseconds", "Microseconds")

_NOWHERE = frozenset({None, "0.0.0.0", "::"})  # noqa: S104  what exporters write where there is no address

# ECS field -> the record's names for it: the first that is there counts, and 0 says nothing
_ADDRESSES = {
    "source.nat.ip": ("postNATSourceIPv4Address", "postNATSourceIPv6Address"),
    "destination.nat.ip": ("postNATDestinationIPv4Address", "postNATDestinationIPv6Address"),
    "netflow.next_hop": ("ipNextHopIPv4Address", "ipNextHopIPv6Address"),
}
_NUMBERS = {
    "source.as.number": ("bgpSourceAsNumber",),
    "destination.as.number": ("bgpDestinationAsNumber",),
    "source.nat.port": ("postNAPTSourceTransportPort",),
    "destination.nat.port": ("postNAPTDestinationTransportPort",),
    "netflow.tos": ("ipClassOfService",),
    "netflow.flow_id": ("flowId",),
}
_NAMED_NUMBERS = {
    "network.vlan.id": ("vlanId", "dot1qVlanId"),
    "observer.egress.vlan.id": ("postVlanId", "postDot1qVlanId"),
    "observer.ingress.interface.id": ("ingressInterface", "ingressPhysicalInterface"),
    "observer.egress.interface.id": ("egressInterface", "egressPhysicalInterface"),
    "netflow.nat_event": ("natEvent",),
    "netflow.firewall_extended_event": ("firewallExtendedEvent",),
}
_MACS = {
    "source.mac": ("sourceMacAddress", "postSourceMacAddress"),
    "destination.mac": ("destinationMacAddress", "postDestinationMacAddress"),
}
# what went there and what came back (RFC 5103, or a firewall's initiator and responder)
_VOLUMES = {
    "bytes": (
        ("octetDeltaCount", "initiatorOctets", "octetTotalCount", "postOctetDeltaCount", "layer2OctetDeltaCount"),
        ("reverseOctetDeltaCount", "responderOctets", "reverseOctetTotalCount"),
    ),
    "packets": (
        ("packetDeltaCount", "initiatorPackets", "packetTotalCount", "postPacketDeltaCount"),
        ("reversePacketDeltaCount", "responderPackets", "reversePacketTotalCount"),
    ),
}
_STATISTICS = {
    "netflow.exported.flows": "exportedFlowRecordTotalCount", "netflow.exported.messages": "exportedMessageTotalCount",
    "netflow.exported.bytes": "exportedOctetTotalCount", "netflow.observed.flows": "observedFlowTotalCount",
    "netflow.ignored.packets": "ignoredPacketTotalCount", "netflow.ignored.bytes": "ignoredOctetTotalCount",
    "netflow.not_sent.flows": "notSentFlowTotalCount", "netflow.not_sent.packets": "notSentPacketTotalCount",
    "netflow.not_sent.bytes": "notSentOctetTotalCount",
}  # fmt: skip

Record = Mapping[str, object]


def parse(raw: Raw) -> Iterator[Fields]:
    """Yield the one event of a flow, or of what an exporter says about itself."""
    try:
        record = json.loads(text.decode(raw.body))
    except (ValueError, RecursionError) as error:
        raise ParseError("no JSON object") from error
    if not isinstance(record, dict):
        raise ParseError("no JSON object")
    version, exported = _number(record, "version"), _number(record, "exported")
    if version is None or exported is None:
        raise ParseError("a flow without the version and time of its export")
    fields: Fields = {
        "event.category": ("network",),
        "netflow.version": version,
        "observer.type": "exporter",
        **_numbers(
            record, {"netflow.domain": "domain", "netflow.sequence": "sequence", "netflow.template": "template"}
        ),
    }
    flow, options = record.get("flow"), record.get("options")
    if isinstance(flow, dict) and flow:
        yield _flow(record, flow, text.put(fields, _observer(raw, flow)))
    elif isinstance(options, dict) and options:
        yield _statistics(record, options, text.put(fields, _observer(raw, options)))
    else:
        raise ParseError("neither a flow nor what an exporter says about itself")


def _observer(raw: Raw, flow: Record) -> Iterator[tuple[str, Value | None]]:
    peer = text.address(raw.origin.peer.rpartition(":")[0])
    own = _address(flow, ("exporterIPv4Address", "exporterIPv6Address"))
    yield "observer.ip", tuple(dict.fromkeys(one for one in (peer, own) if one))


def _flow(record: Record, flow: Record, fields: Fields) -> Fields:
    start, end = _times(record, flow)
    observed = start if start is not None else end
    proto = _number(flow, "protocolIdentifier")
    src = _end(flow, fields, "source")
    dst = _end(flow, fields, "destination")
    if src is not None:
        fields["network.type"] = "ipv6" if ":" in src else "ipv4"
    if proto is not None:
        text.put(fields, [("network.iana_number", str(proto)), ("network.transport", _TRANSPORTS.get(proto))])
    if proto in {_ICMP, _ICMPV6}:
        _icmp(flow, fields)
    text.put(fields, _volume(flow))
    text.put(fields, _meaning(flow, proto))
    text.put(fields, _sampling(record, flow))
    text.put(fields, ((name, read(flow, names)) for name, names, read in _plain(tuple(flow))))
    duration = None if start is None or end is None or end < start else (end - start) * 1000
    return text.put(
        fields,
        [
            ("@timestamp", _iso(observed if observed is not None else _number(record, "exported", 1000))),
            ("event.start", _iso(start)),
            ("event.end", _iso(end)),
            (
                "event.duration",
                duration if duration is not None else _number(flow, "flowDurationMilliseconds", 1_000_000),
            ),
            ("network.community_id", _community(fields, src, dst, proto)),
            ("network.application", _text(flow, "applicationName")),
            ("observer.ingress.interface.name", _text(record, "ingress")),
            ("observer.egress.interface.name", _text(record, "egress")),
            ("user.name", _text(flow, "userName")),
            ("message", _message(fields, src, dst)),
        ],
    )


Read = Callable[[Record, tuple[str, ...]], Value | None]


@lru_cache(maxsize=512)
def _plain(names: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...], Read], ...]:
    """Return what is taken as it is from flows of these names: found out once, for a template says them again."""
    tables = ((_ADDRESSES, _address), (_NUMBERS, _some), (_NAMED_NUMBERS, _named), (_MACS, _mac))
    return tuple(
        (field, there, read)
        for table, read in tables
        for field, keys in table.items()
        if (there := tuple(key for key in keys if key in names))
    )


def _message(fields: Fields, src: str | None, dst: str | None) -> str:
    ends = []
    for side, address in (("source", src), ("destination", dst)):
        port = fields.get(f"{side}.port")
        shown = f"[{address}]" if address and ":" in address and port is not None else address or "?"
        ends.append(shown if port is None else f"{shown}:{port}")
    what = fields.get("network.transport") or f"protocol {fields.get('network.iana_number', 'unknown')}"
    volume = f"{fields.get('network.bytes', 0)} bytes in {fields.get('network.packets', 0)} packets"
    said = f"{what} {ends[0]} to {ends[1]}: {volume}"
    every = fields.get("netflow.sampling.interval")
    return f"{said}, one packet of {every:g} looked at" if isinstance(every, float) and every > 1 else said


def _end(flow: Record, fields: Fields, side: str) -> str | None:
    four, six = _text(flow, f"{side}IPv4Address"), _text(flow, f"{side}IPv6Address")
    # templates for both families fill the other one's address with zeros
    address = text.address(six if six and four in _NOWHERE and six not in _NOWHERE else four or six)
    port = _first(flow, (f"{side}TransportPort", *(f"{kind}{side.capitalize()}Port" for kind in ("tcp", "udp"))))
    number = None if _number(flow, "protocolIdentifier") in {_ICMP, _ICMPV6} else text.port(port)
    text.put(fields, [(f"{side}.ip", address), (f"{side}.address", address), (f"{side}.port", number)])
    return address


def _icmp(flow: Record, fields: Fields) -> None:
    kind = _first(flow, ("icmpTypeIPv4", "icmpTypeIPv6"))
    code = _first(flow, ("icmpCodeIPv4", "icmpCodeIPv6"))
    if kind is None:
        # v5 and many v9 exporters have type and code in the destination's port, and may fill the other with 0
        names = ("icmpTypeCodeIPv4", "icmpTypeCodeIPv6", "destinationTransportPort")
        given = [one for name in names if (one := _number(flow, name)) is not None]
        both = next((one for one in given if one), 0 if given else None)
        if both is None or not 0 <= both <= 0xFFFF:
            return
        kind, code = both >> 8, both & 0xFF
    text.put(fields, [("netflow.icmp.type", kind), ("netflow.icmp.code", code)])


def _volume(flow: Record) -> Iterator[tuple[str, Value | None]]:
    for name, (there, back) in _VOLUMES.items():
        sent, answered = _first(flow, there), _first(flow, back)
        given = [one for one in (sent, answered) if one is not None]
        yield f"source.{name}", sent
        yield f"destination.{name}", answered
        yield f"network.{name}", text.number(sum(given)) if given else None


def _meaning(flow: Record, proto: int | None) -> Iterator[tuple[str, Value | None]]:
    bits = _first(flow, ("tcpControlBits",)) if proto == _TCP else None
    back = _first(flow, ("reverseTcpControlBits",)) if proto == _TCP else None
    seen = (bits or 0) | (back or 0)
    reason = _number(flow, "flowEndReason")
    action, how = _FIREWALL.get(_first(flow, ("firewallEvent",)) or 0, ("network_flow", ""))
    status = _number(flow, "forwardingStatus")
    denied = how == "denied" or (status is not None and status <= 0xFF and status >> 6 == _DROPPED)
    kinds = ["connection"]
    if denied:
        kinds.append("denied")
    else:
        kinds += ["start"] if how == "start" or (not how and seen & _SYN) else []
        kinds += ["end"] if how == "end" or (not how and (seen & _FIN_RST or reason in _ENDED)) else []
    yield "event.type", tuple(kinds)
    yield "event.action", action
    yield "event.outcome", "failure" if denied else None
    yield "netflow.flags.source", _flags(bits)
    yield "netflow.flags.destination", _flags(back)
    direction = _number(flow, "flowDirection")
    yield "netflow.direction", None if direction is None else _DIRECTIONS.get(direction)
    yield "netflow.end_reason", _END_REASONS.get(reason or 0)


def _flags(bits: int | None) -> str | None:
    return None if bits is None else "".join(name for at, name in enumerate(_FLAGS) if bits >> at & 1)


def _sampling(record: Record, flow: Record) -> Iterator[tuple[str, Value | None]]:
    said = record.get("sampling")
    told: Record = said if isinstance(said, dict) else {}
    own = _first(flow, ("samplingInterval", "samplerRandomInterval"))
    every = own or told.get("interval")
    how = _ALGORITHMS.get(_number(flow, "samplingAlgorithm") or _number(told, "algorithm") or 0)
    if isinstance(every, int | float) and not isinstance(every, bool) and 1 <= every < _WRAP:
        yield "netflow.sampling.interval", float(every)
        yield "netflow.sampling.algorithm", how or _SELECTORS.get(_number(told, "selector") or 0)


def _times(record: Record, flow: Record) -> tuple[int | None, int | None]:
    """Return start and end in µs since 1970."""
    return _time(record, flow, "flowStart"), _time(record, flow, "flowEnd")


def _time(record: Record, flow: Record, name: str) -> int | None:
    for unit, micros in _TIMES_US:
        if name + unit in flow:
            return _number(flow, name + unit, micros)
    for unit in _TIMES_NS:  # both are ns since 1970 here
        found = _number(flow, name + unit)
        if found is not None:
            return found // 1000
    exported = _number(record, "exported", 1000) or 0
    ago = _number(flow, f"{name}DeltaMicroseconds")
    if ago is not None:
        return exported - ago
    since_boot = _number(flow, f"{name}SysUpTime")
    if since_boot is not None:
        return _booted(record, flow, exported, since_boot)
    # an event of a firewall or a NAT has one moment: it ended then, or else it began
    if (name == "flowEnd") == (_number(flow, "firewallEvent") == _DELETED):
        observed = (_number(flow, f"observationTime{unit}", micros) for unit, micros in _TIMES_US)
        return next((one for one in observed if one is not None), None)
    return None


def _booted(record: Record, flow: Record, exported: int, since_boot: int) -> int | None:
    """Return the moment `since_boot` ms after the exporter's start; its clock of 32 bits wraps after 49.7 days."""
    uptime = _number(record, "uptime")
    if uptime is None:
        boot = _number(flow, "systemInitTimeMilliseconds", 1000)
        boot = boot if boot is not None else _number(record, "boot", 1000)
        if boot is None:
            return None
        uptime, exported = 0, boot
    ago = (uptime - since_boot) % _WRAP
    return exported - (ago if ago < _WRAP // 2 else ago - _WRAP) * 1000


def _community(fields: Fields, src: str | None, dst: str | None, proto: int | None) -> str | None:
    if src is None or dst is None or proto is None or not 0 <= proto <= 0xFF or (":" in src) != (":" in dst):
        return None
    ports = (
        ("netflow.icmp.type", "netflow.icmp.code") if proto in {_ICMP, _ICMPV6} else ("source.port", "destination.port")
    )
    numbers = [value for name in ports if isinstance(value := fields.get(name), int) and 0 <= value <= 0xFFFF]
    if len(numbers) < 2:
        if proto in {_ICMP, _TCP, 17, _ICMPV6, 132}:
            return None
        numbers = [0, 0]
    return community.community_id(src, dst, proto, numbers[0], numbers[1])


def _statistics(record: Record, options: Record, fields: Fields) -> Fields:
    fields |= {
        "event.kind": "metric", "event.dataset": "netflow.exporter", "event.type": ("info",),
        "event.action": "exporter_statistics",
    }  # fmt: skip
    fields |= _numbers(options, _STATISTICS)
    told = ", ".join(
        f"{name.removeprefix('netflow.').replace('.', ' ').replace('_', ' ')} {fields[name]}"
        for name in _STATISTICS
        if name in fields
    )
    moment = _iso(_number(record, "exported", 1000))
    return text.put(fields, [("@timestamp", moment), ("message", f"exporter statistics: {told or 'none'}")])


def _iso(micros: int | None) -> str | None:
    try:
        return None if micros is None else when.iso(_EPOCH + timedelta(microseconds=micros))
    except OverflowError:
        return None


def _numbers(record: Record, names: Mapping[str, str]) -> Fields:
    return text.put({}, ((name, _number(record, key)) for name, key in names.items()))


def _number(record: Record, name: str, times: int = 1) -> int | None:
    value = record.get(name)
    return text.number(value * times) if isinstance(value, int) and not isinstance(value, bool) else None


def _first(flow: Record, names: tuple[str, ...]) -> int | None:
    for name in names:
        if name in flow:
            found = _number(flow, name)
            if found is not None:
                return found
    return None


def _some(flow: Record, names: tuple[str, ...]) -> int | None:
    return _first(flow, names) or None


def _named(flow: Record, names: tuple[str, ...]) -> str | None:
    number = _first(flow, names)
    return str(number) if number else None


def _text(record: Record, name: str) -> str | None:
    value = record.get(name)
    return value if isinstance(value, str) and value else None


def _address(flow: Record, names: tuple[str, ...]) -> str | None:
    found = (text.address(_text(flow, name)) for name in names)
    return next((one for one in found if one not in _NOWHERE), None)


def _mac(flow: Record, names: tuple[str, ...]) -> str | None:
    found = (text.mac(_text(flow, name)) for name in names)
    return next((one for one in found if one not in {None, "00-00-00-00-00-00"}), None)
