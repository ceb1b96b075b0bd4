"""Windows events of every channel: what `sentinel.pack.winevent` unwrapped becomes ECS by the tables in events.toml.

Every value of the event itself is kept as `winlog.event_data.<Name>`. `user.*` is who acted (or logged on);
`user.target.*` and `group.*` are whom or what it was done to.
"""

import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from sentinel.pack import (
    Fields,
    ParseError,
    Raw,
    dnslog,
    mapping,
    names,
    prose,
    structured,
    text,
    when,
    winevent,
    wintext,
    winwords,
)

TABLES = tomllib.loads((Path(str(__spec__.origin)).parent / "events.toml").read_text("utf-8"))
SYSTEM = mapping.setters(TABLES["system"])
CONTEXT = mapping.setters(TABLES["context"])
SPELT = {"guid": winwords.guid, "keywords": winwords.keywords}
SYSMON_NAMES = frozenset(TABLES["names"]["sysmon"].split())
NOBODY = frozenset({"", "-", "S-1-0-0", "NULL SID", "N/A"})
MEMBER = {"MemberUserName": "MemberName", "MemberUserSid": "MemberSid"}
OBJECTS = {"File": "file", "Key": "registry", "Process": "process"}
ALARMING = re.compile("malware|intrusion_detection")
KERBEROS = frozenset({"4768", "4769", "4770", "4771", "4772", "4773"})
FEDERATION = ("UserId", "IpAddress", "UserAgentString", "Endpoint", "FailureType")
DIRECTIONS = {
    "%%14592": "ingress", "%%14593": "egress", "Inbound": "ingress", "Outbound": "egress", "Eingehend": "ingress",
    "Ausgehend": "egress",
}  # fmt: skip
_PAIR = re.compile(r"^[ \t]*([A-Za-zäöü][\w \-]{0,40}?) *=(.*)$", re.MULTILINE)
_UNNAMED = re.compile(r"param\d+$")
_LINE = re.compile(r"^[ \t]*(\w{1,60}): (.*)$", re.MULTILINE)
_REFUSED = re.compile(
    r"(.{1,256})-((?:The |This |Your |Account |Der |Die |Das |Dieses |Dieser |Ihr |Kontoeinschr)[^-]{8,300})", re.DOTALL
)
_FILE = re.compile(r"file:_([^;]+)")
_COMMON_NAME = re.compile(r"(?i)CN=((?:[^,\\]|\\.)+)")


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one record, which holds one event or, as XML, several."""
    for record in winevent.read(raw):
        if "code" not in record.system:
            raise ParseError("a Windows event without its number")
        yield _event(record, raw)


def _event(record: winevent.Record, raw: Raw) -> Fields:
    system, data = record.system, record.data
    code = system.get("code", "")
    family = _family(system.get("provider", ""), system.get("channel", ""))
    found: Fields = {"event.kind": "event"}
    for name, value in system.items():
        if name in SYSTEM:
            SYSTEM[name](found, SPELT[name](value) if name in SPELT else value)
    text.put(found, (
        ("@timestamp", when.iso(record.time) if record.time else None),
        ("event.provider", system.get("provider")),
        ("host.name", system.get("computer")),
        ("log.level", _level(system.get("level", ""))),
    ))  # fmt: skip
    if not data and "message" in system:
        data = _from_message(system["message"], family)
    table = _mapping(family, code)
    for name, value in data.items():
        if value:
            found["winlog.event_data." + name] = value
            target = table.get(name)
            if target is not None and value not in NOBODY:
                target(found, value)
    if "param1" in data:  # values without a name: Sigma calls all of them Data
        unnamed = tuple(value for name, value in data.items() if value and _UNNAMED.match(name))
        text.put(found, (("winlog.event_data.Data", unnamed if len(unnamed) != 1 else unnamed[0]),))
    who = _meaning(found, family, code, data)
    _people(found, data, who)
    _outcome(found, code, data, system.get("keywords", ""))
    if family == "openssh":
        said = data.get("payload") or system.get("message", "").removeprefix("sshd: ")
        prose.sentence(said, found, raw.received, raw.zone)
    _particulars(found, family, code, record.system, data, who)
    names.executables(found)
    if "file.path" in found:
        names.file(found)
    return found


def _particulars(found: Fields, family: str, code: str, system: dict[str, str], data: dict[str, str], who: str) -> None:
    if family == "security":
        _security(found, code, data, who)
    elif family == "sysmon":
        _sysmon(found, data)
        return  # the account Sysmon runs as did nothing
    elif family == "powershell":
        said = data.get("ContextInfo") or data.get("param2" if code == "800" else "param3") or system.get("message", "")
        if code == "4104":  # its message is the script: whoever wrote that says nothing about himself
            said = ""
        for name, value in _PAIR.findall(said[:65536]):
            if (target := CONTEXT.get(name.replace(" ", "").lower())) and value.strip():
                target(found, value.strip())
    elif family == "defender":
        if ALARMING.search(str(found.get("event.category"))):
            found["event.kind"] = "alert"
    elif family in {"dns", "dnsserver"}:
        asked = (data.get(name) for name in ("QNAME", "QueryName", "NAME"))
        dnslog.question(found, next(filter(None, asked), None), data.get("QTYPE") or data.get("QueryType"))
    elif family == "adfs":
        _federation(found, data)
    if "user.name" not in found:
        text.put(found, (("user.name", system.get("user")), ("user.domain", system.get("domain")),
                         ("user.id", system.get("sid"))))  # fmt: skip


@lru_cache(512)
def _family(provider: str, channel: str) -> str:
    by_provider = TABLES["providers"].get(provider.lower())
    return str(by_provider or ("other" if provider else TABLES["channels"].get(channel.lower(), "other")))


@lru_cache(64)
def _level(said: str) -> str:
    return str(TABLES["levels"].get(said.lower(), said.lower()))


def _from_message(message: str, family: str) -> dict[str, str]:
    if family == "sysmon":
        pairs = [(name, value.strip()) for name, value in _LINE.findall(message.replace("#012", "\n"))]
        if len(pairs) > 1:
            return dict(reversed(pairs))  # of a name given twice the first counts
        return wintext.flattened(message, SYSMON_NAMES)
    if family in {"security", "eventlog"}:
        found = wintext.labelled(message, TABLES["sections"], TABLES["labels"])
        return {MEMBER.get(name, name): value for name, value in found.items()}
    if family == "powershell":
        return wintext.script(message)
    return wintext.labelled(message, {}, TABLES["said"].get(family, {}))


@lru_cache(2048)
def _mapping(family: str, code: str) -> dict[str, mapping.Setter]:
    tables = TABLES["fields"]
    rows = {**tables["any"], **tables.get(family, {}), **tables.get(f"{family}.{code}", {})}
    own = {name: SETTERS[target] for name, target in rows.items() if target in SETTERS}
    return mapping.setters({name: target for name, target in rows.items() if name not in own}) | own


def _threat_path(found: Fields, value: str) -> None:
    path = _FILE.search(value)
    found["file.path"] = path[1].partition("->")[0].strip() if path else value


def _station(found: Fields, value: str) -> None:
    """Set who asked a network policy server: a MAC address behind a switch, an address behind a VPN gateway."""
    text.put(found, (("source.mac", text.mac(value)), ("source.ip", text.address(value))))


def _peer(side: str) -> mapping.Setter:
    r"""Set an end that is an address, a name or `\\name`."""

    def peer(found: Fields, value: str) -> None:
        name = value.lstrip("\\")
        address = text.address(name)
        text.put(found, ((f"{side}.ip", address) if address else (f"{side}.domain", name),))

    return peer


def _addresses(found: Fields, value: str) -> None:
    """Set where a request to AD FS came from: the client stands first, proxies behind it."""
    text.put(found, (("source.ip", found.get("source.ip") or text.address(value.partition(",")[0].strip())),))


def _sid(found: Fields, value: str) -> None:
    text.put(found, (("user.id", value if value.startswith("S-1-") else None),))


def _query(found: Fields, value: str) -> None:
    text.put(found, (("url.query", value.removeprefix("?")),))


def _login(found: Fields, value: str) -> None:
    """Set who failed to log on, and why: `user@domain-The user name or password is incorrect`."""
    if refused := _REFUSED.fullmatch(value):
        names.account(found, "user", refused[1])
        found["event.reason"] = refused[2]


def _endpoint(found: Fields, value: str) -> None:
    host, _, port = value.rpartition(":")
    text.put(found, (("source.ip", text.address(host)), ("source.port", text.port(port))))


def _program(found: Fields, value: str) -> None:
    # `C:\Windows\Explorer.EXE (PC-0815)`
    found["process.executable"] = value.rpartition(" (")[0] if value.endswith(")") else value


SETTERS: dict[str, mapping.Setter] = {
    "path": _threat_path, "station": _station, "url": names.url, "program": _program, "endpoint source": _endpoint,
    "addresses": _addresses, "login": _login, "query": _query, "sid": _sid, "peer source": _peer("source"),
    "peer destination": _peer("destination"),
}  # fmt: skip
CLAIMS = {
    name: SETTERS[target] if target in SETTERS else mapping.setter(target) for name, target in TABLES["claims"].items()
}


def _meaning(found: Fields, family: str, code: str, data: dict[str, str]) -> str:
    category, types, action, who = TABLES["event"].get(family, {}).get(code, "|||").split("|")
    if category == "file" and "ObjectType" in data:
        category = OBJECTS.get(data["ObjectType"], "")
    if category:
        found["event.category"] = tuple(category.split(" "))
        found["event.type"] = tuple(types.split(" "))
    if action:
        found["event.action"] = action
    return str(who)


def _people(found: Fields, data: dict[str, str], who: str) -> None:
    if who != "target":
        _person(found, data, "Subject", "user")
    if who == "group":
        _person(found, data, "Target", "group")
        member = _COMMON_NAME.match(data.get("MemberName", ""))
        text.put(found, (("user.target.name", member[1].replace("\\", "") if member else None),
                         ("user.target.id", _somebody(data.get("MemberSid")))))  # fmt: skip
    elif who == "both" or (not who and "SubjectUserName" in data):
        _person(found, data, "Target", "user.target")
    else:
        _person(found, data, "Target", "user")


def _person(found: Fields, data: dict[str, str], prefix: str, role: str) -> None:
    name, domain = _somebody(data.get(prefix + "UserName")), _somebody(data.get(prefix + "DomainName"))
    if name:
        names.account(found, role, name)
    if domain and domain != found.get("source.domain"):  # 4740 names the caller's computer there
        found[role + ".domain"] = domain
    sid = _somebody(data.get(prefix + "UserSid") or data.get(prefix + "Sid"))
    if sid:
        found[role + ".id"] = sid


def _somebody(value: str | None) -> str | None:
    return None if value is None or value in NOBODY else value


def _outcome(found: Fields, code: str, data: dict[str, str], keywords: str) -> None:
    outcome = winwords.audited(keywords)
    if (
        outcome is None
        and (code in KERBEROS or code == "4776")
        and (status := text.number(data.get("Status"))) is not None
    ):
        outcome = "failure" if status else "success"
    if outcome is None and found.get("event.category", ("",))[0] in {"authentication", "iam"}:
        outcome = TABLES["outcome"].get(code)
    text.put(found, (("event.outcome", outcome),))


def _security(found: Fields, code: str, data: dict[str, str], who: str) -> None:
    reasons = TABLES["kerberos" if code in KERBEROS else "status"]
    said = (reasons.get(data.get(name, "").lower()) for name in ("SubStatus", "Status"))
    kind, path = OBJECTS.get(data.get("ObjectType", "")), _somebody(data.get("ObjectName"))
    if path and (kind in {"file", "registry"} or code == "4657"):
        found.setdefault("registry.path" if code == "4657" else f"{kind}.path", path)
    if "registry.path" in found:
        names.registry(found, value=False)
    text.put(found, (
        ("event.reason", next(filter(None, said), None)),
        ("registry.value", data.get("ObjectValueName")),
        ("registry.data.strings", (data["NewValue"],) if data.get("NewValue") and code == "4657" else None),
        ("winlog.logon.id", data.get("TargetLogonId" if who == "target" else "SubjectLogonId", "").lower()),
        ("winlog.logon.type", TABLES["logon_types"].get(data.get("LogonType"))),
        ("network.direction", DIRECTIONS.get(data.get("Direction", ""))),
    ))  # fmt: skip


def _federation(found: Fields, data: dict[str, str]) -> None:
    """Read what AD FS audits: since Windows Server 2016 as XML, before as texts without names."""
    values = list(data.values())
    for value in values:
        if "<AuditBase" in value[:200]:
            with suppress(ParseError):
                _audited(found, structured.xml_nodes(value))
        elif len(value) < 512:
            if text.address(value.partition(",")[0].strip()):
                _addresses(found, value)
            elif "user.name" not in found:
                _login(found, value)
    for claim, value in pairwise(values):  # 500 to 503 and 410: a claim's or header's name, then its value
        if (setter := CLAIMS.get(claim.rpartition("/")[2].lower())) is not None and value not in NOBODY:
            setter(found, value)


def _audited(found: Fields, nodes: list[structured.Node]) -> None:
    said: dict[str, str] = {}
    for node in (inner for top in nodes for name in FEDERATION for inner in top.all(name)):
        said.setdefault(node.name, node.text.strip())
    if said.get("UserId", "N/A") not in NOBODY:
        names.account(found, "user", said["UserId"])
    text.put(found, (
        # the last proxy names itself last
        ("source.ip", text.address(said.get("IpAddress", "").partition(",")[0].strip())),
        ("user_agent.original", _somebody(said.get("UserAgentString"))),
        ("url.path", _somebody(said.get("Endpoint"))),
        ("event.reason", None if said.get("FailureType") == "None" else _somebody(said.get("FailureType"))),
    ))  # fmt: skip


def _sysmon(found: Fields, data: dict[str, str]) -> None:
    if "registry.path" in found:
        names.registry(found, value=data.get("EventType", "").endswith("Value"))
    if "Initiated" in data:
        found["network.direction"] = "egress" if data["Initiated"].lower() == "true" else "ingress"
    for below in ("dll", "file"):
        if f"{below}.code_signature.status" in found and "Signed" in data:
            found[f"{below}.code_signature.exists"] = data["Signed"].lower() == "true"
    if found.get("dns.question.name") and data.get("QueryStatus", "").isdecimal():
        found["event.outcome"] = "success" if data["QueryStatus"] == "0" else "failure"
