"""What the sensor sees, one frozen value a thing seen: flows, and the messages that keep a network running.

Those of applications are in `applications`; all are made here alike.

Times are capture time, ns since 1970. `src` is the client, or whoever began the flow, in every record of a flow, so an
answer has the client as `src` too. An empty text, 0 or an empty tuple means: not seen. A field marked `PASSING` is
there for detections only and is never written down; no field ever holds a password.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from struct import error as struct_error
from typing import Any, ClassVar, Literal

from sentinel.pack.community import community_id

__all__ = [
    "ACK", "FAILED", "FIN", "ICMP", "ICMPV6", "PASSING", "PSH", "RST", "SECOND", "SYN", "TCP", "TIME", "UDP", "URG",
    "Arp", "Dhcp", "Dhcpv6", "Dns", "Ending", "Flow", "Health", "Icmp", "Ntp", "OpenFlow", "Record", "Snmp", "State",
]  # fmt: skip

SECOND = 1_000_000_000
PASSING: dict[str, Any] = {"passing": True}
TIME: dict[str, Any] = {"time": True}

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
FIN, SYN, RST, PSH, ACK, URG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20

_KNOWN_MAX = 8_192

State = Literal["established", "unanswered", "half_open", "refused", "aborted", "probe", "midstream", "answered"]
"""How far a flow came.

TCP: `unanswered` (SYN, nothing back), `refused` (RST back), `half_open` (handshake not completed), `aborted` (reset
before any data), `established`, `probe` (only NULL, FIN or XMAS packets from the source), `midstream` (began before
the capture did). Others: `answered`, `unanswered`.
"""
FAILED: frozenset[State] = frozenset({"unanswered", "half_open", "refused", "aborted"})
Ending = Literal["closed", "idle", "evicted", "capture_end", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What every record has: when, between whom, and where in the capture.

    `proto` is IANA's number; `vlan` the outermost tag; `frame` the number of its (first) packet in the capture, from
    1. For ICMP, `sport` is the type and `dport` the code. `src` and `dst` are addresses, for ARP those it speaks of.
    """

    type: ClassVar[str] = ""

    time: int = field(metadata=TIME)
    src: str = ""
    dst: str = ""
    sport: int = 0
    dport: int = 0
    proto: int = 0
    vlan: int = 0
    frame: int = 0

    @property
    def community_id(self) -> str:
        """The Community ID of its flow, empty if it is of none; made when it is asked for."""
        return _community_id(self.src, self.dst, self.proto, self.sport, self.dport) if self.proto else ""


