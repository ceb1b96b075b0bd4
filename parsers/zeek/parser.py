"""Reads Zeek's logs: JSON with `id.orig_h`, `id_orig_h` or nested, and tab separated columns.

A tab separated line does not say which log it is of; it is told by its columns (`columns.toml`). The originator is
the source. Bytes are those of IP packets where Zeek counts them, as on the wire. What ECS has no home for is
`zeek.<name>`.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from sentinel.pack import Fields, ParseError, Raw, Value, document, mapping, names, structured, syslog, text, when

KEPT_MAX = 200
_CONNECTION = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p"
_TABLE = {
    "id.orig_h": "source.ip", "id.orig_p": "source.port", "id.resp_h": "destination.ip",
    "id.resp_p": "destination.port",
    "community_id": "network.community_id", "orig_l2_addr": "source.mac", "resp_l2_addr": "destination.mac",
    "proto": "protocol", "vlan": "network.vlan.id", "service": "network.protocol",
    "orig_pkts": "source.packets", "resp_pkts": "destination.packets",
    "orig_ip_bytes": "source.bytes", "resp_ip_bytes": "destination.bytes",
    "query": "dns.question.name", "qtype_name": "dns.question.type", "rcode_name": "dns.response_code",
    "trans_id": "dns.id",
    "method": "http.request.method", "host": "url.domain", "referrer": "http.request.referrer",
    "user_agent": "user_agent.original", "status_code": "http.response.status_code",
    "request_body_len": "http.request.body.bytes", "response_body_len": "http.response.body.bytes",
    "server_name": "tls.client.server_name", "cipher": "tls.cipher", "curve": "tls.curve",
    "next_protocol": "tls.next_protocol", "resumed": "tls.resumed", "established": "tls.established",
    "subject": "tls.server.subject", "issuer": "tls.server.issuer", "client_subject": "tls.client.subject",
    "client_issuer": "tls.client.issuer", "ja3": "tls.client.ja3", "ja3s": "tls.server.ja3s",
    "mime_type": "file.mime_type", "filename": "file.name", "total_bytes": "file.size",
    "md5": "file.hash.md5", "sha1": "file.hash.sha1", "sha256": "file.hash.sha256",
    "certificate.subject": "file.x509.subject.distinguished_name",
    "certificate.issuer": "file.x509.issuer.distinguished_name", "certificate.serial": "file.x509.serial_number",
    "certificate.key_alg": "file.x509.public_key_algorithm", "certificate.key_length": "file.x509.public_key_size",
    "certificate.sig_alg": "file.x509.signature_algorithm", "certificate.version": "file.x509.version_number",
    "certificate.curve": "file.x509.public_key_curve", "certificate.exponent": "file.x509.public_key_exponent",
    "san.dns": "list file.x509.alternative_names",
    "certificate.not_valid_before": "moment file.x509.not_before",
    "certificate.not_valid_after": "moment file.x509.not_after",
    "username": "user.name", "user": "user.name", "domainname": "user.domain", "hostname": "source.domain",
    "operation": "event.action", "command": "event.action", "action": "event.action", "request_type": "event.action",
    "cmd": "event.action", "error_msg": "event.reason", "failure_reason": "event.reason", "reply_msg": "event.reason",
    "note": "rule.name", "msg": "message", "src": "source.ip", "dst": "destination.ip", "p": "destination.port",
    "client_addr": "source.ip", "server_addr": "destination.ip", "mac": "source.mac", "host_name": "source.domain",
    "@system": "observer.name", "_system_name": "observer.name", "message": "message",
}  # fmt: skip
_OF_LOG: dict[str, dict[str, str]] = {
    "smtp": {
        "subject": "email.subject", "msg_id": "email.message_id", "user_agent": "email.x_mailer",
        "from": "letters email.from.address", "to": "letters email.to.address", "cc": "letters email.cc.address",
        "reply_to": "letters email.reply_to.address", "mailfrom": "email.sender.address",
        "rcptto": "letters email.to.address",
    },
    "smb_files": {"name": "file.path", "size": "file.size"},
    "weird": {"name": "rule.name"}, "kerberos": {"client": "principal", "service": "", "cipher": ""},
    "smb_mapping": {"service": ""}, "ftp": {"user": "user.name"},
    "known_services": {"host": "host.ip", "port_proto": "protocol"},
    "known_hosts": {"host": "host.ip"}, "software": {"host": "host.ip"},
    "sip": {"user_agent": "", "method": "event.action"},
    "notice": {"sub": "event.reason"}, "files": {"source": "network.protocol"}, "ssh": {"client": "", "version": ""},
    "dhcp": {"domain": ""}, "rdp": {"result": ""}
}  # fmt: skip
_TYPES = {
    "conn": ("network", "connection"), "dns": ("network", "protocol"), "http": ("network web", "access protocol"),
    "ssl": ("network", "connection protocol"), "notice": ("intrusion_detection network", "info"),
    "weird": ("network", "info"), "files": ("network file", "info"), "x509": ("file", "info"),
    "smtp": ("network email", "protocol"), "smb_files": ("network file", "access"), "pe": ("file malware", "info"),
    "kerberos": ("network authentication", "protocol"), "ntlm": ("network authentication", "protocol"),
    "radius": ("network authentication", "protocol"), "ssh": ("network", "connection protocol"),
    "dhcp": ("network", "protocol"), "software": ("host", "info"), "known_hosts": ("host", "info"),
    "known_services": ("host", "info"), "stats": ("", ""), "capture_loss": ("", ""), "reporter": ("", ""),
    "packet_filter": ("", ""), "loaded_scripts": ("", ""), "cluster": ("", ""), "broker": ("", ""),
}  # fmt: skip
_SIGNS = (
    ("conn", "conn_state"), ("dns", "qtype_name"), ("dns", "rejected"), ("http", "trans_depth uri"),
    ("http", "method uri"),
    ("notice", "note"), ("x509", "certificate.subject"), ("files", "seen_bytes"), ("ssl", "established"),
    ("ssh", "auth_attempts"), ("ssh", "host_key_alg"), ("kerberos", "request_type"), ("ntlm", "domainname"),
    ("smb_files", "times.modified"), ("smb_mapping", "share_type"), ("dce_rpc", "endpoint"), ("smtp", "mailfrom"),
    ("rdp", "security_protocol"), ("weird", "notice name"), ("dhcp", "msg_types"), ("software", "software_type"),
    ("dpd", "analyzer"), ("stats", "pkts_proc"), ("capture_loss", "percent_lost"), ("reporter", "location level"),
)  # fmt: skip
_STATES = {
    "SF": ("start end", "success"), "S1": ("start", "success"), "S2": ("start end", "success"),
    "S3": ("start end", "success"), "RSTO": ("start end", "success"), "RSTR": ("start end", "success"),
    "S0": ("start", "failure"), "REJ": ("denied", "failure"), "RSTOS0": ("end", "failure"),
    "RSTRH": ("end", "failure"), "SH": ("end", "failure"), "SHR": ("end", "failure"),
}  # fmt: skip
_SIDES = {("T", "T"): "internal", ("T", "F"): "outbound", ("F", "T"): "inbound", ("F", "F"): "external"}
_DONE = frozenset({
    "ts", "_path", "@stream", "@proc", "_write_ts", "uri", "version", "answers", "duration", "rtt", "orig_bytes",
    "resp_bytes", "tx_hosts", "rx_hosts", "AA", "TC", "RD", "RA", "Z", "qclass_name", "resp_mime_types", "tags",
    "local_orig", "local_resp", "ip_proto", "resp_filenames",
})  # fmt: skip
_EMPTY = frozenset({"-", "(empty)", ""})
_LETTER = re.compile(r"[^<>]{0,256}<([^<>\s]{1,320})>\s*")
_ESCAPED = re.compile(r"\\x([0-9a-fA-F]{2})")
_EPOCH = re.compile(r"\d{9,10}\.\d{6}")
_TLS = re.compile(r"(TLS|SSL|DTLS)v(\d)(\d?)")


class _Log:
    """The columns of one log and how its lines are told."""

    def __init__(self, said: Mapping[str, object]) -> None:
        self.path = str(said["path"])
        self.names = str(said["columns"]).replace("@", _CONNECTION).split()
        self.least = int(str(said["least"]))
        checks = said["check"]
        rows = checks.items() if isinstance(checks, dict) else ()
        self.checks = [(int(at), re.compile(form).fullmatch) for at, form in rows]
        self.connected = self.names[2:3] == ["id.orig_h"]

    def holds(self, cells: list[str]) -> bool:
        """Say whether the line may be of this log."""
        if not self.least <= len(cells) <= len(self.names) + 4:
            return False
        if self.connected and cells[2] != "-" and (text.address(cells[2]) is None or text.port(cells[3]) is None):
            return False
        return all(at < len(cells) and len(cells[at]) < 256 and check(cells[at]) for at, check in self.checks)


_COLUMNS = tomllib.loads((Path(str(__spec__.origin)).parent / "columns.toml").read_text("utf-8"))
_LOGS = [_Log(one) for one in _COLUMNS["log"]]
_setter = lru_cache(512)(mapping.setter)
_ALIASES = {name.replace(".", "_"): name for name in (*_TABLE, "times.modified", *_CONNECTION.split()) if "." in name}


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line of one log."""
    line = syslog.read(raw)
    message = line.message
    head = syslog.fields(line)
    head.pop("message", None)
    found: Fields = {"observer.vendor": "Zeek", "observer.product": "Zeek", "observer.type": "ids"}
    if line.host is not None:
        found["observer.name"] = line.host
    if message.startswith("#"):
        yield head | found | {"message": message, "event.kind": "state"}
        return
    if message.startswith("{"):
        flat = document.flat(structured.json_object(message))
        said = {_ALIASES.get(name, name): value for name, value in flat.items()}
        path = _path(said) or (line.app or "").rpartition("_")[2]
    else:
        path, said = _columns(message)
    yield head | _read(path, said, found, raw.zone)


