"""SonicWall's SonicOS: `id=firewall sn=… m=…`, in every firmware's dress, and its ArcSight (CEF) form.

The event's id is `m`; ids and names: SonicOS Log Events Reference Guide. `src` and `dst` are `ip:port:interface:name`.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from sentinel.pack import Fields, ParseError, Raw, cef, kv, mapping, names, syslog, text, verdict, when

TABLES = tomllib.loads((Path(str(__spec__.origin)).parent / "fields.toml").read_text("utf-8"))
SETTERS = mapping.setters(TABLES["fields"])
CEF = mapping.setters(TABLES["fields"] | TABLES["cef"])
LEVELS = ("emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug")
METHODS = {
    "0": None, "1": "GET", "2": "POST", "3": "HEAD", "GET": "GET", "POST": "POST", "HEAD": "HEAD", "PUT": "PUT",
    "CONNECT": "CONNECT", "HTTP GET": "GET", "HTTP POST": "POST", "HTTP HEAD": "HEAD", "HTTP CONNECT": "CONNECT",
}  # fmt: skip
END = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]|(?P<v4>[0-9.]{7,15}|:))(?::(?P<port>\d{0,5}))?(?::(?P<rest>.*))?", re.DOTALL
)
RULE = re.compile(r"(?P<id>\d{1,6})(?: ?\((?P<name>[^()]{1,128})\))?")
SINGLE = re.compile(r"'((?:[^'\\]|\\.)*)'")
SIGNATURE = re.compile(r"(?P<alert>[A-Za-z \-]{4,64}(?:Alert|Alerts)): (?P<name>.{1,512})", re.DOTALL)
WORDS = tuple(
    (re.compile(words, re.IGNORECASE), row)
    for words, row in (
        (
            r"\b(?:login|log in|authentication)\b.{0,80}\b(?:denied|failed|failure|incorrect|bad)\b",
            "event|authentication|start|failure",
        ),
        (
            r"\b(?:login|log in|authentication)\b.{0,80}\b(?:success|successful|allowed|succeeded)\b",
            "event|authentication|start|success",
        ),
        (r"\bsuccessful\b.{0,40}\blogin\b", "event|authentication|start|success"),
        (r"\blogged out\b", "event|authentication|end|success"),
        (r"\b(?:port scan|spoof|flood|attack)\b", "alert|intrusion_detection network|info"),
        (r"\b(?:virus|malware|spyware)\b", "alert|malware network|info"),
        (r"\bconfigur|\bpreferences? (?:saved|changed)", "event|configuration|change"),
        (r"\bIKE negotiation complete\b|\bAdding IPSec SA\b", "event|network session|connection start|success"),
        (
            r"\b(?:IKE|IPsec|VPN|ISAKMP)\b.{0,120}(?:fail|not match|mismatch|timeout|invalid|illegal|reject|not found)",
            "event|network|connection protocol|failure",
        ),
        (r"\b(?:IKE|ISAKMP)\b", "event|network|connection protocol"),
        (r"\b(?:drop(?:ped)?|denied|blocked|rejected)\b", "event|network|connection denied|success"),
        (r"\b(?:IKE|IPsec|VPN|tunnel|NetExtender|L2TP)\b", "event|network|info"),
        (
            r"\blink is (?:up|down)\b|\b(?:wan|interface|dhcp|dns|arp|route|ospf|rip|bgp|pppoe|wlan|sonicpoint)\b",
            "event|network|info",
        ),
        (
            r"\b(?:firmware|signature|license|registration|backup|ntp|restart|reboot|HA|failover|cpu|memory)\b",
            "event|host|info",
        ),
    )
)


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    whole = text.decode(raw.body).rstrip("\r\n\0")
    found: Fields = {"event.kind": "event", "observer.vendor": "SonicWall", "observer.product": "SonicOS"}
    found |= {"observer.type": "firewall"} | syslog.observed(line)
    if "CEF:" in whole[:512]:
        record = cef.read(whole)
        said = dict(record.extension) | {
            "m": record.signature,
            "msg": record.name,
            "rule": record.extension.get("cs1", "").strip('"'),
        }
        text.put(found, (("observer.version", record.device_version),))
        mapping.fill(found, {name: value.strip('"') for name, value in said.items() if not name.endswith("Label")}, CEF,
                     "sonicwall.")  # fmt: skip
    else:
        begin = max(0, whole.find("id="))
        said = {name: _bare(value) for name, value in kv.loose(whole[begin:]).items()}
        if not said.keys() & {"m", "sn", "fw"}:
            raise ParseError("no SonicWall: neither m nor sn nor fw")
        mapping.fill(found, said, SETTERS, "sonicwall.")
        _ends(found, said)
    _about(found, said, raw)
    _what(found, said)
    _meaning(found, said)
    yield found


def _bare(value: str) -> str:
    single = SINGLE.fullmatch(value)
    return single[1] if single is not None else value


def _about(found: Fields, said: Mapping[str, str], raw: Raw) -> None:
    written = said.get("time") or said.get("rt") or ""
    try:
        if written:
            found["@timestamp"] = when.iso(when.written(written, raw.received, raw.zone))
    except ParseError:
        pass  # the header's time, or when it was received, must do
    box = said.get("fw") or said.get("dvc") or ""
    if (address := text.address(box)) is not None:
        found["observer.ip"] = (address,)
        found.setdefault("observer.name", address)
    if (level := text.number(said.get("pri"))) is not None and 0 <= level < len(LEVELS):
        found["log.level"] = LEVELS[level]
    user = said.get("usr") or said.get("user") or said.get("susr") or said.get("suser") or ""
    if user not in text.NOTHING and user != "Unknown (external IP)":
        names.account(found, "user", user)
    milliseconds = said.get("cdur", "")
    if milliseconds.isdecimal() and len(milliseconds) < 14:
        found["event.duration"] = int(milliseconds) * 1_000_000


def _ends(found: Fields, said: Mapping[str, str]) -> None:
    for name, side, place in (("src", "source", "ingress"), ("dst", "destination", "egress")):
        end = END.fullmatch(said.get(name, "").replace(", ", ":"))
        if end is None:
            continue
        address = text.address(end["v6"] or end["v4"])
        if address not in {None, "0.0.0.0"}:  # noqa: S104  there is none
            found.setdefault(f"{side}.ip", address or "")
        interface, _, host = (end["rest"] or "").partition(":")
        text.put(found, (
            (f"{side}.port", text.port(end["port"]) or None), (f"observer.{place}.interface.name", interface),
            (f"{side}.domain", text.given(host)),
        ))  # fmt: skip
    for name, below in (("natSrc", "source.nat"), ("natDst", "destination.nat")):
        if (end := END.fullmatch(said.get(name, ""))) is not None:
            text.put(
                found,
                (
                    (f"{below}.ip", text.address(end["v6"] or end["v4"])),
                    (f"{below}.port", text.port(end["port"]) or None),
                ),
            )


def _what(found: Fields, said: Mapping[str, str]) -> None:
    transport, _, service = said.get("proto", "").partition("/")
    if transport:
        mapping.protocol(found, transport)
    if "icmp" in str(found.get("network.transport")):  # what stands for ports are the type and the code
        found.pop("source.port", None)
        found.pop("destination.port", None)
    elif service and not service.isdecimal():
        found["network.protocol"] = service.lower()
    if (rule := RULE.fullmatch(said.get("rule", ""))) is not None:
        text.put(found, (("rule.id", rule["id"]), ("rule.name", rule["name"] if "rule.name" not in found else None)))
    elif said.get("rule", "") not in text.NOTHING:
        found.setdefault("rule.name", said["rule"])
    method = METHODS.get(said.get("op", "").upper())
    text.put(found, (("http.request.method", method),))
    host, path = said.get("dstname") or said.get("dst_name") or "", said.get("arg") or said.get("request") or ""
    if path.startswith("/") or "://" in path[:12]:
        names.url(found, path)
    if host not in text.NOTHING:
        if path.startswith("/") or said.get("m") in {"14", "16", "97"}:
            found.setdefault("url.domain", host.rpartition(":")[0] if host.count(":") == 1 else host)
        else:
            found.setdefault("destination.domain", host)
    if (alert := SIGNATURE.fullmatch(str(found.get("message", "")))) is not None:
        text.put(found, (("rule.category", alert["alert"]), ("rule.name", alert["name"].partition(", SID:")[0])))


def _meaning(found: Fields, said: Mapping[str, str]) -> None:
    told = str(found.get("message", ""))[:512]
    row = TABLES["events"].get(said.get("m", ""), "")
    if not row:
        row = next((row for form, row in WORDS if form.search(told)), "")
    row = row or TABLES["categories"].get(said.get("c", ""), "")
    if said.get("m") == "427" and (status := said.get("note", "").lower().partition("status:")[2].strip()[:4]):
        row += {"up": " start|success", "down": " end|success"}.get(status, "")
    if not row and found.keys() >= {"source.ip", "destination.ip"}:
        row = "event|network|connection"
    if row.count("|") == 2 and "network" in row:
        action = said.get("fw_action", "").lower()
        result = "allowed" if action == "forward" else verdict.of(action) or ""
        row += f" {result}|success" if result else ""
    if found.get("event.action") == "NA":
        del found["event.action"]
    if "event.action" not in found:
        text.put(
            found, (("event.action", told.partition(":")[0].lower().replace(" ", "-") if said.get("m") else None),)
        )
    verdict.says(found, row.removesuffix("|"))
