"""Packets that Linux' netfilter logged, with the headers of the tools above it (`sentinel.pack.netfilter`).

Source is the sender of the packet. What else the kernel says of packets it did not want (martian addresses, a full
table, floods) is read beside them. Proxmox' own lines (`101 1 tap101i0-IN 20/Jun/2026:13:13:32 +0200 PVEFW-reject:`)
and ulogd's JSON are read too.
"""

import re
from collections.abc import Iterator
from contextlib import suppress

from sentinel.pack import Fields, ParseError, Raw, netfilter, structured, syslog, text, verdict, when

PROXMOX = re.compile(
    r"(?P<vm>\d{1,10}) (?P<level>\d) (?P<chain>\S{1,64}) (?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}) "
)
UPTIME = re.compile(r"^\[ *\d{1,10}\.\d{3,6}\] ")
MARTIAN = (
    r"(?:IPv4: )?martian (?:source|destination) (?P<dst>[0-9.]{7,15}) from (?P<src>[0-9.]{7,15}), "
    r"(?:on )?dev (?P<in>\S{1,15})"
)
NOTICES = tuple(
    (re.compile(form), action, row)
    for form, action, row in (
        (MARTIAN, "martian", "alert|network intrusion_detection|denied|success"),
        (
            r".{0,64}Possible SYN flooding on port (?:\S{1,45}:)?(?P<port>\d{1,5})\.",
            "syn-flood",
            "alert|network intrusion_detection|info",
        ),
        (r"(?:nf_conntrack: )+table full, dropping packet", "table-full", "event|network|connection denied|success"),
        (r"device (?P<in>\S{1,15}) entered promiscuous mode", "promiscuous-mode-entered", "event|network host|info"),
        (r"device (?P<in>\S{1,15}) left promiscuous mode", "promiscuous-mode-left", "event|network host|info"),
    )
)
ULOGD = {
    "src_ip": "SRC", "dest_ip": "DST", "src_port": "SPT", "dest_port": "DPT", "ip.protocol": "PROTO", "oob.in": "IN",
    "oob.out": "OUT", "ip.ttl": "TTL", "ip.totlen": "LEN", "icmp.type": "TYPE", "icmp.code": "CODE", "oob.mark": "MARK",
}  # fmt: skip


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    found = syslog.fields(line)
    found |= {"observer.vendor": "Linux", "observer.product": "netfilter", "observer.type": "firewall"}
    if line.host is not None:
        found["observer.name"] = line.host
    message = line.message
    if message.startswith("{"):
        message = _ulogd(found, message, raw)
    elif proxmox := PROXMOX.match(message):
        found["netfilter.chain"] = proxmox["chain"]
        if proxmox["vm"] != "0":
            found["netfilter.vm_id"] = proxmox["vm"]
        found["@timestamp"] = when.iso(when.written(proxmox["time"], raw.received, raw.zone))
        message = message[proxmox.end() :]
    packet = netfilter.read(message)
    if packet is None and line.host is None:
        raise ParseError("no packet of netfilter: no SRC= and no DST=")
    yield found | (packet or _notice(message))


def _notice(message: str) -> Fields:
    """Return what the kernel says of packets and interfaces without logging a packet."""
    found: Fields = {"event.kind": "event"}
    message = UPTIME.sub("", message, count=1)
    for form, action, row in NOTICES:
        if (said := form.match(message)) is not None:
            told = said.groupdict()
            verdict.says(found, row)
            text.put(found, (
                ("event.action", action), ("source.ip", text.address(told.get("src"))),
                ("destination.ip", text.address(told.get("dst"))),
                ("destination.port", text.port(told.get("port")) or None),
                ("observer.ingress.interface.name", told.get("in")),
            ))  # fmt: skip
            break
    return found


def _ulogd(found: Fields, message: str, raw: Raw) -> str:
    """Return ulogd's JSON as the kernel would have written the packet."""
    said = structured.json_object(message)
    words = [f"{name}={said[key]}" for key, name in ULOGD.items() if isinstance(said.get(key), str | int)]
    prefix = text.given(str(said.get("oob.prefix") or "")) or ""
    moment = said.get("timestamp")
    if isinstance(moment, str):
        with suppress(ParseError):
            found["@timestamp"] = when.iso(when.written(moment, raw.received, raw.zone))
    mac = said.get("raw.mac")
    if isinstance(mac, str):
        words.append(f"MAC={mac}")
    body = " ".join(word for word in words if not re.search(r"\s", word))
    return f"{prefix} {body if 'IN=' in body else 'IN= ' + body}"
