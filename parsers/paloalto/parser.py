"""Palo Alto Networks' PAN-OS: its CSV of every type and version, and the CEF and LEEF that firewalls and Prisma send.

`columns.toml` has the columns by type. Who started a session is the source in all of them: PAN-OS names the ends of
sessions, not of packets.
"""

import csv
import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sentinel.pack import Fields, ParseError, Raw, cef, leef, mapping, names, syslog, text, verdict, when

TABLES = tomllib.loads((Path(str(__spec__.origin)).parent / "columns.toml").read_text("utf-8"))
SETTERS = mapping.setters(TABLES["fields"])
STAGES, COMMANDS, OTHER_NAMES = TABLES["stages"], TABLES["commands"], TABLES["other_names"]
NOTHING = frozenset({"", "0", "0x0", "N/A", "n/a", "unknown", "None", "none", "0.0.0.0", "::"})  # noqa: S104  no address to listen on
ABOUT: Fields = {
    "event.kind": "event", "observer.vendor": "Palo Alto Networks", "observer.product": "PAN-OS",
    "observer.type": "firewall",
}  # fmt: skip
START = re.compile(
    r"(?:^|[\s:])(?:[^\s,]{0,64},)?(?=\d{4}/\d\d/\d\d \d\d:\d\d:\d\d,[^,]{0,64},"
    r"(?P<early>\d{1,20},0x[0-9a-f]{1,16},)?(?P<type>[A-Z][A-Z_-]{2,20}),)"
)
THREAT = re.compile(r"(?P<name>.*)\((?P<id>\d{1,12})\)", re.DOTALL)
OFFSET = re.compile(r"(?:<\d{1,3}>)?(?:1 )?\d{4}-\d\d-\d\dT[\d:.]{8,18}(?:Z|[+-]\d\d:?\d\d) ")
FILES = frozenset({"virus", "ml-virus", "wildfire", "wildfire-virus", "file", "data", "dlp"})
DENIED = re.compile(r"block|deny|drop|reset|sinkhole")
HOST = re.compile(r"[A-Za-z0-9][\w-]*(?:\.[\w-]+)+(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?")
SYSTEM = tuple(re.compile(form, re.DOTALL) for form in TABLES["system"]["forms"])
EVENTS = tuple((re.compile(ids), row) for ids, row in TABLES["system"]["events"])
ENDING = re.compile(
    r"[-_](?:(succ|success|succeeded)|fail|failed|failures?|err|error)$| (?:(succeeded|successfully)|failed)\b"
)
DATE = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d")
GTP_END = ("start", "elapsed", "tunnel_insp_rule", "remote_user_ip", "remote_user_id", "rule_uuid", "pcap_id")
LOGINS = {
    "failed authentication": ("start", "failure"), "authenticated": ("start", "success"),
    "logged in": ("start", "success"), "logged out": ("end", "success"), "login succeeded": ("start", "success"),
    "login failed": ("start", "failure"), "authentication succeeded": ("start", "success"),
    "authentication failed": ("start", "failure"), "logout succeeded": ("end", "success"),
    "logout failed": ("end", "failure"), "timed out": ("end", "success"),
}  # fmt: skip


def _layout(name: str) -> tuple[str, ...]:
    parts = (TABLES["layouts"]["head"] + " " + TABLES["layouts"][name]).split(" ")
    return tuple(
        column
        for part in parts
        for column in (TABLES["layouts"][part].split(" ") if part in TABLES["layouts"] and part.islower() else [part])
    )


