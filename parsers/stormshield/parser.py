"""Stormshield Network Security: the pairs of every log file; `logtype` (syslog) says which one.

Fields and log files: SNS "Description of audit logs". `time` is the end, `startime` the beginning, in the zone `tz`.
"""

import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from sentinel.pack import Fields, ParseError, Raw, kv, mapping, names, syslog, text, verdict, when

TABLES = tomllib.loads((Path(str(__spec__.origin)).parent / "fields.toml").read_text("utf-8"))
SETTERS = mapping.setters(TABLES["fields"])
LEVELS = ("emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug")
TRANSPORTS = frozenset(mapping.TRANSPORTS.values()) | {"icmp6", "icmpv6"}
METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE", "CONNECT", "OPTIONS", "PATCH", "PROPFIND", "TRACE"})
FAILED = ("fail", "denied", "refused", "error", "invalid", "bad ", "rejected", "échou")


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    whole = text.decode(raw.body).rstrip("\r\n\0")
    said = kv.loose(whole[max(0, whole.find("id=firewall")) :])
    if not said.keys() & {"logtype", "fw", "startime"}:
        raise ParseError("no Stormshield: neither logtype nor fw nor startime")
    found: Fields = {"event.kind": "event", "observer.vendor": "Stormshield", "observer.product": "SNS"}
    found |= {"observer.type": "firewall"}
    mapping.fill(found, said, SETTERS, "stormshield.")
    for name, value in syslog.observed(line).items():
        found.setdefault(name, value)
    _time(found, said, raw)
    _who(found, said)
    _what(found, said)
    _meaning(found, said)
    yield found


def _time(found: Fields, said: Mapping[str, str], raw: Raw) -> None:
    for name, target in (("time", "@timestamp"), ("startime", "event.start")):
        try:
            naive = datetime.fromisoformat(said[name])
            away = said.get("tz", "")
            moment = when.offset(naive, away) if away and naive.tzinfo is None else when.rfc3339(said[name], raw.zone)
            found[target] = when.iso(moment)
        except (KeyError, ValueError, ParseError):
            continue  # the header's time, or when it was received, must do
    seconds = said.get("duration", "")
    try:
        if seconds and 0 <= float(seconds) < 1e9:
            found["event.duration"] = round(float(seconds) * 1e9)
    except ValueError:
        pass
    if (level := text.number(said.get("pri"))) is not None and 0 <= level < len(LEVELS):
        found["log.level"] = LEVELS[level]


def _who(found: Fields, said: Mapping[str, str]) -> None:
    user = said.get("user", "")
    if user not in text.NOTHING:
        if said.get("logtype") in {"smtp", "pop3"} and "@" in user:
            found["email.from.address"] = (user.strip("<>"),)
        else:
            names.account(found, "user", user)
    if said.get("logtype") == "smtp":
        recipient = said.get("dstname", "") if "@" in said.get("dstname", "") else said.get("recipient", "")
        if "@" in recipient:
            found["email.to.address"] = (recipient.strip("<>"),)
            found.pop("destination.domain", None)
    for name, side, place in (("srcif", "source", "ingress"), ("dstif", "destination", "egress")):
        text.put(found, ((f"observer.{place}.interface.name", text.given(said.get(name))),))
        if found.get(f"{side}.domain") == found.get(f"{side}.ip"):
            found.pop(f"{side}.domain", None)
    # who was meant: `dst` is where it went after translation
    meant, port = text.address(said.get("origdst")), text.port(said.get("origdstport")) or None
    if meant is not None and "destination.ip" in found:
        moved = meant != found["destination.ip"] or (port is not None and port != found.get("destination.port"))
        if moved:
            text.put(found, (
                ("destination.nat.ip", found["destination.ip"]),
                ("destination.nat.port", found.get("destination.port")),
                ("destination.ip", meant), ("destination.port", port),
            ))  # fmt: skip
    if all(found.get(f"source.nat.{part}") == found.get(f"source.{part}") for part in ("ip", "port")):
        found.pop("source.nat.ip", None)
        found.pop("source.nat.port", None)


def _what(found: Fields, said: Mapping[str, str]) -> None:
    spoken = said.get("proto", "").lower()
    if spoken in TRANSPORTS:
        mapping.protocol(found, spoken)
    elif spoken:
        found["network.protocol"] = spoken
    if said.get("ipv") in {"4", "6"}:
        found["network.type"] = f"ipv{said['ipv']}"
    if "icmp" in str(found.get("network.transport")):
        found.pop("source.port", None)
        found.pop("destination.port", None)
    operation, arg = said.get("op", ""), said.get("arg", "")
    web = said.get("logtype") == "web" or (spoken in {"http", "https", "ssl"} and operation.upper() in METHODS)
    if web:
        text.put(found, (("http.request.method", operation.upper() if operation.upper() in METHODS else None),))
        host = str(found.pop("destination.domain", ""))
        text.put(found, (("url.domain", host if not text.address(host) else None),))
        if arg not in text.NOTHING:
            names.url(found, arg)
        code = text.number(said.get("result"))
        text.put(found, (("http.response.status_code", code if code is not None and 100 <= code <= 599 else None),))
    else:
        text.put(
            found, (("stormshield.op", operation), ("stormshield.arg", arg), ("stormshield.result", said.get("result")))
        )
    digest = said.get("hash", "").lower()
    if (kind := {32: "md5", 40: "sha1", 64: "sha256"}.get(len(digest))) and digest.isalnum():
        found[f"file.hash.{kind}"] = digest
    if "alarmid" in said and said.get("logtype", "alarm") == "alarm":
        if "rule.id" in found:
            found["stormshield.ruleid"] = found["rule.id"]
        text.put(found, (("rule.id", said["alarmid"]), ("rule.name", said.get("msg")), ("event.code", said["alarmid"])))


def _meaning(found: Fields, said: Mapping[str, str]) -> None:
    kind = said.get("logtype", "") or ("alarm" if "alarmid" in said else "")
    row = TABLES["logtypes"].get(kind, "")
    action, told = said.get("action", "").lower(), f"{said.get('msg', '')} {said.get('error', '')}".lower()
    failed = any(word in told for word in FAILED)
    result = verdict.of(action) or ""
    outcome = "failure" if failed or said.get("error", "0") not in {"", "0"} else "success"
    if kind == "auth":
        leaving = any(word in told for word in ("logged out", "logout", "disconnect", "session ended"))
        row = f"event|authentication|{'end' if leaving else 'start'}|{outcome}"
    elif kind == "server":
        if told.startswith(("login", "auth")) or "logged" in told or "authentication" in told:
            row = f"event|authentication|start|{outcome}"
        else:
            row = f"event|configuration|{'change' if told.startswith('config') else 'access'}|{outcome}"
    elif kind == "xvpn":
        over = any(word in told for word in ("disconnect", "closed", "removed", "terminated"))
        begun = any(word in told for word in ("connect", "open", "created"))
        row += f" {'end' if over else 'start' if begun else ''}|{outcome}"
    elif kind == "vpn":
        if failed or outcome == "failure" or said.get("result", "").lower() in {"error", "failed"}:
            row += "|failure"
        elif "established" in told:
            row += " start|success"
        elif any(word in told for word in ("deleted", "expired", "closed")):
            row += " end|success"
    elif "network" in row and result:
        row += f" {result}|success"
    elif kind == "alarm" and said.get("virus"):
        row = "alert|malware network|info"
    elif kind in {"connection", "plugin", "ftp"}:
        row += " allowed|success"  # what was blocked is in the filter log
    verdict.says(found, row)
