r"""Reads the debug log of Windows' DNS server, one packet a line, and the JSON that NXLog's xm_msdns makes of it.

https://learn.microsoft.com/…/dn800669; date and time are those of the server's language, in local time: with AM and PM
the month stands first, else the day. What the server was asked and what it answered belong to the client, what it asked
others itself has their address as destination. With details a packet is a record of several lines: the first is as
without them, below it stand the client's port and the answers; a line of details that comes alone says nothing.
"""

import re
from collections.abc import Iterator
from datetime import datetime

from sentinel.pack import Fields, ParseError, Raw, dnslog, structured, syslog, text, when

MESSAGE_MAX = 8_192
VALUES_MAX = 100
_HEAD = re.compile(
    r"(?P<date>\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{8}) (?P<time>\d{1,2}[:.]\d\d[:.]\d\d)"
    r"(?:[ \u00a0\u202f](?P<half>[AaPp]\.?[ \u00a0]?[Mm]\.?))? "
    r"(?P<thread>[0-9A-Fa-f]{3,8}) (?P<context>[A-ZÄÖÜ]{2,12}|Note:|Hinweis:) +(?P<rest>.*)",
    re.DOTALL,
)
_PACKET = re.compile(
    r"(?:(?P<packet>[0-9A-Fa-f]{8,16}) )?(?P<transport>UDP|TCP) (?P<way>Snd|Rcv) (?P<ip>[0-9A-Fa-f.:%]{2,64}) +"
    r"(?P<id>[0-9A-Fa-f]{4}) (?P<answer>[R ])? *(?P<code>[QNU?]) \[(?P<hex>[0-9A-Fa-f]{4}) {1,8}"
    r"(?P<flags>[ATDR ]{0,8}?) {0,8}(?P<rcode>[A-Z]{4,10}|\d{1,5})\] +(?P<type>\S{1,16}) +(?P<name>\S.*)"
)
_REMOTE = re.compile(r"(?:Remote addr|Remoteadresse) \S{2,64}, port (\d{1,5})")
_DATA = re.compile(r"^ {4,12}DATA {1,12}(\S.{0,500})$", re.MULTILINE)
_DETAIL = re.compile(r"\s|(?:UDP|TCP) (?:question|response) info at |Message:?$|Message logging key|Field #")
_NUMBER = re.compile(r"\(\d{1,3}\)")
_FLAGS = {"A": "AA", "T": "TC", "D": "RD", "R": "RA"}
_CODES = {"Q": "QUERY", "N": "NOTIFY", "U": "UPDATE"}
_WORDS = {"Query": "Q", "Standard Query": "Q", "Notify": "N", "Update": "U"}
_OPENED = re.compile(r"(?:DNS[ -]Server|Log file wrap|Protokolldatei).{0,200}", re.DOTALL)


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line, bare or in syslog."""
    whole = text.decode(raw.body).rstrip("\r\n\0")
    fields: Fields = {"event.kind": "event", "observer.vendor": "Microsoft", "observer.product": "DNS Server"}
    fields["observer.type"] = "dns"
    app = None
    head = _HEAD.fullmatch(whole)
    if head is None:  # else its time is not the head of syslog
        line = syslog.read(raw)
        fields.update(syslog.fields(line))
        whole, app = line.message.strip()[:MESSAGE_MAX], line.app
        head = _HEAD.fullmatch(whole)
    if head:
        fields["@timestamp"] = when.iso(_moment(head, raw.zone))
        fields["process.thread.id"] = int(head["thread"], 16)
        fields["windows_dns.context"] = head["context"].rstrip(":")
        _line(fields, head["rest"])
    elif whole.startswith("{"):
        _json(fields, structured.json_object(whole), raw.zone)
    elif _DETAIL.match(text.decode(raw.body)) and app is None:
        fields |= {"event.category": ("network",), "event.type": ("info",), "event.action": "dns_detail"}
    elif _OPENED.fullmatch(whole) or app is not None:
        fields["event.category"], fields["event.type"] = ("process",), ("info",)
    else:
        raise ParseError("no line of the DNS server's debug log")
    yield fields


def _moment(head: re.Match[str], zone: str) -> datetime:
    date = head["date"]
    one, two, three = re.split(r"[./-]", date) if not date.isdecimal() else (date[:4], date[4:6], date[6:])
    hours, minutes, seconds = re.split(r"[:.]", head["time"])
    half = "".join(filter(str.isalpha, (head["half"] or "").lower()))
    if len(one) == 4:
        year, month, day = one, two, three
    elif (half and "." not in head["half"] and int(one) <= 12) or int(two) > 12:  # `a. m.` is Spanish
        month, day, year = one, two, three
    else:
        day, month, year = one, two, three
    if half:
        hours = str(int(hours) % 12 + (12 if half == "pm" else 0))
    return when.rfc3339(f"{year:0>4}-{month:0>2}-{day:0>2}T{hours:0>2}:{minutes}:{seconds}", zone)


def _line(fields: Fields, rest: str) -> None:
    first, _, details = rest.partition("\n")
    found = _PACKET.fullmatch(first.rstrip("\r")[:MESSAGE_MAX])
    if found is None:
        fields["event.category"], fields["event.type"] = ("network",), ("info",)
        fields["event.reason"] = rest.strip()[:MESSAGE_MAX] or "-"
        return
    _packet(fields, found.groupdict())
    if details:
        side = "source" if "source.ip" in fields else "destination"
        port = _REMOTE.search(details)
        data = [_name(one.strip()) if one[:1] == "(" else one.strip() for one in _DATA.findall(details)[:VALUES_MAX]]
        text.put(fields, [
            (f"{side}.port", text.port(port[1]) or None if port else None),
            ("windows_dns.answers", tuple(dict.fromkeys(data))),
            ("dns.resolved_ip", tuple(dict.fromkeys(one for one in map(text.address, data) if one))),
        ])  # fmt: skip


def _packet(fields: Fields, found: dict[str, str | None]) -> None:
    answer = found["answer"] == "R"
    code = found["code"] or "Q"
    action = {"N": "dns_notify", "U": "dns_update"}.get(code, "dns_response" if answer else "dns_query")
    dnslog.event(fields, action)
    dnslog.question(fields, _name((found["name"] or "").strip()), found["type"])
    fields["dns.type"] = "answer" if answer else "query"
    from_client = (found["way"] == "Rcv") != answer
    flags = tuple(_FLAGS[sign] for sign in found["flags"] or "" if sign in _FLAGS)
    text.put(fields, [
        ("network.transport", (found["transport"] or "").lower()), ("dns.id", found["id"]), ("dns.header_flags", flags),
        ("dns.op_code", _CODES.get(code)), ("windows_dns.packet", found["packet"]), ("windows_dns.flags", found["hex"]),
        ("source.ip" if from_client else "destination.ip", text.address(found["ip"])),
    ])  # fmt: skip
    if answer and found["rcode"]:
        dnslog.answered(fields, found["rcode"])


def _name(written: str) -> str:
    """Return `(3)www(7)example(3)org(0)` as a name; a label may hold parentheses, so that the numbers count."""
    labels: list[str] = []
    at = 0
    while (number := _NUMBER.match(written, at)) and len(labels) < 128:
        length = int(number[0][1:-1])
        if not length:
            return ".".join(labels) or "."
        label = written[number.end() : number.end() + length]
        at = number.end() + length
        if written[at : at + 1] != "(":  # signs that are written as more than one
            following = _NUMBER.search(written, number.end())
            at = following.start() if following else len(written)
            label = written[number.end() : at]
        labels.append(label)
    return ".".join(labels) or written.rstrip(".")


def _json(fields: Fields, found: dict[str, object], zone: str) -> None:
    said = {name: str(value).strip() for name, value in found.items() if isinstance(value, str | int)}
    if "SendReceiveIndicator" not in said:
        raise ParseError("JSON without a packet of the DNS server")
    if written := said.get("EventTime"):
        fields["@timestamp"] = when.iso(when.rfc3339(written, zone))
    text.put(fields, [("host.name", said.get("Hostname")), ("windows_dns.context", said.get("Context"))])
    opcode = said.get("Opcode", "")
    answer = said.get("QueryResponseIndicator", "").lower().startswith("r")
    way = "Snd" if said["SendReceiveIndicator"].lower() in {"send", "snd"} else "Rcv"
    _packet(fields, {
        "answer": "R" if answer else "", "way": way, "code": _WORDS.get(opcode, opcode[:1]),
        "name": said.get("QuestionName"), "type": said.get("QuestionType"), "transport": said.get("Protocol"),
        "id": said.get("Xid"), "ip": said.get("RemoteIP"), "flags": said.get("FlagsCharCodes"),
        "packet": said.get("InternalPacketIdentifier"), "hex": said.get("FlagsHex"), "rcode": said.get("ResponseCode"),
    })  # fmt: skip