def _path(said: Mapping[str, Value]) -> str:
    for name in ("_path", "@stream"):
        if isinstance(said.get(name), str):
            return str(said[name])
    for path, signs in _SIGNS:
        if all(sign in said for sign in signs.split()):
            return path
    return ""


def _columns(message: str) -> tuple[str, Fields]:
    cells = message.split("\t")
    if len(cells) < 2 or not cells[0][:1].isdecimal():
        raise ParseError("neither JSON nor columns of Zeek")
    for log in _LOGS:
        if log.holds(cells):
            return log.path, dict(zip(log.names, map(_cell, cells), strict=False))
    if len(cells) > 5 and text.address(cells[2]) and text.address(cells[4]):
        pairs = zip([*_CONNECTION.split(), *(f"column_{at}" for at in range(7, 100))], map(_cell, cells), strict=False)
        return "", dict(pairs)
    if len(cells) > 2 and _EPOCH.fullmatch(cells[0]):  # a log of a script of one's own: its columns' names are not here
        return "", dict(zip(["ts", *(f"column_{at}" for at in range(2, 100))], map(_cell, cells), strict=False))
    raise ParseError("columns of no log of Zeek that is known")


def _cell(cell: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), cell) if "\\x" in cell else cell


def _read(path: str, said: Mapping[str, Value], found: Fields, zone: str) -> Fields:
    if path:
        found["zeek.log"] = path
        found["event.dataset"] = f"zeek.{re.sub(r'[^a-z0-9_]', '_', path.lower())}"
    text.put(found, [("@timestamp", _moment(said.get("ts"), zone))])
    special = _OF_LOG.get(path, {})
    kept = 0
    for name, value in said.items():
        plain = ",".join(map(str, value)) if isinstance(value, tuple) else _text(value)
        target = special.get(name, _TABLE.get(name, ""))
        if plain in _EMPTY or (name in _DONE and name not in special):
            continue
        if target:
            _set(found, target, plain, zone)
        elif kept < KEPT_MAX:
            kept += 1
            found["zeek." + name] = tuple(map(_text, value)) if isinstance(value, tuple) else plain
    _connection(found, path, said)
    _application(found, path, said)
    names.file(found)
    _meaning(found, path, said)
    return found


