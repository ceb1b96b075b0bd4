r"""Reads DHCP servers: ISC's dhcpd and dhcrelay, Kea, and the audit log of Windows Server whatever its language.

https://kb.isc.org/docs/isc-dhcp-44-manual-pages-dhcpd, https://kea.readthedocs.io/en/latest/kea-messages.html (the
message's name is event.code), https://learn.microsoft.com/…/dd183591 (the number of the event is event.code, its text
is not used). What a client calls itself stands in parentheses and may hold anything: what the server appends counts.
"""

import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, dhcplog, dnslog, syslog, text, verdict, when

MESSAGE_MAX = 4_096
_MAC = r"(?P<mac>(?:[0-9A-Fa-f]{1,2}[:-]){5,19}[0-9A-Fa-f]{1,2})"
_IP = r"[0-9A-Fa-f.:%]{2,64}"
_V4 = r"\d{1,3}(?:\.\d{1,3}){3}"
_ISC = re.compile(
    rf"(?P<kind>BOOTREQUEST|BOOTREPLY|DHCP[A-Z]{{3,12}})(?: (?:on|for|of|to|from|address) (?P<ip>{_V4}))?"
    rf"(?: \((?:(?P<server>{_V4})|(?P<alone>[^()]{{0,80}}))\))?(?: (?:from|to) (?:{_MAC}|<no identifier>|\S+)"
    r"(?: \((?P<name>.{0,255})\))?)? via (?P<via>[^\s:]{1,64})(?::? ?(?P<more>.*))?"
)
_EXPIRE = re.compile(rf"DHCPEXPIRE on (?P<ip>{_IP}) to {_MAC}")
_V6 = re.compile(
    r"(?:Sending )?(?P<kind>Solicit|Advertise|Request|Confirm|Renew|Rebind|Reply|Release|Decline|Information-request"
    rf"|Relay-forward|Relay-reply) (?:message from|to) (?P<ip>{_IP}) port (?P<port>\d{{1,5}})"
    r"(?:, transaction ID (?P<id>\S+))?"
)
_V6_LEASE = re.compile(
    rf"(?P<kind>Advertise|Reply) (?P<what>NA|TA|PD): (?:address|prefix) (?P<ip>{_IP})(?:/\d+)? to client with duid "
    r"(?P<duid>\S+)(?: iaid = (?P<iaid>-?\d+))?.*"
)
_MAP = re.compile(
    r"(?P<what>Added new forward map|Removed forward map|Unable to add forward map|Forward map"
    r"|[Aa]dded reverse map|[Rr]emoved reverse map|unable to add reverse map) (?:from|on) (?P<from>\S+)"
    r"(?: (?:to|FROM|from) (?P<to>\S+?))?(?:: (?P<reason>.*))?"
)
_ISC_OTHER = (
    (re.compile(rf"Abandoning IP address (?P<ip>{_IP}): (?P<reason>.*)"), "conflict"),
    (re.compile(rf"ICMP Echo reply while lease (?P<ip>{_IP}) valid\."), "conflict"),
    (re.compile(rf"uid lease (?P<ip>{_IP}) for client {_MAC} is duplicate on (?P<reason>\S+)"), "conflict"),
    (re.compile(rf"reuse_lease: .* existing lease for (?P<ip>{_IP})"), "reuse"),
)
_KEA = re.compile(
    r"(?:(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?) )?(?P<level>DEBUG|INFO|WARN|ERROR|FATAL) +"
    r"(?:\[(?P<logger>[\w.-]{1,80})(?:/(?P<pid>\d{1,10}))?(?:\.(?P<thread>\d{1,20}))?\] )?"
    r"(?P<code>[A-Z][A-Z0-9_]{4,80}) ?(?P<message>.*)",
    re.DOTALL,
)
_KEA_WHO = re.compile(rf"\[hwtype=\d+ {_MAC}\]")
_KEA_IDS = re.compile(r"(cid|duid|tid)=(?:\[([0-9a-f:]{2,400})\]|(0x[0-9a-f]{1,8}))")
_KEA_IP = re.compile(rf"\b(?:lease|address|addr|lease for address|prefix)(?: for (?:address|prefix))? (?P<ip>{_IP})\b")
_KEA_PACKET = re.compile(
    r"(?P<kind>[A-Z][A-Za-z-]{3,24}) \(type (?P<type>\d+)\) "
    rf"(?:received )?from (?P<from>{_IP}?)(?::(?P<fport>\d+))? to (?P<to>{_IP}?)(?::(?P<tport>\d+))? on interface "
    r"(?P<on>\S+)"
)
_KEA_KINDS = (
    ("LEASE_ALLOC", "ack"), ("LEASE_RENEW", "ack"), ("LEASE_REUSE", "ack"), ("LEASE_ADVERT", "offer"),
    ("LEASE_OFFER", "offer"), ("RELEASE_FAIL", "release_failed"), ("RELEASE", "release"), ("DECLINE", "decline"),
    ("PACKET_NAK", "nak"), ("ALLOC_FAIL", "exhausted"), ("LEASE_RECLAIM", "expire"), ("LEASE_EXPIRED", "expire"),
)  # fmt: skip
# what other messages are about, by their names, first that fits: https://kea.readthedocs.io/en/latest/kea-messages.html
_KEA_ABOUT: tuple[tuple[re.Pattern[str], str, str, str], ...] = tuple(
    (re.compile(form), *said)
    for form, *said in (
        (r"DHCP_DDNS_.*(?:REJECTED|FAILED|_FAIL|IO_ERROR|DROPPED|INVALID|CORRUPT|NO_.*MATCH|ERROR|TIMEOUT)",
         "dns_update", "network", "protocol error"),
        (r"DHCP_DDNS_.*(?:SUCCEEDED|_ADD|_REMOVE|_REPLACE|REQUEST)", "dns_update", "network", "protocol"),
        (r".*(?:NOT_AUTHORIZED|UNAUTHORIZED|AUTH_FAIL|REJECTED_CLIENT|RBAC_.*REJECT).*", "login", "authentication",
         "start"),
        (r".*(?:_AUTHORIZED|AUTH_.*SUCCESS).*", "login", "authentication", "start"),
        (r"(?:COMMAND|CTRL_AGENT_COMMAND|NETCONF)_.*", "dhcp_command", "configuration", "info"),
        (r"(?:LEASE|SUBNET|HOST|CLASS|CB)_CMDS_.*(?:ADD|DEL|WIPE|UPDATE|SET|RESERVATION|DELTA).*", "dhcp_command",
         "configuration", "change"),
        (r".*(?:RECONFIGURATION|CFGMGR_|CONFIGURE|_CONFIG_).*", "dhcp_configuration", "configuration", "change"),
        (r"HA_.*", "dhcp_failover", "network", "info"),
        (r".*(?:PACKET_DROP|PACKET_.*(?:FAIL|EXCEPTION|REJECT)|PACKET_QUEUE_FULL|LIMITS_.*|PARSE_FAIL).*",
         "dhcp_dropped", "network", "protocol denied"),
        (r".*INIT_REBOOT.*", "dhcp_request", "network", "connection protocol"),
        (r"(?:LFC|DHCPSRV_MEMFILE|DHCPSRV_MYSQL|DHCPSRV_PGSQL|DATABASE)_.*", "dhcp_database", "database", "info"),
        (r"(?:HOOKS|RUN_SCRIPT)_.*", "dhcp_hook", "process", "info"),
        (r"(?:TLS|TCP|HTTP)_.*", "dhcp_control_connection", "network", "connection"),
    )
)  # fmt: skip
_NAMED = r"[a-z0-9]{2,30}(?:-[a-z0-9]{1,30}){1,6}"
_KEA_COMMAND = re.compile(rf"command '([a-z0-9-]{{2,80}})'|command ({_NAMED})\b|^({_NAMED}) command\b")
_KEA_USER = re.compile(r"(?:for|user) '([^']{1,128})'")
_KEA_REMOTE = re.compile(rf"\bfrom (?:remote )?(?:address |endpoint )?(?P<ip>{_IP})(?=[:\s,]|$)")
_KEA_NAME = re.compile(r"FQDN:?,? \[?([A-Za-z0-9_.-]{1,255})")
_READING = re.compile(r".*-(?:get|list|status|page|reload|search|test|count)(?:-.*)?|list-commands|.*-get")
_LEGAL = re.compile(
    rf"(?P<time>\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d) \S+ Address: ?(?P<ip>{_IP}) has been "
    rf"(?P<what>assigned|renewed|released).{{0,120}}? hardware address: (?:hwtype=\d+ )?{_MAC}.*"
)
_WINDOWS = re.compile(
    r"(?P<id>\d{2,5}),(?P<date>\d{1,2}[./]\d{1,2}[./]\d{2,4}),(?P<time>\d{1,2}:\d\d:\d\d),(?P<rest>.*)"
)
_LEGEND = re.compile(
    r"\d{2,5}\+?\t.*|\s*(?:Microsoft DHCP|Aktivit|Event ID|Ereignis|QResult|ID,(?:Date|Datum),|DHCP-Dienstakti).*"
)
_WINDOWS_KINDS = {
    "10": "ack", "11": "renewed", "12": "release", "13": "conflict", "14": "exhausted", "15": "nak", "16": "deleted",
    "17": "expire", "18": "expire", "20": "ack", "21": "ack", "22": "exhausted", "23": "deleted", "33": "nak",
    "36": "nak",
    "11000": "solicit", "11001": "advertise", "11002": "request", "11003": "confirm", "11004": "renew",
    "11005": "rebind", "11006": "decline", "11007": "release", "11008": "inform", "11009": "exhausted",
    "11014": "conflict", "11015": "conflict", "11016": "deleted", "11017": "expire", "11018": "expire",
    "11019": "expire",
}  # fmt: skip
_WINDOWS_DNS = {
    "30": "", "31": "failure", "32": "success", "34": "failure", "35": "failure", "11022": "", "11023": "failure",
    "11024": "success", "11028": "failure",
}  # fmt: skip
_WINDOWS_LIFE = {"00": "start", "01": "end", "02": "change", "11010": "start", "11011": "end", "11012": "change"}
# the audit log's other events: whether the server may serve (50 to 64, 11030 and on), the clean-up
_WINDOWS_STATE = {
    "24": "cleanup_started|database|info|", "25": "cleanup_statistics|database|info|",
    "50": "domain_unreachable|network|error|failure", "51": "authorized|configuration|allowed|success",
    "52": "server_upgraded|configuration|change|", "53": "authorized_from_cache|configuration|allowed|success",
    "54": "not_authorized|configuration|denied|failure", "55": "authorized|configuration|allowed|success",
    "56": "not_authorized|configuration|denied|failure", "57": "other_server_found|network|info|",
    "58": "domain_not_found|network|error|failure", "59": "network_failure|network|error|failure",
    "60": "no_domain_controller|network|error|failure", "61": "other_server_found|network|info|",
    "62": "other_server_found|network|info|", "63": "rogue_detection_restarted|process|info|",
    "64": "no_interface|network|error|failure", "11013": "log_restarted|process|info|",
    "11020": "cleanup_started|database|info|", "11021": "cleanup_statistics|database|info|",
}  # fmt: skip
_COLUMNS4 = (
    "", "source.ip", "name", "mac", "user", "transaction", "result", "", "correlation", "dhcid", "", "vendor_class", "",
    "user_class", "relay", "dns_error",
)  # fmt: skip
_COLUMNS6 = ("", "source.ip", "name", "error", "", "duid", "user", "dhcid", "prefix")


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line of any of the servers, bare or in syslog."""
    whole = text.decode(raw.body).rstrip("\r\n\0")
    fields: Fields = {"event.kind": "event", "observer.type": "dhcp"}
    bare = _KEA.match(whole) or _LEGAL.match(whole)
    app = ""
    if not bare:  # else its time is not the head of syslog
        line = syslog.read(raw)
        fields.update(syslog.fields(line))
        whole, app = line.message, line.app or ""
    if not _read(whole.strip("\r\n ")[:MESSAGE_MAX], fields, raw):
        if not app:
            raise ParseError("no line of a DHCP server")
        fields["event.category"], fields["event.type"] = ("network",), ("info",)
    if "observer.product" not in fields and app.startswith(("dhcpd", "dhcrelay")):
        _product(fields, "ISC", "DHCP")
    yield fields


def _product(fields: Fields, vendor: str, product: str) -> None:
    fields["observer.vendor"], fields["observer.product"] = vendor, product


def _read(message: str, fields: Fields, raw: Raw) -> bool:
    if kea := _KEA.fullmatch(message):
        _product(fields, "ISC", "Kea")
        _kea(fields, kea, raw)
    elif legal := _LEGAL.fullmatch(message):
        _product(fields, "ISC", "Kea")
        fields["@timestamp"] = when.iso(when.rfc3339(legal["time"], raw.zone))
        dhcplog.lease(fields, "release" if legal["what"] == "released" else "ack", legal["ip"], _mac(legal["mac"]))
    elif windows := _WINDOWS.fullmatch(message):
        _product(fields, "Microsoft", "DHCP Server")
        _windows(fields, windows, raw)
    elif _LEGEND.fullmatch(message):
        _product(fields, "Microsoft", "DHCP Server")
        fields.update({"event.action": "log_legend", "event.category": ("process",), "event.type": ("info",)})
    else:
        return _isc(fields, message)
    return True


def _mac(written: str | None) -> str | None:
    """Return a MAC address; ISC writes leading zeros, others leave them out, Ethernet's type may stand before it."""
    return text.mac(":".join(part.zfill(2) for part in written.replace("-", ":").split(":"))) if written else None


