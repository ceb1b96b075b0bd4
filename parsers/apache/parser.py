r"""Reads Apache's access logs in any format around the Common Log Format or in JSON, and its error log (2.2 and 2.4).

https://httpd.apache.org/docs/2.4/mod/mod_log_config.html, https://httpd.apache.org/docs/2.4/mod/core.html#errorlogformat;
the numbers AH00001 … are event.code. Apache escapes what a stranger sent in both (`\"`, `\n`, `\x1b`).
"""

import re
from collections.abc import Callable, Iterator

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

FORM_MAX = 8_192  # the error log's lines end at MAX_STRING_LEN, 8,192 bytes
_TIME = re.compile(r"\[\w{3} (\w{3}) +(\d{1,2}) (\d\d:\d\d:\d\d(?:\.\d{1,9})?) (\d{4})\] ?")
_SSL = re.compile(
    r"\[(?P<time>[^\]]{8,40})\] (?P<client>\S+) (?P<version>TLSv[\d.]+|SSLv[\d.]+|-) (?P<cipher>[\w-]+) "
    r'"(?P<request>(?:[^"\\]|\\.)*)" (?P<size>\d+|-)'
)
_EVASIVE = re.compile(r"Blacklisting address (\S+): possible DoS attack\.?")
_APPLICATION = re.compile(r"Got error '(?:PHP message: )?(.*)'", re.DOTALL)
_SERVER = re.compile(r"Apache/(\S+) .*configured -- resuming normal operations")


def _what(action: str, category: str, kind: str, outcome: str = "failure") -> Fields:
    return forms.what(action, category, kind, outcome)


