"""WatchGuard's Fireware: what a Firebox let through or not, in words by their place and pairs; proxies, VPN, logins.

`disposition in out [length] protocol [header ttl] source destination [ports] … name="value" … (policy)`; the time in
parentheses behind the serial number is UTC. Fireware Log Catalog.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from sentinel.pack import Fields, ParseError, Raw, forms, kv, mapping, names, prose, syslog, text, verdict, when

TABLES = tomllib.loads((Path(str(__spec__.origin)).parent / "fields.toml").read_text("utf-8"))
SETTERS = mapping.setters(TABLES["fields"])
SERIAL = re.compile(
    r"(?:^|\s)(?P<serial>[0-9A-Z]{8,20})(?: \(?(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)?)? (?P<app>[a-z][\w\-]{1,31})"
    r"(?:\[(?P<pid>\d{1,10})\])?: "
)
BEGIN = re.compile(r'msg_id="(?P<id>[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4})" ?')
TRAFFIC = re.compile(
    r"(?P<what>Allow|Deny|Drop|Block|ProxyAllow|ProxyDeny|ProxyDrop|ProxyBlock|ProxyStrip|ProxyAvScan"
    r"|ProxyInspect|ProxyReplace"
    r"|ProxyConnect|ProxyHTTPReq|ProxyAbort):? (?P<in>\d{1,3}-.{1,40}?|\S{1,64})"
    r" (?P<out>\d{1,3}-.{1,40}?|\S{1,64}) (?:(?P<length>\d{1,6}) )?"
    r"(?P<proto>[A-Za-z][\w./\-]{0,31}|\d{1,3}) (?:(?P<header>\d{1,3}) (?P<ttl>\d{1,3}) )?"
    r"(?P<s>[0-9A-Fa-f.:]{2,45}) (?P<d>[0-9A-Fa-f.:]{2,45})(?: (?P<p>\d{1,5}) (?P<q>\d{1,5}))?(?= |$)"
)
POLICY = re.compile(r"\(([^()\"=]{1,128})\)\s*$")
VPN = (
    r"(?:SSL VPN|SSLVPN|IKEv2 VPN|IPSec VPN|L2TP VPN|MUVPN|Mobile VPN with (?:SSL|IKEv2|IPSec|L2TP)|Firewall|PPTP|L2TP"
    r"|Hotspot|Management|Admin)"
)
HOLES = {
    "user": r".{1,256}", "ip": r"[0-9A-Fa-f.:]{2,45}", "kind": r".{1,40}?", "result": r"accepted|rejected",
    "rest": r".{0,512}", "what": r"logged in|logged out",
}  # fmt: skip
LOGINS = tuple(
    forms.compiled(form, HOLES)
    for form in (
        r"Authentication of {kind} user \[{user}\] from {ip} was {result}(?:,{rest})?",
        VPN + r" user {user} (?:from|at) {ip}(?: \(\S{1,64}\))? {what}.{0,512}",
        VPN + r" user {user} {what}\. Virtual IP .{0,64} Real IP address is (?P<ip>[0-9.]{6,14}\d)\.?",
        VPN + r" user {user} {what}\. Virtual IP .{0,64}",
        VPN + r" user {user} has {what}\. .{0,200}",
        r"(?:WSM |Management |Admin )?User {user} (?:from|at) {ip} {what}.{0,512}",
    )
)
BLOCKED = re.compile(r"(?:Temporarily b|B)locking host (?P<ip>[0-9A-Fa-f.:]{2,45})")
CHANGED = forms.compiled(
    r"Management user {user} from {ip} (?P<how>modified|added|deleted|changed|saved) {rest}", HOLES
)
REFUSED = forms.compiled(r"Cannot start the session for user {user} from {ip}, reason: (?P<why>.{1,256})", HOLES)
HOW = {"added": "creation", "deleted": "deletion"}
IKE = re.compile(
    r"(?:'(?P<gateway>[^']{1,128})' )?(?:.{1,64}? IPSec tunnel is (?P<state>established|rekeyed|deleted|terminated)"
    r"|.{0,64}\bnegotiation\b.{0,128}?\b(?P<fail>failed|timeout)|(?P<reject>Rejected phase [12] .{1,32} from)"
    r"|(?P<recv>\*{1,16} RECV an IKE packet)|(?P<warn>WARNING: ))"
)
VIRTUAL = re.compile(r"(?i)\bvirtual IP(?: address)? is ([0-9.]{6,14}\d)")
STARTED = {"established": "start", "rekeyed": "info", "deleted": "end", "terminated": "end"}
ENDPOINT = re.compile(r"Gateway-Endpoint='([^']{1,128})'")
WHY = re.compile(r"\bReason=([^.]{1,256})")
TUNNEL = re.compile(r"^\((?P<a>[0-9A-Fa-f.:]{2,45})<->(?P<b>[0-9A-Fa-f.:]{2,45})\)")
LEASE = re.compile(
    r"DHCP(?P<kind>[A-Z]{3,10}) (?:on|for|from) (?P<who>[0-9A-Fa-f:.]{7,17})(?: (?:to|from) (?P<mac>[0-9A-Fa-f:]{17}))?"
    r"(?: \((?P<name>[^()]{1,64})\))?"
)
SECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)")
ATTACK = ("ddos", "flood", "attack", "scan", "spoof", "ips detected", "intrusion")


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    whole = text.decode(raw.body).rstrip("\r\n\0")
    begin, head = BEGIN.search(whole, 0, 1024), SERIAL.search(whole, 0, 512)
    if begin is None and head is None and (line.app is None or not TRAFFIC.match(line.message)):
        raise ParseError("no WatchGuard: neither msg_id nor a serial number and a process")
    found: Fields = {"event.kind": "event", "observer.vendor": "WatchGuard", "observer.product": "Firebox"}
    found |= {"observer.type": "firewall"} | syslog.observed(line)
    if head is not None:
        _head(found, head)
    elif line.app is not None:
        text.put(found, (("process.name", line.app), ("process.pid", text.number(line.pid))))
    start = begin.end() if begin else head.end() if head else whole.find(line.message)
    said = whole[start:]
    pairs = kv.loose(said[: said.rfind(" (")] if POLICY.search(said[-140:]) else said)
    traffic = TRAFFIC.match(said)
    if traffic is None:  # a sentence: only what is quoted in it is a pair
        pairs = {name: value for name, value in pairs.items() if f'{name}="' in said}
    if begin is not None:
        pairs["msg_id"] = begin["id"].upper()
    mapping.fill(found, pairs, SETTERS, "watchguard.")
    if traffic is not None:
        _traffic(found, traffic, said, pairs)
    else:
        _event(found, said)
        if "source.ip" not in found:
            prose.sentence(said.strip(), found, raw.received, raw.zone)
    yield found


def _head(found: Fields, head: re.Match[str]) -> None:
    found["observer.serial_number"] = head["serial"]
    if head["time"]:
        with suppress(ParseError):  # then the header's time, or when it was received, must do
            found["@timestamp"] = when.iso(when.rfc3339(head["time"]))
    text.put(found, (("process.name", head["app"]), ("process.pid", text.number(head["pid"]))))


def _traffic(found: Fields, traffic: re.Match[str], said: str, pairs: Mapping[str, str]) -> None:
    service, _, transport = traffic["proto"].lower().rpartition("/")
    mapping.protocol(found, transport)
    icmp = "icmp" in transport
    source, target = text.address(traffic["s"]), text.address(traffic["d"])
    policy = POLICY.search(said[-140:])
    text.put(found, (
        ("source.ip", source), ("destination.ip", target), ("network.protocol", service),
        ("source.port", None if icmp else text.port(traffic["p"]) or None),
        ("destination.port", None if icmp else text.port(traffic["q"]) or None),
        ("observer.ingress.interface.name", traffic["in"]), ("observer.egress.interface.name", traffic["out"]),
        ("event.action", traffic["what"].lower()), ("network.bytes", text.number(traffic["length"])),
        ("watchguard.icmp_type", traffic["p"] if icmp else None),
        ("watchguard.icmp_code", traffic["q"] if icmp else None),
        ("rule.ruleset" if "rule.id" in found else "rule.name", policy[1] if policy else None),
    ))  # fmt: skip
    if "signature_name" in pairs:
        text.put(found, (("rule.name", pairs["signature_name"]),))
    seconds = SECONDS.match(pairs.get("elapsed_time") or pairs.get("duration") or "")
    if seconds is not None:
        found["event.duration"] = round(float(seconds[1]) * 1e9)
    user = pairs.get("src_user", "")
    if user not in text.NOTHING:
        names.account(found, "user", user)
    _web(found, pairs)
    denied = traffic["what"].endswith(("Deny", "Drop", "Block", "Strip", "Abort", "Replace"))
    result = "denied" if denied else "allowed"
    told = str(found.get("message", "")).lower()
    if pairs.get("virus") or "virus found" in told or "malware" in told:
        row = "alert|malware network|info"
    elif "signature_id" in pairs or any(word in told for word in ATTACK):
        row = "alert|intrusion_detection network|info"
    elif "http.request.method" in found:
        row = "event|web network|access"
    elif found.keys() & {"email.from.address", "email.to.address"}:
        verdict.says(found, "event|email|info")
        return
    else:
        row = "event|network|connection"
    over = " end" if not denied and "connection" in row and "sent_bytes" in pairs else ""
    verdict.says(found, f"{row}{over} {result}|success")


def _web(found: Fields, pairs: Mapping[str, str]) -> None:
    method = pairs.get("op", "")
    path = pairs.get("arg") or pairs.get("path") or ""
    if (method.isalpha() and method.isupper()) or path.startswith("/"):
        text.put(found, (("http.request.method", method),))
        host = pairs.get("dstname") or pairs.get("host") or ""
        text.put(found, (("url.domain", host if host not in text.NOTHING else None),))
        if path.startswith("/") or "://" in path[:12]:
            names.url(found, path)
    else:
        text.put(found, (("destination.domain", text.given(pairs.get("dstname") or pairs.get("host"))),))


def _event(found: Fields, said: str) -> None:
    text.put(found, (("message", said.strip()),))
    told = said.strip()[:4096]
    if (login := forms.read(LOGINS, told)) is not None:
        _user(found, login)
        given = VIRTUAL.search(told[len(login["user"]) :])
        inner = text.address(given[1]) if given else None
        text.put(found, (
            ("event.reason", login.get("rest", "").strip(" ,.") or None),
            ("watchguard.assigned_ip", inner), ("related.ip", (inner,) if inner else None),
        ))  # fmt: skip
        outcome = "failure" if login.get("result") == "rejected" else "success"
        phase = "end" if login.get("what") == "logged out" else "start"
        verdict.says(found, f"event|authentication|{phase}|{outcome}")
        return
    for form, row in (
        (CHANGED, "event|configuration|change|success"),
        (REFUSED, "event|network session|denied|failure"),
    ):
        if (who := forms.read((form,), told)) is not None:
            _user(found, who)
            text.put(found, (("event.action", who.get("how")), ("event.reason", who.get("why"))))
            verdict.says(found, row.replace("change|", HOW.get(who.get("how", ""), "change") + "|"))
            return
    if (blocked := BLOCKED.match(told)) is not None:
        text.put(found, (("source.ip", text.address(blocked["ip"])),))
        verdict.says(found, "alert|intrusion_detection network|info denied|success")
    elif (ends := TUNNEL.match(told)) is not None:
        _ike(found, ends, told[ends.end() :])
    elif (lease := LEASE.match(told)) is not None:
        owner = text.address(lease["who"])
        text.put(found, (
            ("source.ip", owner), ("source.mac", text.mac(lease["mac"] or (None if owner else lease["who"]))),
            ("source.domain", lease["name"]), ("network.protocol", "dhcp"),
            ("event.action", f"dhcp{lease['kind'].lower()}"),
        ))  # fmt: skip
        verdict.says(found, "event|network|protocol info")
    elif found.get("process.name") != "iked" and any(
        word in told.lower() for word in ("configuration", "config file", "policy was")
    ):
        verdict.says(found, "event|configuration|change")
    elif any(word in told.lower() for word in (*ATTACK, "spoofing")) and "detected" in told:
        verdict.says(found, "alert|intrusion_detection network|info")
    else:
        process = str(found.get("process.name", ""))
        row = next((row for one, row in TABLES["processes"].items() if process.startswith(one)), "")
        verdict.says(found, f"{row}|{verdict.told(told[:256]) or ''}" if row else "")


def _user(found: Fields, said: Mapping[str, str]) -> None:
    """Set who it was and from where: `name@server`, where the server knows the name."""
    name, at, server = said["user"].rpartition("@")
    text.put(found, (
        ("user.name", name if at else said["user"]), ("user.domain", server if at else None),
        ("source.ip", text.address(said.get("ip"))),
    ))  # fmt: skip


def _ike(found: Fields, ends: re.Match[str], told: str) -> None:
    """Read what iked says of a tunnel: `(local<->remote)…`; who started it only some messages say."""
    local, remote = text.address(ends["a"]), text.address(ends["b"])
    said = IKE.match(told)
    theirs = "role:responder" in told or (said is not None and (said["reject"] or said["recv"]))
    text.put(found, (("source.ip", remote if theirs else local), ("destination.ip", local if theirs else remote)))
    why, named = WHY.search(told, 0, 1024), ENDPOINT.search(told, 0, 1024)
    gateway = (said["gateway"] if said else None) or (named[1] if named else None)
    text.put(found, (("event.reason", why[1].strip() if why else None), ("watchguard.gateway", gateway)))
    if said is not None and said["state"]:
        phase = STARTED[said["state"]]
        found["event.action"] = f"ipsec-tunnel-{said['state']}"
        verdict.says(found, f"event|network session|connection {phase}|success")
    elif said is not None and (said["fail"] or said["reject"] or said["warn"]):
        verdict.says(found, "event|network|connection protocol|failure")
    else:
        verdict.says(found, f"event|network|connection protocol|{verdict.told(told[:256]) or ''}")
