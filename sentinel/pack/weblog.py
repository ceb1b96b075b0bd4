"""What web servers and proxies log: the Common Log Format with what stands around it, request lines, ModSecurity.

https://httpd.apache.org/docs/2.4/logs.html; nginx, Squid, HAProxy, Traefik and others write the same with columns of
their own before and behind it. What a client sent (URL, referrer, agent) is kept as it is written in the log, escapes
included.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from sentinel.core.errors import ParseError
from sentinel.core.event import Fields, Raw
from sentinel.pack import container, names, syslog, text, when

_ACCESS = re.compile(
    r'(?P<before>[^\n]{1,1024}?) ?\[(?P<time>[^\]\["]{8,40})\] "(?P<request>(?>(?:[^"\\]|\\.|"(?! ))*))" '
    r"(?P<status>\d{1,3}|-) (?P<size>\d{1,18}|-)(?P<after>(?: .*)?)",
    re.DOTALL,
)
# a quote that ends a column is followed by a blank: servers that escape nothing let others through
_COLUMN = re.compile(r'"((?>(?:[^"\\]|\\.|"(?! |$))*))"(?= |$)|(\S+)', re.DOTALL)
_METHOD = re.compile(r"[A-Za-z][A-Za-z_-]{0,31}")
_ACCOUNT = re.compile(r"(?:[\w.-]+\\)?[^\\\"]+")
_HEX = re.compile(r"[0-9a-f]{32}")
_WAF = re.compile(r'\[([a-z_]{1,32}) "((?:[^"\\]|\\.)*)"\]', re.DOTALL)
_BLOCKED = re.compile(r"(?:Access denied|Access denied with (?:code|connection|redirection))[ ,]", re.IGNORECASE)
_WAF_FIELDS = {
    "id": "rule.id", "msg": "rule.name", "file": "rule.ruleset", "ver": "rule.version", "hostname": "url.domain",
    "unique_id": "http.request.id", "severity": "modsecurity.severity", "data": "modsecurity.data",
    "phase": "modsecurity.phase", "maturity": "modsecurity.maturity", "accuracy": "modsecurity.accuracy",
}  # fmt: skip
COLUMNS_MAX = 64
MESSAGE_MAX = 65_536


class Column(NamedTuple):
    """One column: its text, and whether it stood in quotes."""

    text: str
    quoted: bool


class Access(NamedTuple):
    """A line of the Common Log Format, and what its server put before the client and behind the size."""

    before: list[str]
    time: str
    request: str
    status: str
    size: str
    after: list[Column]


def line(raw: Raw, said: Fields, read: Callable[[str, Fields, Raw], bool]) -> Fields:
    """Return a server's line, bare, in syslog or out of a container, as `read` adds it to `said`.

    `read` returns False for what is of none of the server's logs; without a header of syslog it is refused.
    """
    found = container.read(raw)
    fields = {"event.kind": "event"} | said | syslog.fields(found)
    known = read(found.message.strip()[:MESSAGE_MAX], fields, raw)
    if not known and found.app is None and found.priority is None:
        raise ParseError("neither a line of an access log nor of the error log")
    return fields


def moment(fields: Fields, written: str, zone: str) -> None:
    """Set `@timestamp` from the Common Log Format's time or from RFC 3339's; one that is neither sets nothing."""
    try:
        fields["@timestamp"] = when.iso(when.clf(written, zone) if "/" in written else when.rfc3339(written, zone))
    except ParseError:
        return


def access(line: str) -> Access | None:
    """Take a line apart whose heart is `[time] "request" status size`, None if it is none."""
    found = _ACCESS.fullmatch(line)
    if found is None:
        return None
    before, time, asked, status, size, after = found.groups()
    return Access(before.split(), time, asked, status, size, columns(after))


def columns(line: str) -> list[Column]:
    """Return the columns of a line that are set apart by blanks, those with blanks in quotes; 64 at most."""
    return [
        Column(found[1], quoted=True) if found[1] is not None else Column(found[2], quoted=False)
        for found, _ in zip(_COLUMN.finditer(line), range(COLUMNS_MAX), strict=False)
    ]


def fill(fields: Fields, found: Access) -> list[Column]:
    """Set client, user, request, answer, referrer and agent; returns the columns that are left."""
    _who(fields, found.before)
    request(fields, found.request)
    answer(fields, found.status, found.size)
    left = found.after
    if len(left) > 1 and left[0].quoted and left[1].quoted:
        said(fields, left[0].text, left[1].text)
        left = left[2:]
    return left


def _who(fields: Fields, words: list[str]) -> None:
    """Read `[virtual host[:port]] client[, proxy …] ident user`; a user name may hold blanks, clients may be quoted."""
    at = 0
    if words and words[0].startswith('"'):
        end = next((at for at, word in enumerate(words) if word.endswith('"')), 0)
        words = [*(word.strip('"') for word in words[: end + 1]), *words[end + 1 :]]
    if len(words) > 2 and not client(fields, words[0]):
        host, colon, port = words[0].rpartition(":")
        if client(fields, words[1]) or (len(words) > 3 and words[2] == "-" != words[1]):
            at = 1
            text.put(fields, [("url.domain", text.given(host if colon and port.isdecimal() else words[0]))])
            text.put(fields, [("destination.port", text.port(port) if colon else None)])
        if "source.ip" not in fields and text.given(words[at]) and not words[at].startswith("unix:"):
            fields["source.domain"] = words[at]
    while words[at : at + 1] and words[at].endswith(","):
        at += 1
    who = words[at + 2 :]
    if at and len(who) > 1 and (_HEX.fullmatch(who[0]) or who[1:] == ["-"]):
        fields["http.request.id"] = who.pop(0)
    user(fields, " ".join(who))


def user(fields: Fields, name: str | None) -> None:
    r"""Set who a server says was logged in; `CITY\anna` and `CITY\x5Canna` are its ways of writing a backslash."""
    name = (name or "").replace("\\x5C", "\\").replace("\\\\", "\\")
    plain = _ACCOUNT.fullmatch(name) is not None
    text.put(fields, (text.user(name) if plain else {"user.name": text.given(name)}).items())


def client(fields: Fields, word: str) -> bool:
    """Set `source.ip` and `source.port` from `192.0.2.1` or `[2001:db8::1]:4711`; False if it is neither."""
    address, port = peer(word)
    if address is None:
        return False
    text.put(fields, [("source.ip", address), ("source.port", port)])
    return True


def peer(word: str) -> tuple[str | None, int | None]:
    """Return the address and the port that a word such as `192.0.2.1:4711` means, None for what it does not say."""
    word = word.rstrip(",")
    address = text.address(word)
    if address is not None:
        return address, None
    host, colon, port = word.rpartition(":")
    address = text.address(host) if colon else None
    return address, text.port(port) or None if address else None


def request(fields: Fields, line: str) -> None:
    """Set `http.request.method`, `http.version` and `url.*` from `GET /path HTTP/1.1`; other bytes are the URL's."""
    method, _, rest = line.partition(" ")
    target, _, version = rest.rpartition(" ")
    if not version.startswith("HTTP/"):
        target, version = rest, ""
    if not target or not _METHOD.fullmatch(method):
        if text.given(line):
            fields["url.original"] = line
        return
    fields["http.request.method"] = method
    if version:
        text.put(fields, [("http.version", version[5:])])
    url(fields, target, method)