# ------------------------------------------------------------------ ISC


def _isc(fields: Fields, message: str) -> bool:
    if expire := _EXPIRE.fullmatch(message):
        dhcplog.lease(fields, "expire", expire["ip"], _mac(expire["mac"]))
    elif found := _ISC.fullmatch(message):
        kind = found["kind"].removeprefix("DHCP").lower()
        mac, name = _mac(found["mac"] or found["alone"]), found["name"]
        dhcplog.lease(fields, kind, found["ip"], mac, name)
        more = (found["more"] or "").strip()
        relay = text.address(found["via"])
        text.put(fields, [
            ("destination.ip", text.address(found["server"])), ("event.reason", more.strip("()")),
            ("dhcp.relay", relay), ("observer.ingress.interface.name", None if relay else found["via"]),
        ])  # fmt: skip
        if more.startswith(("network", "no free", "peer holds")) or "no free leases" in more:
            fields["event.outcome"], fields["event.type"] = "failure", ("connection", "protocol", "denied")
    elif lease := _V6_LEASE.fullmatch(message):
        dhcplog.lease(fields, lease["kind"].lower(), lease["ip"])
        text.put(fields, [("dhcp.duid", lease["duid"]), ("dhcp.iaid", lease["iaid"])])
    elif six := _V6.fullmatch(message):
        dhcplog.lease(fields, six["kind"].lower().replace("-", "_"), six["ip"])
        text.put(fields, [("source.port", text.port(six["port"])), ("dhcp.transaction", six["id"])])
    elif dns := _MAP.fullmatch(message):
        dnslog.event(fields, "dns_update", "info", "failure" if dns["reason"] or "nable" in dns["what"] else "success")
        one, other = dns["from"], dns["to"] or ""
        name = other if one.endswith(("arpa", "arpa.")) else one
        text.put(fields, [
            ("dns.question.name", one.rstrip(".")), ("source.domain", name.rstrip(".")),
            ("source.ip", text.address(other)), ("event.reason", dns["reason"]),
        ])  # fmt: skip
    else:
        return _isc_other(fields, message)
    _product(fields, "ISC", "DHCP")
    return True


