r"""Reads Traefik's access logs, in the Common Log Format with columns behind it or in JSON, and its own log.

https://doc.traefik.io/traefik/observability/access-logs/ lists the fields; its own log is logfmt (2.x), JSON, or
zerolog's console text (3.x).
"""

import re
from collections.abc import Iterator, Mapping

from sentinel.pack import (
    Fields,
    ParseError,
    Raw,
    container,
    document,
    kv,
    mapping,
    structured,
    syslog,
    text,
    weblog,
    when,
)

MESSAGE_MAX = 65_536
_COPIED = mapping.setters({
    "RequestMethod": "http.request.method", "RequestScheme": "url.scheme", "ClientPort": "source.port",
    "RequestContentSize": "http.request.body.bytes", "Duration": "event.duration", "TLSCipher": "tls.cipher",
    "TLSVersion": "tls.version", "RouterName": "traefik.router", "ServiceName": "traefik.service",
    "ServiceAddr": "traefik.backend", "entryPointName": "traefik.entry_point", "OriginStatus": "traefik.origin_status",
    "RetryAttempts": "traefik.retries", "RequestCount": "traefik.request_count", "level": "log.level",
    "request_X-Request-Id": "http.request.id", "TLSClientSubject": "tls.client.subject", "Overhead": "traefik.overhead",
})  # fmt: skip
_OWN = re.compile(r"Handling (?P<what>UDP stream|TCP connection|connection) from (?P<from>\S+) to (?P<to>\S+)")
_TLS = re.compile(r"http: TLS handshake error from (?P<from>\S+): (?P<reason>.*)")
_CONSOLE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\S{8,21}) (?P<level>TRC|DBG|INF|WRN|ERR|FTL|PNC) (?:(?P<at>\S+:\d+) > )?(?P<rest>.*)"
)
_LEVELS = {
    "TRC": "trace",
    "DBG": "debug",
    "INF": "info",
    "WRN": "warning",
    "ERR": "error",
    "FTL": "fatal",
    "PNC": "panic",
}
_CONNECTION: Fields = {
    "event.category": ("network",),
    "event.type": ("connection", "start"),
    "event.action": "proxy_connect",
}


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line of either log, bare or in syslog."""
    whole = text.decode(raw.body).rstrip("\r\n\0")
    fields: Fields = {"event.kind": "event", "observer.vendor": "Traefik Labs", "observer.product": "Traefik"}
    fields["observer.type"] = "proxy"
    app = None
    if not _CONSOLE.match(whole):  # else its time is not the head of syslog
        line = container.read(raw)
        fields.update(syslog.fields(line))
        whole, app = line.message, line.app
    if not _read(whole.strip()[:MESSAGE_MAX], fields, raw.zone) and app is None:
        raise ParseError("no line of Traefik")
    yield fields


def _read(message: str, fields: Fields, zone: str) -> bool:
    if message.startswith("{"):
        found = structured.json_object(message)
        if "RequestMethod" in found or "DownstreamStatus" in found:
            _access(fields, document.flat(found), zone)
        else:
            _own(fields, {name: str(value) for name, value in document.flat(found).items()}, zone)
    elif access := weblog.access(message):
        fields["@timestamp"] = when.iso(when.clf(access.time, zone))
        left = [column.text for column in weblog.fill(fields, access)]
        names = ("traefik.request_count", "traefik.router", "traefik.backend")
        text.put(fields, [(name, text.given(value)) for name, value in zip(names, left, strict=False)])
        taken = left[3].removesuffix("ms") if len(left) > 3 and left[3].endswith("ms") else ""
        text.put(
            fields, [("event.duration", int(taken) * 1_000_000 if taken.isdecimal() and len(taken) < 10 else None)]
        )
    elif message.startswith("time="):
        _own(fields, kv.pairs(message), zone)
    elif console := _CONSOLE.fullmatch(message):
        said = kv.pairs(console["rest"])
        first = next(iter(said), None)
        words = console["rest"].partition(f" {first}=")[0] if first else console["rest"]
        said |= {"time": console["time"], "level": _LEVELS[console["level"]], "msg": words}
        text.put(fields, [("log.origin.file.name", (console["at"] or "").rpartition(":")[0])])
        _own(fields, said, zone)
    else:
        return False
    return True


def _access(fields: Fields, found: Fields, zone: str) -> None:
    said = {name: str(value) for name, value in found.items() if not isinstance(value, tuple) and value != "-"}
    # a host that is an address has no port here: RequestPort tells it
    host = said.get("RequestHost") or said.get("RequestAddr", "").partition(":")[0]
    text.put(fields, [("url.domain", host.strip("[]"))])
    weblog.url(fields, said.get("RequestPath", ""), said.get("RequestMethod", ""))
    weblog.answer(fields, said.get("DownstreamStatus"), said.get("DownstreamContentSize"))
    weblog.said(fields, said.get("request_Referer"), said.get("request_User-Agent"))
    weblog.client(fields, said.get("ClientHost") or said.get("ClientAddr", ""))
    weblog.user(fields, said.get("ClientUsername"))
    weblog.forwarded(fields, said.get("request_X-Forwarded-For", ""))
    protocol = said.get("RequestProtocol", "")
    text.put(fields, [("http.version", protocol[5:] if protocol.startswith("HTTP/") else None)])
    for name, value in said.items():
        if name in _COPIED:
            _COPIED[name](fields, value)
    _time(fields, said.get("StartUTC") or said.get("StartLocal") or said.get("time", ""), zone)


def _time(fields: Fields, written: str, zone: str) -> None:
    if written:
        fields["@timestamp"] = when.iso(when.rfc3339(written, zone))


def _own(fields: Fields, found: Mapping[str, str], zone: str) -> None:
    fields["event.dataset"] = "traefik.log"
    message = found.get("msg") or found.get("message") or ""
    if not message and "level" not in found:
        raise ParseError("neither an access log record nor a message of Traefik")
    _time(fields, found.get("time", ""), zone)
    level = found.get("level", "")
    text.put(fields, [("log.level", level), ("message", message), ("error.message", found.get("error"))])
    fields["event.category"] = ("process",)
    fields["event.type"] = ("error",) if level in {"error", "fatal", "panic"} else ("info",)
    if handled := _OWN.fullmatch(message):
        fields.update(_CONNECTION)
        weblog.client(fields, handled["from"])
        address, port = weblog.peer(handled["to"])
        transport = {"UDP stream": "udp", "TCP connection": "tcp"}.get(handled["what"])
        pairs = (("destination.ip", address), ("destination.port", port), ("network.transport", transport))
        text.put(fields, pairs)
    elif tls := _TLS.fullmatch(message):
        fields.update(_CONNECTION | {"event.action": "tls_handshake_failed", "event.outcome": "failure"})
        weblog.client(fields, tls["from"])
        fields["event.reason"] = tls["reason"]
    elif fields["event.type"] == ("error",):
        fields["event.type"], fields["event.outcome"] = ("info",), "failure"
    for name, value in list(found.items())[:64]:
        if name not in {"time", "level", "msg", "message", "error"} and text.given(value):
            key = "".join(sign if sign.isalnum() or sign in "._" else "_" for sign in name)[:64]
            fields.setdefault(f"traefik.{key.lower()}", value)
