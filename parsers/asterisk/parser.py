"""Reads Asterisk's logger: `[time] LEVEL[thread][call] file.c[:line function]: message`, and its security events.

Of a security event's names given twice the first counts; in `… failed for 'ip'` what Asterisk appends stands last.
"""

import re
from collections.abc import Iterator
from contextlib import suppress

from sentinel.pack import Fields, ParseError, Raw, common, stamps, syslog, text, when

MESSAGE_MAX = 4_096
_HEAD = re.compile(
    r"(?P<level>[A-Z]{4,12})\[\d{1,10}\](?:\[(?P<call>C-\w{1,16})\])?:? (?P<file>[\w./]{1,80}\.c)(?::\d{1,6})?"
    r"(?:(?: in)? (?P<function>\w{1,80}))?: (?P<said>.*)",
    re.DOTALL,
)
_PAIR = re.compile(r'(\w{1,40})="((?:[^"\\]|\\.)*)"')
_PLACE = re.compile(r"IPV[46]/(?P<transport>\w{2,4})/(?P<ip>[0-9A-Fa-f:.]{2,45})/(?P<port>\d{1,5})")
_FAILURES = frozenset({
    "FailedACL", "InvalidAccountID", "SessionLimit", "MemoryLimit", "LoadAverageLimit", "RequestNotSupported",
    "RequestNotAllowed", "AuthMethodNotAllowed", "RequestBadFormat", "UnexpectedAddress", "ChallengeResponseFailed",
    "InvalidPassword", "InvalidTransport",
})  # fmt: skip
_PEER = r"(?P<peer>[^'()]{2,60})"
_ADDRESS = r"(?P<peer>[0-9A-Fa-f:.]{2,45})"
_FORMS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(form, re.DOTALL), action)
    for form, action in (
        (rf"Registration from '(?P<who>.{{0,512}})' failed for '{_PEER}' - (?P<reason>.{{1,200}})", "registration"),
        ((rf"Request '(?P<method>\w{{1,20}})' from '(?P<who>.{{0,512}})' failed for '{_PEER}' \(callid: .{{0,300}}\) -"
          r" (?P<reason>.{1,200})"), "request"),
        ((rf"Call from '(?P<user>.{{0,256}})' \({_PEER}\) to extension '(?P<extension>.{{0,256}})'"
          r" (?P<reason>rejected .*)"), "call"),
        (rf"{_ADDRESS} failed to authenticate as '(?P<user>.{{0,256}})'", "login"),
        (rf"Host {_ADDRESS} failed .{{0,40}}authenticat\w{{1,8}} (?:for|as) '(?P<user>[^']{{0,256}})'.*", "login"),
        (r"(?P<reason>Failed to authenticate (?:device|user)) (?P<who>.{1,512})", "login"),
    )
)  # fmt: skip
_SIP = re.compile(r"<?sips?:(?P<user>[^@<>;\s]{1,256})@")


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    fields = syslog.fields(line)
    fields |= {"observer.vendor": "Sangoma", "observer.product": "Asterisk"}
    message = line.message[:MESSAGE_MAX].strip()
    if line.timestamp is None and (stamp := stamps.find(message, raw.received, raw.zone, 1)):
        fields["@timestamp"] = when.iso(stamp.moment)
        message = message[stamp.end :].lstrip("] ")
    head = _HEAD.match(message)
    if head is None and line.app is None and 'SecurityEvent="' not in message:
        raise ParseError("no line of Asterisk")
    if head is not None:
        message = head["said"]
        fields["log.level"], fields["log.origin.file.name"] = head["level"].lower(), head["file"]
        text.put(fields, [("asterisk.call", head["call"]), ("log.origin.function", head["function"])])
    if message.startswith("SecurityEvent=") or (head is None and "SecurityEvent=" in message):
        _security(message, fields)
    else:
        _said(message, fields)
    yield fields


def _security(message: str, fields: Fields) -> None:
    pairs: dict[str, str] = {}
    for name, value in _PAIR.findall(message):
        pairs.setdefault(name, value)
    event = pairs.get("SecurityEvent", "")
    failed = event in _FAILURES
    fields["event.category"] = ("authentication",)
    fields["event.type"] = ("start" if failed or event == "SuccessfulAuth" else "info",)
    text.put(
        fields,
        [
            ("event.action", event),
            ("event.outcome", "failure" if failed else "success" if event == "SuccessfulAuth" else None),
        ],
    )
    with suppress(ParseError):  # the logger's own time must do
        fields["@timestamp"] = when.iso(when.rfc3339(pairs.get("EventTV", "")))
    text.put(fields, [
        ("user.name", text.given(pairs.get("AccountID", "").removeprefix("sip:").partition("@")[0])),
        ("network.protocol", pairs.get("Service", "").lower()), ("asterisk.session", pairs.get("SessionID")),
        ("asterisk.severity", pairs.get("Severity")),
    ])  # fmt: skip
    for side, name in (("source", "RemoteAddress"), ("destination", "LocalAddress")):
        place = _PLACE.fullmatch(pairs.get(name, ""))
        if place is not None:
            text.put(
                fields, [(f"{side}.ip", text.address(place["ip"])), (f"{side}.port", text.port(place["port"]) or None)]
            )
            transport = place["transport"].lower()
            text.put(fields, [("network.transport", "tcp" if transport in {"tls", "ws", "wss"} else transport)])


def _said(message: str, fields: Fields) -> None:
    for form, action in _FORMS:
        found = form.fullmatch(message)
        if found is None:
            continue
        parts = found.groupdict()
        category, kind = ("network", "denied") if action == "call" else ("authentication", "start")
        fields["event.action"], fields["event.category"], fields["event.type"] = action, (category,), (kind,)
        fields["event.outcome"] = "failure"
        sip = _SIP.search(parts.get("who") or "")
        address, port = common.endpoint(parts.get("peer") or "")
        text.put(fields, [
            ("user.name", sip["user"] if sip else parts.get("user")), ("source.ip", address), ("source.port", port),
            ("event.reason", parts.get("reason")), ("asterisk.extension", parts.get("extension")),
            ("asterisk.method", parts.get("method")),
        ])  # fmt: skip
        return
