"""Reads WireGuard's messages (drivers/net/wireguard: receive.c, send.c, timers.c, peer.c), and wireguard-go's.

The endpoint of a peer is the source of what is received and the destination of what is sent.
"""

import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, prose, stamps, syslog, text, when
from sentinel.pack.forms import what

_HEAD = re.compile(
    r"(?:\[ *\d{1,10}\.\d{1,9}\] ?)?(?:wireguard: )?(?:\[TUN\] )?\[?(?P<interface>[\w.-]{1,15})\]?:? (?P<said>.*)",
    re.DOTALL,
)
_ENDPOINT = r"\(?\[?(?P<ip>[0-9A-Fa-f.:]{2,45}?)(?:%\w+)?\]?:(?P<port>\d{1,5})\)?"
_PEER = rf"(?:peer (?P<peer>\d{{1,10}}) )?{_ENDPOINT}"
_GO = re.compile(
    r"(?:(?P<level>\w+): )?(?:\([\w.-]{1,15}\) )?(?:\S+ \S+ )?peer\((?P<key>[\w+/=…]{4,60})\) - (?P<said>.*)"
)
_DENIED = what("vpn_denied", "authentication", "start", "failure")
_BAD = what("vpn_handshake", "authentication", "start", "failure")
_HANDSHAKE = what("vpn_handshake", "network", "protocol")
_FORMS: tuple[tuple[re.Pattern[str], str, Fields], ...] = tuple(
    (re.compile(form), side, said)
    for form, side, said in (
        (rf"Packet has unallowed src IP \((?P<inner>[^)\s]+)\) from {_PEER}", "source", _DENIED),
        (rf"(?P<reason>Invalid (?:handshake|MAC|cookie)[^.]{{0,80}}?),? (?:dropping packet )?from {_PEER}",
         "source", _BAD),
        (rf"(?P<reason>Packet is neither ipv4 nor ipv6|Packet has incorrect size) from {_PEER}", "source", _BAD),
        (rf"Receiving handshake (?:initiation|response) from {_PEER}", "source", _HANDSHAKE),
        (rf"Sending handshake (?:initiation|response) to {_PEER}", "destination", _HANDSHAKE),
        (rf"Sending handshake cookie response for .* from {_PEER}", "source", _HANDSHAKE),
        (rf"(?:Receiving|Received) keepalive packet from {_PEER}", "source", what("vpn_keepalive", "network", "info")),
        (rf"Sending keepalive packet to {_PEER}", "destination", what("vpn_keepalive", "network", "info")),
        (rf"Handshake for {_PEER} (?P<reason>did not complete after .*)", "destination",
         what("vpn_handshake", "network", "protocol", "failure")),
        (rf"Retrying handshake with {_PEER} (?P<reason>because .*)", "destination", _HANDSHAKE),
        (rf"Zeroing out (?:all )?keys for {_PEER}, (?P<reason>since .*)", "",
         what("vpn_disconnected", "session network", "end", "success")),
        (r"Keypair \d+ created for peer (?P<peer>\d+)", "",
         what("vpn_connected", "session network", "start", "success")),
        (r"Keypair \d+ destroyed for peer (?P<peer>\d+)", "", what("vpn_keys", "network", "info")),
        (rf"Peer (?P<peer>\d+) {_ENDPOINT} created", "",
         what("vpn_peer_added", "configuration", "creation", "success")),
        (rf"Peer (?P<peer>\d+) {_ENDPOINT} destroyed", "",
         what("vpn_peer_removed", "configuration", "deletion", "success")),
        (r"Interface (?:created|destroyed)|Interface (?:up|down)(?: requested)?", "",
         what("vpn_interface", "configuration", "change", "success")),
        (r"(?P<reason>No (?:peer has allowed IPs matching|valid endpoint has been).*)", "",
         what("vpn_no_peer", "network", "info", "failure")),
    )
)  # fmt: skip
_GO_SAID = {
    "Received handshake initiation": _HANDSHAKE, "Received handshake response": _HANDSHAKE,
    "Sending handshake initiation": _HANDSHAKE, "Sending handshake response": _HANDSHAKE,
}  # fmt: skip


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = prose.header(raw)
    fields = syslog.fields(line)
    fields |= {"observer.vendor": "WireGuard", "observer.product": "WireGuard", "observer.type": "vpn"}
    message = line.message[:2_048].strip()
    stamp = stamps.find(message, raw.received, raw.zone, 1) if line.timestamp is None else None
    if stamp is not None:
        fields["@timestamp"] = when.iso(stamp.moment)
        message = message[stamp.end :].lstrip(" :")
    if not _read(message, fields) and line.app is None and "wireguard: " not in message:
        raise ParseError("no message of WireGuard")
    yield fields


def _read(message: str, fields: Fields) -> bool:
    if by_key := _GO.search(message):
        fields["wireguard.peer_key"] = by_key["key"]
        text.put(fields, [("log.level", (by_key["level"] or "").lower() or None)])
        fields.update(next((said for words, said in _GO_SAID.items() if by_key["said"].startswith(words)), {}))
        return True
    head = _HEAD.fullmatch(message)
    if head is None:
        return False
    for form, side, said in _FORMS:
        found = form.fullmatch(head["said"])
        if found is None:
            continue
        fields.update(said)
        fields["wireguard.interface"] = head["interface"]
        parts = found.groupdict()
        text.put(fields, [("wireguard.peer", parts.get("peer")), ("event.reason", parts.get("reason"))])
        address = text.address(parts.get("ip"))
        if address is not None and side:
            text.put(fields, [(f"{side}.ip", address), (f"{side}.port", text.port(parts.get("port")) or None)])
        inner = text.address(parts.get("inner"))
        related = tuple(one for one in (inner, address if not side else None) if one)
        text.put(fields, [("wireguard.inner_ip", inner), ("related.ip", related)])
        return True
    return False
