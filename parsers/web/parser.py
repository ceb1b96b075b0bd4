r"""Reads access logs whose server is not known or has few words of its own: the Common Log Format and what is like it.

Beside it Envoy and Istio (https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage),
AWS' Application and Classic Load Balancers
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html), Fastly, Zoraxy,
LiteSpeed, cPanel. A line that is none of these is read as prose.
"""

import re
from collections.abc import Iterator
from itertools import takewhile

from sentinel.pack import Fields, ParseError, Raw, container, prose, structured, syslog, text, webjson, weblog, when

MESSAGE_MAX = 65_536
_BALANCER = re.compile(r"(?:https?|h2|grpcs|wss?) \d{4}-\d\d-\d\dT\S{8,20} (?:app|net)/\S+ ")
_CLASSIC = re.compile(r"\d{4}-\d\d-\d\dT\S{8,20} \S{1,64} \S+:\d{1,5} (?:\S+:\d{1,5}|-) (?:-?[\d.]+ ){3}")
_ENVOY = re.compile(r'\[(?P<time>\d{4}-\d\d-\d\dT[^\]]{8,30})\] (?P<rest>"(?:[^"\\]|\\.)*" \d{1,3} .*)', re.DOTALL)
_ZORAXY = re.compile(
    r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})? \[(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?)\] "
    r"\[router:(?P<router>[^\]]{0,255})\] (?:\[origin:(?P<host>[^\]]{0,255})\] )?\[client: ?(?P<client>[^\]]{2,64})\] "
    r"(?:\[useragent: (?P<agent>.{0,4096})\] )?(?P<method>[A-Z]{3,10}) (?P<target>\S*) (?P<status>\d{3})"
)
_LITESPEED = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?) \[(?P<level>[A-Z]{4,8})\] (?:\[(?P<pid>\d{1,10})\] )?"
    r"(?:\[(?:[A-Z]:)?(?P<client>[0-9A-Fa-f.:\[\]]{2,45}?):(?P<port>\d{1,5})(?:[:#](?P<stream>[^\]]{0,200}))?\] )?"
    r"(?P<message>.*)",
    re.DOTALL,
)
_FAILED_LOGIN = re.compile(r".*Failed Login Attempt - username:(?P<user>.{0,255}) ip:(?P<ip>\S*) url:.*", re.DOTALL)
_CPANEL = re.compile(
    r"\[(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4})\] (?P<level>\w{1,10}) \[(?P<service>\w{1,20})\] "
    r"(?P<client>\S+) - "
    r'(?P<user>.{1,255}?) "(?P<request>(?:[^"\\]|\\.)*)" '
    r"(?P<verdict>FAILED|SUCCESS|DEFERRED|LOGIN)\b(?P<reason>.*)"
)
_MONTH_FIRST = re.compile(r"(\d\d)/(\d\d)/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d{4})")


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    whole = text.decode(raw.body).rstrip("\r\n\0")
    fields: Fields = {"event.kind": "event"}
    if not (_CLASSIC.match(whole) or _LITESPEED.match(whole)):  # their time is not the head of syslog
        line = container.read(raw)
        line = line if line.priority is None and line.app is None and line.host is None else prose.header(raw)
        fields.update(syslog.fields(line))
        whole = line.message
    whole = whole.strip()[:MESSAGE_MAX]
    if not _read(whole, fields, raw.zone):
        stamp = prose.moment(whole, raw.received, raw.zone, alone="@timestamp" not in fields)
        if stamp is not None:
            fields["@timestamp"] = when.iso(stamp.moment)
        prose.sentence(whole, fields, raw.received, raw.zone)
        if "event.category" not in fields and "@timestamp" not in fields:
            raise ParseError("no line of an access log")
    yield fields


def _read(whole: str, fields: Fields, zone: str) -> bool:
    if whole.startswith("{"):
        webjson.fill(fields, structured.json_object(whole), zone, "web.")
    elif _BALANCER.match(whole):
        _balancer(fields, [column.text for column in weblog.columns(whole)])
    elif _CLASSIC.match(whole):
        # the classic one has no type before its time and ends with the TLS protocol
        _balancer(fields, ["", *(column.text for column in weblog.columns(whole))])
    elif envoy := _ENVOY.fullmatch(whole):
        fields["@timestamp"] = when.iso(when.rfc3339(envoy["time"]))
        _envoy(fields, weblog.columns(envoy["rest"]))
    elif found := weblog.access(whole):
        _time(fields, found.time, zone)
        left = weblog.fill(fields, found)
        if left and left[0].quoted and weblog.forwarded(fields, left[0].text):
            left = left[1:]
        if kept := tuple(column.text for column in left if text.given(column.text)):
            fields["web.columns"] = kept
    elif zoraxy := _ZORAXY.fullmatch(whole):
        fields["@timestamp"] = when.iso(when.rfc3339(zoraxy["time"], zone))
        text.put(fields, [("url.domain", text.given(zoraxy["host"])), ("web.router", zoraxy["router"])])
        fields["http.request.method"], fields["observer.product"] = zoraxy["method"], "Zoraxy"
        weblog.url(fields, zoraxy["target"], zoraxy["method"])
        weblog.answer(fields, zoraxy["status"])
        weblog.said(fields, None, zoraxy["agent"])
        weblog.client(fields, zoraxy["client"])
    elif cpanel := _CPANEL.fullmatch(whole):
        _cpanel(fields, cpanel)
    elif speed := _LITESPEED.fullmatch(whole):
        _litespeed(fields, speed, zone)
    else:
        return False
    return True


