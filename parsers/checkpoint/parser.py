"""Check Point's logs of all blades, however Log Exporter writes them: syslog, CEF, LEEF, Splunk's `|`, JSON, `fw log`.

Source and destination are the client's and the server's side of the connection, as the gateway that saw it begin knew.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from sentinel.pack import (
    Fields,
    ParseError,
    Raw,
    cef,
    kv,
    leef,
    mapping,
    names,
    structured,
    syslog,
    text,
    verdict,
    when,
)

TABLES = tomllib.loads((Path(str(__spec__.origin)).parent / "fields.toml").read_text("utf-8"))
SETTERS = mapping.setters(TABLES["fields"])
ABOUT: Fields = {"event.kind": "event", "observer.vendor": "Check Point", "observer.type": "firewall"}
PAIRS_MAX = 512
QUOTED = re.compile(r'(?:\[|; ?)([A-Za-z_][\w .\-]{0,63}?)[:=]{1,2}"((?:[^"\\]|\\.)*)"', re.DOTALL)
ESCAPE = re.compile(r"\\(.)", re.DOTALL)
BARRED = re.compile(r"(?:^|(?<!\\)\|)([A-Za-z_][\w.\-]{0,63}):?=")
SEMI = re.compile(r"(?:^|; ?)([A-Za-z_][\w.\- ]{0,63}): ")
LINE = re.compile(
    r"(?P<day>\d{1,2})(?P<month>[A-Z][a-z]{2})(?P<year>\d{4}) +(?P<clock>\d{1,2}:\d\d:\d\d)(?: +\d+)? +"
    r"(?P<action>[a-z]+|\S+) +(?P<origin>\S+) +(?P<way>[<>])(?P<ifname>\S+) +"
)
ANYONE = re.compile(r"(?P<full>[^()]{1,128}?) ?\((?P<name>[^()]{1,128})\)(?:\(\+\))?")
UNFIT = re.compile(r"[^A-Za-z0-9_-]+")
DENIED = frozenset({"block", "drop", "reject", "prevent", "deny", "quarantine", "ask user", "redirect", "block user"})
ALLOWED = frozenset({
    "accept", "allow", "detect", "encrypt", "decrypt", "bypass", "inspect", "monitor", "ip changed", "authcrypt",
    "vpn routing", "inform", "https inspect", "https bypass", "extract",
})  # fmt: skip
LOGINS = {
    "log in": ("start", "success"), "login": ("start", "success"), "failed log in": ("start", "failure"),
    "log out": ("end", "success"), "logout": ("end", "success"), "authorize": ("start", "success"),
    "deauthorize": ("end", "success"),
}  # fmt: skip


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one record."""
    line = syslog.read(raw)
    said = _pairs(text.decode(raw.body).rstrip("\r\n\0"), line)
    if not said.keys() & {"action", "product", "origin", "loguid", "src", "operation"}:
        raise ParseError("no Check Point: neither action nor product nor origin")
    found = ABOUT | syslog.observed(line)
    for name, value in said.items():
        if value in text.NOTHING:
            continue
        if (setter := SETTERS.get(name)) is not None:
            setter(found, value)
        elif kept := UNFIT.sub("_", name).strip("_")[:64]:
            found["checkpoint." + kept] = value
    _time(found, said, raw)
    _who(found, said)
    _where(found, said)
    _meaning(found, said)
    yield found


def _pairs(whole: str, line: syslog.Syslog) -> dict[str, str]:
    message = line.message
    if "CEF:" in whole[:512]:
        return _cef(cef.read(whole))
    if "LEEF:" in whole[:512]:
        record = leef.read(whole)
        said = {TABLES["cef"].get(name, name): value for name, value in record.attributes.items()}
        return {"product": record.product, "action": record.event, **said}
    if message.startswith("{"):
        told = structured.json_object(message).items()
        return {name.lower(): str(value) for name, value in told if isinstance(value, str | int)}
    rows: list[tuple[str, str]] = QUOTED.findall(message if message.startswith("[") else f"[{message}")[:PAIRS_MAX]
    if rows:
        return {name.strip().lower(): ESCAPE.sub(r"\1", value).strip() for name, value in reversed(rows)}
    if (head := LINE.search(message[:256])) is not None:
        said = _cut(message[head.end() :], SEMI)
        said["time"] = f"{head['month']} {head['day']} {head['year']} {head['clock']}"
        said |= {"ifdir": "inbound" if head["way"] == ">" else "outbound", "ifname": head["ifname"]}
        return {"action": head["action"], "origin": head["origin"], **said}
    return _cut(message, BARRED if message.count("=") > message.count(": ") else SEMI)


def _cut(message: str, form: re.Pattern[str]) -> dict[str, str]:
    pairs = kv.cut(message, form).items()
    return {name.strip().lower(): ESCAPE.sub(r"\1", value.strip(" ;|")) for name, value in pairs}


def _cef(record: cef.Cef) -> dict[str, str]:
    found: dict[str, str] = {"product": record.product}
    said = record.extension
    for name, value in said.items():
        if name.endswith("Label"):
            continue
        label = said.get(name + "Label", "").strip().lower()
        key = TABLES["labels"].get(label) or (label.replace(" ", "_") if label else TABLES["cef"].get(name, name))
        found.setdefault(key, value)
    return found


