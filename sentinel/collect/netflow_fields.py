"""What the fields of NetFlow v9 and IPFIX are called and how their bytes are read.

Names, numbers and types: https://www.iana.org/assignments/ipfix (RFC 7012); v9's fields 1 to 127 are the same ones
(RFC 3954). What stands in no table keeps its number as its name and its bytes in hexadecimal.
"""

import socket
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

Read = Callable[[bytes], int | float | str | bool]
VARIABLE = 65_535
"""The length of an IPFIX field that says its length in each record (RFC 7011, 7)."""

REVERSE_PEN = 29_305
"""The enterprise number under which RFC 5103 numbers the way back of a biflow."""

_NTP_EPOCH = 2_208_988_800
_HEX_MAX = 64
_PADDING = 210

# number name type: u(nsigned), 4, 6, m(ac), s(tring), f(loat), t(ime in NTP's format), o(ctets)
_IANA = """
1 octetDeltaCount u|2 packetDeltaCount u|3 deltaFlowCount u|4 protocolIdentifier u|5 ipClassOfService u
6 tcpControlBits u|7 sourceTransportPort u|8 sourceIPv4Address 4|9 sourceIPv4PrefixLength u|10 ingressInterface u
11 destinationTransportPort u|12 destinationIPv4Address 4|13 destinationIPv4PrefixLength u|14 egressInterface u
15 ipNextHopIPv4Address 4|16 bgpSourceAsNumber u|17 bgpDestinationAsNumber u|18 bgpNextHopIPv4Address 4
19 postMCastPacketDeltaCount u|20 postMCastOctetDeltaCount u|21 flowEndSysUpTime u|22 flowStartSysUpTime u
23 postOctetDeltaCount u|24 postPacketDeltaCount u|25 minimumIpTotalLength u|26 maximumIpTotalLength u
27 sourceIPv6Address 6|28 destinationIPv6Address 6|29 sourceIPv6PrefixLength u|30 destinationIPv6PrefixLength u
31 flowLabelIPv6 u|32 icmpTypeCodeIPv4 u|33 igmpType u|34 samplingInterval u|35 samplingAlgorithm u
36 flowActiveTimeout u|37 flowIdleTimeout u|38 engineType u|39 engineId u|40 exportedOctetTotalCount u
41 exportedMessageTotalCount u|42 exportedFlowRecordTotalCount u|44 sourceIPv4Prefix 4|45 destinationIPv4Prefix 4
46 mplsTopLabelType u|47 mplsTopLabelIPv4Address 4|48 samplerId u|49 samplerMode u|50 samplerRandomInterval u
51 classId u|52 minimumTTL u|53 maximumTTL u|54 fragmentIdentification u|55 postIpClassOfService u
56 sourceMacAddress m|57 postDestinationMacAddress m|58 vlanId u|59 postVlanId u|60 ipVersion u|61 flowDirection u
62 ipNextHopIPv6Address 6|63 bgpNextHopIPv6Address 6|64 ipv6ExtensionHeaders u|70 mplsTopLabelStackSection o
71 mplsLabelStackSection2 o|72 mplsLabelStackSection3 o|80 destinationMacAddress m|81 postSourceMacAddress m
82 interfaceName s|83 interfaceDescription s|84 samplerName s|85 octetTotalCount u|86 packetTotalCount u
88 fragmentOffset u|89 forwardingStatus u|90 mplsVpnRouteDistinguisher o|94 applicationDescription s
95 applicationId o|96 applicationName s|98 postIpDiffServCodePoint u|99 multicastReplicationFactor u|100 className s
128 bgpNextAdjacentAsNumber u|129 bgpPrevAdjacentAsNumber u|130 exporterIPv4Address 4|131 exporterIPv6Address 6
132 droppedOctetDeltaCount u|133 droppedPacketDeltaCount u|136 flowEndReason u|137 commonPropertiesId u
138 observationPointId u|139 icmpTypeCodeIPv6 u|141 lineCardId u|142 portId u|143 meteringProcessId u
144 exportingProcessId u|145 templateId u|146 wlanChannelId u|147 wlanSSID s|148 flowId u|149 observationDomainId u
150 flowStartSeconds u|151 flowEndSeconds u|152 flowStartMilliseconds u|153 flowEndMilliseconds u
154 flowStartMicroseconds t|155 flowEndMicroseconds t|156 flowStartNanoseconds t|157 flowEndNanoseconds t
158 flowStartDeltaMicroseconds u|159 flowEndDeltaMicroseconds u|160 systemInitTimeMilliseconds u
161 flowDurationMilliseconds u|162 flowDurationMicroseconds u|163 observedFlowTotalCount u
164 ignoredPacketTotalCount u|165 ignoredOctetTotalCount u|166 notSentFlowTotalCount u|167 notSentPacketTotalCount u
168 notSentOctetTotalCount u|173 flowKeyIndicator u|176 icmpTypeIPv4 u|177 icmpCodeIPv4 u|178 icmpTypeIPv6 u
179 icmpCodeIPv6 u|180 udpSourcePort u|181 udpDestinationPort u|182 tcpSourcePort u|183 tcpDestinationPort u
184 tcpSequenceNumber u|185 tcpAcknowledgementNumber u|186 tcpWindowSize u|189 ipHeaderLength u|192 ipTTL u
193 nextHeaderIPv6 u|195 ipDiffServCodePoint u|196 ipPrecedence u|206 isMulticast u|224 ipTotalLength u
225 postNATSourceIPv4Address 4|226 postNATDestinationIPv4Address 4|227 postNAPTSourceTransportPort u
228 postNAPTDestinationTransportPort u|229 natOriginatingAddressRealm u|230 natEvent u|231 initiatorOctets u
232 responderOctets u|233 firewallEvent u|234 ingressVRFID u|235 egressVRFID u|236 VRFname s|239 biflowDirection u
240 ethernetHeaderLength u|243 dot1qVlanId u|244 dot1qPriority u|245 dot1qCustomerVlanId u
252 ingressPhysicalInterface u|253 egressPhysicalInterface u|254 postDot1qVlanId u|256 ethernetType u
258 collectionTimeMilliseconds u|277 observationPointType u|281 postNATSourceIPv6Address 6
282 postNATDestinationIPv6Address 6|283 natPoolId u|284 natPoolName s|298 initiatorPackets u|299 responderPackets u
300 observationDomainName s|302 selectorId u|304 selectorAlgorithm u|305 samplingPacketInterval u
306 samplingPacketSpace u|307 samplingTimeInterval u|308 samplingTimeSpace u|309 samplingSize u|310 samplingPopulation u
311 samplingProbability f|322 observationTimeSeconds u|323 observationTimeMilliseconds u
324 observationTimeMicroseconds t|325 observationTimeNanoseconds t|335 selectorName s|352 layer2OctetDeltaCount u
361 portRangeStart u|362 portRangeEnd u|363 portRangeStepSize u|364 portRangeNumPorts u|368 ingressInterfaceType u
369 egressInterfaceType u|371 userName s|459 httpRequestMethod s|460 httpRequestHost s|461 httpRequestTarget s
466 natInstanceID u
"""
# Cisco ASA's own numbers in v9 ("Cisco Secure Firewall ASA NetFlow Implementation Guide"), before IANA had some of them
_ASA = """
33000 ingressAclId o|33001 egressAclId o|33002 firewallExtendedEvent u|40000 userName s|40001 postNATSourceIPv4Address 4
40002 postNATDestinationIPv4Address 4|40003 postNAPTSourceTransportPort u|40004 postNAPTDestinationTransportPort u
40005 firewallEvent u
"""
# what an options template of v9 is about (RFC 3954, 6.1)
_SCOPES = "1 scopeSystem u|2 scopeInterface u|3 scopeLineCard u|4 scopeCache u|5 scopeTemplate u"