def _set(found: Fields, target: str, value: str, zone: str) -> None:
    kind, _, below = target.partition(" ")
    if kind == "letters":
        several = tuple(dict.fromkeys(_letter(one) for one in value.split(",")[:100] if one.strip()))
        if below not in found:
            text.put(found, [(below, several)])
    elif kind == "moment":
        text.put(found, [(below, _moment(value, zone))])
    elif kind == "principal":
        name, _, realm = value.partition("/")
        text.put(found, [("user.name", name), ("user.domain", realm)])
    elif target == "network.protocol":
        found.setdefault(target, value.lower())
    else:
        _setter(target)(found, value)


def _letter(written: str) -> str:
    found = _LETTER.fullmatch(written.strip())
    return found[1] if found else written.strip()


def _connection(found: Fields, path: str, said: Mapping[str, Value]) -> None:
    for side, counted in (("source", "orig_bytes"), ("destination", "resp_bytes")):
        if f"{side}.bytes" not in found and counted in said:
            _setter(f"{side}.bytes")(found, _text(said[counted]))
    for unit in ("bytes", "packets"):
        one, other = found.get(f"source.{unit}"), found.get(f"destination.{unit}")
        if isinstance(one, int) and isinstance(other, int):
            found[f"network.{unit}"] = one + other
    for name in ("duration", "rtt"):
        seconds = _float(said.get(name))
        if seconds is not None and 0 <= seconds < 1e9 and path != "dhcp":
            found["event.duration"] = round(seconds * 1_000_000_000)
    sides = (_truth(said.get("local_orig")), _truth(said.get("local_resp")))
    if path == "conn" and sides in _SIDES:
        found["network.direction"] = _SIDES[sides]
    if path == "files":
        sender, receiver = said.get("tx_hosts"), said.get("rx_hosts")
        pair = (sender, receiver) if _truth(said.get("is_orig")) == "T" else (receiver, sender)
        for side, hosts in zip(("source", "destination"), pair, strict=True):
            first = hosts[0] if isinstance(hosts, tuple) else str(hosts or "").partition(",")[0]
            text.put(found, [(f"{side}.ip", text.address(str(first)))] if f"{side}.ip" not in found else [])