def _time(found: Fields, said: Mapping[str, str], raw: Raw) -> None:
    for name in ("time", "start_time", "lastupdatetime"):
        written = said.get(name, "").partition(",")[0]
        if not written:
            continue
        try:
            found["@timestamp"] = when.iso(when.written(written, raw.received, raw.zone))
        except ParseError:
            continue
        break
    for name in ("duration", "elapsed"):
        seconds = said.get(name, "")
        if seconds.isdecimal() and len(seconds) < 10:
            found["event.duration"] = int(seconds) * 1_000_000_000


def _who(found: Fields, said: Mapping[str, str]) -> None:
    for name, below in (("src_user_name", "source.user"), ("dst_user_name", "destination.user"), ("user", "user")):
        value = text.given(said.get(name))
        if value is None or value == "*****":
            continue
        if both := ANYONE.fullmatch(value):  # `Anna Muster (anna)`
            found[f"{below}.full_name"] = both["full"]
            value = both["name"]
        names.account(found, below, value)
    for part in ("name", "domain", "full_name"):
        if f"source.user.{part}" in found and f"user.{part}" not in found:
            found[f"user.{part}"] = found[f"source.user.{part}"]
    mail = found.keys() & {"email.from.address", "email.to.address"}
    text.put(
        found,
        (
            ("source.domain", said.get("src_machine_name", "").partition("@")[0]),
            ("destination.domain", said.get("dst_machine_name", "").partition("@")[0]),
            ("rule.uuid", said.get("rule_uid", "").strip("{}")),
            ("email.subject" if mail else "checkpoint.subject", said.get("subject")),
        ),
    )
    origin = said.get("origin", "")
    address = text.address(origin)
    if origin:
        found["observer.name"] = origin
    if address and "observer.ip" not in found:
        found["observer.ip"] = (address,)
    sic = said.get("originsicname") or said.get("origin_sic_name") or ""
    if sic[:3].lower() == "cn=":
        text.put(found, (("observer.hostname", sic[3:].partition(",")[0]),))


def _where(found: Fields, said: Mapping[str, str]) -> None:
    way, interface = said.get("ifdir", "").lower(), said.get("ifname", "")
    if interface not in text.NOTHING and interface != "daemon":
        place = "egress" if way == "outbound" else "ingress"
        found.setdefault(f"observer.{place}.interface.name", interface)
    if way in {"inbound", "outbound"}:
        found["network.direction"] = way
    for side in ("source", "destination"):
        nat = found.get(f"{side}.nat.ip")
        if nat == found.get(f"{side}.ip") or nat in {None, "0.0.0.0", "::"}:  # noqa: S104  what stands for no translation
            found.pop(f"{side}.nat.ip", None)
    address = said.get("resource") or said.get("url") or ""
    if address not in text.NOTHING:
        names.url(found, address)
    text.put(found, (("network.protocol", said.get("app_protocol", "").lower()),))
    if (method := found.get("http.request.method")) is not None:
        found["http.request.method"] = str(method).upper()
    threat = said.get("protection_name") or said.get("attack_info") or said.get("malware_family")
    text.put(found, (("message", threat if "message" not in found else None),))


def _meaning(found: Fields, said: Mapping[str, str]) -> None:
    action = (said.get("action") or said.get("operation") or "").lower().strip()
    text.put(found, (("event.action", action),))
    product = str(found.get("observer.product", ""))
    kind, categories, types = TABLES["blades"].get(product, "event|network|connection").split("|")
    audit = "configuration" in categories
    login = LOGINS.get((said.get("operation") or action).lower().strip())
    if login and (
        audit or "src" not in said or "dst" not in said or "authentication" in categories or "session" in categories
    ):
        phase, outcome = login
        status = f"{said.get('auth_status', '')} {said.get('audit_status', '')} {said.get('status', '')}".lower()
        found["event.category"], found["event.type"] = ("authentication",), (phase,)
        found["event.outcome"] = "failure" if "fail" in status else outcome
        return
    if action == "key install":
        verdict.says(found, "event|network session|connection start|success")
        return
    if "ike" in f"{said.get('scheme', '')} {said.get('reject_category', '')}".lower() and action in DENIED:
        verdict.says(found, "event|network|connection protocol denied|failure")
        return
    if product not in TABLES["blades"] and not found.keys() & {"source.ip", "destination.ip"}:
        return
    if audit:
        operation = said.get("operation", action).lower()
        words = {"create": "creation", "delete": "deletion", "remove": "deletion", "add": "creation"}
        types = next((kinds for word, kinds in words.items() if operation.startswith(word)), types)
        status = said.get("audit_status", "").lower()
        text.put(found, (("event.outcome", "failure" if "fail" in status else "success" if status else ""),))
    elif action:
        result = "denied" if action in DENIED else "allowed" if action in ALLOWED else verdict.of(action)
        if result and "email" not in categories and "host" not in categories:
            types, found["event.outcome"] = f"{types} {result}", "success"
    if said.get("verdict", "").lower() in {"benign", "clean"}:
        kind, categories, types = "event", "network file", types.replace("info", "access")
    found["event.kind"] = kind
    found["event.category"], found["event.type"] = tuple(categories.split(" ")), tuple(types.split(" "))
