"""FortiGate's key=value logs of every version and every syslog header, its CSV, `key:value` and CEF variants.

Who started something is the source: a session's initiator, a VPN client, an administrator at his workstation.
"""

import re
import tomllib
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from sentinel.pack import Fields, ParseError, Raw, kv, mapping, names, syslog, text, when

TABLES = tomllib.loads((Path(str(__spec__.origin)).parent / "fields.toml").read_text("utf-8"))
COPIED, FIELDS = mapping.split(TABLES["fields"])  # "nothing": read by the functions below
DENIED, FAILED = frozenset(TABLES["denied"]["actions"]), frozenset(TABLES["failed"]["values"])
IAM, ALARMING = frozenset(TABLES["iam"]["objects"]), frozenset({"error", "critical", "alert", "emergency"})
ABOUT: Fields = dict(TABLES["about"])
NOTHING = frozenset({"", "N/A", "n/a", "undefined", "Reserved", "(null)", "none"})
PAIRS_MAX = 512
SUMS = tuple((f"network.{unit}", f"source.{unit}", f"destination.{unit}") for unit in ("bytes", "packets"))
DIRECTIONS = {"incoming": "inbound", "inbound": "inbound", "outgoing": "outbound", "outbound": "outbound"}
# Enough where every quote of a line opens or closes a value and none is escaped; three times as fast as _PAIR.
_PLAIN = re.compile(r'(?:^|[\s,])([A-Za-z_][\w\-]{0,63})=(?:"([^"]*)"|([^\s,"]*))', re.ASCII)
# A quote inside a value does not end it unless a new key or the end follows; an unclosed value runs to the end.
_PAIR = re.compile(
    r'(?<![^\s,])([A-Za-z_][A-Za-z0-9_\-]{0,63})=(?:"([^"\\]*(?:(?:\\.|"(?!\s*$|[\s,]+[A-Za-z_][\w\-]*=))[^"\\]*)*)(?:"|\\?$)'
    r"|([^\s,]*(?:,(?![A-Za-z_][\w\-]*=|\s|$)[^\s,]*)*))",
    re.DOTALL,
)
_COLON = re.compile(r'(?<![^\s,])([A-Za-z_][A-Za-z0-9_\-]{0,63}):(?:"([^"]*)"|([^\s,"]*))')
_ESCAPE = re.compile(r'\\(["\\])')
_CEF = re.compile(r"(?:^| )([A-Za-z0-9_.\-]{1,64})=((?:(?! [A-Za-z0-9_.\-]{1,64}=).)*)", re.DOTALL)
_CEF_ESCAPE = re.compile(r"\\([\\=|])")
_UI = re.compile(r"[\w \-]+\(([0-9A-Fa-f.:]+)\)")
_TZ = re.compile(r"[+-]\d\d:?\d\d")


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    known = LAYOUTS.read(line.message) if not line.data and _is_plain(line.message) else None
    if known is not None:
        plan, values = known
        pairs = dict(zip(plan.names, values, strict=True))
    else:
        pairs = _pairs(line)
        plan, values = _plan(tuple(pairs)), tuple(pairs.values())
    if not (pairs.get("type") or pairs.get("logid") or pairs.get("devid")):
        raise ParseError("no FortiGate line: neither type nor logid nor devid")
    found = plan.fill(values)
    _time(found, pairs, line, raw.zone)
    if pairs.get("action"):
        found["fortinet.firewall.action"] = pairs["action"]
    _who(found, pairs, line)
    _what(found, pairs)
    _meaning(found, pairs)
    yield found


