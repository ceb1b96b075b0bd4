r"""Reads nginx's access logs in any format around the Common Log Format or in JSON, its error log, mail and stream.

https://nginx.org/en/docs/http/ngx_http_log_module.html, https://nginx.org/en/docs/stream/ngx_stream_log_module.html;
the error log's words are those of src/{core,http,mail,stream}. In access logs nginx escapes quotes (`\x22`), in the
error log it does not: where two tails with a client are to be seen, none is believed unless the first reads to the end.
"""

import re
from collections.abc import Iterator

from sentinel.pack import (
    Fields,
    Raw,
    forms,
    prose,
    structured,
    text,
    webjson,
    weblog,
    when,
)

FORM_MAX = 2_560  # the error log's lines end at 2,048 bytes; what is longer could make matching slow
_ERROR = re.compile(
    r"(?P<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(?P<level>\w{1,10})\] (?P<pid>\d{1,10})#(?P<thread>\d{1,10}): "
    r"(?:\*(?P<connection>\d{1,20}) )?(?P<message>.*)",
    re.DOTALL,
)
_TAIL = re.compile(
    r'(?:udp )?(client|server|login|upstream|request|subrequest|host|referrer): (?:"([^"]*)"|([^",]*))(?:, |$)'
)
_BYTES = re.compile(r"bytes from/to client:(\d{1,18})/(\d{1,18})")
# Nginx Proxy Manager: https://github.com/NginxProxyManager/nginx-proxy-manager, log-proxy.conf and log.conf
_MANAGER = re.compile(
    r"\[(?P<time>[^\]]{8,40})\] (?:(?P<cache>\S+) (?P<behind>\S+) )?(?P<status>\d{3}|-) - (?P<method>\S+) "
    r'(?P<scheme>\S+) (?P<host>\S+) "(?P<target>[^"]*)" \[Client (?P<client>[^\]]+)\] \[Length (?P<size>[^\]]*)\] '
    r'\[Gzip [^\]]*\](?: \[Sent-to (?P<sent>[^\]]*)\])? "(?P<agent>[^"]*)" "(?P<referrer>[^"]*)"'
)
_PLUS = re.compile(
    r'\[(?P<time>[^\]]{8,40})\] (?P<host>\S+) (?P<client>\S+) (?P<taken>[\d.]+|-) "(?P<request>[^"]*)" '
    r"(?P<status>\d{3}) (?P<size>\d+) (?P<received>\d+) (?P<referrer>\S+) (?P<agent>.*)"
)
_STREAM = re.compile(
    r"(?P<client>\S+) (?:- - )?\[(?P<time>[^\]]{8,40})\] (?P<protocol>TCP|UDP) (?P<status>\d{3}) (?P<out>\d+) "
    r"(?P<in>\d+) (?P<taken>[\d.]+)(?P<rest>(?: .*)?)"
)
_TIMES = frozenset({"rt", "request_time"})
_NAMED = {"host": "url.domain", "http_host": "url.domain", "vhost": "url.domain", "request_id": "http.request.id"}


def _what(action: str, category: str, kind: str, outcome: str = "failure") -> Fields:
    return forms.what(action, category, kind, outcome)