def _isc_other(fields: Fields, message: str) -> bool:
    for form, kind in _ISC_OTHER:
        if found := form.fullmatch(message):
            parts = found.groupdict()
            dhcplog.lease(fields, kind, found["ip"], _mac(parts.get("mac")))
            text.put(fields, [("event.reason", parts.get("reason"))])
            return True
    if message.startswith(("Internet Systems Consortium DHCP", "Server starting service")):
        fields["event.category"], fields["event.type"] = ("process",), ("start",)
        text.put(fields, [("observer.version", message.rpartition(" ")[2] if "Consortium" in message else None)])
        return True
    return False


# ------------------------------------------------------------------ Kea


def _kea(fields: Fields, found: re.Match[str], raw: Raw) -> None:
    code, message = found["code"], found["message"]
    if found["time"]:
        fields["@timestamp"] = when.iso(when.rfc3339(found["time"], raw.zone))
    fields["event.code"], fields["log.level"] = code, found["level"].lower()
    text.put(fields, [("log.logger", found["logger"]), ("process.pid", text.number(found["pid"]))])
    if found["logger"]:
        fields.setdefault("process.name", found["logger"].partition(".")[0])
    kind = next((kind for part, kind in _KEA_KINDS if part in code), "")
    packet = _KEA_PACKET.search(message[:1_024]) if "PACKET" in code else None
    address = _KEA_IP.search(message[:1_024])
    who = _KEA_WHO.search(message[:512])
    if packet:
        kind = packet["kind"].removeprefix("DHCP").removeprefix("V6_").lower()
        dhcplog.lease(fields, kind, None, _mac(who["mac"]) if who else None)
        text.put(fields, [("observer.ingress.interface.name", packet["on"].rstrip(",."))])
        client, server = (
            (("to", "tport"), ("from", "fport")) if "SEND" in code else (("from", "fport"), ("to", "tport"))
        )
        for side, (ip, port) in (("source", client), ("destination", server)):
            where = text.address(packet[ip])
            if where not in {None, "0.0.0.0", "255.255.255.255"}:  # noqa: S104  an address of a packet, nothing is bound
                text.put(fields, [(f"{side}.ip", where)])
            text.put(fields, [(f"{side}.port", text.port(packet[port]))])
    elif kind:
        dhcplog.lease(fields, kind, address["ip"] if address else None, _mac(who["mac"]) if who else None)
    else:
        _kea_other(fields, code, message)
        if who:
            text.put(fields, [("source.mac", _mac(who["mac"]))])
    for name, several, one in _KEA_IDS.findall(message[:1_024]):
        if several or one:
            fields.setdefault(
                {"cid": "dhcp.client_id", "duid": "dhcp.duid", "tid": "dhcp.transaction"}[name], several or one
            )
    text.put(fields, [("event.reason", message.partition(": ")[2] if kind else None)])


