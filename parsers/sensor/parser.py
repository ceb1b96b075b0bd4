"""Reads the records of Sentinel's packet sensor: one JSON object each, told apart by `type`."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sentinel.pack import Fields, ParseError, Raw, Value, text, when

_TRANSPORTS = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 51: "ah", 58: "ipv6-icmp", 132: "sctp"}
_FAILED = frozenset({"unanswered", "half_open", "refused", "aborted"})
_BAD = frozenset({"drops", "lag", "narrowed", "dissector_restarted", "interface_down", "spool_full", "walls"})
_LIST_MAX = 64

# ECS field -> the record's name for it, where the value is taken as it is
_TEXTS = {
    "network.community_id": "cid", "network.protocol": "service", "sensor.state": "state", "sensor.ending": "ending",
    "sensor.flags.source": "flags_out", "sensor.flags.destination": "flags_in",
    "dns.question.type": "qtype", "dns.response_code": "rcode",
    "tls.cipher": "cipher", "tls.next_protocol": "alpn", "tls.client.ja3": "ja3", "tls.server.ja3s": "ja3s",
}  # fmt: skip
_NUMBERS = {
    "event.duration": "ns", "event.severity": "severity", "source.bytes": "bytes_out", "source.packets": "packets_out",
    "destination.bytes": "bytes_in", "destination.packets": "packets_in",
    "sensor.frame": "frame", "sensor.syn": "syn", "sensor.rst": "rst", "sensor.packets": "packets",
    "sensor.packets_not_ip": "not_ip", "sensor.flows": "flows", "sensor.flows_evicted": "evicted",
    "sensor.icmp.type": "icmp_type", "sensor.icmp.code": "icmp_code",
    "sensor.finding.count": "count",
}  # fmt: skip
_TIMES = {
    "@timestamp": "time", "event.end": "end",
    "tls.server.not_before": "not_before", "tls.server.not_after": "not_after",
}  # fmt: skip
_SUMS = {
    "network.bytes": ("bytes_out", "bytes_in"), "network.packets": ("packets_out", "packets_in"),
    "sensor.packets_with_data": ("data_out", "data_in"),
}  # fmt: skip

# records that need no more than new names
_PLAIN: dict[str, Any] = tomllib.loads((Path(str(__spec__.origin)).parent / "records.toml").read_text("utf-8"))
_WHOLE = frozenset(_PLAIN.pop("numbers"))

Record = Mapping[str, object]


def parse(raw: Raw) -> Iterator[Fields]:
    """Yield the one event of a sensor record."""
    try:
        record = json.loads(text.decode(raw.body))
    except (ValueError, RecursionError) as error:
        raise ParseError("no JSON object") from error
    if not isinstance(record, dict):
        raise ParseError("no JSON object")
    kind = _text(record, "type")
    read = _READERS.get(kind or "")
    how = _PLAIN.get(f"{kind}_{record.get('kind')}") or _PLAIN.get(kind or "")
    if kind is None or (read is None and how is None):
        raise ParseError("a record of no known type")
    fields = _copied(record)
    fields["event.kind"] = "event"
    fields["event.dataset"] = f"sensor.{kind}"
    fields["event.category"] = ("network",)
    yield read(record, fields) if read else _stated(record, fields, how or {})


def _stated(record: Record, fields: Fields, how: Mapping[str, Any]) -> Fields:
    action, kind, code = str(how["action"]), _text(record, "kind"), _number(record, str(how.get("failed")))
    fields["event.type"] = ("connection", "protocol", "info")
    fields["event.action"] = f"{action}_{kind}" if kind and not action.endswith(kind) else action
    fields["network.protocol"] = _text(record, "service") or action.partition("_")[0]
    if code is not None:
        fields["event.outcome"] = "failure" if code >= how.get("fails_from", 1) else "success"
    said = _PART.sub(lambda part: _filled(part[1], record, optional=True), str(how["message"]))
    pairs = [(name, _value(record, name, key)) for name, key in how.get("fields", {}).items()]
    return text.put(fields, [("message", _filled(said, record).strip()), *pairs])


_PART = re.compile(r"\[([^\[\]]*)\]")
_NAME = re.compile(r"\{(\w+)\}")


def _filled(form: str, record: Record, *, optional: bool = False) -> str:
    given = {name: record.get(name) for name in _NAME.findall(form)}
    if optional and any(value is None or isinstance(value, list | dict) for value in given.values()):
        return ""
    return _NAME.sub(lambda name: str(record.get(name[1], "?")).replace("{", "(").replace("}", ")"), form)


def _value(record: Record, name: str, key: str) -> Value | None:
    value = record.get(key)
    if isinstance(value, list):
        return tuple(str(one) for one in value[:_LIST_MAX] if isinstance(one, str | int) and one != "") or None
    if name in _WHOLE:
        return _number(record, key)
    return _mac(_text(record, key)) if name.endswith(".mac") else _text(record, key)


def _mac(value: Value | None) -> str | None:
    return text.mac(value) if isinstance(value, str) and value.strip("0:") else None


def _flow(record: Record, fields: Fields) -> Fields:
    state = _text(record, "state")
    kinds = ["connection"]
    if state != "midstream":
        kinds.append("start")
    if _text(record, "ending") in {"closed", "idle"}:
        kinds.append("end")
    fields["event.type"] = tuple(kinds)
    fields["event.action"] = "network_flow"
    if state in _FAILED:
        fields["event.outcome"] = "failure"
    elif state in {"established", "answered"}:
        fields["event.outcome"] = "success"
    names = (("source.ip", "source.port"), ("destination.ip", "destination.port"))
    ends = " to ".join(":".join(str(fields[name]) for name in pair if name in fields) for pair in names)
    said = f"{fields.get('network.transport', 'ip')} {ends}: {state}, {fields.get('network.bytes', 0)} bytes"
    return text.put(fields, [("message", said if state else None), ("event.start", fields.get("@timestamp"))])


def _dns(record: Record, fields: Fields) -> Fields:
    fields["event.type"] = ("connection", "protocol", "info")
    answers = _texts(record, "answers")
    kind, name, rcode = _text(record, "kind"), _text(record, "name"), _text(record, "rcode")
    if rcode is not None:
        fields["event.outcome"] = "success" if rcode == "NOERROR" else "failure"
    asked = " ".join(part for part in (kind or "message", name, _text(record, "qtype")) if part)
    number = _number(record, "id")
    return text.put(
        fields,
        [
            ("message", asked + (f": {rcode} {', '.join(answers)}".rstrip() if rcode else "")),
            ("event.action", f"dns_{kind}" if kind else None),
            ("dns.id", None if number is None else str(number)),
            ("dns.type", kind),
            ("dns.question.name", _host(name)),
            ("dns.resolved_ip", tuple(found for one in answers if (found := text.address(one)) is not None)),
            ("sensor.dns.answers", answers),
        ],
    )


def _tls(record: Record, fields: Fields) -> Fields:
    fields["event.type"] = ("connection", "protocol", "info")
    issuer, subject, name = _text(record, "issuer"), _text(record, "subject"), _host(_text(record, "sni"))
    version, established = _text(record, "version"), record.get("established")
    if isinstance(established, bool):
        fields["tls.established"] = established
    to = name or _text(record, "dst") or "unknown"
    return text.put(
        fields,
        [
            ("message", f"TLS {version} to {to}" if version else f"TLS to {to}, not answered"),
            ("tls.version", version),
            ("sensor.tls.ja4", _text(record, "ja4")),
            ("tls.server.x509.serial_number", _text(record, "serial")),
            ("tls.server.x509.alternative_names", _texts(record, "names")),
            ("event.action", "tls_handshake"),
            ("network.protocol", "quic" if fields.get("network.transport") == "udp" else "tls"),
            ("tls.version_protocol", "tls" if version else None),
            ("tls.client.server_name", name),
            ("destination.domain", name),
            ("tls.server.subject", f"CN={subject}" if subject else None),
            ("tls.server.issuer", f"CN={issuer}" if issuer else None),
            ("tls.server.x509.subject.common_name", (subject,) if subject else None),
            ("tls.server.x509.issuer.common_name", (issuer,) if issuer else None),
        ],
    )


def _finding(record: Record, fields: Fields) -> Fields:
    kind, technique = _text(record, "kind"), _text(record, "technique")
    if kind is None:
        raise ParseError("a finding of no kind")
    fields["event.kind"] = "alert"
    fields["event.category"] = ("network", "intrusion_detection")
    fields["event.type"] = ("info",)
    return text.put(
        fields,
        [
            ("message", _text(record, "message")),
            ("event.action", kind),
            ("event.start", fields.get("@timestamp")),
            ("rule.name", kind),
            ("threat.framework", "MITRE ATT&CK" if technique else None),
            ("threat.technique.id", (technique,) if technique else None),
            ("sensor.finding.kind", kind),
            ("sensor.finding.name", _text(record, "name")),
            ("sensor.finding.source_segment", _text(record, "src_segment")),
            ("sensor.finding.destination_segment", _text(record, "dst_segment")),
            ("sensor.finding.numbers", _numbers(record)),
            ("sensor.finding.examples", _texts(record, "examples")),
        ],
    )


def _health(record: Record, fields: Fields) -> Fields:
    problems = "; ".join(_texts(record, "problems"))
    bad = bool(problems) or _text(record, "event") in _BAD
    fields["event.type"] = ("error",) if bad else ("info",)
    fields["event.outcome"] = "failure" if bad else "success"
    fields["event.action"] = "sensor_health"
    all_well = f"read {_number(record, 'packets')} packets, {_number(record, 'flows')} flows, nothing left out"
    said = _text(record, "message") or problems or all_well
    return text.put(
        fields,
        [
            ("message", said),
            ("event.reason", problems),
            ("file.name", _text(record, "file")),
            ("observer.ingress.interface.name", _text(record, "interface")),
            ("sensor.health", _text(record, "event")),
        ],
    )


_READERS = {"flow": _flow, "open_flow": _flow, "dns": _dns, "tls": _tls, "finding": _finding, "health": _health}


def _copied(record: Record) -> Fields:
    fields: Fields = {}
    text.put(fields, ((name, _text(record, key)) for name, key in _TEXTS.items() if key in record))
    text.put(fields, ((name, _number(record, key)) for name, key in _NUMBERS.items() if key in record))
    text.put(fields, ((name, _time(record, key)) for name, key in _TIMES.items() if key in record))
    for name, keys in _SUMS.items():
        given = [value for key in keys if (value := _number(record, key)) is not None]
        text.put(fields, [(name, text.number(sum(given)) if given else None)])
    for side, key, port in (("source", "src", "sport"), ("destination", "dst", "dport")):
        address = text.address(_text(record, key))
        ends = [("ip", address), ("address", address), ("port", text.port(_number(record, port)))]
        ends.append(("mac", _mac(_text(record, f"{key}_mac"))))
        text.put(fields, ((f"{side}.{name}", value) for name, value in ends))
        if address:
            fields["network.type"] = "ipv6" if ":" in address else "ipv4"
    proto, vlan = _number(record, "proto"), _number(record, "vlan")
    if proto is not None:
        text.put(fields, [("network.iana_number", str(proto)), ("network.transport", _TRANSPORTS.get(proto))])
    return text.put(fields, [("network.vlan.id", None if vlan is None else str(vlan))])


def _host(name: str | None) -> str | None:
    return (name.rstrip(".").lower() or name) if name else None


def _text(record: Record, name: str) -> str | None:
    value = record.get(name)
    return value if isinstance(value, str) and value else None


def _texts(record: Record, name: str) -> tuple[str, ...]:
    value = record.get(name)
    return tuple(one for one in value[:_LIST_MAX] if isinstance(one, str) and one) if isinstance(value, list) else ()


def _number(record: Record, name: str) -> int | None:
    value = record.get(name)
    return text.number(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _numbers(record: Record) -> tuple[str, ...]:
    value = record.get("numbers")
    pairs = list(value.items())[:_LIST_MAX] if isinstance(value, dict) else []
    return tuple(f"{name}={one}" for name, one in pairs if isinstance(one, str | int | float))


def _time(record: Record, name: str) -> str | None:
    value = _text(record, name)
    return None if value is None else when.iso(when.rfc3339(value))