def _time(fields: Fields, written: str, zone: str) -> None:
    american = _MONTH_FIRST.fullmatch(written)
    if american:
        month, day, year, clock, away = american.groups()
        written = f"{year}-{month}-{day}T{clock}{away}"
    try:
        moment = when.clf(written, zone) if "/" in written else when.rfc3339(written.replace(" +", "+"), zone)
    except ParseError:
        return
    fields["@timestamp"] = when.iso(moment)


def _balancer(fields: Fields, columns: list[str]) -> None:
    """Read the columns of AWS' load balancers; the URL they write is whole, the client sent its path only."""
    fields["observer.vendor"], fields["observer.type"] = "AWS", "load-balancer"
    fields["observer.product"] = "Elastic Load Balancing"
    columns = [*columns, *[""] * 20]
    kind, time, name, client, target, _, taken, _, status, behind, received, sent, asked, *rest = columns
    created = rest[8] if rest[8:9] and rest[8][:2] == "20" else time
    fields["@timestamp"] = when.iso(when.rfc3339(created))
    weblog.request(fields, asked)
    path = str(fields.get("url.path", ""))
    if "url.full" in fields and path:
        fields["url.original"] = f"{path}?{fields['url.query']}" if "url.query" in fields else path
    weblog.answer(fields, status)
    weblog.said(fields, None, rest[0])
    weblog.client(fields, client)
    protocol = rest[2].removeprefix("TLSv")
    text.put(fields, [
        ("observer.name", name), ("web.type", kind), ("web.target", text.given(target)),
        ("web.target_status", text.given(behind)), ("http.request.bytes", text.number(received)),
        ("http.response.bytes", text.number(sent)), ("event.duration", weblog.seconds(taken)),
        ("tls.cipher", text.given(rest[1])), ("tls.version", text.given(protocol)),
        ("tls.client.server_name", text.given(rest[5])), ("web.actions", text.given(rest[9])),
        ("http.request.id", text.given(rest[4])),
    ])  # fmt: skip


def _envoy(fields: Fields, columns: list[weblog.Column]) -> None:
    """Read `"request" code flags … numbers "forwarded for" "agent" "id" "authority" "upstream"`, and Istio's rest."""
    fields["observer.product"], fields["observer.type"] = "Envoy", "proxy"
    words = [column.text for column in columns]
    weblog.request(fields, words[0])
    at = next((at for at in range(3, len(columns) - 2) if all(one.isdecimal() for one in words[at : at + 3])), 3)
    numbers = list(takewhile(lambda one: one.isdecimal() or one == "-", words[at : at + 4]))
    weblog.answer(fields, words[1])
    listed, agent, name, host, upstream, *rest = [*words[at + len(numbers) :], "", "", "", "", ""]
    received, sent, taken, *_ = [*numbers, "", "", ""]
    host, colon, port = host.rpartition(":") if host.rpartition(":")[2].isdecimal() else (host, "", "")
    weblog.said(fields, None, agent)
    if len(rest) > 4 and weblog.client(fields, rest[3]):
        weblog.forwarded(fields, listed)
        address, local = weblog.peer(rest[2])
        text.put(fields, [("destination.ip", address), ("destination.port", local)])
    else:
        weblog.client(fields, listed.partition(",")[0].strip())
    duration = text.number(taken)
    text.put(fields, [
        ("http.request.body.bytes", text.number(received)), ("http.response.body.bytes", text.number(sent)),
        ("event.duration", duration * 1_000_000 if duration is not None else None),
        ("http.request.id", text.given(name)), ("url.domain", text.given(host.strip("[]"))),
        ("url.port", text.port(port) if colon else None),
        ("web.target", text.given(upstream)), ("web.response_flags", text.given(words[2] if len(words) > 2 else None)),
    ])  # fmt: skip


def _cpanel(fields: Fields, found: re.Match[str]) -> None:
    fields["@timestamp"] = when.iso(when.rfc3339(found["time"].replace(" +", "+").replace(" -", "-")))
    weblog.request(fields, found["request"])
    weblog.client(fields, found["client"])
    weblog.user(fields, found["user"])
    failed = found["verdict"] == "FAILED"
    fields.update({"event.category": ("authentication",), "event.type": ("start",), "event.action": "web_login"})
    fields["event.outcome"] = "failure" if failed else "success" if found["verdict"] == "SUCCESS" else "unknown"
    text.put(fields, [
        ("event.reason", found["reason"].strip()), ("log.level", found["level"]), ("web.service", found["service"]),
        ("observer.product", "cPanel"),
    ])  # fmt: skip


def _litespeed(fields: Fields, found: re.Match[str], zone: str) -> None:
    fields["@timestamp"] = when.iso(when.rfc3339(found["time"], zone))
    fields["event.dataset"], fields["log.level"] = "web.error", found["level"].lower()
    fields["observer.product"] = "LiteSpeed"
    text.put(fields, [
        ("source.ip", text.address(found["client"])), ("source.port", text.port(found["port"])),
        ("process.pid", text.number(found["pid"])), ("web.stream", found["stream"]),
    ])  # fmt: skip
    if login := _FAILED_LOGIN.fullmatch(found["message"]):
        fields.update({"event.category": ("authentication",), "event.type": ("start",), "event.action": "web_login"})
        fields["event.outcome"] = "failure"
        weblog.user(fields, login["user"])
    else:
        fields["event.category"], fields["event.type"] = ("web",), ("info",)
        if found["level"] in {"ERROR", "CRIT", "ALERT", "EMERG"}:
            fields["event.type"] = ("error",)