LEAST = {"TRAFFIC": 38, "THREAT": 38, "SYSTEM": 15, "CONFIG": 14}
LAYOUTS = {name: _layout(name) for name in TABLES["layouts"] if name.isupper()}


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one record."""
    line = syslog.read(raw)
    found = ABOUT | syslog.observed(line)
    whole = text.decode(raw.body).rstrip("\r\n\0")
    if "CEF:" in whole[:512]:
        yield found | _cef(whole, raw)
        return
    if "LEEF:" in whole[:512]:
        yield found | _leef(whole, raw)
        return
    start = START.search(whole[:1024])
    if start is None:
        raise ParseError("no PAN-OS: no columns of time, serial number and type")
    kind = OTHER_NAMES.get(start["type"], start["type"])
    said = _columns(whole[start.end() :].replace(start["early"] or "", "", 1), kind)
    for name, value in said.items():
        if value in NOTHING:
            continue
        if (setter := SETTERS.get(name)) is not None:
            setter(found, value)
        else:
            found["panw.panos." + name] = value
    _time(found, said, whole, line, raw.zone)
    _more(found, said, kind)
    _meaning(found, kind, said.get("subtype", ""), said)
    yield found


def _columns(row: str, kind: str) -> dict[str, str]:
    if '"' in row:
        try:
            cells = next(csv.reader([row]), [])
        except csv.Error:  # an unquoted line end, or a field without end
            cells = row.split(",")
    else:
        cells = row.split(",")
    cells.insert(0, "")
    if len(cells) < LEAST.get(kind, 0):  # cut off: nobody knows how the last column went on
        del cells[-1]
    layout = LAYOUTS.get(kind)
    if layout is None:
        layout = LAYOUTS["AUDIT"][:7] + tuple(f"column_{at}" for at in range(8, min(len(cells), 64) + 1))
    elif kind == "CONFIG" and len(cells) > 15 and cells[15].startswith("0x"):  # without the details of a change
        layout = layout[:14] + layout[16:]
    elif kind == "SCTP" and len(cells) > 30 and cells[30].lower() == "sctp":
        del cells[29]
    said = {name: cell.strip() for name, cell in zip(layout, cells, strict=False) if name != "_"}
    if kind == "GTP":  # its end begins with a time and seconds, behind columns that the vendor keeps for later
        at = next((at for at in range(len(cells) - 2, 63, -1) if DATE.fullmatch(cells[at])), 0)
        if at and cells[at + 1].isdecimal():
            said |= {name: cell.strip() for name, cell in zip(GTP_END, cells[at:], strict=False)}
    return said


def _time(found: Fields, said: dict[str, str], whole: str, line: syslog.Syslog, zone: str) -> None:
    precise = said.get("high_res_timestamp", "")
    with suppress(ParseError):  # else the header's time, or when it was received, must do
        if precise[10:11] == "T":
            found["@timestamp"] = when.iso(when.rfc3339(precise, zone))
        else:
            written = said.get("time_generated") or said.get("receive_time") or ""
            found["@timestamp"] = when.iso(_moment(written, whole, line, zone))
    if (begun := said.get("start", "")) and not begun.startswith("1970"):
        with suppress(ParseError):
            found["event.start"] = when.iso(_moment(begun, whole, line, zone))
    elapsed = said.get("elapsed", "")
    if elapsed.isdecimal() and len(elapsed) < 10:
        found["event.duration"] = int(elapsed) * 1_000_000_000


def _moment(written: str, whole: str, line: syslog.Syslog, zone: str) -> datetime:
    """Read a local time; a header with an offset that is hours away from it tells that the device's zone is another."""
    moment = when.rfc3339(written.replace("/", "-"), zone)
    header = line.timestamp
    if header is None or abs(header - moment) < timedelta(minutes=10) or not OFFSET.match(whole):
        return moment
    local = when.rfc3339(written.replace("/", "-"), "UTC")
    quarters = round((local - header) / timedelta(minutes=15))
    read = local - timedelta(minutes=15) * quarters
    near = abs(read - header) < timedelta(minutes=2) and abs(quarters) <= 56
    return read.astimezone(UTC) if near else moment


def _more(found: Fields, said: dict[str, str], kind: str) -> None:
    for side in ("source", "destination"):
        address, port = found.get(f"{side}.nat.ip"), found.get(f"{side}.nat.port")
        if address is None or (address == found.get(f"{side}.ip") and port in {None, found.get(f"{side}.port")}):
            for part in ("ip", "port"):
                found.pop(f"{side}.nat.{part}", None)
    if "source.user.name" in found and "user.name" not in found:
        found["user.name"] = found["source.user.name"]
        text.put(found, (("user.domain", found.get("source.user.domain")),))
    digest = said.get("filedigest", "")
    if (size := {32: "md5", 40: "sha1", 64: "sha256"}.get(len(digest))) and digest.isalnum():
        found[f"file.hash.{size}"] = digest.lower()
    if named := THREAT.fullmatch(said.get("threatid", "")):
        found["panw.panos.threat_id"] = named["id"]
        text.put(found, (("panw.panos.threat_name", named["name"]), ("message", named["name"])))
    elif said.get("threatid", "") not in NOTHING:
        found["panw.panos.threat_name"] = found["message"] = said["threatid"]
    if (misc := said.get("misc", "").strip('"')) not in NOTHING:
        _misc(found, misc, said.get("subtype", ""))
    version = said.get("tls_version", "").removeprefix("TLS").removeprefix("v").strip()
    mark = said.get("fingerprint", "").lower()
    text.put(
        found,
        (
            ("tls.version", version if version not in NOTHING else None),
            ("tls.server.hash.sha256", mark if len(mark) == 64 and mark.isalnum() else None),
            ("http.request.method", said.get("http_method", "").upper()),
            ("observer.name", said.get("device_name")),
        ),
    )
    if (inner := text.address(said.get("private_ip"))) not in {None, "0.0.0.0"}:  # noqa: S104  as above
        found["related.ip"] = (str(inner),)
    if kind == "SYSTEM":
        _system(found, said.get("opaque", ""))


