r"""Reads the comma-separated logs of Exchange Server 2007 to 2019 and SE: tracking, SMTP, IMAP4, POP3, proxy, EWS ….

https://learn.microsoft.com/en-us/exchange/mail-flow/transport-logs/message-tracking. A line is read without the
`#Fields` line before it: a GUID behind the message's id says which columns a tracking line has (2013 and later), the
sign of an event is that of a protocol log, and what stands in certain columns tells the others (`layouts.toml`); a
line of a log that is not known still has its time. All times are UTC. Fields a stranger chose (subject, addresses)
stand in quotes where they hold a comma, with quotes doubled.
"""

import csv
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sentinel.pack import Fields, ParseError, Raw, mapping, names, text, verdict, when

LINE_MAX = 131_072
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,7})?Z")
_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ENDPOINT = re.compile(r"\[?([0-9A-Fa-f:.%]+?)\]?:(\d{1,5})")
_TRACKING = (
    "client-ip", "client-hostname", "server-ip", "server-hostname", "source-context", "connector-id", "source",
    "event-id", "internal-message-id", "message-id", "network-message-id", "recipient-address", "recipient-status",
    "total-bytes", "recipient-count", "related-recipient-address", "reference", "message-subject", "sender-address",
    "return-path", "message-info", "directionality", "tenant-id", "original-client-ip", "original-server-ip",
    "custom-data", "transport-traffic-type", "log-id", "schema-version",
)  # fmt: skip
_OLD = tuple(name for name in _TRACKING if name != "network-message-id")
_SMTP = (
    "connector-id",
    "session-id",
    "sequence-number",
    "local-endpoint",
    "remote-endpoint",
    "event",
    "data",
    "context",
)
_CLIENT = (
    "session-id", "sequence-number", "sIp", "cIp", "user", "duration", "rqsize", "rpsize", "command", "parameters",
    "context", "puid",
)  # fmt: skip
_PLACES = mapping.setters({
    "client-ip": "source.ip", "client-hostname": "source.domain", "server-ip": "destination.ip",
    "server-hostname": "destination.domain", "message-id": "email.message_id", "message-subject": "email.subject",
    "internal-message-id": "email.local_id", "sender-address": "text email.from.address",
    "return-path": "email.sender.address", "recipient-address": "list email.to.address",
    "total-bytes": "exchange.size", "recipient-status": "event.reason",
})  # fmt: skip
_ACTIONS = {
    "RECEIVE": ("mail_received", "success"), "SEND": ("mail_sent", "success"), "DELIVER": ("mail_delivered", "success"),
    "FAIL": ("mail_failed", "failure"), "BADMAIL": ("mail_failed", "failure"), "DEFER": ("mail_deferred", "unknown"),
    "AGENTINFO": ("mail_agent_information", ""), "CLIENTSUBMISSION": ("mail_submitted", "success"),
    "DELIVERFAIL": ("mail_failed", "failure"), "DUPLICATEEXPAND": ("mail_duplicate", ""),
    "DUPLICATEREDIRECT": ("mail_duplicate", ""), "HADISCARD": ("mail_shadow_discarded", ""),
    "HARECEIVE": ("mail_shadow_received", ""), "HAREDIRECT": ("mail_shadow_redirected", ""),
    "HAREDIRECTFAIL": ("mail_shadow_redirected", "failure"), "INITMESSAGECREATED": ("mail_moderation_asked", ""),
    "LOAD": ("mail_loaded", ""), "MODERATIONEXPIRE": ("mail_moderation_expired", "failure"),
    "MODERATORAPPROVE": ("mail_approved", "success"), "MODERATORSALLNDR": ("mail_moderation_failed", "failure"),
    "NOTIFYMAPI": ("mail_submission_announced", ""), "NOTIFYSHADOW": ("mail_shadow_announced", ""),
    "PROCESS": ("mail_processed", "success"), "PROCESSMEETINGMESSAGE": ("mail_meeting_processed", ""),
    "RESUBMIT": ("mail_resubmitted", ""), "RESUBMITDEFER": ("mail_resubmitted", "unknown"),
    "RESUBMITFAIL": ("mail_resubmitted", "failure"), "SUBMITDEFER": ("mail_submitted", "unknown"),
    "SUPPRESSED": ("mail_suppressed", ""), "THROTTLE": ("mail_throttled", "unknown"),
    "POISONMESSAGE": ("mail_poison", "failure"), "DROP": ("mail_dropped", "failure"), "SUBMIT": ("mail_submitted", ""),
    "SUBMITFAIL": ("mail_submitted", "failure"), "DSN": ("mail_notification", ""), "EXPAND": ("mail_expanded", ""),
    "REDIRECT": ("mail_redirected", "success"), "RESOLVE": ("mail_resolved", ""), "TRANSFER": ("mail_transferred", ""),
    "DUPLICATEDELIVER": ("mail_duplicate", ""), "MODERATORREJECT": ("mail_rejected", "failure"),
}  # fmt: skip
_SERVING = frozenset({25, 465, 475, 587, 717, 2525})
_FAILED = re.compile(r"(?i)\bauthfailed\b|\blogondenied\b|^R=\"?\S* NO\b|-ERR|\bfailed\b|\b535 5\.7\.\d|unsuccessful")
_PAIR = re.compile(r"(?:^|;)S:([A-Za-z][\w.-]{0,40})=([^;]{0,2000})")
_ADDRESS = re.compile(r"(?i)(MAIL FROM|RCPT TO): ?<([^<>]{1,320})>")


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line; raises ParseError for what is none, and for one whose quotes do not end."""
    whole = text.decode(raw.body).strip("\ufeff\r\n\0 ")[:LINE_MAX]
    if whole.startswith("#"):
        yield _head(whole)
        return
    try:
        cells = next(csv.reader([whole.replace("\n", " ").replace("\r", " ")], strict=True), [])
    except csv.Error as error:
        raise ParseError(f"no line of comma-separated values: {error}") from error
    if cells[:1] in (["DateTime"], ["TimeStamp"], ["Timestamp"], ["date-time"]):
        yield _head("#Fields: " + whole)
        return
    if len(cells) < 4 or not _TIME.fullmatch(cells[0]):
        raise ParseError("no line of an Exchange log")
    fields: Fields = {
        "@timestamp": when.iso(when.rfc3339(cells[0])), "event.kind": "event", "observer.vendor": "Microsoft",
        "observer.product": "Exchange", "observer.type": "mail",
    }  # fmt: skip
    if len(cells) in {8, 9} and cells[6] in {"+", "-", ">", "<", "*"}:
        _smtp(fields, _named(_SMTP, cells))
    elif len(cells) >= 20 and cells[8].isupper():
        new = bool(_GUID.fullmatch(cells[11]))
        _tracked(fields, _named(_TRACKING if new else _OLD, cells))
    elif layout := next((one for one in _LAYOUTS if one.holds(cells)), None):
        _other(fields, layout, cells)
    elif len(cells) >= 11 and cells[2].isdecimal():
        _served(fields, _named(_CLIENT, cells))
    else:  # its time is told, and that it is Exchange's
        fields |= {"event.dataset": "exchange.other", "message": whole, "event.category": ("process",)}
        fields["event.type"] = ("info",)
    yield fields


class _Layout:
    """A log of another kind: its columns, what must stand in some of them, and what they are in ECS."""

    def __init__(self, said: Mapping[str, object]) -> None:
        self.name = str(said["name"])
        self.columns = str(said["columns"]).split()
        self.meaning = str(said["meaning"])
        checks, places = said["check"], said.get("fields", {})
        rows = checks.items() if isinstance(checks, dict) else ()
        self.checks = [(self.columns.index(str(at)), re.compile(str(form)).fullmatch) for at, form in rows]
        self.setters = mapping.setters(places if isinstance(places, dict) else {})
        self.least = max(at for at, _ in self.checks) + 1

    def holds(self, cells: Sequence[str]) -> bool:
        """Say whether a line is of this log."""
        return len(cells) >= self.least and all(len(cells[at]) < 512 and check(cells[at]) for at, check in self.checks)


_LAYOUTS = [
    _Layout(one) for one in
    tomllib.loads((Path(str(__spec__.origin)).parent / "layouts.toml").read_text("utf-8"))["layout"]
]  # fmt: skip


def _other(fields: Fields, layout: _Layout, cells: Sequence[str]) -> None:
    said = _named(layout.columns[1:], cells)
    fields["event.dataset"] = f"exchange.{layout.name}"
    fields["event.action"], _, row = layout.meaning.partition("|")
    verdict.says(fields, f"|{row}")
    if pairs := dict(_PAIR.findall(said.pop("pairs", "")[:32_768])):
        said |= {name.lower(): value for name, value in pairs.items()}
    mapping.fill(fields, {name.lower(): value for name, value in said.items()}, layout.setters, "exchange.")
    if "email.message_id" in fields:
        fields["email.message_id"] = str(fields["email.message_id"]).strip("<>")
    for side, name in (("destination", "LocalEndpoint"), ("source", "RemoteEndpoint")):
        if one := _ENDPOINT.fullmatch(said.get(name, "")):
            text.put(fields, [(f"{side}.ip", text.address(one[1])), (f"{side}.port", text.port(one[2]))])
    if asked := said.get("url") or said.get("UrlStem"):
        names.url(fields, asked + (said.get("UrlQuery", "") if asked.startswith("/") else ""))
    status = fields.get("http.response.status_code")
    if isinstance(status, int):
        fields["event.outcome"] = "success" if status < 400 else "failure"
    action = said.get("Action", "").lower()
    if layout.name == "agent" and action:
        fields["event.action"] = f"mail_agent_{action}"
        if action.startswith(("reject", "delete", "quarantine", "disconnect")):
            fields["event.type"] = ("denied",)
    if layout.name == "connectivity":
        way = {"+": ("connection start", "start"), "-": ("connection end", "end")}.get(said.get("direction", ""))
        if way:
            fields["event.type"], fields["event.action"] = tuple(way[0].split()), f"smtp_queue_{way[1]}"
    text.put(fields, [("message", said.get("description") or said.get("operation-specific"))])


def _named(names: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    return {name: cell for name, cell in zip(names, cells[1:], strict=False) if cell}


def _head(whole: str) -> Fields:
    name, _, value = whole[1:].partition(": ")
    if name not in {"Software", "Version", "Log-type", "Date", "Fields"}:
        raise ParseError("a comment of no log of Exchange")
    fields: Fields = {"message": whole, "event.kind": "event", "event.category": ("process",), "event.type": ("info",)}
    if name == "Date" and _TIME.fullmatch(value):
        fields["@timestamp"] = when.iso(when.rfc3339(value))
    return fields | {"observer.vendor": "Microsoft", "observer.product": "Exchange", "event.action": "log_started"}


def _keep(fields: Fields, said: Mapping[str, str], *but: str) -> None:
    for name, value in said.items():
        if name not in but:
            fields[f"exchange.{name.replace('-', '_')}"] = value


def _tracked(fields: Fields, said: Mapping[str, str]) -> None:
    event = said.get("event-id", "")
    action, outcome = _ACTIONS.get(event, (f"mail_{event.lower()}", ""))
    fields |= {"event.action": action, "event.category": ("email",), "event.type": ("info",), "event.code": event}
    if outcome:
        fields["event.outcome"] = outcome
    for name, value in said.items():
        if name in _PLACES:
            _PLACES[name](fields, value.strip("<>") if name in {"message-id", "return-path"} else value)
    if said.get("directionality") == "Incoming":
        fields["email.direction"] = "inbound"
    # the server that wrote the line: it receives and delivers, but it is the client of the one it sends to
    own = said.get("client-hostname" if event == "SEND" else "server-hostname")
    text.put(fields, [("host.name", own)])
    _keep(fields, said, *_PLACES, "event-id")


def _smtp(fields: Fields, said: Mapping[str, str]) -> None:
    fields |= {"event.dataset": "exchange.smtp", "event.category": ("network",), "network.protocol": "smtp"}
    fields |= {"event.type": ("connection", "protocol"), "network.transport": "tcp"}
    sides = [_ENDPOINT.fullmatch(said.get(name, "")) for name in ("local-endpoint", "remote-endpoint")]
    ports = [text.port(one[2]) if one else None for one in sides]
    outgoing = ports[1] in _SERVING and ports[0] not in _SERVING
    for side, one, port in zip(
        ("source", "destination") if outgoing else ("destination", "source"), sides, ports, strict=True
    ):
        if one is not None:
            text.put(fields, [(f"{side}.ip", text.address(one[1])), (f"{side}.port", port)])
    sign, data = said.get("event", ""), said.get("data", "")
    fields["event.action"] = {"+": "smtp_connect", "-": "smtp_disconnect"}.get(sign, "smtp_session")
    if sign in {"+", "-"}:
        fields["event.type"] = ("connection", "start" if sign == "+" else "end")
    if found := _ADDRESS.match(data):
        fields["email.from.address" if found[1].upper() == "MAIL FROM" else "email.to.address"] = (found[2],)
    words = f"{data} {said.get('context', '')}"
    if sign == "*" and said.get("context") == "authenticated":
        fields |= _login("success") | text.user(data)
    elif (sign == "*" and "AUTH" in words and _FAILED.search(words)) or (sign == ">" and data.startswith("535 ")):
        fields |= _login("failure") | text.user(said.get("context", "").partition("User Name: ")[2])
    host, slash, _ = said.get("connector-id", "").partition("\\")
    text.put(fields, [("message", words.strip()), ("host.name", host if slash else None)])
    _keep(fields, said, "event", "local-endpoint", "remote-endpoint")


def _login(outcome: str) -> Fields:
    return {"event.action": "mail_login", "event.category": ("authentication",), "event.type": ("start",),
            "event.outcome": outcome}  # fmt: skip


def _served(fields: Fields, said: Mapping[str, str]) -> None:
    for side, name in (("destination", "sIp"), ("source", "cIp")):
        if one := _ENDPOINT.fullmatch(said.get(name, "")):
            text.put(fields, [(f"{side}.ip", text.address(one[1])), (f"{side}.port", text.port(one[2]))])
    protocol = {143: "imap", 993: "imap", 110: "pop3", 995: "pop3"}.get(int(str(fields.get("destination.port", 0))), "")
    command = said.get("command", "").lower()
    fields |= {"event.dataset": "exchange.client_access", "event.category": ("network",)}
    fields |= {"event.type": ("connection", "protocol"), "event.action": f"{protocol or 'mail'}_{command or 'session'}"}
    text.put(fields, [("network.protocol", protocol), ("network.transport", "tcp"), ("message", said.get("context"))])
    fields |= text.user(said.get("user"))
    if command in {"authenticate", "auth", "login", "pass"}:
        fields |= _login("failure" if _FAILED.search(said.get("context", "")) else "success")
    elif command in {"openconnection", "opensession"}:
        fields["event.type"] = ("connection", "start")
    elif command in {"closesession", "logout", "quit"}:
        fields["event.type"] = ("connection", "end")
    _keep(fields, said, "sIp", "cIp", "user", "context")