def url(fields: Fields, target: str, method: str = "") -> None:
    """Set `url.*` from a path, a whole URL, or CONNECT's `host:port`."""
    host, colon, port = target.rpartition(":")
    if (method == "CONNECT" or not target.startswith(("/", "*"))) and colon and port.isdecimal() and "/" not in target:
        fields["url.original"] = target
        text.put(fields, [("url.domain", host.strip("[]")), ("url.port", text.port(port))])
    elif target:
        names.url(fields, target)


def answer(fields: Fields, status: str | int | None, size: str | int | None = None) -> None:
    """Set what a request's status (100 to 599) and the size of the answer's body in bytes mean: `event.*`, `http.*`."""
    fields["event.kind"], fields["event.category"], fields["event.type"] = "event", ("web",), ("access",)
    fields["event.action"] = "http_request"
    code = text.number(status)
    if code is not None and 100 <= code <= 999:
        fields["http.response.status_code"] = code
        fields["event.outcome"] = "success" if code < 400 else "failure"
    length = text.number(size)
    if length is not None and length >= 0:
        fields["http.response.body.bytes"] = length


def said(fields: Fields, referrer: str | None, agent: str | None) -> None:
    """Set the referrer and the agent, unless they are `-`."""
    text.put(fields, [("http.request.referrer", _given(referrer)), ("user_agent.original", _given(agent))])


def _given(value: str | None) -> str | None:
    return None if value in {"-", ""} else value


def forwarded(fields: Fields, listed: str) -> bool:
    """Set `network.forwarded_ip` from a list as X-Forwarded-For holds it; False if it begins with no address."""
    address, _ = peer(listed.partition(",")[0].strip())
    if address is None:
        return False
    fields["network.forwarded_ip"] = address
    return True


def seconds(value: str | float | None) -> int | None:
    """Return a time in seconds as ECS writes a duration (ns), None if it is none."""
    try:
        taken = float(value) if value is not None else -1
    except ValueError:
        return None
    return round(taken * 1_000_000_000) if 0 <= taken < 1e8 else None


def blocked(message: str) -> bool:
    """Say whether ModSecurity or Coraza did not let the request through."""
    return _BLOCKED.search(message, 0, 2_048) is not None


def modsecurity(fields: Fields, message: str) -> None:
    """Set what ModSecurity or Coraza says: `[id "942100"] [msg "…"]`, and whether it let the request through.

    https://github.com/owasp-modsecurity/ModSecurity/wiki/ModSecurity-2-Data-Formats
    """
    stopped = blocked(message)
    fields["event.kind"], fields["event.category"] = "alert", ("intrusion_detection",)
    fields["event.type"] = ("denied",) if stopped else ("info",)
    fields["event.action"] = "waf_blocked" if stopped else "waf_matched"
    tags: list[str] = []
    for name, value in _WAF.findall(message):
        if name == "tag" and value:
            tags.append(value)
        elif name == "uri" and "url.original" not in fields:
            url(fields, value)
        elif value and name in _WAF_FIELDS:
            fields.setdefault(_WAF_FIELDS[name], value)
    if tags:
        fields["modsecurity.tags"] = tuple(tags[:64])