def _kea_other(fields: Fields, code: str, message: str) -> None:
    """Set what a message that is about no lease means, by its name: start and end, commands, logins, DNS, failover."""
    stop, start = code.endswith("SHUTDOWN"), code.endswith(("_STARTED", "_STARTING"))
    bad = fields.get("log.level") in {"error", "fatal"} or code.endswith(("_FAIL", "_FAILED", "_ERROR"))
    fields["event.category"] = ("process",) if start or stop else ("network",)
    fields["event.type"] = ("start",) if start else ("end",) if stop else ("error",) if bad else ("info",)
    about = next((row for row in _KEA_ABOUT if row[0].fullmatch(code)), None) if not (start or stop) else None
    text.put(fields, [("event.reason", message.strip()[:1_024] or None)])
    if about is None:
        return
    _, fields["event.action"], category, kinds = about
    fields["event.category"], fields["event.type"] = (category,), tuple(kinds.split())
    if bad and "error" not in kinds and category != "authentication":
        fields["event.type"] = (*kinds.replace("info", "").split(), "error")
    command, user, remote = (form.search(message[:1_024]) for form in (_KEA_COMMAND, _KEA_USER, _KEA_REMOTE))
    if category in {"authentication", "configuration"}:
        text.put(fields, [("source.ip", text.address(remote["ip"]) if remote else None)])
    if category == "authentication":
        failed = re.search("NOT_|UNAUTH|FAIL|REJECT", code) is not None
        fields["event.outcome"] = "failure" if failed else "success"
        text.put(fields, [("user.name", user[1] if user else None)])
    elif category == "configuration":
        name = next(filter(None, command.groups())) if command else ""
        text.put(fields, [("dhcp.command", name)])
        if name and not _READING.fullmatch(name) and fields["event.type"] == ("info",):
            fields["event.type"] = ("change",)
    elif about[1] == "dns_update":
        asked = _KEA_NAME.search(message[:1_024])
        dnslog.event(fields, "dns_update", kinds.partition(" ")[2])
        dnslog.question(fields, asked[1].rstrip(".,") if asked else None)
        if "SUCCEEDED" in code or bad or "error" in kinds:
            fields["event.outcome"] = "success" if "SUCCEEDED" in code else "failure"


