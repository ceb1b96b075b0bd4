r"""Reads alerts of ModSecurity 2 and 3 and of Coraza, wherever a web server wrote them, and their audit logs.

https://github.com/owasp-modsecurity/ModSecurity/wiki/ModSecurity-2-Data-Formats. In an error log the server's own
words stand around the alert: `[client 192.0.2.1:4711]` of Apache, `, client: 192.0.2.1, server: …` of nginx, JSON of
Caddy. The audit log is JSON, or sections a transaction (`--boundary-A--` to `Z`) in one record of several lines: the
boundary is the server's, so a body that imitates a section stays a body. A file a transaction has an index beside it.
"""

import re
from collections.abc import Iterator, Mapping

from sentinel.pack import Fields, ParseError, Raw, container, structured, syslog, text, weblog, when

MESSAGE_MAX = 65_536
_APACHE = re.compile(r"\[\w{3} (\w{3}) +(\d{1,2}) (\d\d:\d\d:\d\d(?:\.\d{1,9})?) (\d{4})\] ")
_NGINX = re.compile(r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(\w{1,10})\] (\d{1,10})#(\d{1,10}): ")
_PID = re.compile(r"\[pid (\d{1,10})(?::tid (\d{1,20}))?\] ")
_CLIENT = re.compile(r'\[client "?([^\]"\s]{1,255})"?\] ')
_TAIL = re.compile(
    r', client: (?P<client>[0-9A-Fa-f.:]{2,45}), server: (?P<server>[^",]*), request: "(?P<request>[^"]*)"'
    r'(?:, upstream: "[^"]*")?(?:, host: "(?P<host>[^"]*)")?(?:, referrer: "(?P<referrer>[^"]*)")?'
)
_BOUNDARY = re.compile(r"(---?[0-9A-Za-z@_-]{4,40}-{1,3})([A-Z])--\r?(?:\n|$)")
_OPENING = re.compile(
    r"\[(?P<time>[^\]]{10,40})\] (?P<id>\S{1,64}) (?P<client>[0-9A-Fa-f.:]{2,45}) (?P<port>\d{1,5}) "
    r"(?P<server>[0-9A-Fa-f.:]{2,45}) (?P<sport>\d{1,5})"
)
_STATUS = re.compile(r"HTTP/\d(?:\.\d)? (\d{3})\b")
_PRODUCER = re.compile(r"Producer: (?:ModSecurity(?: for \w+)?)[ /]?v?(\d[\w.]{0,20})", re.IGNORECASE)
_SAID = re.compile(r"(?:Message|Apache-Error|ModSecurity): ?(.*)")
_LEVELS = {"0": "emergency", "1": "alert", "2": "critical", "3": "error", "4": "warning", "5": "notice", "6": "info"}


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one alert, or one transaction of the audit log."""
    line = container.read(raw)
    fields: Fields = {"observer.vendor": "OWASP", "observer.product": "ModSecurity", "observer.type": "waf"}
    fields.update(syslog.fields(line))
    message = line.message.strip()[:MESSAGE_MAX]
    if message.startswith("{"):
        _json(structured.json_object(message), fields, raw)
    elif sections := _sections(message):
        _audited(sections, fields, raw)
    elif (index := weblog.access(message)) and message.rpartition(" ")[2].startswith(("md5:", "sha")):
        weblog.moment(fields, index.time, raw.zone)
        left = weblog.fill(fields, index)
        text.put(fields, [("http.request.id", left[0].text if left else None)])
        fields["event.action"] = "waf_audit"
    elif "ModSecurity: " in message:
        _line(message, fields, raw)
    elif line.app is None and line.priority is None:
        raise ParseError("no alert of ModSecurity")
    else:
        fields["event.kind"] = "event"
    yield fields


def _line(message: str, fields: Fields, raw: Raw) -> None:
    at = message.index("ModSecurity: ")
    head, alert = message[:at], message[at:]
    if stamp := _APACHE.match(head):
        month, day, clock, year = stamp.groups()
        fields["@timestamp"] = when.iso(when.bsd(f"{month} {day} {year} {clock}", raw.received, raw.zone))
    elif stamp := _NGINX.match(head):
        fields["@timestamp"] = when.iso(when.rfc3339(stamp[1].replace("/", "-"), raw.zone))
        fields["process.pid"], fields["process.thread.id"] = int(stamp[3]), int(stamp[4])
    if process := _PID.search(head):
        text.put(fields, [("process.pid", text.number(process[1])), ("process.thread.id", text.number(process[2]))])
    _client(fields, _CLIENT.findall(head))
    # nginx appends what it knows; a stranger's text stands before it, in quotes and shorter than the line
    start = alert.rfind(", client: ")
    tail = _TAIL.fullmatch(alert, start) if start >= 0 else None
    if tail:
        alert = alert[:start]
        _request(fields, tail)
    weblog.modsecurity(fields, alert)
    _reason(fields, alert)


def _client(fields: Fields, found: list[str]) -> None:
    """Set the client; Apache names it with the port, ModSecurity once more without: that tells `::1:443` apart."""
    if not found:
        return
    plain = found[-1]
    address = text.address(plain)
    if address is None:
        weblog.client(fields, plain)
        return
    fields["source.ip"] = address
    with_port = next((one for one in found if one.startswith(plain + ":")), "")
    text.put(fields, [("source.port", text.port(with_port[len(plain) + 1 :]) or None)])


def _request(fields: Fields, tail: re.Match[str]) -> None:
    if "source.ip" not in fields:
        text.put(fields, [("source.ip", text.address(tail["client"]))])
    weblog.request(fields, tail["request"] or "")
    weblog.said(fields, tail["referrer"], None)
    host = (tail["host"] or "").partition(":")[0] if (tail["host"] or "").count(":") < 2 else tail["host"]
    text.put(fields, [("url.domain", text.given((host or "").strip("[]")))])


def _reason(fields: Fields, alert: str) -> None:
    severity = str(fields.get("modsecurity.severity", "")).lower()
    text.put(fields, [("log.level", _LEVELS.get(severity, severity))])
    text.put(fields, [("event.reason", alert.partition(": ")[2].partition(" [file ")[0].strip())])


def _json(found: dict[str, object], fields: Fields, raw: Raw) -> None:
    whole = found.get("transaction")
    if isinstance(whole, dict):
        _transaction(found, whole, fields, raw)
        return
    said = found.get("msg")
    if not isinstance(said, str) or ("Coraza: " not in said and "ModSecurity: " not in said):
        raise ParseError("JSON without an alert of ModSecurity or Coraza")
    moment = found.get("ts")
    if isinstance(moment, int | float) and not isinstance(moment, bool):
        fields["@timestamp"] = when.iso(when.epoch(moment))
    fields["observer.product"] = "Coraza" if "Coraza: " in said else "ModSecurity"
    text.put(fields, [("log.level", str(found.get("level") or "")), ("log.logger", str(found.get("logger") or ""))])
    _client(fields, _CLIENT.findall(said[:400]))
    weblog.modsecurity(fields, said)
    _reason(fields, said.partition("] ")[2] if said.startswith("[client ") else said)


def _transaction(found: dict[str, object], whole: dict[str, object], fields: Fields, raw: Raw) -> None:
    """Read the audit log: version 3 keeps everything in `transaction`, version 2 beside it."""
    asked, answered = (_table(found.get(name) or whole.get(name)) for name in ("request", "response"))
    audit = _table(found.get("audit_data"))
    headers = {str(name).lower(): _text(value) for name, value in _table(asked.get("headers")).items()}
    if line := _text(asked.get("request_line")):
        weblog.request(fields, line)
    else:
        fields.update({"http.request.method": _text(asked.get("method"))} if asked.get("method") else {})
        weblog.url(fields, _text(asked.get("uri")), _text(asked.get("method")))
    weblog.answer(fields, _text(answered.get("http_code") or answered.get("status")))
    weblog.said(fields, headers.get("referer"), headers.get("user-agent"))
    host = headers.get("host", "").partition(":")[0]
    alerts = _alerts(fields, whole.get("messages") or audit.get("messages"))
    action = _table(audit.get("action"))
    blocked = bool(action.get("intercepted")) or fields.get("http.response.status_code") == 403
    fields.update({"event.kind": "alert" if alerts else "event", "event.action": "waf_audit"})
    if alerts:
        fields["event.category"], fields["event.type"] = ("intrusion_detection",), ("denied" if blocked else "info",)
    text.put(fields, [
        ("@timestamp", _moment(_text(whole.get("time_stamp") or whole.get("time")), raw)),
        ("source.ip", text.address(_text(whole.get("client_ip") or whole.get("remote_address")))),
        ("source.port", text.port(_text(whole.get("client_port") or whole.get("remote_port")))),
        ("destination.ip", text.address(_text(whole.get("host_ip") or whole.get("local_address")))),
        ("destination.port", text.port(_text(whole.get("host_port") or whole.get("local_port")))),
        ("http.request.id", _text(whole.get("unique_id") or whole.get("transaction_id"))),
        ("url.domain", host),
    ])  # fmt: skip


def _sections(message: str) -> dict[str, str]:
    """Return the sections of a transaction by their letters; of one that is cut in two, what is there."""
    first = _BOUNDARY.match(message)
    if first is None:
        return {}
    parts = re.split(rf"^{re.escape(first[1])}([A-Z])--\r?\n?", message, maxsplit=64, flags=re.MULTILINE)
    return dict(reversed(list(zip(parts[1::2], parts[2::2], strict=True))))  # the first of a letter counts


def _audited(sections: Mapping[str, str], fields: Fields, raw: Raw) -> None:
    if head := _OPENING.match(sections.get("A", "")):
        weblog.moment(fields, head["time"], raw.zone)
        text.put(fields, [
            ("http.request.id", head["id"]), ("source.ip", text.address(head["client"])),
            ("source.port", text.port(head["port"]) or None), ("destination.ip", text.address(head["server"])),
            ("destination.port", text.port(head["sport"]) or None),
        ])  # fmt: skip
    asked, *lines = sections.get("B", "").splitlines()[:256] or [""]
    weblog.request(fields, asked)
    headers = {name.lower(): value.strip() for name, _, value in reversed([line.partition(":") for line in lines])}
    weblog.said(fields, headers.get("referer"), headers.get("user-agent"))
    status = _STATUS.match(sections.get("F", ""))
    weblog.answer(fields, status[1] if status else None)
    text.put(fields, [("url.domain", headers.get("host", "").partition(":")[0])])
    trailer = sections.get("H", "")
    found = [one for line in trailer.splitlines()[:1_024] if (one := _SAID.match(line)) and "[id " in line]
    alerts = _alerts(fields, [one[1] for one in found])
    blocked = "\nAction: Intercepted" in f"\n{trailer}" or any(weblog.blocked(one[1]) for one in found)
    fields |= {"event.kind": "alert" if alerts else "event", "event.action": "waf_audit"}
    if alerts:
        fields["event.category"], fields["event.type"] = ("intrusion_detection",), ("denied" if blocked else "info",)
        text.put(fields, [("event.reason", found[-1][1].partition(" [file ")[0].strip())])
    if version := _PRODUCER.search(trailer):
        fields["observer.version"] = version[1]


def _alerts(fields: Fields, messages: object) -> int:
    """Set the rules that matched, the last (which counts them together) as the event's own; returns how many."""
    ids: list[str] = []
    for one in messages[:256] if isinstance(messages, list) else []:
        if isinstance(one, str):
            said: Fields = {}
            weblog.modsecurity(said, one)
            rule = {name: str(said.get(f"rule.{name}", "")) for name in ("id", "name", "ruleset", "version")}
        else:
            details = _table(_table(one).get("details"))
            rule = {"id": _text(details.get("ruleId")), "name": _text(_table(one).get("message")),
                    "ruleset": _text(details.get("file")), "version": _text(details.get("ver"))}  # fmt: skip
        text.put(fields, [(f"rule.{name}", value) for name, value in rule.items()])
        ids.append(rule["id"])
    text.put(fields, [("modsecurity.rules", tuple(one for one in ids if one))])
    return len(ids)


def _moment(value: str, raw: Raw) -> str | None:
    try:
        if value[2:3] == "/":
            return when.iso(when.clf(value, raw.zone))
        words = value.split()
        return when.iso(when.bsd(" ".join((words[1], words[2], words[4], words[3])), raw.received, raw.zone))
    except (ParseError, IndexError):
        return None


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