def _application(found: Fields, path: str, said: Mapping[str, Value]) -> None:
    if (uri := _given(said, "uri")) and path != "sip":
        names.url(found, uri)
    elif uri:
        found["zeek.uri"] = uri
    if version := _TLS.fullmatch(_given(said, "version")):
        found["tls.version_protocol"] = version[1].lower()
        found["tls.version"] = f"{version[2]}.{version[3] or 0}"
    elif path == "http" and _given(said, "version"):
        found["http.version"] = _given(said, "version")
    elif _given(said, "version"):
        found["zeek.version"] = _given(said, "version")
    answers = said.get("answers")
    listed = answers if isinstance(answers, tuple) else tuple(_given(said, "answers").split(","))
    data = tuple(dict.fromkeys(str(one) for one in listed if one != ""))
    text.put(found, [("zeek.answers", data), ("dns.resolved_ip", tuple(filter(None, map(text.address, data))))])
    if path == "dns":
        flags = tuple(name for name in ("AA", "TC", "RD", "RA") if _truth(said.get(name)) == "T")
        text.put(found, [("dns.header_flags", flags)])
        text.put(found, [("dns.question.class", _given(said, "qclass_name").replace("C_INTERNET", "IN"))])
    for name, target in (("resp_mime_types", "http.response.mime_type"), ("resp_filenames", "file.name")):
        value = said.get(name)
        first = str(value[0]) if isinstance(value, tuple) else _given(said, name).partition(",")[0]
        text.put(found, [(target, first)])
    number = _given(said, "ip_proto")
    if number and "network.transport" not in found:
        mapping.protocol(found, number)


def _meaning(found: Fields, path: str, said: Mapping[str, Value]) -> None:
    category, types = _TYPES.get(path, ("network", "protocol") if "source.ip" in found else ("", ""))
    found["event.kind"] = {"notice": "alert", "stats": "metric", "capture_loss": "metric"}.get(path, "event")
    outcome = None
    success = _truth(said.get("success", said.get("auth_success")))
    status = found.get("http.response.status_code")
    if path == "conn":
        more, outcome = _STATES.get(_given(said, "conn_state"), ("", ""))
        types += " " + more
    elif success in {"T", "F"} and path != "packet_filter":
        outcome = "success" if success == "T" else "failure"
        category = category if "authentication" in category else f"{category} authentication".strip()
    elif isinstance(status, int) and path == "http":
        outcome = "failure" if status >= 400 else "success"
    elif "dns.response_code" in found:
        outcome = "success" if found["dns.response_code"] == "NOERROR" else "failure"
    elif path == "radius":
        outcome = {"success": "success", "failed": "failure"}.get(_given(said, "result"))
    text.put(found, [("event.category", tuple(category.split())), ("event.type", tuple(types.split()))])
    text.put(found, [("event.outcome", outcome)])


def _given(said: Mapping[str, Value], name: str) -> str:
    value = said.get(name, "")
    plain = ",".join(map(str, value)) if isinstance(value, tuple) else _text(value)
    return "" if plain in _EMPTY else plain


def _truth(value: Value | None) -> str:
    return {"True": "T", "False": "F"}.get(str(value), str(value))


def _float(value: Value | None) -> float | None:
    try:
        return None if value is None or isinstance(value, tuple) else float(value)
    except ValueError:
        return None


def _moment(value: Value | None, zone: str) -> str | None:
    try:
        if isinstance(value, str) and value[4:5] == "-":
            return when.iso(when.rfc3339(value, zone))
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return when.iso(when.epoch(value))
    except ParseError:
        pass
    return None


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
