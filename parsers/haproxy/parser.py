r"""Reads HAProxy's logs: HTTP, HTTPS, TCP, CLF, failed connections, what it says about servers and itself.

https://docs.haproxy.org/3.0/configuration.html#8.2 (formats) and #8.5 (how a session ended: `haproxy.termination`).
HAProxy writes what would imitate the format in a request or a captured header as `#22`; times are local.
"""

import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, container, structured, syslog, text, webjson, weblog, when

MESSAGE_MAX = 65_536
_HEAD = re.compile(
    r"(?P<client>\S{1,80}) \[(?P<time>\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d[^\]]{0,12})\] (?P<rest>.*)", re.DOTALL
)
_SESSION = re.compile(
    r"(?P<frontend>[^\s/]+) (?P<backend>\S+?)/(?P<server>\S+) (?P<timers>[+-]?\d+(?:/[+-]?\d+){2,5}) "
    r"(?:(?P<status>-?\d{1,3}) (?P<bytes>\+?\d+) (?P<asked>\S+) (?P<set>\S+) (?P<state>[\w-]{4})"
    r"|(?P<sent>\+?\d+) (?P<end>[\w-]{2})) "
    r"(?P<connections>\d+/\d+/\d+/\d+/\+?\d+) (?P<queues>\d+/\d+)(?P<after>(?: .*)?)",
    re.DOTALL,
)
_AFTER = re.compile(r'(?: \{([^}]*)\})?(?: \{([^}]*)\})?(?: "([^"]*)"?)?(?: (.*))?', re.DOTALL)
_TLS = re.compile(r"\d+/[0-9A-Fa-f]+/\d+/\d+/(?P<resumed>[01]) (?P<sni>[^/\s]*)/(?P<version>[^/\s]+)/(?P<cipher>\S+)")
_FAILED = re.compile(r"(?P<frontend>[^\s/]+)/(?P<bind>\S+?): (?P<reason>.*)", re.DOTALL)
_CONNECT = re.compile(r"Connect from (?P<client>\S+) to (?P<server>\S+) \((?P<frontend>[^/)]*)/(?P<mode>\w+)\)")
_SERVER = re.compile(
    r"(?:(?:Backup )?Server|Health check for (?:backup )?server) (?P<backend>[^\s/]+)/(?P<server>\S+) "
    r"(?P<what>is (?:UP|DOWN|going DOWN|stopping)|succeeded|failed|was DOWN and now enters maintenance)(?P<more>.*)",
    re.DOTALL,
)
_DOWN = re.compile(r"(?:backend|proxy) (?P<backend>\S+) has no server available!", re.IGNORECASE)
_REASON = re.compile(r"reason: ([^,]{1,200})(?:, code: \d+)?(?:, info: \"([^\"]{0,200})\")?")
_LIFE = re.compile(
    r"(?:Proxy (?P<proxy>\S+) (?P<what>started|stopped)"
    r"|(?P<stop>Stopping|Pausing|Enabling) (?:frontend|backend|proxy) (?P<name>\S+)).*",
    re.DOTALL,
)
_TIMERS = {5: ("request", "queue", "connect", "response", "total"), 3: ("queue", "connect", "total")}


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line, bare or in syslog."""
    line = container.read(raw)
    fields: Fields = {"event.kind": "event"}
    fields.update({"observer.vendor": "HAProxy", "observer.product": "HAProxy", "observer.type": "proxy"})
    fields.update(syslog.fields(line))
    if not _read(line.message.strip()[:MESSAGE_MAX], fields, raw.zone) and line.app is None:
        raise ParseError("no line of HAProxy")
    yield fields


def _read(message: str, fields: Fields, zone: str) -> bool:
    if head := _HEAD.fullmatch(message):
        if session := _SESSION.fullmatch(head["rest"]):
            _session(fields, session)
        elif failed := _FAILED.fullmatch(head["rest"]):
            _network(fields, "connection_failed", "connection protocol", "failure")
            fields["event.reason"] = failed["reason"]
            _names(fields, failed["frontend"], bind=failed["bind"])
        else:
            return False
        fields["@timestamp"] = when.iso(when.clf(head["time"], zone))
        # the port stands behind an address of IPv6 without brackets, too
        client, _, port = head["client"].rpartition(":")
        text.put(fields, [("source.ip", text.address(client)), ("source.port", text.port(port) or None)])
    elif found := weblog.access(message):
        fields["@timestamp"] = when.iso(when.clf(found.time, zone))
        _common(fields, weblog.fill(fields, found))
    elif message.startswith("{"):
        webjson.fill(fields, structured.json_object(message), zone, "haproxy.")
    elif connect := _CONNECT.fullmatch(message):
        _network(fields, "proxy_connect", "connection start")
        weblog.client(fields, connect["client"])
        address, port = weblog.peer(connect["server"])
        text.put(fields, [("destination.ip", address), ("destination.port", port)])
        _names(fields, connect["frontend"])
    else:
        return _state(fields, message)
    return True


def _network(fields: Fields, action: str, kind: str, outcome: str = "") -> None:
    fields["event.action"], fields["event.category"] = action, ("network",)
    fields["event.type"] = tuple(kind.split())
    text.put(fields, [("event.outcome", outcome)])


def _names(fields: Fields, frontend: str, backend: str = "", server: str = "", bind: str = "") -> None:
    """Set who was involved; `~` behind a frontend says that the client spoke TLS."""
    if frontend.endswith("~"):
        fields["tls.established"] = True
    pairs = {"frontend": frontend.rstrip("~"), "backend": backend, "server": server, "bind": bind}
    text.put(fields, [(f"haproxy.{name}", None if value.startswith("<") else value) for name, value in pairs.items()])


def _session(fields: Fields, found: re.Match[str]) -> None:
    timers = found["timers"].split("/")
    names = _TIMERS.get(len(timers), ())
    for name, value in zip(names, timers, strict=False):
        if not value.startswith("-"):
            fields[f"haproxy.time.{name}"] = value.lstrip("+")
    total = text.number(timers[-1].lstrip("+"))
    connections, queues = found["connections"].split("/"), found["queues"].split("/")
    fields["haproxy.connections"], fields["haproxy.queues"] = found["connections"], found["queues"]
    fields["haproxy.retries"], fields["haproxy.server_queue"] = connections[4].lstrip("+"), queues[0]
    if found["status"] is not None:
        _answer(fields, found)
    else:
        state = found["end"]
        _network(fields, "proxy_session", "connection end", "success" if state[1] in "-DL" else "failure")
        fields["haproxy.termination"] = state
        text.put(fields, [("destination.bytes", text.number(found["sent"].lstrip("+")))])
        if state[0] == "P":
            fields["event.type"] = ("connection", "denied")
    text.put(fields, [("event.duration", total * 1_000_000 if total is not None and total >= 0 else None)])
    _names(fields, found["frontend"], found["backend"], found["server"])


def _answer(fields: Fields, found: re.Match[str]) -> None:
    after = _AFTER.fullmatch(found["after"])
    first, second, asked, more = after.groups() if after else ("", "", "", "")
    if asked and asked != "<BADREQ>":
        weblog.request(fields, asked)
    weblog.answer(fields, found["status"])
    if fields.get("tls.established") is None and found["frontend"].endswith("~"):
        fields["url.scheme"] = "https"
    fields["haproxy.termination"] = state = found["state"]
    if state.startswith("PR"):
        fields["event.type"] = ("access", "error")
    text.put(fields, [
        ("http.response.bytes", text.number(found["bytes"].lstrip("+"))),
        ("haproxy.request_cookie", text.given(found["asked"])), ("haproxy.response_cookie", text.given(found["set"])),
        ("haproxy.request_headers" if second is not None else "haproxy.headers", first),
        ("haproxy.response_headers", second),
    ])  # fmt: skip
    if tls := _TLS.match(more or ""):
        fields["tls.resumed"] = tls["resumed"] == "1"
        text.put(
            fields, [("tls.client.server_name", text.given(tls["sni"])), ("tls.cipher", text.given(tls["cipher"]))]
        )
        text.put(fields, [("tls.version", tls["version"].removeprefix("TLSv") if tls["version"] != "-" else None)])


def _common(fields: Fields, left: list[weblog.Column]) -> None:
    """Read what stands behind a CLF line: port, milliseconds, frontend, backend, server, timers, how it ended."""
    columns = [column.text for column in left]
    if len(columns) < 10:
        return
    port, _, frontend, backend, server, *timers = columns
    text.put(fields, [("source.port", text.port(port) or None)])
    _names(fields, frontend, backend, server)
    at = next((at for at, one in enumerate(timers) if len(one) in {2, 4} and not one.lstrip("-").isdecimal()), 0)
    if at:
        fields["haproxy.termination"] = timers[at]
        total = text.number(timers[at - 1])
        text.put(fields, [("event.duration", total * 1_000_000 if total is not None and total >= 0 else None)])


def _state(fields: Fields, message: str) -> bool:
    if server := _SERVER.fullmatch(message):
        down = "DOWN" in server["what"] or server["what"] == "failed"
        fields.update({"event.action": "server_down" if down else "server_up", "event.category": ("host",)})
        fields["event.type"] = ("info",)
        fields["event.outcome"] = "failure" if down else "success"
        _names(fields, "", server["backend"], server["server"])
        reason = _REASON.search(server["more"])
        text.put(fields, [("event.reason", ": ".join(filter(None, reason.groups())) if reason else None)])
    elif none := _DOWN.fullmatch(message):
        fields.update({"event.action": "backend_down", "event.category": ("host",), "event.type": ("info",)})
        fields["event.outcome"] = "failure"
        _names(fields, "", none["backend"])
    elif life := _LIFE.fullmatch(message):
        stopped = (life["what"] or life["stop"]) in {"stopped", "Stopping", "Pausing"}
        fields.update({"event.action": "proxy_stop" if stopped else "proxy_start", "event.category": ("process",)})
        fields["event.type"] = ("end",) if stopped else ("start",)
        text.put(fields, [("haproxy.proxy", life["proxy"] or life["name"])])
    else:
        return False
    return True