_LOGIN_FAILED = _what("http_login", "authentication", "start")
_MAIL_FAILED = _what("mail_login", "authentication", "start")
_REFUSED = _what("http_request_refused", "web", "access error")
_MISSING = _what("file_missing", "web", "access error")
_UPSTREAM = _what("upstream_failed", "web", "error")
_BAD = _what("http_request_invalid", "web", "access error")
_CONNECTED = _what("proxy_connect", "network", "connection start", "")
_LEFT = _what("proxy_disconnect", "network", "connection end", "")
# how a message of the error log goes, what it means
_FORMS: tuple[tuple[re.Pattern[str], Fields], ...] = tuple((re.compile(form, re.DOTALL), said) for form, said in (
    (r'user "(?P<user>.*)": password mismatch', _LOGIN_FAILED),
    (r'user "(?P<user>.*)" was not found in "(?P<file>.*)"', _LOGIN_FAILED),
    (r"no user/password was provided for basic authentication", _LOGIN_FAILED),
    (r'client login failed: "(?P<reason>.*)".*', _MAIL_FAILED),
    (r"client logged in", _what("mail_login", "authentication", "start", "success")),
    (r"(?:udp )?client (?P<client>\S+) connected to (?P<server>\S+)", _CONNECTED),
    (r"(?:udp )?proxy (?P<proxy>\S+) connected to (?P<upstream>\S+)", _CONNECTED),
    (r"(?:udp )?(?:client|upstream) disconnected.*|(?:upstream )?proxied session done.*", _LEFT),
    (r"access forbidden by rule|directory index of \"(?P<path>.*)\" is forbidden", _REFUSED),
    (r"(?:limiting|delaying) (?:requests?|connections?)[ ,].*", _REFUSED),
    (r'(?:open|stat|lstat|opendir|realpath)\(\) "(?P<path>.*)" failed \((?P<errno>\d+: [^()]*)\).*', _MISSING),
    (r'"(?P<path>.*)" is not found \((?P<errno>\d+: [^()]*)\)', _MISSING),
    (r"(?:upstream|no live upstreams|(?:connect|recv|send|writev|sendfile)\(\) failed).*", _UPSTREAM),
    (r'FastCGI sent in stderr: "(?P<stderr>.*)" while reading .*', {}),
    (r"client (?:sent|intended|prematurely|timed|closed) .*", _BAD),
    (r"SSL_do_handshake\(\) failed.*|SSL_read\(\) failed.*|peer closed connection in SSL handshake.*",
     _what("tls_handshake_failed", "network", "connection protocol")),
    (r"(?:signal process started|start worker process|using the \").*", _what("nginx_start", "process", "start", "")),
    (r"(?:exiting|gracefully shutting down|signal \d+ \(SIG(?:TERM|QUIT)\)).*",
     _what("nginx_stop", "process", "end", "")),
))  # fmt: skip
_OTHERS: dict[str, Fields] = {
    "request": {"event.category": ("web",), "event.type": ("error",)},
    "client": {"event.category": ("network",), "event.type": ("connection", "info")},
    "": {"event.category": ("process",), "event.type": ("info",)},
}
_DETAILS = {"path": "file.path", "reason": "event.reason", "errno": "error.message", "file": "nginx.password_file",
            "proxy": "nginx.proxy_address"}  # fmt: skip


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line of an access log or the error log, bare or in syslog."""
    yield weblog.line(raw, {"observer.vendor": "F5", "observer.product": "nginx"}, _read)


def _read(message: str, fields: Fields, raw: Raw) -> bool:
    zone = raw.zone
    if message.startswith("{"):
        webjson.fill(fields, structured.json_object(message), zone, "nginx.")
        return True
    if error := _ERROR.fullmatch(message):
        fields["event.dataset"] = "nginx.error"
        fields["@timestamp"] = when.iso(when.rfc3339(error["time"].replace("/", "-"), zone))
        fields["log.level"] = error["level"]
        fields["process.pid"], fields["process.thread.id"] = int(error["pid"]), int(error["thread"])
        text.put(fields, [("nginx.connection", error["connection"])])
        _error(error["message"], fields, raw)
        return True
    if found := weblog.access(message):
        weblog.moment(fields, found.time, zone)
        _columns(fields, weblog.fill(fields, found))
        return True
    if short := _MANAGER.fullmatch(message) or _PLUS.fullmatch(message):
        weblog.moment(fields, short["time"], zone)
        _short(fields, short.groupdict())
        return True
    if stream := _STREAM.fullmatch(message):
        weblog.moment(fields, stream["time"], zone)
        _stream(fields, stream.groupdict())
        return True
    return False


def _columns(fields: Fields, left: list[weblog.Column]) -> None:
    """Read what a format adds: `"X-Forwarded-For"`, `rt=0.005 urt="0.004"`, the columns of Kubernetes' ingress."""
    if left and left[0].quoted and weblog.forwarded(fields, left[0].text):
        left = left[1:]
    bare = [column.text for column in left]
    if len(bare) >= 8 and bare[2].startswith("[") and bare[3].startswith("["):
        length, taken, service, _, upstream, _, _, status, *ids = bare
        text.put(fields, [("http.request.bytes", text.number(length)), ("event.duration", weblog.seconds(taken))])
        text.put(fields, [("nginx.service", service.strip("[]")), ("http.request.id", ids[0] if ids else None)])
        _upstream(fields, upstream, status)
        return
    for column in bare:
        name, equals, value = column.partition("=")
        value = value.strip('"')
        if not equals or not name.isidentifier() or not text.given(value):
            continue
        if name in _TIMES:
            text.put(fields, [("event.duration", weblog.seconds(value))])
        elif name in _NAMED:
            fields.setdefault(_NAMED[name], value)
        else:
            fields[f"nginx.{name[:64].lower()}"] = value


