"""Junos of SRX and its kin, structured (RFC 5424) and plain, and ScreenOS (NetScreen).

A plain line is brought to the names of the structured one, so both are read by one table. Tags and their parts:
Juniper's System Log Explorer; ScreenOS Message Log Reference Guide.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from sentinel.pack import Fields, ParseError, Raw, forms, kv, mapping, names, prose, syslog, text, verdict, when

TABLES = tomllib.loads((Path(str(__spec__.origin)).parent / "fields.toml").read_text("utf-8"))
SETTERS = mapping.setters(TABLES["fields"])
UNSPECIFIED = frozenset({"0.0.0.0", "::"})  # noqa: S104  what stands for no translation
NOBODY = frozenset({"UNKNOWN", "unauthenticated-user", "unknown-user", "None", "INCONCLUSIVE"})
MODERN = re.compile(
    r"(?P<stamp>\d{4}-\d\d-\d\dT[\d:.+\-Z]{8,24}) (?P<host>\S{1,255}) (?P<app>\S{1,64}) (?P<pid>\S{1,32}) "
    r"(?P<tag>[A-Z][A-Z0-9_]{1,80}) \[junos@"
)
TAG = re.compile(r"(?:^|[ \]:])(?!RT_[A-Z]{2,8}[: ]|PERF_MON[: ])([A-Z][A-Z0-9]{1,20}(?:_[A-Z0-9]{1,30}){1,8}):? ")
ELEMENT = re.compile(r"\[junos@[\d.]{1,40} ")
HOLES = {
    **dict.fromkeys(("s", "d"), r"[0-9A-Fa-f.:]{2,45}?"), **dict.fromkeys(("p", "q"), r"\d{1,5}"),
    **dict.fromkeys(("policy", "service", "app", "nested", "base", "rule"), r"\S{1,128}"),
    **dict.fromkeys(("zone", "interface", "type"), r"\S{1,64}"), **dict.fromkeys(("file", "virus"), r"\S{1,255}"),
    **dict.fromkeys(("id", "at", "packets"), r"\d{1,20}"), "proto": r"\w{1,16}", "user": r".{0,256}",
    "rules": r"\S.{1,200}?", "reason": r"[^:]{1,80}", "icmp": r"\d{1,3}", "attack": r"[^!]{1,80}",
    "action": r"[^,\"]{1,64}", "url": r"\S{1,2000}", "class": r"[^']{0,64}", "pid": r"\d{1,10}",
    "ssh": r"[^']{0,128}", "command": r".{0,4000}",
    "vpn": r"[^\s,]{0,128}",
}  # fmt: skip
PAIR = "{s}/{p}->{d}/{q}"
OPENED = forms.compiled(
    r"(?:AppTrack )?[Ss]ession (?:created|closed {reason}:|updated?|volume update|route update)[: ]{1,2}" + PAIR
    + r"(?: 0x\w{1,8})? {service}(?: {app} {nested})? {s2}/{p2}->{d2}/{q2}(?: 0x\w{1,8})? {rules} {proto}"
    r" {policy} {zone} {zone2} {id}(?: |$)",
    HOLES | {"proto": r"\d{1,3}"},
)  # fmt: skip
REFUSED = forms.compiled(
    f"[Ss]ession denied {PAIR}" + r"(?: 0x\w{1,8})? {service} {proto}\({icmp}\) {policy} {zone} {zone2}(?: |$)", HOLES
)
RULES = re.compile(r"(?:(?:[a-z ]{2,40} rule|N/A) )?(\S{1,128})(?: (?:[a-z ]{2,40} rule|N/A))? (\S{1,128})")
COUNTED = re.compile(r"(\d{1,19})\((\d{1,19})\) (\d{1,19})\((\d{1,19})\)(?: (\d{1,10}))?(?: (\S{1,64}) (\S{1,64}))?")
WHO = re.compile(
    r"(?:^| )([^\s()]{1,128})\(([^()]{1,128})\) ((?:[a-z]{2,6}-\d|reth|lo|st|ae|irb|vlan|fxp|\.local)[\w./\-]{0,30})"
)
SCREEN = forms.compiled(
    r"{attack}! (?:source: {s}(?::{p})?, )?(?:destination: {d}(?::{q})?, )?(?:protocol-id: {proto}, )?zone name:"
    r" {zone}, interface name: {interface}, action: {action}(?:,|$)",
    HOLES | dict.fromkeys(("zone", "interface"), r"[^,]{0,64}"),
)
IDP = forms.compiled(
    f"IDP: at {{at}}, {{type}} Attack log <{PAIR}> for {{proto}} protocol"
    r".{1,200}? by rule {rule} of rulebase {base} in policy {policy}\.? attack: ",
    HOLES | {"policy": r"\S{1,128}?"},
)
NATTED = forms.compiled(r", NAT <{s2}:{p2}->{d2}:{q2}>", HOLES)
WEB = forms.compiled(r'WebFilter: ACTION="{action}" {s}\({p}\)->{d}\({q}\)(?: .{0,200}?)? CATEGORY=', HOLES)
VIRUS = forms.compiled(
    r"(?:AntiVirus: )?Virus detected: from {s}:{p} to {d}:{q}(?: source-zone {zone})? {url} file {file}"
    r" virus {virus}(?: |$)",
    HOLES,
)
ENDS = forms.compiled(
    r"(?<![\w.:]){s}[/(:]{p}\)? ?(?:--?>|to) ?{d}[/(:]{q}\)?(?![\w.:/])",
    HOLES | dict.fromkeys(("s", "d"), r"[0-9A-Fa-f.:]{2,45}"),
)
PACKET = forms.compiled(
    r"FW: {interface} {1,8}{action} {1,8}{proto} {s} {d} {1,8}{p} {1,8}{q} \({packets} packets?\)",
    HOLES | {"action": "[ADRN]"},
)
CHANGED = r"(?P<was>\w{1,16}) to (?P<state>\w{1,16})"
IKE = r"IKE negotiation failed with error: (?P<why>.{1,128}?)\. IKE Version: \d, VPN: {vpn} Gateway: \S{1,128}"
SAID = tuple(
    forms.compiled(form, HOLES)
    for form in (
        r"User '{user}' login, class '{class}' \[{pid}\](?:, ssh-connection '{ssh}')?.{0,200}",
        r"User '{user}', command '{command}'",
        r"User '{user}' (?:logout|(?:requested|performed|entering|exiting|set|delete|deactivate|used) ?.{0,4000})",
        r"User '{user}' (?:set|delete|deactivate|activate|rename|insert|annotate|override): .{0,4000}",
        r"Authenticated user '{user}' (?:at|assigned).{0,200}",
        r"Login failed for user '{user}' from host '{s}'",
        r"Login failed for user {user} from host {s}",
        r"User {user} logged in from host {s} on device .{1,64}",
        r"(?:Unable to authenticate|Authenticated) httpd client \(username {user}\)",
        r"Threshold for unsuccessful authentication attempts \(\d{1,5}\) reached by user '{user}'",
        r"(?:Failed|Accepted) \S{1,64} for (?:invalid user )?{user} from {s} port {p}.{0,100}",
        r"error: PAM: [Aa]uthentication (?:error|failure) for (?:i\w{5,6} user )?{user} from {s}(?: .{0,99})?",
        r"PAM authentication error for user {user}",
        r"User {user} logged in as root from host {s} on device .{1,64}",
        r"User {user} of group \S{1,64} at {s} is (?:accepted|rejected).{0,200}",
        r"User {user} at {s} is (?:accepted|rejected).{0,200}",
        r"User '{user}' is performing an? '{command}'",
        r"System rebooted by '{user}'",
        r"Received invalid authentication challenge for user '{user}': .{0,200}",
        r"Local gateway: {d}, Remote gateway: {s}, .{0,400}?, SPI: (?P<spi>\w{1,20}).{0,200}",
        IKE + r", Local: {s}/{p}, Remote: {d}/{q}, .{0,400}Role: Initiator.{0,20}",
        IKE + r", Local: {d}/{q}, Remote: {s}/{p}(?:, .{0,400})?",
        r"IKE Phase-[12] Failure: (?P<why>.{1,200}?) \[spi=[^,]{0,40}, src_ip=(?:{s}|<none>), dst_ip=(?:{d}|<none>)\]",
        r"BGP peer {s} \([^()]{1,64}\) changed state from (?P<was>\w{1,16}) to (?P<state>\w{1,16}) \(event .{0,200}",
        r"(?:\w{1,64}:(?:\d{1,6}:)? )?.{0,40}?(?:received from|read from peer|peer) {s} \((?:Ex|In)ternal AS .{0,900}",
        r"(?:\w{1,64}:(?:\d{1,6}:)? )?NOTIFICATION sent to {d} \((?:Ex|In)ternal AS .{0,900}",
        r"{s} \((?:Ex|In)ternal AS \d{1,10}\): Configured maximum .{0,300}",
        r"OSPF neighbor {s} \(realm \S{1,16} {interface} area \S{1,40}\) state changed from "
        + CHANGED
        + " due to .{0,300}",
        r"LDP neighbor {s} \({interface}\) is (?P<state>up|down).{0,200}",
        r"local discriminator: \d{1,10}, new state: (?P<state>\w{1,16}), interface: {interface}, peer addr: {s}",
        r"ifIndex \d{1,10}, ifAdminStatus \S{1,16}, ifOperStatus (?P<state>\w{1,8})\S{0,8}, ifName {interface}",
        r"Alarm (?P<state>set|cleared): .{0,64}reason=(?P<why>.{1,256})",
        r"Redundancy-group \d+ transitioned from '(?P<was>[^']+)' to '(?P<state>[^']+)' \w+ due to (?P<why>.+)",
        r".{0,200}(?:bad SPI\. |[Ff]rom ){s} ?(?:->|to) ?{d}/\d{1,3}, ESP, SPI (?P<spi>\w{1,20}).{0,64}",
        r"Interface {interface} \(local addr: \S{1,45}\) for vrid \d{1,4} became (?P<state>\w{1,16}).{0,200}",
        r"VPN {vpn} from {s} is (?:up|down)\. Local-ip: {d},.{0,2000}",
    )
)
AS = {
    "s": "source-address", "p": "source-port", "d": "destination-address", "q": "destination-port",
    "s2": "nat-source-address", "p2": "nat-source-port", "d2": "nat-destination-address", "q2": "nat-destination-port",
    "proto": "protocol-id", "policy": "policy-name", "zone": "source-zone-name", "zone2": "destination-zone-name",
    "service": "service-name", "id": "session-id-32", "interface": "packet-incoming-interface", "user": "username",
    "attack": "attack-name", "rule": "rule-name", "base": "rulebase-name", "at": "epoch-time", "file": "filename",
    "nested": "nested-application", "app": "application", "ssh": "ssh-connection", "type": "message-type",
    "virus": "name", "class": "class-name", "packets": "packets-from-client", "icmp": "icmp-type", "vpn": "vpn-name",
    "why": "reason", "was": "old-state", "state": "new-state",
}  # fmt: skip
IDP_AS = {
    "name": "attack-name", "inbytes": "inbound-bytes", "outbytes": "outbound-bytes", "repeat": "repeat-count",
    "inpackets": "inbound-packets", "outpackets": "outbound-packets", "time-elapsed": "elapsed-time",
}  # fmt: skip
PROGRAMS = TABLES["programs"]
ENDING = re.compile(
    r"_(?:(?P<yes>SUCCESS|SUCCEEDED|SUCCESSFUL|OK|ESTABLISHED|COMPLETED|UPDATED)|FAIL|FAILED|FAILURE|ERR|ERROR|INVALID|BAD"
    r"|REJECTED|DENIED|TIMEOUT|EXPIRED|EXCEEDED)(?:_|$)"
)
ENDED = re.compile(r"IKE (?:(?P<yes>Phase-[12] (?:completed|succeeded))|negotiation failed|Phase-[12] Failure)")
PART = re.compile(r"(?:^|, )([a-z\-]{2,20})=")
FILTERED = {"A": "accept", "D": "discard", "R": "reject", "N": "next"}
SCREENOS = re.compile(
    r"NetScreen device_id=(?P<device>\S{0,128}) {1,4}(?:\[(?P<vsys>[^\]]{0,64})\])?system-(?P<level>[a-z]{4,13})"
    r"-(?P<code>\d{5})(?:\((?P<kind>[a-z]{1,32})\))?: "
)
NAME = re.compile(r"(?:^| )((?:src zone|dst zone|icmp type|src-xlated ip|dst-xlated ip|[a-z_]{2,20}))=")
XLATED = re.compile(r"(src|dst)-xlated ip=(\S{2,45}) port=(\d{1,5})")
SCREENED = forms.compiled(
    r"{attack}! From {s}(?::{p})? to {d}(?::{q})?,(?: using protocol| proto) {proto}"
    r"(?:,? (?:\(zone|and arriving at.{0,40}? in zone) {zone}[,)])?",
    HOLES | {"zone": r"[^\s,)]{1,64}"},
)
ADMIN = tuple(
    forms.compiled(form, {"user": r".{1,256}", "out": "on|out"})
    for form in (
        r'Admin user "?{user}"? has logged {out} via .{0,256}',
        r'Login attempt to system by admin "?{user}"? via .{0,256}',
        r"ADM: Local admin authentication \w{1,10} for login name '?\"?{user}'?\"?: .{0,256}",
        r".{1,512} by (?:admin )?{user} via \w{1,16} from host .{0,256}",
    )
)
FROM = re.compile(r" from (?:host )?(?P<s>[0-9A-Fa-f.:]{2,45}?)(?::(?P<p>\d{1,5}))?(?=[\s,);]|\.?$|\. )")
AT_END = re.compile(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\)\s*$")


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    whole = text.decode(raw.body).rstrip("\r\n\0")
    line = syslog.read(raw)
    found: Fields = {"event.kind": "event", "observer.vendor": "Juniper", "observer.type": "firewall"}
    found |= syslog.observed(line)
    if (head := SCREENOS.search(whole, 0, 1024)) is not None:
        _screenos(found, head, whole[head.end() :], raw)
    else:
        _junos(found, line, whole, raw)
    if "event.action" in found:
        found["event.action"] = str(found["event.action"]).lower()
    for side in ("source", "destination"):
        if "icmp" in str(found.get("network.transport")):  # what stands for ports are parts of the echo
            found.pop(f"{side}.port", None)
            found.pop(f"{side}.nat.port", None)
        if found.get(f"{side}.nat.ip") in UNSPECIFIED:
            found.pop(f"{side}.nat.ip", None)
            found.pop(f"{side}.nat.port", None)
    yield found


def _junos(found: Fields, line: syslog.Syslog, whole: str, raw: Raw) -> None:
    said: dict[str, str] = {}
    app, pid, tag, message = line.app, line.pid, line.msgid or "", line.message
    for name, element in line.data.items():
        if name.startswith("junos@"):
            said |= element
    if not said and (head := MODERN.search(whole, 0, 512)) is not None:
        app, pid, tag = head["app"], head["pid"], head["tag"]
        text.put(found, (("@timestamp", _iso(head["stamp"], raw)), ("observer.name", head["host"])))
    if not said and (element := ELEMENT.search(whole, 0, 1024)) is not None:
        said, message = kv.loose(whole[element.end() :].rpartition("]")[0]), whole[element.end() :].rpartition("]")[2]
    if not tag and (named := TAG.search(f"{line.app or ''}: {message}", 0, 160)) is not None:
        tag, message = named[1], f"{line.app or ''}: {message}"[named.end() :]
    if not tag and not said and line.app is None:
        raise ParseError("no Junos: neither a tag nor structured data nor a program")
    if app == tag or (app or "-").startswith(("RT_", "-")):
        app, pid, tag = None, None, "" if tag == "RT_FLOW" else tag
    said = said or _plain(message.strip())
    if "message" in said and said["message"].strip("- ") == "":
        del said["message"]
    mapping.fill(found, said, SETTERS, "juniper.")
    process_id = text.number(pid)
    text.put(found, (("process.name", app), ("process.pid", process_id), ("event.code", tag or None)))
    text.put(
        found, (("observer.product", "SRX" if tag.startswith(("RT_", "IDP_", "APPTRACK", "WEBF", "AV_")) else "Junos"),)
    )
    text.put(found, (("message", message.strip() if "message" not in found else None),))
    _details(found, said, tag)
    _meaning(found, said, tag, message)
    if not said:
        prose.sentence(message.strip(), found, raw.received, raw.zone)


def _plain(message: str) -> dict[str, str]:
    """Return what a plain message says, by the names of the structured one."""
    if (flow := OPENED.search(message, 0, 2048)) is not None:
        said = _as(flow)
        if (rules := RULES.fullmatch(said.pop("rules"))) is not None:
            said |= {"src-nat-rule-name": rules[1], "dst-nat-rule-name": rules[2]}
        rest = message[flow.end() :]
        if (counted := COUNTED.match(rest)) is not None:
            last = ("username", "roles") if "application" in said else ("application", "nested-application")
            columns = ("packets-from-client", "bytes-from-client", "packets-from-server", "bytes-from-server")
            told = (*columns, "elapsed-time", *last)
            said |= {name: value for name, value in zip(told, counted.groups(), strict=True) if value}
        return said | _who(rest)
    if (flow := REFUSED.search(message, 0, 2048)) is not None:
        said = _as(flow)
        if said["protocol-id"] not in {"1", "58"}:
            del said["icmp-type"]
        return said | _who(message[flow.end() :])
    for form in (SCREEN, WEB, VIRUS, PACKET):
        if (one := form.match(message)) is not None:
            said = _as(one)
            if form is WEB:
                said |= {name.lower(): value for name, value in kv.loose(message[one.end() - 9 :]).items()}
            elif form is PACKET:
                said["action"] = FILTERED[said["action"]]
            return said
    if (attack := IDP.match(message)) is not None:
        rest = message[attack.end() :].partition(" and misc-message ")[0]
        natted = NATTED.search(rest, 0, 2048)
        pairs = kv.cut(NATTED.sub("", rest, 1), PART)
        said = _as(attack) | (_as(natted) if natted else {})
        return said | {IDP_AS.get(name, name): value for name, value in pairs.items() if name != "id"}
    for form in SAID:
        if (one := form.fullmatch(message[:8192])) is not None:
            return _as(one)
    ends = [*ENDS.finditer(message, 0, 1024)]
    return _as(ends[0]) if len(ends) == 1 else {}


def _as(found: re.Match[str]) -> dict[str, str]:
    return {AS.get(name, name): value for name, value in found.groupdict().items() if value}


def _who(rest: str) -> dict[str, str]:
    who = WHO.search(rest, 0, 512)
    return {"username": who[1], "roles": who[2], "packet-incoming-interface": who[3]} if who is not None else {}


def _iso(written: str, raw: Raw) -> str | None:
    try:
        return when.iso(when.rfc3339(written, raw.zone))
    except ParseError:
        return None


def _details(found: Fields, said: Mapping[str, str], tag: str) -> None:
    if found.get("user.name") in NOBODY:
        del found["user.name"]
    policy, rule = text.given(said.get("policy-name")), text.given(said.get("rule-name"))
    if tag.startswith("IDP") and policy:
        text.put(found, (("rule.ruleset", policy), ("rule.category", said.get("rulebase-name"))))
    elif policy:
        text.put(found, (("rule.name", policy if "rule.name" not in found else None), ("rule.id", rule)))
    nested, plain = said.get("nested-application", ""), said.get("application") or said.get("application-name") or ""
    known = _known(nested) or _known(plain)
    text.put(
        found,
        (
            ("network.application", known.lower() if known else None),
            ("juniper.service-name", _known(said.get("service-name", ""))),
        ),
    )
    seconds = said.get("elapsed-time", "")
    if seconds.isdecimal() and len(seconds) < 10:
        found["event.duration"] = int(seconds) * 1_000_000_000
    if tag.startswith("RPD_BGP") and (peer := text.address(said.get("peer-name", "").partition(" ")[0])):
        found["source.ip"] = peer
    if "@timestamp" not in found and (epoch := said.get("epoch-time", "")).isdecimal():
        found["@timestamp"] = when.iso(when.epoch(epoch))
    if len(ends := said.get("ssh-connection", "").split()) == 4:
        text.put(found, (
            ("source.ip", text.address(ends[0])), ("source.port", text.port(ends[1]) or None),
            ("destination.ip", text.address(ends[2])), ("destination.port", text.port(ends[3]) or None),
        ))  # fmt: skip
    url, path = said.get("url", ""), said.get("obj", "")
    if url not in text.NOTHING:
        names.url(found, url)
        host = url.partition("/")[0]
        if "://" not in url and "." in host:
            found.setdefault("url.domain", host)
            text.put(found, (("url.path", path if path.startswith("/") else None),))
    if tag.startswith("AV_"):
        text.put(found, (("juniper.virus", said.get("name")), ("file.name", text.basename(said.get("filename", "")))))
    if tag.startswith("UI_CMD"):
        text.put(found, (("process.command_line", said.get("command", "").strip()),))


def _known(value: str) -> str | None:
    return None if value in text.NOTHING or value in NOBODY or value == "NONE" else value


def _meaning(found: Fields, said: Mapping[str, str], tag: str, message: str) -> None:
    key = tag
    while key and key not in TABLES["tags"]:
        key = key.rpartition("_")[0]
    program = str(found.get("process.name", ""))
    row = TABLES["tags"].get(key) or (
        "" if tag else next((PROGRAMS[one] for one in PROGRAMS if program.startswith(one)), "")
    )
    if not tag and (told := message.strip())[:7] in {"Failed ", "Accepte", "error: "} and "username" in said:
        row = f"event|authentication|start|{'success' if told[0] == 'A' else 'failure'}"
    if row.count("|") == 2 and "network" in row and "action" in said:
        result = verdict.of(said["action"]) or (
            "denied" if said["action"].lower().startswith(("close", "block")) else ""
        )
        result = "allowed" if said["action"].lower().startswith(("none", "alarm")) else result
        row += f" {result}|success" if result else ""
    if row.count("|") == 2 and (ending := ENDING.search(tag) or ENDED.match(message.strip())):
        row += "|success" if ending["yes"] else "|failure"
    if "event.action" not in found:
        text.put(found, (("event.action", tag.lower().replace("_", "-")),))
    verdict.says(found, row)


def _screenos(found: Fields, head: re.Match[str], message: str, raw: Raw) -> None:
    found |= {"observer.product": "NetScreen", "event.code": head["code"], "log.level": head["level"]}
    text.put(found, (("message", message), ("observer.name", head["device"]), ("juniper.vsys", head["vsys"])))
    row = TABLES["netscreen"].get(head["code"], "")
    told = message[:4096]
    if head["kind"] == "traffic" or "policy_id=" in told:
        row = "event|network|connection" + _session(found, kv.cut(told, NAME), told, raw)
    elif (one := SCREENED.match(told)) is not None:
        mapping.fill(found, _as(one), SETTERS, "juniper.")
        row = "alert|intrusion_detection network|info"
    else:
        if (admin := forms.read(ADMIN, told.strip())) is not None:
            text.put(found, (("user.name", admin["user"].strip("\"'")),))
            if not row.startswith("event|configuration"):
                phase = "end" if admin.get("out") == "out" else "start"
                row = f"event|authentication|{phase}|{'failure' if 'fail' in told.lower() else 'success'}"
        # the last one: what stands before it may be a name that somebody chose
        for origin in FROM.finditer(told):
            address = text.address(origin["s"])
            if address is not None:
                text.put(found, (("source.ip", address), ("source.port", text.port(origin["p"]) or None)))
        if row.startswith("event|authentication") and row.count("|") == 2:
            row += "|failure" if "fail" in told.lower() else ""
    if "@timestamp" not in found and (end := AT_END.search(message[-64:])) is not None:
        text.put(found, (("@timestamp", _iso(end[1], raw)),))
    verdict.says(found, row)


def _session(found: Fields, said: Mapping[str, str], told: str, raw: Raw) -> str:
    mapping.fill(found, said, NETSCREEN, "juniper.")
    for side, address, port in XLATED.findall(told):
        below = "source" if side == "src" else "destination"
        text.put(found, ((f"{below}.nat.ip", text.address(address)), (f"{below}.nat.port", text.port(port) or None)))
    started = _iso(said.get("start_time", "").strip('"'), raw)
    text.put(found, (("event.start", started), ("@timestamp", found.get("@timestamp") or started)))
    seconds = said.get("duration", "")
    if seconds.isdecimal() and len(seconds) < 10:
        found["event.duration"] = int(seconds) * 1_000_000_000
    action = said.get("action", "").lower()
    text.put(found, (("event.action", action),))
    result = verdict.of(action) or ""
    over = " end" if result == "allowed" and "reason" in said and said["reason"] != "Creation" else ""
    return f"{over} {result}|success" if result else ""


NETSCREEN = mapping.setters({
    "src": "source.ip", "dst": "destination.ip", "src_port": "source.port", "dst_port": "destination.port",
    "proto": "protocol", "sent": "source.bytes", "rcvd": "destination.bytes", "policy_id": "rule.id",
    "src zone": "observer.ingress.zone", "dst zone": "observer.egress.zone", "start_time": "nothing",
    "duration": "nothing", "action": "nothing", "src-xlated ip": "nothing", "dst-xlated ip": "nothing",
    "port": "nothing", "reason": "event.reason",
})  # fmt: skip
