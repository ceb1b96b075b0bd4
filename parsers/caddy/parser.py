r"""Reads Caddy's access logs and its own log: JSON, or the console's columns with JSON behind them.

https://caddyserver.com/docs/caddyfile/directives/log. `client_ip` is whom Caddy believes to be the client (it counts
proxies that it trusts), `remote_ip` who was connected; before 2.5 there was `remote_addr` with a port. What a client
sent in other headers is left out: there are passwords among it.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from sentinel.pack import Fields, ParseError, Raw, container, document, structured, syslog, text, weblog, when

MESSAGE_MAX = 262_144
_CONSOLE = re.compile(
    r"(?P<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?)\s{1,4}(?P<level>[A-Za-z]{4,6})\s{1,4}"
    r"(?:(?P<logger>[\w.-]{1,80})\t)?(?P<message>[^\t{]{0,400}?)\s{0,4}(?P<json>\{.*\})?",
    re.DOTALL,
)
_TLS = {769: "1.0", 770: "1.1", 771: "1.2", 772: "1.3"}
_READ = frozenset({"level", "ts", "logger", "msg", "error"})
_ANSWER = frozenset({"status", "duration", "size", "bytes_read", "user_id"})
_HANDSHAKE = re.compile(r"http: TLS handshake error from (?P<from>\S+): (?P<reason>.*)")


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one record, bare or in syslog."""
    line = container.read(raw)
    fields: Fields = {"event.kind": "event", "observer.vendor": "Caddy", "observer.product": "Caddy"}
    fields.update(syslog.fields(line))
    message = line.message.strip()[:MESSAGE_MAX]
    if message.startswith("{"):
        found = structured.json_object(message)
    elif console := _CONSOLE.fullmatch(message):
        found = structured.json_object(console["json"]) if console["json"] else {}
        found |= {"ts": console["time"], "level": console["level"].lower(), "msg": console["message"].strip()}
        found["logger"] = console["logger"] or ""
    elif line.app is not None:
        yield fields
        return
    else:
        raise ParseError("neither JSON nor a console line of Caddy")
    _record(fields, found, raw.zone)
    yield fields


def _record(fields: Fields, found: Mapping[str, object], zone: str) -> None:
    asked = found.get("request")
    if not isinstance(asked, dict) and "msg" not in found:
        raise ParseError("JSON without a request or a message")
    moment = _moment(found.get("ts"), zone)
    logger, level = _text(found.get("logger")), _text(found.get("level"))
    text.put(fields, [
        ("@timestamp", when.iso(moment) if moment else None), ("log.logger", logger), ("log.level", level),
        ("message", _text(found.get("msg"))),
    ])  # fmt: skip
    if isinstance(asked, dict):
        _request(fields, asked)
        status = _text(found.get("status"))
        weblog.answer(fields, None if status == "0" else status, _text(found.get("size")))
        weblog.user(fields, _text(found.get("user_id")))
        text.put(fields, [("event.duration", weblog.seconds(_text(found.get("duration"))))])
        text.put(fields, [("http.request.body.bytes", text.number(_text(found.get("bytes_read"))))])
        kind = found.get("resp_headers")
        mime = _header(kind, "content-type").partition(";")[0] if isinstance(kind, dict) else ""
        text.put(fields, [("http.response.mime_type", mime)])
    if not logger.startswith("http.log.access"):
        _own(fields, found, isinstance(asked, dict), level)


def _request(fields: Fields, asked: Mapping[str, object]) -> None:
    host, method = _text(asked.get("host")), _text(asked.get("method"))
    name, colon, port = host.rpartition(":")
    name, port = (name, port) if colon and port.isdecimal() else (host, "")
    text.put(fields, [
        ("http.request.method", method), ("url.domain", name.strip("[]")), ("url.port", text.port(port) or None),
        ("http.version", _text(asked.get("proto")).removeprefix("HTTP/")),
    ])  # fmt: skip
    weblog.url(fields, _text(asked.get("uri")), method)
    headers = asked.get("headers")
    headers = headers if isinstance(headers, dict) else {}
    weblog.said(fields, _header(headers, "referer"), _header(headers, "user-agent"))
    weblog.forwarded(fields, _header(headers, "x-forwarded-for"))
    remote = _text(asked.get("remote_ip")) or _text(asked.get("remote_addr"))
    client = _text(asked.get("client_ip")) or remote
    weblog.client(fields, client)
    if client == remote:
        text.put(fields, [("source.port", text.port(_text(asked.get("remote_port"))) or fields.get("source.port"))])
    else:
        text.put(fields, [("caddy.remote_ip", text.address(remote))])
    tls = asked.get("tls")
    if isinstance(tls, dict):
        version = tls.get("version")
        text.put(fields, [
            ("tls.version", _TLS.get(version) if isinstance(version, int) else None), ("tls.established", True),
            ("tls.client.server_name", _text(tls.get("server_name"))), ("tls.next_protocol", _text(tls.get("proto"))),
            ("caddy.cipher_suite", _text(tls.get("cipher_suite"))), ("url.scheme", "https"),
        ])  # fmt: skip


def _own(fields: Fields, found: Mapping[str, object], asked: bool, level: str) -> None:  # noqa: FBT001  one thing to tell
    fields["event.dataset"] = "caddy.log"
    message = _text(found.get("msg"))
    if handshake := _HANDSHAKE.fullmatch(message):
        fields["event.category"], fields["event.type"] = ("network",), ("connection", "protocol")
        fields["event.action"], fields["event.outcome"] = "tls_handshake_failed", "failure"
        weblog.client(fields, handshake["from"])
        fields["event.reason"] = handshake["reason"]
    elif not asked:
        fields["event.category"], fields["event.type"] = ("process",), ("info",)
    if level in {"error", "fatal", "panic"}:
        fields["event.outcome"] = "failure"
    text.put(fields, [("error.message", _text(found.get("error")))])
    for name, value in document.flat(found).items():
        key = "".join(sign if sign.isalnum() or sign in "._" else "_" for sign in name)[:100].lower()
        if name not in _READ and not (asked and name in _ANSWER) and not name.startswith(("request.", "resp_headers.")):
            fields.setdefault(f"caddy.{key}", str(value[0] if isinstance(value, tuple) else value))


def _moment(value: object, zone: str) -> datetime | None:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return when.epoch(value)
        return when.rfc3339(value.replace("/", "-"), zone) if isinstance(value, str) else None
    except ParseError:
        return None


def _header(headers: Mapping[str, object], name: str) -> str:
    """Return the first value of a header, however its name is written."""
    found = next((value for key, value in headers.items() if key.lower() == name), None)
    return _text(found[0]) if isinstance(found, list) and found else _text(found)


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