def _misc(found: Fields, misc: str, subtype: str) -> None:
    """Set what a threat was found in: a URL without its scheme, a file, or a name that was asked for."""
    host, slash, path = misc.partition("/")
    if "://" in misc:
        names.url(found, misc)
    elif subtype == "url" or (slash and HOST.fullmatch(host)):
        names.url(found, "//" + misc)
        found["url.original"] = misc
        found.pop("url.path", None)
        name, _, port = host.rpartition(":") if host.count(":") == 1 else (host, "", "")
        path, _, _ = path.partition("?")
        if HOST.fullmatch(host) or host.isalnum():
            text.put(found, (("url.domain", name.strip("[]")), ("url.port", text.port(port) or None)))
            text.put(found, (("url.path", slash + path),))
    elif subtype in FILES or found.get("network.application") != "dns":
        found["file.name"] = text.basename(misc) or misc
    else:
        found["dns.question.name"] = misc


def _login(words: str) -> dict[str, str] | None:
    """Read `failed authentication for user 'x'.  Reason: … From: 192.0.2.1.` and the other order of it.

    What an attacker types as user name may imitate the rest, so what PAN-OS itself appends is looked for from the end.
    """
    for what in ("failed authentication", "authenticated"):
        head = f"{what} for user '"
        if words.startswith(head):
            start = len(head)
            ends = (words.rfind("'.  Reason: "), words.rfind("'.  "), words.find("'", start))
            end = next((end for end in ends if end >= start), len(words))
        elif words.startswith("User '") and (end := words.rfind(f"' {what}")) > 0:
            start = 6
        else:
            continue
        reason = words[end:].partition("Reason: ")[2].partition(". ")[0].partition(" From: ")[0]
        _, sign, address = words[end:].rpartition("rom: ")
        address = address.strip(" .") if sign else ""
        return {"what": what, "user": words[start:end][:256], "reason": reason, "ip": address}
    return None


def _system(found: Fields, words: str) -> None:
    words = words[:2048]
    said = _login(words)
    if said is None:
        about = next((one for form in SYSTEM if (one := form.fullmatch(words))), None)
        if about is None:
            return
        said = {name: value for name, value in about.groupdict().items() if value}
    if said.get("user"):
        names.account(found, "user", said["user"])
    text.put(
        found,
        (
            ("source.ip", text.address((said.get("ip") or "").rstrip("."))),
            ("source.mac", text.mac(said.get("mac"))),
            ("source.domain", text.given((said.get("host") or "").strip("[]"))),
            ("event.reason", said.get("reason")),
            ("panw.panos.access_method", said.get("via")),
        ),
    )
    if far := text.address(said.get("far") or said.get("inner")):
        found["related.ip"] = tuple(filter(None, (text.address(said.get("local")), far)))
    if "role" in said:
        ends = [(said["ip"], said["port"]), (said["peer"], said["peerport"])]
        for side, (address, port) in zip(
            ("source", "destination"), ends if said["role"] == "initiator" else reversed(ends), strict=True
        ):
            text.put(found, ((f"{side}.ip", text.address(address)), (f"{side}.port", text.port(port) or None)))
    if said.get("what"):
        found["event.category"] = ("authentication",)
        phase, found["event.outcome"] = LOGINS[said["what"]]
        found["event.type"] = (phase,)


