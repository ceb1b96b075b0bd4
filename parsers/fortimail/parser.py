"""FortiMail: statistics of every message, verdicts on spam and viruses, what the server and administrators did.

Types and fields: FortiMail Log Message Reference. Lines are pairs, or with CSV chosen pairs set apart by commas.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from sentinel.pack import Fields, ParseError, Raw, kv, mapping, names, syslog, text, verdict, when

TABLES = tomllib.loads((Path(str(__spec__.origin)).parent / "fields.toml").read_text("utf-8"))
SETTERS = mapping.setters(TABLES["fields"])
COMMA = re.compile(r'(?:^|,)([a-z_]{2,32})=(?:"((?:[^"\\]|\\.)*)(?:"|\\?$)|([^,"]*))')
UI = re.compile(r"(?P<what>[\w \-]{1,32})\((?P<ip>[0-9A-Fa-f.:]{2,45})\)")
CLIENT = re.compile(r"(?P<name>[^\s\[\]]{1,255})? ?\[(?P<ip>[0-9A-Fa-f.:]{2,45})\]")
SMTP = re.compile(r"(?:^|, )(from|to|msgid|relay|size|stat|proto|delay)=")
FILE = re.compile(r"The file (?P<file>.{1,255}) is infected with (?P<virus>\S{1,255}?)\.?", re.DOTALL)
WAYS = {"in": "inbound", "out": "outbound"}
FAILED = frozenset({"failure", "failed", "fail", "error"})


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    whole = text.decode(raw.body).rstrip("\r\n\0")
    said = _pairs(whole[max(0, whole.find("date=")) :])
    if not said.keys() & {"device_id", "log_id", "type"}:
        raise ParseError("no FortiMail: neither device_id nor log_id nor type")
    found: Fields = {"event.kind": "event", "observer.vendor": "Fortinet", "observer.product": "FortiMail"}
    found |= {"observer.type": "email-gateway"} | syslog.observed(line)
    mapping.fill(found, said, SETTERS, "fortimail.")
    try:
        if "date" in said and "time" in said:
            found["@timestamp"] = when.iso(when.rfc3339(f"{said['date']}T{said['time']}", raw.zone))
    except ParseError:
        pass  # the header's time, or when it was received, must do
    _who(found, said)
    _mail(found, said)
    _meaning(found, said)
    yield found


def _pairs(message: str) -> dict[str, str]:
    if ",time=" not in message[:40]:
        return kv.loose(message)
    return {name: quoted or bare for name, quoted, bare in reversed(COMMA.findall(message)[: kv.PAIRS_MAX])}


def _who(found: Fields, said: Mapping[str, str]) -> None:
    client = CLIENT.fullmatch(said.get("client_name", ""))
    if client is not None:
        text.put(found, (("source.ip", found.get("source.ip") or text.address(client["ip"])),))
    name = client["name"] if client is not None else said.get("client_name", "")
    text.put(found, (("source.domain", name if name and "." in name and text.address(name) is None else None),))
    if (ui := UI.fullmatch(said.get("ui", ""))) is not None:
        text.put(found, (("source.ip", text.address(ui["ip"])), ("fortimail.ui", ui["what"])))
    else:
        text.put(found, (("source.ip", found.get("source.ip") or text.address(said.get("ui"))),))
    user = said.get("user", "")
    if user not in text.NOTHING and user not in {"mail", "system", "ha", "none"}:
        names.account(found, "user", user)
    text.put(found, (("network.direction", WAYS.get(said.get("direction", ""))),))


def _mail(found: Fields, said: Mapping[str, str]) -> None:
    sender, header = said.get("from", "").strip("<>"), said.get("hfrom", "")
    text.put(found, (
        ("email.from.address", (sender,) if sender not in text.NOTHING else None),
        ("email.message_id", said.get("message_id", "").strip("<>")), ("fortimail.hfrom", header),
        ("fortimail.virus", said.get("virus")),
    ))  # fmt: skip
    if said.get("type") == "event" and said.get("subtype") == "smtp":
        told = kv.cut(said.get("msg", "")[:8192], SMTP)
        relay = CLIENT.search(told.get("relay", "")[:512])
        receiving = "from" in told or "STARTTLS=server" in said.get("msg", "")[:200]
        side = "source" if receiving else "destination"
        text.put(found, (
            ("email.from.address", _addresses(told.get("from", ""))),
            ("email.to.address", _addresses(told.get("to", ""))),
            ("email.message_id", told.get("msgid", "").strip("<>")),
            (f"{side}.ip", text.address(relay["ip"]) if relay else None),
            (f"{side}.domain", relay["name"] if relay else None),
        ))  # fmt: skip
    if (infected := FILE.fullmatch(said.get("msg", "")[:1024])) is not None:
        text.put(found, (("file.name", infected["file"]), ("fortimail.virus", infected["virus"])))


def _addresses(written: str) -> tuple[str, ...]:
    return tuple(one for part in written.split(",")[:256] if "@" in (one := part.strip(" <>")))


def _meaning(found: Fields, said: Mapping[str, str]) -> None:
    kind, subtype = said.get("type", ""), said.get("subtype", "").lower()
    status, action = said.get("status", "").lower(), said.get("action", "").lower()
    outcome = "failure" if status in FAILED else "success" if status == "success" else ""
    if found.get("event.action") in {"NONE", "none"}:
        del found["event.action"]
    row = ""
    if kind in {"statistics", "history", "encrypt", "spam", "mail"}:
        infected = said.get("virus", "") not in text.NOTHING
        row = "alert|malware email|info" if infected else "event|email|info"
        text.put(found, (("event.action", said.get("disposition", "").lower() or None),))
    elif kind == "dlp":
        row = "alert|email|info"
    elif kind == "virus":
        row = "alert|malware email|info"
    elif kind in {"event", "kevent"}:
        told = said.get("msg", "").lower()
        if action in {"login", "logout"} or (subtype in {"admin", "webmail", "imap", "pop3"} and "log" in told):
            leaving = action == "logout" or "logout" in told or "logged out" in told
            failed = outcome == "failure" or "fail" in told or "denied" in told
            row = f"event|authentication|{'end' if leaving else 'start'}|{'failure' if failed else 'success'}"
        elif subtype in {"smtp", "dmarc", "mailqueue"}:
            row = f"event|email|info|{outcome}"
        elif subtype in {"config", "admin"} or subtype == "update":
            row = f"event|configuration|change|{outcome}"
        else:
            life = "start" if action in {"restart", "reboot", "startup"} else "end" if action == "shutdown" else "info"
            row = f"event|host|{life}|{outcome}"
    verdict.says(found, row)
    if said.get("disposition") and verdict.of(said["disposition"]) == "denied":
        found["event.type"] = ("info", "denied")