@lru_cache(_KNOWN_MAX)
def _community_id(src: str, dst: str, proto: int, sport: int, dport: int) -> str:
    try:
        return community_id(src, dst, proto, sport, dport)
    except (OSError, struct_error):
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow(Record):
    """One conversation that has ended; `time` is its first packet, `end` its last. Flows come in the order of ending.

    `_out` counts what the source sent, `_in` what came back: packets, bytes on the wire, packets with payload
    (`data_`), bytes of payload (`payload_`), all TCP flags ever set (`flags_`). `syn` and `rst` count packets from
    either side. `head_out` and `head_in` are the first bytes of payload of each direction. `service` is the protocol
    spoken as tshark or the first bytes tell, never as the port does; empty: unknown. `src_mac`, `dst_mac`: the cards
    seen on this wire.
    """

    type: ClassVar[str] = "flow"

    end: int = field(metadata=TIME)
    packets_out: int = 0
    packets_in: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    data_out: int = 0
    data_in: int = 0
    payload_out: int = 0
    payload_in: int = 0
    flags_out: int = 0
    flags_in: int = 0
    syn: int = 0
    rst: int = 0
    state: State = "answered"
    ending: Ending = "closed"
    service: str = ""
    src_mac: str = ""
    dst_mac: str = ""
    head_out: bytes = field(default=b"", metadata=PASSING)
    head_in: bytes = field(default=b"", metadata=PASSING)

    @property
    def failed(self) -> bool:
        """Whether it is a TCP attempt that came to nothing."""
        return self.state in FAILED

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return (self.end - self.time) / SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFlow(Flow):
    """A flow that still goes on, told once an hour of capture time: totals since its beginning.

    Its `Flow` follows when it ends, with the same `time`, `frame` and ends; count one of the two.
    """

    type: ClassVar[str] = "open_flow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dns(Record):
    """A message of DNS, mDNS, LLMNR or NetBIOS names (`service`: dns, mdns, llmnr, nbns).

    `src` is who asked, except for an answer that nobody was seen to ask for. `responder` is who answered (unicast
    answers to multicast questions come from elsewhere than `dst`). `qtype` and `rcode` by their IANA names;
    `answers` are addresses and names; `size` is the message's length in bytes, `ttl` the first answer's (s, -1: none).
    """

    type: ClassVar[str] = "dns"

    kind: Literal["query", "answer"] = "query"
    service: str = "dns"
    id: int = 0
    name: str = ""
    qtype: str = ""
    rcode: str = ""
    answers: tuple[str, ...] = ()
    responder: str = ""
    size: int = 0
    ttl: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Dhcp(Record):
    """A DHCP message (RFC 2131): `message` is DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE or INFORM.

    `client_mac` is the client's card, `src_mac` the sender's; `server_id`, `routers` and `name_servers` what a server
    claims; `address` the one given (or asked for), `relay` the agent's. For answers `src` is the server.
    """

    type: ClassVar[str] = "dhcp"

    message: str = ""
    client_mac: str = ""
    src_mac: str = ""
    address: str = ""
    server_id: str = ""
    relay: str = ""
    routers: tuple[str, ...] = ()
    name_servers: tuple[str, ...] = ()
    hostname: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dhcpv6(Record):
    """A DHCPv6 message (RFC 8415): `message` by name (SOLICIT, ADVERTISE, REPLY …), of a relayed one the one inside.

    `client_id` and `server_id` are DUIDs in hexadecimal digits, `client_mac` the card that the client's is made of,
    `src_mac` the sender's; `addresses` and `prefixes` those given (or asked for), `relay` the agent's address on the
    client's link, `status` a server's code (0: success, -1: none). For answers `src` is who sent them.
    """

    type: ClassVar[str] = "dhcpv6"

    message: str = ""
    client_id: str = ""
    client_mac: str = ""
    src_mac: str = ""
    server_id: str = ""
    addresses: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    relay: str = ""
    name_servers: tuple[str, ...] = ()
    hostname: str = ""
    status: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Arp(Record):
    """An ARP packet (RFC 826): `src` at `src_mac` asks for `dst`, or tells `dst` where it is.

    `frame_src_mac` and `frame_dst_mac` are the Ethernet frame's. A gratuitous ARP has `src` = `dst`; a probe has
    `src` 0.0.0.0 (RFC 5227).
    """

    type: ClassVar[str] = "arp"

    kind: Literal["request", "reply"] = "request"
    src_mac: str = ""
    dst_mac: str = ""
    frame_src_mac: str = ""
    frame_dst_mac: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Icmp(Record):
    """One ICMP or ICMPv6 message; `src` and `dst` are its own sender and receiver.

    `kind` and `code` as RFC 792 and RFC 4443 number them; `size` is what follows the 8 bytes of header, `ttl` the IP
    header's, `body` its first bytes. Echoes (0, 8, 128, 129) are not written down: their flow is.
    """

    type: ClassVar[str] = "icmp"

    kind: int = 0
    code: int = 0
    id: int = 0
    seq: int = 0
    size: int = 0
    ttl: int = 0
    body: bytes = field(default=b"", metadata=PASSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ntp(Record):
    """An NTP message (RFC 5905) of `mode` 1 to 7; `request` is the code of a private one (mode 7; 42: monlist)."""

    type: ClassVar[str] = "ntp"

    version: int = 0
    mode: int = 0
    stratum: int = 0
    request: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snmp(Record):
    """An SNMP message: `version` 1, 2 or 3, `operation` by name. The community is a password and never read."""

    type: ClassVar[str] = "snmp"

    version: int = 0
    operation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health(Record):
    """How the sensor itself is: `event` names what happened, `message` says it, numbers stand beside it.

    `event`: report, drops, narrowed, widened, dissector_restarted, interface_down, interface_up, learning, walls,
    spool_full.
    `selected` packets were shown to tshark, `missed` of them got no answer; `dropped` the kernel could not keep;
    `per_flow` of each direction are shown at first; `lag_seconds` is how far behind tshark is.
    """

    type: ClassVar[str] = "health"

    event: str = "report"
    message: str = ""
    interface: str = ""
    file: str = ""
    packets: int = 0
    not_ip: int = 0
    flows: int = 0
    evicted: int = 0
    selected: int = 0
    missed: int = 0
    dropped: int = 0
    lag_seconds: float = 0.0
    per_flow: int = -1
    restarts: int = 0
    problems: tuple[str, ...] = ()