def _meaning(found: Fields, kind: str, subtype: str, said: dict[str, str]) -> None:
    row = TABLES["meanings"].get(f"{kind} {subtype}") or TABLES["meanings"].get(kind)
    if row is None or "event.category" in found:
        return
    found["event.kind"], categories, types = row.split("|")
    if kind == "SYSTEM":
        _event(found, said.get("eventid", "").lower(), categories, types)
        return
    action = str(found.get("event.action", "")).lower()
    if kind == "THREAT" and subtype == "wildfire" and said.get("category", "") in {"benign", "grayware"}:
        found["event.kind"] = "event"
    if kind == "GLOBALPROTECT":
        step = STAGES.get(action) or TABLES["steps"].get(said.get("stage", "").lower())
        categories, types = (step or f"{categories}|{types}").split("|")
        text.put(found, (("event.outcome", _outcome(said.get("status", ""))),))
    elif kind == "CONFIG":
        types = COMMANDS.get(action, types)
        text.put(found, (("event.outcome", _outcome(said.get("result", ""))),))
    elif kind == "USERID":
        types = {"login": "start", "logout": "end"}.get(subtype or action, types)
    elif kind == "AUTHENTICATION":
        words = f"{said.get('event', '')} {said.get('desc', '')}".lower()
        outcome = "failure" if "fail" in words or "denied" in words else "success" if "success" in words else ""
        text.put(found, (("event.action", said.get("event")), ("event.outcome", outcome)))
        if "normalize_user" in said and "user.name" not in found:
            names.account(found, "user", said["normalize_user"])
    elif kind == "DECRYPTION" and said.get("error", "") not in NOTHING:
        types, found["event.outcome"] = f"{types} error", "failure"
    elif "network" in categories and action:
        result = "denied" if DENIED.search(action) else verdict.of(action)
        types = f"{types} {result}" if result else types
        found["event.outcome"] = "success"
    found["event.category"], found["event.type"] = tuple(categories.split(" ")), tuple(types.split(" "))


def _event(found: Fields, name: str, categories: str, types: str) -> None:
    """Set what an event of SYSTEM is by its name; those of people are known by their words already."""
    if name == "general":  # then only the words say which one
        name += ": " + str(found.get("message", "")).lower()[:160].replace("\n", " ")
    row = next((row for ids, row in EVENTS if ids.fullmatch(name)), f"{categories}|{types}|")
    categories, types, outcome = row.split("|")
    if not outcome and (ending := ENDING.search(name)) is not None:
        outcome = "success" if ending[1] or ending[2] else "failure"
    found["event.category"], found["event.type"] = tuple(categories.split(" ")), tuple(types.split(" "))
    text.put(found, (("event.outcome", outcome),))


def _outcome(word: str) -> str:
    return {"success": "success", "succeeded": "success", "submitted": "success"}.get(
        word.lower(), "failure" if word else ""
    )


def _cef(whole: str, raw: Raw) -> Fields:
    record = cef.read(whole)
    found = cef.fields(record, raw.received, raw.zone, "panw.panos.")
    said = {
        **record.extension,
        "threatid": record.extension.get("cat", ""),
        "misc": record.extension.get("request", ""),
    }
    kinds = (record.name.upper(), record.signature.upper())  # Prisma has them the other way round
    kind = next((one for one in kinds if one in LAYOUTS), next((one for one in kinds if one in OTHER_NAMES), kinds[0]))
    subtype = (record.name if record.signature.upper() == kind else record.signature).lower()
    found |= ABOUT
    for name in [
        name for name in found if name.startswith("url.") or name == "event.code" or found[name] == record.name
    ]:
        del found[name]
    said["http_method"] = said.get("requestMethod", "")
    if (application := found.pop("network.protocol", None)) is not None:
        found["network.application"] = application
    text.put(found, (("observer.serial_number", record.extension.get("deviceExternalId")),))
    _finish(found, kind, subtype, said)
    return found


def _leef(whole: str, raw: Raw) -> Fields:
    record = leef.read(whole)
    said = dict(record.attributes)
    found = leef.fields(record, raw.received, raw.zone, "panw.panos.") | ABOUT
    kind = (said.get("Type") or said.get("cat") or "").upper()
    for name, target in (
        ("RuleName", "rule.name"), ("Application", "network.application"), ("SourceZone", "observer.ingress.zone"),
        ("DestinationZone", "observer.egress.zone"), ("IngressInterface", "observer.ingress.interface.name"),
        ("EgressInterface", "observer.egress.interface.name"), ("SerialNumber", "observer.serial_number"),
        ("DeviceName", "observer.name"), ("ThreatID", "message"),
    ):  # fmt: skip
        if (value := said.get(name, "")) not in NOTHING:
            found.pop("panw.panos." + name, None)
            found[target] = value
    if record.event:
        found.setdefault("event.action", record.event)
    _finish(found, kind, said.get("Subtype", "").lower(), said)
    return found


def _finish(found: Fields, kind: str, subtype: str, said: dict[str, str]) -> None:
    subtype = kind.lower() if kind in OTHER_NAMES and not subtype else subtype
    kind = OTHER_NAMES.get(kind, kind)
    text.put(found, (("panw.panos.type", kind), ("panw.panos.sub_type", subtype)))
    _more(found, {**said, "subtype": subtype, "opaque": str(found.get("message", ""))}, kind)
    _meaning(found, kind, subtype, said)