class _Plan:
    """What becomes of the values of a line with these keys."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        targets = [TABLES["fields"].get(name) or "fortinet.firewall." + name for name in names]
        spoken = [target.rpartition(" ")[2] for target in targets if target != "nothing"]
        self._ordered = len(set(spoken)) < len(spoken)  # the first of a field counts
        self._typed = [(at, FIELDS[name]) for at, name in enumerate(names) if name in FIELDS]
        self._copied = [(at, targets[at]) for at, name in enumerate(names) if name not in FIELDS]

    def fill(self, values: tuple[str, ...]) -> Fields:
        """Return what the values say, each by itself."""
        if self._ordered:
            return self._in_order(values)
        if NOTHING.isdisjoint(values):
            found: Fields = {target: values[at] for at, target in self._copied}
            for at, setter in self._typed:
                setter(found, values[at])
        else:
            found = {target: values[at] for at, target in self._copied if values[at] not in NOTHING}
            for at, setter in self._typed:
                if values[at] not in NOTHING:
                    setter(found, values[at])
        return found | ABOUT

    def _in_order(self, values: tuple[str, ...]) -> Fields:
        found: Fields = {}
        copied, typed = dict(self._copied), dict(self._typed)
        for at, value in enumerate(values):
            if value in NOTHING:
                continue
            if at in typed:
                typed[at](found, value)
            else:
                found.setdefault(copied[at], value)
        return found | ABOUT


_plan = lru_cache(1024)(_Plan)
LAYOUTS = kv.Layouts(_PLAIN, _plan)


def _is_plain(message: str) -> bool:
    return "\\" not in message and message.count('"') == 2 * message.count('="')


def _pairs(line: syslog.Syslog) -> dict[str, str]:
    message = line.message
    if message.startswith("CEF:"):
        return _cef(message)
    rows = ((_PLAIN if _is_plain(message) else _PAIR).findall(message) or _COLON.findall(message))[:PAIRS_MAX]
    found: dict[str, str] = {name: quoted or bare for name, quoted, bare in rows}
    if len(found) < len(rows):  # the first counts: nothing later in the line may overwrite it
        found = {name: quoted or bare for name, quoted, bare in reversed(rows)}
    if "\\" in message:
        found = {name: _ESCAPE.sub(r"\1", value) for name, value in found.items()}
    for element in line.data.values():
        if "logid" in element or "devid" in element:
            found = element | found
    return found


def _cef(message: str) -> dict[str, str]:
    head = re.split(r"(?<!\\)\|", message, maxsplit=7)
    if len(head) < 8:
        raise ParseError("a CEF header with too few parts")
    found = {"logid": head[4], "level": ""}
    for name, written in _CEF.findall(head[7]):
        value = _CEF_ESCAPE.sub(r"\1", written).strip()
        plain = name.removeprefix("FTNTFGT")
        key = plain if plain != name else TABLES["cef"].get(name, name)
        if key == "cat":
            found["type"], _, found["subtype"] = value.partition(" ")[0].partition(":")
        elif key not in found or not found[key]:
            found[key.replace(".", "_")] = value
    return found


def _time(found: Fields, pairs: dict[str, str], line: syslog.Syslog, zone: str) -> None:
    moment = line.timestamp
    try:
        if (stamp := pairs.get("eventtime", "")).isdecimal():
            moment = when.epoch(stamp)
        elif "date" in pairs and "time" in pairs:
            offset = _TZ.fullmatch(pairs.get("tz", ""))
            naive = f"{pairs['date']}T{pairs['time']}"
            moment = when.offset(datetime.fromisoformat(naive), offset[0]) if offset else when.rfc3339(naive, zone)
    except (ParseError, ValueError):
        pass  # the header's time, or when it was received, must do
    if moment is not None:
        found["@timestamp"] = when.iso(moment)
    duration = pairs.get("duration", "")
    if duration.isdecimal() and len(duration) < 10:
        found["event.duration"] = int(duration) * 1_000_000_000


def _who(found: Fields, pairs: dict[str, str], line: syslog.Syslog) -> None:
    remote, local = text.address(pairs.get("remip")), text.address(pairs.get("locip"))
    if remote or local:
        ours = pairs.get("init") == "local" or pairs.get("dir") == "outbound"
        here, there = ("source", "destination") if ours else ("destination", "source")
        for side, address, port in ((there, remote, "remport"), (here, local, "locport")):
            if address and f"{side}.ip" not in found:
                text.put(found, ((f"{side}.ip", address), (f"{side}.port", text.port(pairs.get(port)) or None)))
    if "ui" in pairs and "source.ip" not in found and (ui := _UI.fullmatch(pairs["ui"])):
        text.put(found, (("source.ip", text.address(ui[1])),))
    if "dhcp_msg" in pairs:
        client = found.pop("url.domain", None)
        text.put(found, (("source.ip", text.address(pairs.get("ip"))), ("source.domain", client)))
    if line.host is not None:
        found.setdefault("observer.name", line.host)
        found["log.syslog.hostname"] = line.host
    if line.priority is not None:
        found["log.syslog.priority"] = line.priority


def _what(found: Fields, pairs: dict[str, str]) -> None:
    service = pairs.get("service", "")
    if service and "/" not in service and service not in NOTHING:
        found["network.protocol"] = service.lower()
    if (application := found.get("network.application")) is not None:
        found["network.application"] = str(application).lower()
    for total, one, other in SUMS:
        if one in found and other in found:
            found[total] = int(found[one]) + int(found[other])
    if "direction" in pairs:
        text.put(found, (("network.direction", DIRECTIONS.get(pairs["direction"])),))
    if (url := pairs.get("url", "")) not in NOTHING:
        names.url(found, url)
    digest = pairs.get("filehash") or pairs.get("analyticscksum") or ""
    if (kind := {32: "md5", 40: "sha1", 64: "sha256"}.get(len(digest))) and digest.isalnum():
        found[f"file.hash.{kind}"] = digest.lower()
    if "attackid" in pairs and "policyid" not in pairs:
        text.put(found, (("rule.id", pairs["attackid"]), ("rule.name", pairs.get("attack"))))
    if "message" not in found:
        text.put(found, (("message", pairs.get("logdesc")),))


def _meaning(found: Fields, pairs: dict[str, str]) -> None:
    kind, subtype = pairs.get("type", ""), pairs.get("subtype", "")
    action = (pairs.get("action") or (pairs.get("status", "") if kind == "traffic" else "")).lower()
    denied = action in DENIED or pairs.get("utmaction", "").lower() in DENIED
    verdict = ["denied" if denied else "allowed"] if action not in {"", "ip-conn"} else []
    if kind == "event":
        _event(found, pairs, subtype, action)
        return
    if kind == "traffic":
        text.put(found, (("event.action", action),))
        over = not denied and ("duration" in pairs or action in {"close", "timeout", "client-rst", "server-rst"})
        phase = ["start"] if action == "start" else ["end"] if over and action else []
        _put(found, "network", ["connection", *phase, *verdict])
    elif row := TABLES["utm"].get(subtype) or TABLES["utm"].get(kind):
        found["event.kind"], category, types = row.split("|")
        _put(found, category, [*types.split(" "), *([] if category == "email" else verdict)])
    if verdict:
        found["event.outcome"] = "success"  # whatever it was: the firewall did what its policy says


def _event(found: Fields, pairs: dict[str, str], subtype: str, action: str) -> None:
    status = pairs.get("status", pairs.get("result", "")).lower()
    outcome = "failure" if status in FAILED else "success" if status else ""
    row = TABLES["actions"].get(action)
    if row is not None and (subtype == "system" or "cfgpath" in pairs or not row.startswith("configuration")):
        category, types, told = row.split("|")
        outcome = told if told and outcome != "failure" else outcome
    elif "cfgpath" in pairs or "cfgobj" in pairs:
        category, types = "configuration", "change"
    elif subtype in TABLES["event"]:
        category, types = TABLES["event"][subtype].split("|")
    else:
        return
    if "cfgpath" in pairs and pairs["cfgpath"] in IAM:
        category, types = "iam configuration", f"{types} {'group' if 'group' in pairs['cfgpath'] else 'user'}"
    if not outcome and "authentication" in category and pairs.get("level") in ALARMING:
        outcome = "failure"
    _put(found, category, types.split(" "))
    text.put(found, (("event.outcome", outcome),))


def _put(found: Fields, category: str, types: list[str]) -> None:
    found["event.category"] = tuple(category.split(" "))
    found["event.type"] = tuple(dict.fromkeys(types))
