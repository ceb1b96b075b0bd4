"""Ubiquiti UniFi: the Network application's CEF, gateways' firewalls, what access points and switches say.

In CEF the time of the event is `UNIFIutcTime`; names of UniFi's own are kept as `unifi.<name>`. Devices put model, MAC
and firmware before the program: `U7PG2,00005e005301,v6.5.54+14828: hostapd[123]: …`.
"""

import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sentinel.pack import (
    Fields,
    ParseError,
    Raw,
    cef,
    forms,
    mapping,
    netfilter,
    structured,
    syslog,
    text,
    verdict,
    when,
)

TABLES = tomllib.loads((Path(str(__spec__.origin)).parent / "fields.toml").read_text("utf-8"))
SETTERS = mapping.setters(TABLES["cef"])
FORMS = forms.table(TABLES["forms"], TABLES["holes"])
MEANINGS = {name: row.split("|") for name, row in TABLES["meanings"].items()}
MESSAGE_MAX = 4_096
_MAC, _MODEL, _VERSION = r"[0-9A-Fa-f]{12}", r"[A-Za-z][\w-]{1,24}", r"\d[\w.+-]{0,48}"
DEVICE = re.compile(
    rf"\(?\"?(?:(?P<model>{_MODEL}),(?P<mac>{_MAC}),v?(?P<version>{_VERSION})|(?P<mac2>{_MAC}),(?P<model2>{_MODEL}?)-(?P<version2>{_VERSION}))"
    r"\"?\)?:? (?:(?P<app>[\w./-]{1,64})(?:\[(?P<pid>\d{1,10})\])?: ?)?"
)
ABOUT: Fields = {"event.kind": "event", "observer.vendor": "Ubiquiti", "observer.product": "UniFi"}
WAYS = {"incoming": "inbound", "outgoing": "outbound", "inbound": "inbound", "outbound": "outbound"}


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one record."""
    line = syslog.read(raw)
    whole = text.decode(raw.body).rstrip("\r\n\0")
    if "CEF:" in whole[:512]:
        yield ABOUT | syslog.observed(line) | _cef(whole, raw)
        return
    if line.host is None and line.app is None and line.priority is None:
        raise ParseError("neither CEF nor a line of a UniFi device")
    yield _device(whole, line)


def _cef(whole: str, raw: Raw) -> Fields:
    record = cef.read(whole)
    said = record.extension
    found = cef.fields(record, raw.received, raw.zone, "unifi.")
    for name, value in said.items():
        if name.startswith("UNIFI"):
            found.pop("unifi." + name, None)
            if value in text.NOTHING:
                continue
            if (setter := SETTERS.get(name[5:])) is not None:
                setter(found, value)
            else:
                found["unifi." + name[5:]] = value
    with suppress(ParseError):
        found["@timestamp"] = when.iso(when.written(said.get("UNIFIutcTime", ""), raw.received, "UTC"))
    for name in ("deviceName", "host"):
        text.put(found, (("observer.name", said.get("UNIFI" + name)),) if "observer.name" not in found else ())
    text.put(
        found,
        (
            ("unifi.event", record.name),
            ("network.direction", WAYS.get(said.get("UNIFIdirection", "").lower())),
            ("observer.version", said.get("UNIFIdeviceVersion")),
        ),
    )
    if "rule.name" not in found:
        text.put(found, (("rule.name", said.get("UNIFIpolicyName")),))
    elif (policy := said.get("UNIFIpolicyName")) and "UNIFIipsSignature" in said:
        found["rule.ruleset"] = policy
    _meaning(found, record)
    return found


def _meaning(found: Fields, record: cef.Cef) -> None:
    words = f"{found.get('unifi.subCategory', '')} {record.name}".lower()
    row = next((row for word, row in TABLES["events"].items() if word in words), "event|network|info|")
    kind, categories, types, outcome = row.split("|")
    result = verdict.of(str(found.get("event.action", ""))) or ("denied" if "blocked" in words else None)
    kinds = types.split()
    if result and "network" in categories and "session" not in categories:
        kinds.append(result)
        outcome = outcome or "success"
    found["event.kind"], found["event.category"] = kind, tuple(categories.split())
    found["event.type"] = tuple(kinds)
    text.put(found, (("event.outcome", outcome),))


def _device(whole: str, line: syslog.Syslog) -> Fields:
    """Read a line of a gateway, an access point or a switch."""
    found: Fields = ABOUT | syslog.fields(line)
    if line.host is not None:
        found["observer.name"] = line.host
    message = line.message
    device = DEVICE.search(whole[:256])
    if device:
        message = whole[device.end() :]
        model = device["model"] or device["model2"]
        text.put(
            found,
            (
                ("observer.mac", (mac,) if (mac := text.mac(device["mac"] or device["mac2"])) else None),
                ("observer.version", device["version"] or device["version2"]),
                ("unifi.model", model),
                ("process.name", device["app"]),
                ("process.pid", text.number(device["pid"])),
                ("message", message),
            ),
        )
        if line.app is not None and model in line.app:
            found.pop("log.syslog.appname", None)
            if not device["app"]:
                found.pop("process.name", None)
        if line.host is not None and "," in line.host:
            for name in ("host.name", "log.syslog.hostname", "observer.name"):
                found.pop(name, None)
    if (packet := netfilter.read(message[:MESSAGE_MAX])) is not None:
        return found | {"observer.type": "firewall"} | packet
    _event(found, re.sub(r" {2,}", " ", message[:MESSAGE_MAX].strip()))
    return found


def _event(found: Fields, message: str) -> None:
    if "STA-TRACKER" in message[:64] and (at := message.find("{")) >= 0:
        _tracked(found, message[at:])
        return
    fitting = ((name, forms.read(known, message)) for name, known in FORMS.items())
    name, said = next(((name, said) for name, said in fitting if said is not None), ("", {}))
    if not name:
        return
    action, categories, types, outcome = MEANINGS[name]
    text.put(
        found,
        (
            ("event.action", action),
            ("event.category", tuple(categories.split())),
            ("event.type", tuple(types.split())),
            ("event.outcome", outcome),
            ("source.mac", text.mac(said.get("mac"))),
            ("source.ip", text.address(said.get("src"))),
            ("source.port", text.port(said.get("sport")) or None),
            ("user.name", said.get("user")),
            ("event.reason", said.get("reason")),
            ("observer.ingress.interface.name", said.get("if")),
        ),
    )


def _tracked(found: Fields, written: str) -> None:
    """Read what an access point's tracker says of a station: `{"mac":"…","event_type":"failure","vap":"ath0",…}`."""
    try:
        said = structured.json_object(written)
    except ParseError:
        return
    words = {name: str(value) for name, value in said.items() if isinstance(value, str | int)}
    kind = words.get("event_type", "") or words.get("message_type", "")
    found["event.category"], found["event.type"] = ("network",), ("info",)
    text.put(
        found,
        (
            ("event.action", kind),
            ("event.outcome", "failure" if "fail" in kind else None),
            ("source.mac", text.mac(words.get("mac"))),
            ("source.ip", text.address(words.get("ip") or words.get("assoc_ip"))),
            ("unifi.vap", words.get("vap")),
            ("unifi.assoc_status", words.get("assoc_status")),
        ),
    )
