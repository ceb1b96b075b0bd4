"""The names that programs commonly give to the same things, for objects and pairs of a program nobody knows.

A name is compared without case, `_`, `-` and `.`: `src_ip`, `SrcIP` and `src.ip` are one. What has no common meaning
is kept as `labels.<name>`.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache

from sentinel.core.errors import ParseError
from sentinel.core.event import Fields, Scalar, Value
from sentinel.pack import mapping, names, stamps, text, when

LABELS_MAX = 200
LABEL_MAX = 100

_NAMES = {
    "@timestamp": "@timestamp eventtime datetime timestamp time ts asctime logtime date t t$date @t"
                  " stagetimestamp requestreceivedtimestamp edgestarttimestamp realtimetimestamp",
    "source.ip": "srcip sourceip srcaddr sourceaddress saddr src clientip clientaddr clientaddress remoteip remoteaddr"
                 " remoteaddress requestip visitorip rhost peerip peeraddr peeraddress cip ipaddress ipaddr ip remote"
                 " client metaremoteip remotehost source peer sourceips sourceipaddress addrremote",
    "source.port": "srcport sourceport sport spt clientport remoteport peerport",
    "source.mac": "srcmac sourcemac smac clientmac",
    "source.nat.ip": "srcnatip transsrcip natsrcip translatedsourceip xlatesrc",
    "source.nat.port": "srcnatport transsrcport natsrcport translatedsourceport",
    "destination.ip": "dstip destip destinationip dstaddr destaddr destinationaddress daddr dst dest serverip"
                      " serveraddr serveraddress",
    "destination.port": "dstport destport destinationport dport dpt serverport",
    "destination.mac": "dstmac destmac destinationmac dmac",
    "destination.nat.ip": "dstnatip transdstip natdstip translateddestinationip xlatedst",
    "destination.nat.port": "dstnatport transdstport natdstport translateddestinationport",
    "user.name": "username user login userlogin accountname uname principalname usr acct account"
                 " useridentityusername",
    "user.email": "email useremail mail",
    "host.name": "hostname computername computer machinename",
    "http.request.method": "method httpmethod requestmethod verb clientrequestmethod",
    "http.response.status_code": "statuscode httpstatus responsestatus responsecode httpstatuscode responsestatuscode"
                                 " edgeresponsestatus status",
    "url.original": "url uri requesturi requesturl requestpath pathinfo httppath requestedurl requri clientrequesturi"
                    " path",
    "url.domain": "httphost vhost servername virtualhost clientrequesthost",
    "user_agent.original": "useragent httpuseragent requestuseragent ua requseragent reqheadersuseragent"
                           " clientrequestuseragent",
    "http.request.referrer": "referer referrer httpreferer requestreferer reqheadersreferer",
    "log.level": "level severity loglevel levelname lvl @l",
    "log.logger": "logger loggername",
    "message": "message msg @m shortmessage log",
    "process.pid": "pid processid",
    "process.name": "processname program progname appname syslogidentifier",
    "protocol": "proto protocol transport",
    "event.action": "action eventname eventid event eventtype operation",
    "event.code": "eventcode signatureid msgid",
    "rule.id": "ruleid policyid",
    "rule.name": "rulename policyname",
    "file.path": "filepath filename",
    "file.hash.md5": "md5", "file.hash.sha1": "sha1", "file.hash.sha256": "sha256",
    "dns.question.name": "qname dnsquery queryname",
    "dns.question.type": "qtype querytype",
    "dns.response_code": "rcode",
}  # fmt: skip
_PLACES = {name: (target, rank) for target, all_ in _NAMES.items() for rank, name in enumerate(all_.split())}
_SETTERS = mapping.setters({target: target for target in _NAMES})
_ENDPOINT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::(\d+))?|([0-9.]+):(\d+)")
_SPOILT = re.compile(r"[^A-Za-z0-9_@.-]|\.(?=\.|$)|^\.")
_METHODS = frozenset({
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE", "PROPFIND", "PROPPATCH", "REPORT",
    "MKCOL", "MOVE", "COPY", "LOCK", "UNLOCK", "SEARCH",
})  # fmt: skip
_WEB = frozenset({"http.request.method", "url.original", "user_agent.original", "http.response.status_code"})
_TRANSPORTS = frozenset(mapping.TRANSPORTS.values()) | mapping.TRANSPORTS.keys() | {"icmpv6", "icmp6"}
_OUTCOMES = {
    "success": "success", "succeeded": "success", "successful": "success", "ok": "success", "true": "success",
    "failure": "failure", "failed": "failure", "fail": "failure", "error": "failure", "false": "failure",
}  # fmt: skip
_AROUND = frozenset(
    {
        "account", "actor", "attr", "client", "context", "data", "details", "event", "eventdata", "extra", "fields",
        "headers", "http", "log", "meta", "params", "payload", "properties", "record", "req", "request", "user",
    }
)  # fmt: skip
"""What an object around others is called: `req.url` is the url."""
_RESULTS = frozenset({"outcome", "result", "eventoutcome", "success", "loginresult"})


@lru_cache(4_096)
def _folded(name: str) -> str:
    plain = _plain(name)
    while plain not in _PLACES and "." in name and name.partition(".")[0].lower() in _AROUND:
        name = name.partition(".")[2]
        plain = _plain(name)
    return plain


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(".", "").replace(" ", "")


def read(said: Mapping[str, Value], fields: Fields, received: datetime, zone: str) -> None:
    """Add to `fields` what the names of `said` commonly mean; what is set already stays. The rest become labels."""
    found: dict[str, tuple[int, Scalar, tuple[str, Value]]] = {}
    rest: list[tuple[str, Value]] = []
    for name, value in said.items():
        folded = _folded(name)
        target, rank = _PLACES.get(folded, ("", 0))
        one = value[0] if isinstance(value, tuple) else value
        if folded in _RESULTS and (outcome := _OUTCOMES.get(str(one).lower())):
            fields.setdefault("event.outcome", outcome)
            continue
        if target == "@timestamp":
            moment = _moment(one, received, zone)
            one, target = (when.iso(moment), target) if moment else (one, "")
        if target == "user.email" and "@" not in str(one):
            target, rank = "user.name", len(_NAMES)
        better = target and _fits(target, one, said) and (target not in found or rank < found[target][0])
        if better and target in found:
            rest.append(found[target][2])
        if better:
            found[target] = (rank, one, (name, value))
        else:
            rest.append((name, value))
    if "@timestamp" in found:
        fields["@timestamp"] = found.pop("@timestamp")[1]
    for target, (_, value, _) in found.items():
        _set(fields, target, str(value))
    if "user.email" in fields and "user.name" not in fields:
        fields.update(text.user(str(fields["user.email"])))
    _hosts(fields, rest)
    labels(fields, rest)


def meaning(name: str) -> str | None:
    """Return the target (see `mapping.setters`) of what is commonly called so, None if there is none."""
    return _PLACES[folded][0] if (folded := _folded(name)) in _PLACES else None


def labels(fields: Fields, pairs: Iterable[tuple[str, Value]]) -> None:
    """Keep pairs as `labels.<name>`, at most LABELS_MAX of them."""
    count = 0
    for name, value in pairs:
        label = "labels." + (_SPOILT.sub("_", name[:LABEL_MAX]) or "_")
        if label in fields or count >= LABELS_MAX:
            continue
        kept = tuple(map(_text, value)) if isinstance(value, tuple) else _text(value)
        if kept:
            fields[label] = kept
            count += 1


def endpoint(value: str) -> tuple[str | None, int | None]:
    """Return address and port of `192.0.2.1`, `192.0.2.1:22`, `[2001:db8::1]:22`; of a list the first."""
    first = value.partition(",")[0].strip()
    address = text.address(first)
    if address is not None:
        return address, None
    both = _ENDPOINT.fullmatch(first)
    if both is None:
        return None, None
    return text.address(both[1] or both[3]), text.port(both[2] or both[4]) or None


def _fits(target: str, value: Scalar, said: Mapping[str, Value]) -> bool:
    match target:
        case "source.ip" | "destination.ip" | "source.nat.ip" | "destination.nat.ip":
            return endpoint(str(value))[0] is not None
        case "http.response.status_code":
            return str(value).isdecimal() and 100 <= int(str(value)[:9]) <= 599 and _web(said)
        case "url.original":
            return str(value)[:1] == "/" or "://" in str(value)[:12]
        case "http.request.method":
            return str(value).upper() in _METHODS and _web(said)
        case "log.level":
            return isinstance(value, str) and value != "" and not value.isdecimal()
        case "event.action" | "event.code" | "host.name" | "user.name" | "message":
            return not isinstance(value, bool) and text.given(str(value)) is not None and str(value).strip("-") != ""
        case "dns.question.type" | "dns.response_code":
            return str(value)[:1].isalpha()
        case _:
            return True


def _web(said: Mapping[str, Value]) -> bool:
    return any(_PLACES.get(_folded(name), ("", 0))[0] in {"url.original", "user_agent.original"} for name in said)


def _set(fields: Fields, target: str, value: str) -> None:
    if target.endswith(".ip"):
        address, port = endpoint(value)
        below = target[:-3]
        if target not in fields:
            text.put(fields, [(target, address), (f"{below}.port", port)])
    elif target == "protocol":
        if value.lower() in _TRANSPORTS:
            mapping.protocol(fields, value)
        elif value[:4].lower() == "http" and value[4:5] == "/":
            fields.setdefault("http.version", value[5:])
        else:
            text.put(fields, [("network.protocol", value.lower())])
    elif target == "url.original":
        names.url(fields, value)
    elif target == "user.name":
        if "user.name" not in fields:
            fields.update(text.user(value))
    elif target == "log.level":
        fields.setdefault("log.level", value.lower())
    else:
        _SETTERS[target](fields, value)


def _hosts(fields: Fields, rest: list[tuple[str, Value]]) -> None:
    # a request's `host` is whom it was meant for, any other line's `host` is the machine that wrote it
    web = not _WEB.isdisjoint(fields)
    for pair in list(rest):
        name, value = pair
        if _folded(name) != "host" or not isinstance(value, str) or not value:
            continue
        if web and "url.domain" not in fields:
            fields["url.domain"] = value.rpartition(":")[0] if value.count(":") == 1 else value
            rest.remove(pair)
        elif not web and "host.name" not in fields and text.address(value) is None:
            fields["host.name"] = value
            rest.remove(pair)


def _moment(value: Scalar, received: datetime, zone: str) -> datetime | None:
    try:
        if isinstance(value, bool):
            return None
        if isinstance(value, int | float) or value.replace(".", "", 1).isdecimal():
            moment = when.epoch(value)
            return moment if moment.year >= 1990 else None
        try:
            return when.rfc3339(value.replace(",", "."), zone)
        except ParseError:
            found = stamps.find(value, received, zone, 8)
            return found.moment if found else None
    except ParseError:
        return None


def _text(value: Scalar) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return hex(value)[:LABEL_MAX] if isinstance(value, int) and value.bit_length() > 256 else str(value)