def _table(text: str) -> dict[int, tuple[str, str]]:
    rows = (row.split() for row in text.replace("\n", "|").split("|") if row)
    return {int(number): (name, kind) for number, name, kind in rows}


_NAMES = _table(_IANA)
_V9 = _NAMES | _table(_ASA)
_SCOPED = _V9 | _table(_SCOPES)


class Element(NamedTuple):
    """A field of a template: its name, None for padding; its bytes (VARIABLE: as each record says); how to read it.

    `read` is None for unsigned numbers of 1, 2, 4 or 8 bytes, which `struct` reads by itself.
    """

    name: str | None
    length: int
    read: Read | None


@lru_cache(maxsize=4096)
def element(version: int, number: int, length: int, enterprise: int = 0, *, scope: bool = False) -> Element:
    """Return what is known of a field; one that is not known is read as octets."""
    if length == 0 or (number == _PADDING and not enterprise):
        return Element(None, length, _octets)
    prefix = ""
    if enterprise == REVERSE_PEN:
        prefix, enterprise = "reverse", 0
    if enterprise:
        return Element(f"{enterprise}.{number}", length, _octets)
    known = _SCOPED if scope and version == 9 else _V9 if version == 9 else _NAMES
    name, kind = known.get(number, (str(number), "o"))
    if prefix:
        name = prefix + name[0].upper() + name[1:]
    return Element(name, length, _reader(kind, length))


def _reader(kind: str, length: int) -> Read | None:
    if kind == "u":
        return None if length in {1, 2, 4, 8} else _unsigned if length < 8 or length == VARIABLE else _octets
    wanted = {"4": 4, "6": 16, "m": 6, "t": 8}.get(kind)
    if wanted is not None and length != wanted:
        return _octets
    return _READERS[kind]


def _unsigned(data: bytes) -> int | str:
    return int.from_bytes(data, "big") if len(data) <= 8 else _octets(data)


@lru_cache(maxsize=16_384)
def _ipv4(data: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET, data)


@lru_cache(maxsize=16_384)
def _ipv6(data: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET6, data)


def _mac(data: bytes) -> str:
    return data.hex("-").upper()


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode("utf-8", "replace")[: _HEX_MAX * 4]


def _float(data: bytes) -> float | str:
    try:
        value: float = struct.unpack("!f" if len(data) == 4 else "!d", data)[0]
    except struct.error:
        return _octets(data)
    return value


def _ntp(data: bytes) -> int:
    """Return ns since 1970 (RFC 7011, 6.1.9 and 6.1.10)."""
    seconds, fraction = struct.unpack("!II", data)
    return int((seconds - _NTP_EPOCH) * 1_000_000_000 + (fraction * 1_000_000_000 >> 32))


def _octets(data: bytes) -> str:
    return data[:_HEX_MAX].hex()


_READERS: dict[str, Read] = {"4": _ipv4, "6": _ipv6, "m": _mac, "s": _text, "f": _float, "t": _ntp, "o": _octets}