# ------------------------------------------------------------------ Windows


def _windows(fields: Fields, found: re.Match[str], raw: Raw) -> None:
    code = found["id"]
    one, two, year = re.split(r"[./]", found["date"])
    month, day = (one, two) if "/" in found["date"] else (two, one)
    stamp = f"{year if len(year) == 4 else '20' + year}-{month:0>2}-{day:0>2} {found['time']:0>8}"
    fields["@timestamp"] = when.iso(when.rfc3339(stamp, raw.zone))
    six = len(code) == 5
    named = dict(zip(_COLUMNS6 if six else _COLUMNS4, (one.strip() for one in found["rest"].split(",")), strict=False))
    named.pop("", None)
    address, name, mac = named.pop("source.ip", ""), named.pop("name", ""), named.pop("mac", "")
    if code in {"14", "22"}:
        text.put(fields, [("dhcp.scope", text.address(address))])
        address = ""
    name = "" if name == "BAD_ADDRESS" else name
    if code in _WINDOWS_KINDS:
        dhcplog.lease(fields, _WINDOWS_KINDS[code], address, mac, name)
    elif code in _WINDOWS_DNS:
        dnslog.event(fields, "dns_update", "info", _WINDOWS_DNS[code])
        # a request for an update tells the address backwards, as in in-addr.arpa
        text.put(fields, [("dhcp.reverse" if code == "30" else "source.ip", text.address(address))])
        text.put(fields, [("source.domain", text.given(name)), ("dns.question.name", text.given(name))])
    else:
        life = _WINDOWS_LIFE.get(code, "info")
        fields["event.category"] = ("process",) if code in _WINDOWS_LIFE else ("network",)
        fields["event.type"] = (life,)
        if row := _WINDOWS_STATE.get(code):
            action, _, said = row.partition("|")
            verdict.says(fields, f"|{said}")
            fields["event.action"] = f"dhcp_{action}"
        text.put(fields, [("source.ip", text.address(address)), ("dhcp.domain", text.given(name))])
    fields["event.code"] = code
    fields.update(text.user(named.pop("user", None)))
    text.put(fields, [("event.reason", found["rest"].partition(",")[0])])
    text.put(fields, [(f"dhcp.{key}", value) for key, value in named.items() if text.given(value) and value != "0"])