def _upstream(fields: Fields, upstream: str, status: str = "") -> None:
    where = upstream.partition(", ")[0]
    text.put(fields, [("nginx.upstream.address", text.given(where)), ("nginx.upstream.status", text.given(status))])


def _short(fields: Fields, found: dict[str, str | None]) -> None:
    host, colon, port = (found["host"] or "").rpartition(":")
    name = host if colon and port.isdecimal() else found["host"]
    text.put(fields, [("url.domain", text.given(name)), ("url.scheme", found.get("scheme"))])
    if "target" in found:
        text.put(fields, [("http.request.method", text.given(found["method"]))])
        weblog.url(fields, found["target"] or "", found["method"] or "")
    else:
        weblog.request(fields, found["request"] or "")
        text.put(fields, [("event.duration", weblog.seconds(found["taken"])),
                          ("http.request.bytes", text.number(found["received"]))])  # fmt: skip
    weblog.answer(fields, found["status"], found["size"])
    weblog.said(fields, found["referrer"], found["agent"])
    weblog.client(fields, found["client"] or "")
    text.put(fields, [("nginx.cache_status", text.given(found.get("cache")))])
    _upstream(fields, found.get("sent") or "", found.get("behind") or "")


def _stream(fields: Fields, found: dict[str, str | None]) -> None:
    fields["event.dataset"] = "nginx.stream"
    status = found["status"] or ""
    fields.update(_what("proxy_session", "network", "connection end", "success" if status == "200" else "failure"))
    weblog.client(fields, found["client"] or "")
    text.put(fields, [
        ("network.transport", (found["protocol"] or "").lower()), ("nginx.stream.status", status),
        ("destination.bytes", text.number(found["out"])), ("source.bytes", text.number(found["in"])),
        ("event.duration", weblog.seconds(found["taken"])),
    ])  # fmt: skip
    rest = weblog.columns(found["rest"] or "")
    _upstream(fields, rest[0].text if rest else "")


def _error(message: str, fields: Fields, raw: Raw) -> None:
    head, tail = _tail(message)
    if weight := _BYTES.search(head, 0, FORM_MAX):
        fields["source.bytes"], fields["destination.bytes"] = int(weight[1]), int(weight[2])
    if tail.get("request"):
        weblog.request(fields, tail["request"])
    host = tail.get("host") or (tail.get("server", "") if not weblog.peer(tail.get("server", ""))[0] else "")
    host = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    if host and host != "_" and not host.startswith("unix:"):
        fields["url.domain"] = host.strip("[]")
    found: dict[str, str | None] = {}
    if "ModSecurity: " in head[:200]:
        weblog.modsecurity(fields, head)
    else:
        forms = _FORMS if len(head) <= FORM_MAX else ()
        form, said = next(((hit, said) for form, said in forms if (hit := form.fullmatch(head))), (None, {}))
        found = form.groupdict() if form else {}
        fields.update(said)
        if found.get("stderr"):  # what an application behind the server says
            prose.sentence(found["stderr"] or "", fields, raw.received, raw.zone)
            fields.pop("source.ip", None)  # that only nginx knows
        if "event.category" not in fields:
            fields.update(_OTHERS["request" if "request" in tail else "client" if tail else ""])
    weblog.client(fields, found.get("client") or tail.get("client", ""))
    address, port = weblog.peer(found.get("server") or tail.get("server", ""))
    text.put(fields, [("destination.ip", address), ("destination.port", port)])
    _upstream(fields, found.get("upstream") or tail.get("upstream", ""))
    weblog.user(fields, found.get("user") or tail.get("login"))
    weblog.said(fields, tail.get("referrer"), None)
    text.put(fields, [(field, found.get(name)) for name, field in _DETAILS.items()])


def _tail(message: str) -> tuple[str, dict[str, str]]:
    """Return a message without what nginx appends to it, and that (client, server, request, host)."""
    message = message.replace(", udp client: ", ", client: ", 1)
    start = message.find(", client: ")
    for _ in range(8):
        if start < 0:
            break
        tail: dict[str, str] = {}
        at = start + 2
        while (pair := _TAIL.match(message, at)) and pair[1] not in tail:
            tail[pair[1]] = pair[2] if pair[2] is not None else pair[3]
            at = pair.end()
        further = message.find(", client: ", start + 1)
        if further < 0 or at >= len(message) or message.startswith("bytes from/to ", at):
            weight = message[at : at + 80] if message.startswith("bytes from/to ", at) else ""
            return message[:start] + weight, tail
        if "server" in tail:  # either may be a stranger's text: in a path before, or in a referrer behind it
            return message[:start], {}
        start = further
    return message, {}