_LOGIN = _what("http_login", "authentication", "start")
_REFUSED = _what("http_request_refused", "web", "access error")
_MISSING = _what("file_missing", "web", "access error")
_BAD = _what("http_request_invalid", "web", "access error")
_UPSTREAM = _what("upstream_failed", "web", "error")
_TLS = _what("tls_handshake_failed", "network", "connection protocol")
_FORMS: tuple[tuple[re.Pattern[str], Fields], ...] = tuple((re.compile(form, re.DOTALL), said) for form, said in (
    (r'user (?P<user>.*): authenti?cation failure for "(?P<path>.*)": (?P<reason>[^"]*)', _LOGIN),
    (r"user [`'](?P<user>.*)' in realm [`'].*' not found: (?P<path>.*)", _LOGIN),
    (r"user (?P<user>.*) not found: (?P<path>\S*)", _LOGIN),
    (r"(?:\[\d+\] )?auth_ldap authenticate: user (?P<user>.*) authentication failed; URI (?P<path>\S+) (?P<reason>.*)",
     _LOGIN),
    (r"Got error '(?:PHP message: )?user (?P<user>.*) authentication failure for [^']*'", _LOGIN),
    (r"Failed login for (?P<user>.*)", _LOGIN),
    (r"client used wrong authentication scheme:? (?P<path>.*)", _LOGIN),
    (r"client denied by server configuration: (?P<file>.*)", _REFUSED),
    (r"access to (?P<path>\S+) failed \(filesystem path '(?P<file>.*)'\).*", _REFUSED),
    (r"access to (?P<path>.*) failed,? (?:for \S+, )?reason: (?P<reason>.*)", _REFUSED),
    (r"Directory index forbidden by (?:rule|Options directive): (?P<file>.*)", _REFUSED),
    (r"Cannot serve directory (?P<file>.*): No matching DirectoryIndex .*", _REFUSED),
    (r"(?:File|Filename) does not exist: (?P<file>.*)", _MISSING),
    (r"(?:script ')?(?P<file>/[^']*)'? not found or unable to stat", _MISSING),
    (r"Invalid (?:URI|method) in request (?P<request>.*)", _BAD),
    (r"(?:request failed|client sent|Client sent|error reading the headers|Request header|Request exceeded).*", _BAD),
    (r"(?:[Ee]rror reading from|The timeout specified|failed to make connection|Error dispatching).*", _UPSTREAM),
    (r"\w{1,20}: (?:attempt to connect|disabled connection|error|failed).*", _UPSTREAM),
    (r"SSL (?:handshake|Library Error|library error|input filter).*|Hostname .* provided via SNI.*", _TLS),
    (r"PHP (?:Fatal error|Parse error|Warning|Notice|Deprecated|Recoverable fatal error).*",
     _what("php_error", "web", "error", "")),
    (r"caught SIG\w+, shutting down.*", _what("apache_stop", "process", "end", "")),
    (r".* configured -- resuming normal operations", _what("apache_start", "process", "start", "")),
    (r".*[Gg]raceful restart requested.*|SIGHUP received\..*", _what("apache_restart", "process", "change", "")),
))  # fmt: skip
_DETAILS = {"path": "url.path", "file": "file.path", "reason": "event.reason"}


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line of an access log or the error log, bare or in syslog."""
    yield weblog.line(raw, {"observer.vendor": "Apache", "observer.product": "HTTP Server"}, _read)


def _read(message: str, fields: Fields, raw: Raw) -> bool:
    if message.startswith("{"):
        webjson.fill(fields, structured.json_object(message), raw.zone, "apache.")
    elif stamp := _TIME.match(message):
        month, day, clock, year = stamp.groups()
        fields["@timestamp"] = when.iso(when.bsd(f"{month} {day} {year} {clock}", raw.received, raw.zone))
        _error(message[stamp.end() :], fields, raw)
    elif found := weblog.access(message):
        weblog.moment(fields, found.time, raw.zone)
        _columns(fields, weblog.fill(fields, found))
    elif ssl := _SSL.fullmatch(message):
        weblog.moment(fields, ssl["time"], raw.zone)
        weblog.client(fields, ssl["client"])
        weblog.request(fields, ssl["request"])
        weblog.answer(fields, None, ssl["size"])
        text.put(fields, [("tls.cipher", text.given(ssl["cipher"])), ("tls.version", text.given(ssl["version"][4:]))])
    elif evasive := _EVASIVE.fullmatch(message):
        fields.update(_what("http_flood", "intrusion_detection", "denied", "") | {"event.kind": "alert"})
        weblog.client(fields, evasive[1])
    elif message.startswith(
        ("[client ", "AH0", "[error] ", "[core:", "[ssl:")
    ):  # by syslog, where a time stands already
        _error(message, fields, raw)
    else:
        return False
    return True


def _columns(fields: Fields, left: list[weblog.Column]) -> None:
    """Read what a format adds: X-Forwarded-For, `%I %O` of combinedio; other columns are kept in their order."""
    if left and left[0].quoted and weblog.forwarded(fields, left[0].text):
        left = left[1:]
    bare = [column.text for column in left]
    if len(bare) == 2 and all(one.isdecimal() for one in bare):
        text.put(fields, [("http.request.bytes", text.number(bare[0])), ("http.response.bytes", text.number(bare[1]))])
    elif kept := tuple(one for one in bare if text.given(one)):
        fields["apache.columns"] = kept


def _client(fields: Fields, found: re.Match[str]) -> None:
    if found[1] == "client":
        fields["apache.client"] = f"{fields.get('apache.client', '')} {found[2]}".lstrip()


def _level(fields: Fields, found: re.Match[str]) -> None:
    text.put(fields, [("log.logger", found[1]), ("log.level", found[2])])


def _process(fields: Fields, found: re.Match[str]) -> None:
    text.put(fields, [("process.pid", text.number(found[1])), ("process.thread.id", text.number(found[2]))])


def _origin(fields: Fields, found: re.Match[str]) -> None:
    text.put(fields, [("log.origin.file.name", found[1]), ("log.origin.file.line", text.number(found[2]))])


def _fault(fields: Fields, found: re.Match[str]) -> None:
    fields["error.code"], fields["error.message"] = found[1], found[2]


def _code(fields: Fields, found: re.Match[str]) -> None:
    fields["event.code"] = found[1]


_HEADS: tuple[tuple[re.Pattern[str], Callable[[Fields, re.Match[str]], None]], ...] = tuple(
    (re.compile(form), use)
    for form, use in (
        (r"\[(?:([a-z0-9_-]{0,40}):)?(emerg|alert|crit|error|warn|notice|info|debug|trace\d)\] ?", _level),
        (r"\[pid (\d{1,10})(?::tid (\d{1,20}))?\] ?", _process),
        (r"\[(client|remote) ([^\]\s]{1,255})\] ?", _client),
        (r"([\w./-]{1,80}\.c)\((\d{1,6})\): ", _origin),
        (r"\((\d{1,10})\)([^:]{1,200}): ", _fault),
        (r"(AH\d{5}): ", _code),
    )
)


def _who(fields: Fields) -> None:
    """Set the client: 2.4 writes the port behind it, also of IPv6; ModSecurity names it once more, without."""
    first, *others = str(fields.pop("apache.client", "")).split(" ")
    head, _, port = first.rpartition(":")
    address = text.address(head) if port.isdecimal() and ("." in head or "process.pid" in fields) else None
    if address is None or (others and head != others[0] == first):
        address, port, head = text.address(first), "", first
    text.put(fields, [("source.ip", address), ("source.port", text.port(port) or None)])
    if address is None:
        text.put(fields, [("source.domain", text.given(head))])


def _error(message: str, fields: Fields, raw: Raw) -> None:
    fields["event.dataset"] = "apache.error"
    at = 0
    for _ in range(12):
        hit = next(((use, found) for form, use in _HEADS if (found := form.match(message, at))), None)
        if hit is None:
            break
        use, found = hit
        use(fields, found)
        at = found.end()
    _who(fields)
    rest = message[at:]
    if "ModSecurity: " in rest[:200]:
        weblog.modsecurity(fields, rest)
        return
    before, comma, referrer = rest.rpartition(", referer: ")
    if comma:
        rest = before
        weblog.said(fields, referrer, None)
    forms = _FORMS if len(rest) <= FORM_MAX else ()
    form, said = next(((hit, said) for form, said in forms if (hit := form.fullmatch(rest))), (None, {}))
    fields.update(said)
    if form is None:  # it may be what an application behind the server says
        application = _APPLICATION.fullmatch(rest)
        prose.sentence(application[1] if application else rest, fields, raw.received, raw.zone)
    if "event.category" not in fields:
        severe = fields.get("log.level") in {"emerg", "alert", "crit", "error"}
        fields.update({"event.category": ("web",), "event.type": ("error",) if severe else ("info",)})
    if form:
        details = form.groupdict()
        weblog.user(fields, details.get("user"))
        weblog.request(fields, details.get("request") or "")
        text.put(fields, [(field, details.get(name)) for name, field in _DETAILS.items()])
    if server := _SERVER.match(rest):
        fields["observer.version"] = server[1]
