"""Reads Suricata's EVE JSON and fast.log; Snort's fast alerts and its lines in syslog have the same form.

A flow's source is who opened it: where an event is about a packet that goes back (`flow.src_ip` differs, or
`direction` is `to_client`), its ends are exchanged. Fields without a home in ECS are `suricata.<name>`; payloads,
packets and bodies stay in the original.
"""

import re
from collections.abc import Iterator, Mapping

from sentinel.pack import (
    Fields,
    ParseError,
    Raw,
    Value,
    document,
    mapping,
    names,
    stamps,
    structured,
    syslog,
    text,
    when,
)

KEPT_MAX = 200
_TABLE = {
    "community_id": "network.community_id",
    "in_iface": "observer.ingress.interface.name", "host": "observer.name", "sensor_name": "observer.name",
    "ether.src_mac": "source.mac", "ether.dest_mac": "destination.mac", "vlan": "network.vlan.id",
    "flow.start": "event.start", "flow.end": "event.end", "flow.bytes_toserver": "source.bytes",
    "flow.bytes_toclient": "destination.bytes", "flow.pkts_toserver": "source.packets",
    "flow.pkts_toclient": "destination.packets", "flow.reason": "event.reason",
    "netflow.bytes": "source.bytes", "netflow.pkts": "source.packets", "netflow.start": "event.start",
    "netflow.end": "event.end",
    "alert.action": "event.action", "alert.signature_id": "rule.id", "alert.signature": "rule.name",
    "alert.category": "rule.category", "alert.rev": "rule.version", "alert.severity": "event.severity",
    "alert.metadata.mitre_tactic_id": "list threat.tactic.id",
    "alert.metadata.mitre_tactic_name": "list threat.tactic.name",
    "alert.metadata.mitre_technique_id": "list threat.technique.id",
    "alert.metadata.mitre_technique_name": "list threat.technique.name",
    "http.hostname": "url.domain", "http.http_method": "http.request.method", "http.http_port": "url.port",
    "http.http_user_agent": "user_agent.original", "http.http_refer": "http.request.referrer",
    "http.status": "http.response.status_code", "http.length": "http.response.body.bytes",
    "http.http_content_type": "http.response.mime_type", "http.xff": "network.forwarded_ip",
    "xff": "network.forwarded_ip",
    "dns.rrname": "dns.question.name", "dns.rrtype": "dns.question.type", "dns.rcode": "dns.response_code",
    "dns.id": "dns.id", "dns.queries.rrname": "dns.question.name", "dns.queries.rrtype": "dns.question.type",
    "dns.query.rrname": "dns.question.name", "dns.query.rrtype": "dns.question.type", "dns.query.id": "dns.id",
    "dns.answer.rrname": "dns.question.name", "dns.answer.rrtype": "dns.question.type",
    "dns.answer.rcode": "dns.response_code",
    "tls.sni": "tls.client.server_name", "tls.subject": "tls.server.subject", "tls.issuerdn": "tls.server.issuer",
    "tls.serial": "tls.server.x509.serial_number", "tls.notbefore": "tls.server.not_before",
    "tls.notafter": "tls.server.not_after", "tls.ja3.hash": "tls.client.ja3", "tls.ja3s.hash": "tls.server.ja3s",
    "tls.session_resumed": "tls.resumed", "tls.subjectaltname": "list tls.server.x509.alternative_names",
    "fileinfo.md5": "file.hash.md5", "fileinfo.sha1": "file.hash.sha1", "fileinfo.sha256": "file.hash.sha256",
    "fileinfo.size": "file.size", "fileinfo.mimetype": "file.mime_type",
    "smb.filename": "file.path", "smb.ntlmssp.user": "account user", "smb.ntlmssp.domain": "user.domain",
    "smb.ntlmssp.host": "source.domain", "krb5.cname": "account user", "krb5.realm": "user.domain",
    "dhcp.client_mac": "source.mac", "dhcp.hostname": "source.domain",
    "email.subject": "email.subject", "email.message_id": "email.message_id", "mqtt.connect.username": "user.name",
    "pgsql.request.startup_parameters.user": "user.name", "ldap.request.bind_request.name": "user.name",
    "smb.command": "event.action", "ftp.command": "event.action", "dhcp.dhcp_type": "event.action",
    "krb5.msg_type": "event.action", "sip.method": "event.action", "engine.message": "message",
    "log_level": "log.level", "drop.reason": "event.reason",
    "anomaly.event": "event.reason", "tftp.file": "file.path", "nfs.filename": "file.path",
}  # fmt: skip
_SETTERS = mapping.setters(_TABLE)
_TYPES = {
    "alert": ("alert", "intrusion_detection network", "info"), "drop": ("event", "network", "connection denied"),
    "flow": ("event", "network", "connection end"), "netflow": ("event", "network", "connection end"),
    "fileinfo": ("event", "network file", "info"), "files": ("event", "network file", "info"),
    "http": ("event", "network web", "access protocol"), "http2": ("event", "network web", "access protocol"),
    "smtp": ("event", "network email", "protocol"), "krb5": ("event", "network authentication", "protocol"),
    "stats": ("metric", "", ""), "engine": ("event", "", ""), "anomaly": ("event", "network", "protocol info"),
}  # fmt: skip
_DONE = frozenset({
    "timestamp", "event_type", "src_ip", "src_port", "dest_ip", "dest_port", "app_proto", "payload",
    "payload_printable", "packet", "packet_info.linktype", "stream", "http.url", "http.protocol", "tls.fingerprint",
    "tls.version", "tls.certificate", "tls.chain", "fileinfo.filename", "flow.src_ip", "flow.dest_ip", "flow.src_port",
    "flow.dest_port", "alert.rule", "http.http_request_body", "http.http_response_body", "email.from", "email.to",
    "email.cc", "smtp.mail_from", "smtp.rcpt_to", "payload_length", "http.http_request_body_printable",
    "http.http_response_body_printable",
})  # fmt: skip
_UNSURE = frozenset({"failed", "unknown"})
_STATS = (
    "uptime", "capture.kernel_packets", "capture.kernel_drops", "decoder.pkts", "decoder.bytes", "decoder.invalid",
    "flow.memuse", "tcp.memuse", "detect.alert", "detect.alerts_suppressed", "flow.total", "tcp.sessions",
)  # fmt: skip
_NO_PROTOCOL = frozenset({"alert", "flow", "netflow", "fileinfo", "files", "drop", "anomaly", "engine", "stats"})
_FAST = re.compile(
    r"(?P<time>\d\d/\d\d(?:/\d{2,4})?-\d\d:\d\d:\d\d(?:\.\d+)?)? *(?:\[(?P<verdict>w?Drop)\] +)?(?:\[\*\*\] *)?"
    r"\[(?P<gid>\d+):(?P<sid>\d+):(?P<rev>\d+)\] (?P<name>.{1,1000}?)(?: ?\[\*\*\])?"
    r"(?: *\[Classification: (?P<category>[^\]]{0,200})\])?(?: *\[Priority: (?P<priority>\d{1,3})\]:?)?"
    r" *(?:<[^<>]{0,40}> *)?\{(?P<proto>[^{} ]{1,40})\} (?P<source>\S{2,60}) -> (?P<destination>\S{2,60})\s*"
)
_TLS = re.compile(r"(TLS|SSL)v? ?(\d(?:\.\d)?)")
_ADDRESSED = re.compile(r".{0,256}?<([^<>\s]{1,320})>\s*", re.DOTALL)
_LETTERS = (
    ("email.from.address", "email.from"), ("email.to.address", "email.to"), ("email.cc.address", "email.cc"),
    ("email.sender.address", "smtp.mail_from"), ("email.to.address", "smtp.rcpt_to"),
)  # fmt: skip
_PRODUCT = {"snort": ("Cisco", "Snort"), "barnyard2": ("Cisco", "Snort")}


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one event."""
    line = syslog.read(raw)
    message = line.message.removeprefix("@cee:").lstrip()
    app = (line.app or "").lower()
    vendor, product = _PRODUCT.get(app, ("OISF", "Suricata"))
    head = syslog.fields(line)
    head.pop("message", None)
    found: Fields = {"observer.vendor": vendor, "observer.product": product, "observer.type": "ids"}
    if line.host is not None:
        found["observer.name"] = line.host
    if message.startswith("{"):
        yield head | _eve(structured.json_object(message), found, raw.zone)
    elif fast := _FAST.fullmatch(message):
        yield head | _fast(fast, found, raw)
    elif line.app is not None or line.timestamp is not None:
        yield head | found | {"message": line.message or "-"}
    else:
        raise ParseError(f"neither EVE nor fast.log: {message[:60]!r}")


def _eve(said: dict[str, object], found: Fields, zone: str) -> Fields:
    kind = said.get("event_type")
    if not isinstance(kind, str) or not kind:
        raise ParseError("an object without event_type")
    found["suricata.event_type"] = kind
    found["event.dataset"] = "suricata.stats" if kind == "stats" else "suricata.eve"
    moment = said.get("timestamp")
    if isinstance(moment, str):
        text.put(found, [("@timestamp", _moment(moment, zone))])
    if kind == "stats":
        stats = document.flat(_object(said.get("stats")))
        text.put(found, [(f"suricata.stats.{name}", _text(stats[name])) for name in _STATS if name in stats])
        found["event.kind"] = "metric"
        return found
    _unlist(said)
    flat = document.flat(said)
    _ends(found, flat)
    kept = 0
    for name, value in flat.items():
        if name in _DONE:
            continue
        setter = _SETTERS.get(name)
        if name == "proto":
            mapping.protocol(found, str(value).lstrip("0") or "0")
        elif setter is not None and name.startswith(
            ("flow.start", "flow.end", "netflow.start", "netflow.end", "tls.not")
        ):
            text.put(found, [(_TABLE[name], _moment(str(value), zone))])
        elif setter is not None:
            setter(found, ",".join(map(str, value)) if isinstance(value, tuple) else _text(value))
        elif kept < KEPT_MAX:
            kept += 1
            found["suricata." + name] = tuple(map(_text, value)) if isinstance(value, tuple) else _text(value)
    _special(found, flat, said)
    _meaning(found, kind, flat)
    return found


def _unlist(said: dict[str, object]) -> None:
    """Put the first object of a list where a lone one would stand: questions of DNS, the files of an alert."""
    dns = _object(said.get("dns"))
    for holder, name in ((dns, "queries"), (dns, "query"), (dns, "answer")):
        one = holder.get(name)
        if isinstance(one, list) and one and isinstance(one[0], dict):
            holder[name] = one[0]
    files = said.get("files")
    if isinstance(files, list) and len(files) == 1 and isinstance(files[0], dict):
        said.setdefault("fileinfo", files[0])


def _ends(found: Fields, flat: Mapping[str, Value]) -> None:
    ends = [(flat.get(f"{side}_ip"), flat.get(f"{side}_port")) for side in ("src", "dest")]
    back = flat.get("direction") == "to_client" or (
        flat.get("dns.type") in {"answer", "response"} and ends[0][1] == 53 and ends[1][1] != 53
    )
    if "flow.src_ip" in flat and "flow.dest_ip" in flat:
        opened = [(flat.get(f"flow.{side}_ip"), flat.get(f"flow.{side}_port")) for side in ("src", "dest")]
        back = opened != ends and opened[::-1] == ends
    sides = ("destination", "source") if back else ("source", "destination")
    for side, (address, port) in zip(sides, ends, strict=True):
        number = text.port(port) if isinstance(port, int | str) else None
        text.put(found, [(f"{side}.ip", text.address(str(address or ""))), (f"{side}.port", number or None)])


def _special(found: Fields, flat: Mapping[str, Value], said: Mapping[str, object]) -> None:
    kind = str(said["event_type"])
    protocol = str(flat.get("app_proto", "" if kind in _NO_PROTOCOL else kind))
    if protocol and protocol not in _UNSURE:
        found["network.protocol"] = protocol
    if url := str(flat.get("http.url", "")):
        names.url(found, url)
    if version := str(flat.get("http.protocol", "")).partition("/")[2]:
        found["http.version"] = version
    if version := _TLS.fullmatch(str(flat.get("tls.version", ""))):
        found["tls.version_protocol"], found["tls.version"] = version[1].lower(), version[2]
    digest = str(flat.get("tls.fingerprint", "")).replace(":", "").upper()
    if len(digest) == 40:
        found["tls.server.hash.sha1"] = digest
    if name := str(flat.get("fileinfo.filename", "")):
        found["file.path" if "/" in name or "\\" in name else "file.name"] = name
    names.file(found)
    for target, source in _LETTERS:
        value = flat.get(source, ())
        written = value if isinstance(value, tuple) else (value,)
        several = tuple(dict.fromkeys(_address(str(one)) for one in written[:100] if one))
        if several and target not in found:
            found[target] = several if target != "email.sender.address" else several[0]
    _answers(found, flat, _object(said.get("dns")))
    if isinstance(age := flat.get("flow.age", flat.get("netflow.age")), int) and 0 <= age < 10**9:
        found["event.duration"] = age * 1_000_000_000
    for unit in ("bytes", "packets"):
        one, other = found.get(f"source.{unit}"), found.get(f"destination.{unit}")
        if isinstance(one, int) and isinstance(other, int):
            found[f"network.{unit}"] = one + other


def _address(written: str) -> str:
    found = _ADDRESSED.fullmatch(written)
    return found[1] if found else written


def _answers(found: Fields, flat: Mapping[str, Value], dns: Mapping[str, object]) -> None:
    answers = dns.get("answers")
    listed = answers[:100] if isinstance(answers, list) else ()
    data = [one["rdata"] for one in listed if isinstance(one, dict) and isinstance(one.get("rdata"), str)]
    for kind in ("A", "AAAA"):
        value = flat.get(f"dns.grouped.{kind}", ())
        data += map(str, value[:100] if isinstance(value, tuple) else (value,))
    data += [str(flat["dns.rdata"])] if "dns.rdata" in flat else []
    addresses = tuple(dict.fromkeys(filter(None, map(text.address, data))))
    text.put(
        found, [("dns.resolved_ip", addresses), ("suricata.dns.answers", tuple(dict.fromkeys(filter(None, data))))]
    )


def _meaning(found: Fields, kind: str, flat: Mapping[str, Value]) -> None:
    found["event.kind"], category, types = _TYPES.get(kind, ("event", "network", "protocol"))
    if kind == "alert":
        types += " denied" if flat.get("alert.action") == "blocked" else " allowed"
    outcome = None
    status = found.get("http.response.status_code")
    if isinstance(status, int) and kind != "alert":
        outcome = "failure" if status >= 400 else "success"
    elif kind == "krb5":
        outcome = "failure" if "krb5.error_code" in flat or "krb5.failed_request" in flat else "success"
    elif kind == "smb" and "user.name" in found and (said := str(flat.get("smb.status", ""))):
        outcome = "success" if said == "STATUS_SUCCESS" else "failure" if "MORE_PROCESSING" not in said else None
        category += " authentication" if outcome else ""
    elif kind == "ftp":
        codes = flat.get("ftp.completion_code", ())
        several = set(map(str, codes)) if isinstance(codes, tuple) else {str(codes)}
        outcome = "failure" if "530" in several else "success" if "230" in several else None
        category += " authentication" if outcome else ""
        if flat.get("ftp.command") == "USER":
            text.put(found, [("user.name", text.given(str(flat.get("ftp.command_data", ""))))])
    elif kind == "dns" and "dns.response_code" in found:
        outcome = "success" if found["dns.response_code"] == "NOERROR" else "failure"
    text.put(found, [("event.category", tuple(category.split())), ("event.type", tuple(types.split()))])
    text.put(found, [("event.outcome", outcome)])


def _fast(fast: "re.Match[str]", found: Fields, raw: Raw) -> Fields:
    verdict = fast["verdict"] == "Drop"
    found |= {
        "event.kind": "alert", "event.category": ("intrusion_detection", "network"), "event.dataset": "suricata.fast",
        "event.type": ("info", "denied" if verdict else "allowed"), "rule.id": fast["sid"], "rule.version": fast["rev"],
        "rule.name": fast["name"].strip(), "suricata.alert.gid": fast["gid"],
        "event.action": "blocked" if verdict else "allowed",
    }  # fmt: skip
    text.put(
        found, [("rule.category", text.given(fast["category"])), ("event.severity", text.number(fast["priority"]))]
    )
    ported = fast["proto"].upper() in {"TCP", "UDP", "SCTP"}
    mapping.protocol(found, "ipv6-icmp" if fast["proto"] == "IPv6-ICMP" else fast["proto"])
    for side in ("source", "destination"):
        address, colon, port = fast[side].rpartition(":")
        if not colon or text.address(address) is None:
            address, port = fast[side], ""
        number = text.port(port) if ported else None
        text.put(found, [(f"{side}.ip", text.address(address)), (f"{side}.port", number or None)])
    if fast["time"]:
        text.put(found, [("@timestamp", _fast_time(fast["time"], raw))])
    return found


def _fast_time(written: str, raw: Raw) -> str | None:
    day, _, clock = written.partition("-")
    parts = day.split("/")
    try:
        if len(parts) == 3:
            year = parts[2] if len(parts[2]) == 4 else "20" + parts[2]
            return when.iso(when.rfc3339(f"{year}-{parts[0]}-{parts[1]}T{clock}", raw.zone))
        month = stamps.MONTHS[int(parts[0]) - 1] if 1 <= int(parts[0]) <= 12 else ""
        return when.iso(when.bsd(f"{month} {parts[1]} {clock}", raw.received, raw.zone))
    except ParseError:
        return None


def _moment(written: str, zone: str) -> str | None:
    try:
        return when.iso(when.rfc3339(written, zone))
    except ParseError:
        return None


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
