"""Sophos Firewall (SFOS 15 to 21, also as Cyberoam wrote it) and Sophos UTM 9: pairs of every log type.

Log types, components and subtypes: Sophos Firewall syslog guide; UTM's ids: the UTM administration guide.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from sentinel.pack import Fields, ParseError, Raw, kv, mapping, names, prose, syslog, text, verdict, when

TABLES = tomllib.loads((Path(str(__spec__.origin)).parent / "fields.toml").read_text("utf-8"))
SETTERS = mapping.setters(TABLES["fields"])
UTM = mapping.setters(TABLES["fields"] | TABLES["utm"])
NO_TRANSLATION = frozenset({"0.0.0.0", "::", ""})  # noqa: S104  what stands for no translation
ENDED = frozenset({"stop", "interim", "end", "destroy"})
FAILED = frozenset({"failed", "failure", "fail", "denied", "unsuccessful", "rejected", "fehlgeschlagen"})
WORKED = frozenset({"successful", "success", "established", "connected", "enabled", "renew", "allow", "erfolgreich"})
OVER = frozenset({"terminated", "disconnected", "expire", "release", "interim"})
VERDICTS = {
    "allowed": "allowed", "allow": "allowed", "overridden": "allowed", "detect": "allowed", "alert": "allowed",
    "decrypt": "allowed", "do not decrypt": "allowed", "warned": "denied", "denied": "denied", "deny": "denied",
    "drop": "denied", "dropped": "denied", "reject": "denied", "block": "denied", "virus": "denied",
    "invalid traffic": "denied", "error": "denied",
}  # fmt: skip
HEAD = re.compile(r"(?:^|[> ])(?P<day>\d{4}:\d\d:\d\d)-(?P<clock>\d\d:\d\d:\d\d) (?P<host>[^\s\[:]{1,255}) ")
TAG = re.compile(r"(?: |^)([A-Za-z][\w.\-]{0,63})(?:\[(\d{1,10})\])?: ")
AUTHENTICATION = ("authentication", "login", "logon", "angemeldet", "anmeldung")
LEFT = ("logged out", "log out", "logout", "logged off", "abgemeldet", "session ended")
BLOCKED = ("block", "drop", "reject", "denied", "quarantin", "forbidden")


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    whole = text.decode(raw.body).rstrip("\r\n\0")
    said = kv.loose(whole[_start(whole) :])
    utm = "log_type" not in said and "sys" in said
    if not utm and not said.keys() & {"log_type", "log_component", "log_id"}:
        yield _daemon(whole, raw)
        return
    found: Fields = {"observer.vendor": "Sophos", "observer.product": "UTM" if utm else "XG"}
    found |= {"observer.type": "firewall", "event.kind": "event"} | syslog.observed(line)
    mapping.fill(found, said, UTM if utm else SETTERS, "sophos.")
    if (spoken := said.get("protocol", ""))[:5].upper() == "HTTP/":
        found |= {"http.version": spoken[5:]}
        found.pop("network.transport", None)
    if utm:
        _utm(found, said, whole, raw)
    else:
        _sfos(found, said, raw)
    _web(found, said)
    for side in ("source", "destination"):
        if found.get(f"{side}.nat.ip", "") in NO_TRANSLATION:
            found.pop(f"{side}.nat.ip", None)
            found.pop(f"{side}.nat.port", None)
    if "log.level" in found:
        found["log.level"] = str(found["log.level"]).lower()
    yield found


def _daemon(whole: str, raw: Raw) -> Fields:
    """Read a line of one of UTM's many daemons: they write as everywhere, behind UTM's own head."""
    found: Fields = {"observer.vendor": "Sophos", "observer.product": "UTM", "observer.type": "firewall"}
    _head(found, whole, raw)
    tag = TAG.search(whole, 0, 256)
    if tag is None or "observer.name" not in found:
        raise ParseError("no Sophos: neither log_type nor log_id nor sys")
    found["event.kind"] = "event"
    text.put(found, (("message", whole[tag.end() :]),))
    prose.sentence(whole[tag.end() :], found, raw.received, raw.zone)
    row = next((row for name, row in TABLES["utm_daemons"].items() if tag[1].startswith(name)), "")
    if row and "event.category" not in found:
        verdict.says(found, f"{row}|{verdict.told(whole[tag.end() :][:256]) or ''}")
    return found


def _head(found: Fields, whole: str, raw: Raw) -> None:
    head = HEAD.search(whole, 0, 128)
    if head is not None:
        try:
            written = f"{head['day'].replace(':', '-')}T{head['clock']}"
            found["@timestamp"] = when.iso(when.rfc3339(written, raw.zone))
        except ParseError:
            pass  # when it was received must do
        found["observer.name"] = head["host"]
    tag = TAG.search(whole, 0, 256)
    if tag is not None:
        text.put(found, (("process.name", tag[1]), ("process.pid", text.number(tag[2]))))


def _start(whole: str) -> int:
    places = [
        at for name in ("device=", "device_name=", "timestamp=", "log_type=", 'id="') if (at := whole.find(name)) >= 0
    ]
    return min(places, default=0)


def _sfos(found: Fields, said: Mapping[str, str], raw: Raw) -> None:
    name = said.get("device_name", "")
    if name not in text.NOTHING:
        if name != "SFW":
            found.setdefault("observer.name", name)
        found["sophos.device_name"] = name
    _time(found, said, raw)
    health = said.get("log_type", "").lower() == "system health"
    user = (said.get("user_name") or said.get("user") or said.get("login_user") or "") if not health else ""
    if user not in text.NOTHING:
        names.account(found, "user", user)
    if health and "user" in said:
        text.put(found, (("sophos.user", said["user"]),))
    if (mail := str(found.get("email.local_id", ""))).startswith("<"):
        found |= {"email.message_id": mail.strip("<>")}
        del found["email.local_id"]
    _threat(found, said)
    names.executables(found)
    _meaning(found, said)


def _time(found: Fields, said: Mapping[str, str], raw: Raw) -> None:
    try:
        if "date" not in said or "time" not in said:
            if "timestamp" in said:
                found["@timestamp"] = when.iso(when.written(said["timestamp"], raw.received, raw.zone))
        else:
            away = when.named(said.get("timezone", ""))
            written = f"{said['date']}T{said['time']}"
            moment = when.offset(datetime.fromisoformat(written), away) if away else when.rfc3339(written, raw.zone)
            found["@timestamp"] = when.iso(moment)
    except (ParseError, ValueError):
        pass  # the header's time, or when it was received, must do
    seconds = said.get("duration", "")
    if seconds.isdecimal() and len(seconds) < 10:
        found["event.duration"] = int(seconds) * 1_000_000_000


def _threat(found: Fields, said: Mapping[str, str]) -> None:
    signature = said.get("signature_id") or said.get("sig_id")
    if signature:
        if "rule.id" in found:
            found["sophos.fw_rule_id"] = found["rule.id"]
        message = said.get("signature_msg") or said.get("message")
        text.put(found, (("rule.id", signature), ("rule.name", message), ("rule.category", said.get("classification"))))
        text.put(found, (("message", message if "message" not in found else None),))
    threat = said.get("threatname") or said.get("virus") or said.get("malware") or ""
    if threat not in text.NOTHING:
        found["sophos.threat"] = threat
        text.put(found, (("message", threat if "message" not in found else None),))


def _meaning(found: Fields, said: Mapping[str, str]) -> None:
    kind, part = said.get("log_type", "").lower(), said.get("log_component", "").lower()
    subtype, status = said.get("log_subtype", "").lower(), said.get("status", "").lower()
    action = subtype if kind != "event" or not status else status
    text.put(found, (("event.action", action.replace(" ", "-")),))
    if kind == "event":
        _event(found, said, part, subtype)
        return
    row = TABLES["types"].get(f"{kind}/{part}") or TABLES["types"].get(kind)
    if row is None:
        return
    if kind.startswith(("anti-virus", "anti virus")):
        mail = any(word in part for word in ("smtp", "pop", "imap", "mail"))
        row = "alert|malware email|info" if mail else row
        if subtype in {"clean", "allowed"}:
            row = "event|email|info" if mail else "event|network|connection"
    elif kind == "anti-spam" and any(word in subtype for word in ("spam", "phish")) and "clean" not in subtype:
        row = "alert|email threat|info indicator" if "phish" in subtype else row
    elif kind in {"sandbox", "zero-day protection", "zero day protection"} and subtype in {"denied", "malicious"}:
        row = "alert|malware|info"
    elif kind == "waf" and said.get("reason", "") not in text.NOTHING:
        row = "alert|web network intrusion_detection|access denied|success"
    result = VERDICTS.get(subtype) or VERDICTS.get(status) or ""
    if "network" not in row or " denied" in row:
        result = ""
    event = (said.get("con_event") or said.get("connevent") or "").lower()
    phase = "start" if event == "start" and result != "denied" else "end" if event in ENDED else ""
    verdict.says(found, f"{row} {phase if 'connection' in row else ''} {result}" if row.count("|") == 2 else row)
    if result:
        found["event.outcome"] = "success"  # whatever it was: the firewall did what its policy says
    if kind == "waf" and (code := found.get("http.response.status_code")) and "event.outcome" not in found:
        found["event.outcome"] = "failure" if int(code) >= 400 else "success"


def _event(found: Fields, said: Mapping[str, str], part: str, subtype: str) -> None:
    status, told = said.get("status", "").lower(), said.get("message", "").lower()
    failed = status in FAILED or any(word in told for word in ("failed", "wrong credentials", "fehlgeschlagen"))
    outcome = "failure" if failed else "success" if status in WORKED | OVER or "success" in told else ""
    row = TABLES["types"].get(f"event/{part}", TABLES["types"]["event"])
    login = "authentication" in subtype or "authentication" in part or any(word in told for word in AUTHENTICATION)
    if login or any(word in told for word in LEFT):
        row = f"event|authentication|{'end' if any(word in told for word in LEFT) else 'start'}"
    elif subtype == "admin":
        row = "event|configuration|change"
    elif "connection" in row or "session" in row:
        row += " start" if status in {"established", "connected"} else " end" if status in OVER else ""
    verdict.says(found, f"{row}|{outcome}")


def _utm(found: Fields, said: Mapping[str, str], whole: str, raw: Raw) -> None:
    _head(found, whole, raw)
    user = said.get("user") or said.get("username") or ""
    if user not in text.NOTHING:
        names.account(found, "user", user)
    name, sub, action = (said.get(one, "").lower() for one in ("name", "sub", "action"))
    row = TABLES["utm_ids"].get(said.get("id", "")) or TABLES["utm_subs"].get(sub, "")
    told = f"{name} {action}"
    if sub == "ips":
        told_by = (
            ("rule.id", said.get("sid")),
            ("rule.name", said.get("reason")),
            ("rule.category", said.get("class")),
        )
        text.put(found, told_by)
        row = row if row.count("|") == 3 else f"{row} {'denied' if action == 'drop' else 'allowed'}|success"
    elif sub == "http":
        row += " denied|success" if any(word in told for word in BLOCKED) else " allowed|success"
        row = (
            row.replace("event|web", "alert|malware web", 1).replace("access", "access info")
            if "virus" in name
            else row
        )
    elif sub in {"auth", "webadmin"} and row.count("|") == 2:
        row += "|failure" if "fail" in told else "|success" if "success" in told else ""
    elif sub in {"smtp", "pop3"} and "virus" in f"{told} {said.get('reason', '')}":
        row = "alert|malware email|info"
    size = text.number(said.get("size") or said.get("mailsize"))
    if size is not None and size >= 0:
        found["http.response.bytes" if sub == "http" else "sophos.size"] = size if sub == "http" else str(size)
    text.put(found, (("event.action", said.get("action") or name.replace(" ", "-")),))
    verdict.says(found, row)


def _web(found: Fields, said: Mapping[str, str]) -> None:
    url = said.get("url") or said.get("ftp_url") or ""
    if url not in text.NOTHING:
        server = said.get("server") or (said.get("host", "") if "sys" in said else "")
        if url.startswith("/") and server not in text.NOTHING and text.address(server) is None:
            found.setdefault("url.domain", server.rpartition(":")[0] if server.count(":") == 1 else server)
        names.url(found, url)
    query = (said.get("querystring") or said.get("query_string") or said.get("query", "")).removeprefix("?")
    text.put(found, (("url.query", query if query not in text.NOTHING else None),))
    version = said.get("tls_version", "")
    if version[:4].upper() == "TLSV" or version[:3] == "TLS":
        text.put(found, (("tls.version", version.upper().lstrip("TLSV ").strip()), ("tls.version_protocol", "tls")))
    if (method := found.get("http.request.method")) is not None:
        found["http.request.method"] = str(method).upper()
