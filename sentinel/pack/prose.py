"""Reads from a sentence of a program that nobody knows what can be read without guessing.

Who, from where, and whether a login failed or worked; a request as web servers write it; `a -> b`; and the pairs
`key=value`, by their common names. An address is a source only if a word before it says so (`from`, `client`,
`rhost=` …), or if it is the only one in a sentence that is a login or a request. Where several addresses could be
meant, for a stranger may have chosen a name that imitates the sentence, none is taken and all stand in `related.ip`.
"""

import re
from datetime import datetime

from sentinel.core.errors import ParseError
from sentinel.core.event import Fields, Raw
from sentinel.pack import common, document, kv, names, stamps, structured, syslog, text

MESSAGE_MAX = 4_096
"""What is behind is not looked at: no sentence is so long, and a stranger shall not make matching slow."""

_V4 = r"(?:\d{1,3}\.){3}\d{1,3}"
_IP = rf"(?:{_V4}|\[?(?=[0-9A-Fa-f.]{{0,39}}:)[0-9A-Fa-f:]{{2,39}}(?:{_V4})?(?:%\w{{1,15}})?\]?)"
_PORT = r"(?:[:#](?P<port>\d{1,5})(?![\d.]|:\d)| port (?P<port2>\d{1,5})\b)?"
_BEFORE = (
    r"(?:\b(?:from|von|by|rhost|peer|src|source|client|remote|visitor)(?:[ _-]?(?:ip|addr(?:ess)?|host))?"
    r"|\bip(?:[ -]?addr(?:ess|esse)?)?)"
)
# a name may stand between the word and its address: `from host.example (192.0.2.1)`
_SAID = re.compile(
    rf"(?i){_BEFORE}(?:\s?[=:]\s?|\s)(?:(?:the )?ip(?: ?addr(?:ess)?)?:? )?(?:[\w.-]{{1,80}} ?(?=[(\[]))?"
    rf"[\"'`\[<(]{{0,2}}(?:\[?AF_INET6?\]?)?(?P<ip>{_IP})(?![\w.]{{0,64}}\w){_PORT}"
)
_AT = re.compile(rf"[\w?'\"]@['\"]?(?P<ip>{_IP})(?=[)'\"\]])")
_CLIENT = re.compile(rf"(?i)\[client:? (?P<ip>{_IP})(?::(?P<port>\d{{1,5}}))?\]")
_BANNED = re.compile(rf"\[[\w.-]{{1,64}}\] (?:Restore )?(?:Found|Ban|Unban|Ignore) (?P<ip>{_IP})(?=\s|$)")
_LIKE = re.compile(r"\d\.\d{1,3}\.\d|[0-9A-Fa-f:]:[0-9A-Fa-f]{0,4}:|::[0-9A-Fa-f]")
_ANY = re.compile(rf"(?<![\w.:/@-])\[?(?P<ip>{_IP})\]?(?![\w.-]{{0,64}}\w)(?::(?P<port>\d{{1,5}})(?![\d.]|:\d))?")
_ARROW = re.compile(
    rf"(?<![\w.:])(?P<ip>{_IP})(?::(?P<port>\d{{1,5}}))? (?:->|=>|-->) (?P<ip2>{_IP})"
    r"(?::(?P<port2>\d{1,5}))?(?![\w.])"
)
_DUMPED = re.compile(rf"\bIP6? (?P<ip>{_IP})\.(?P<port>\d{{1,5}}) > (?P<ip2>{_IP})\.(?P<port2>\d{{1,5}}):")
_FROM_TO = re.compile(rf"(?i)\bfrom {_IP}(?::\d{{1,5}})? to (?P<ip>{_IP})(?::(?P<port>\d{{1,5}}))?(?![\w.])")
_FETCHED = re.compile(r"(?i)\b(?:download|fetch|retriev|pull|sync|updat|loading|read|obtain|renew|import|lease|resolv)")

_AUTH = (
    r"(?:\blog(?:ged)?[ _-]?[io]n\b|\bsign(?:ed)?[ _-]?in\b|\bauth(?:enticat\w{1,4}|enti[fz]i\w{1,12}|entisierung)?\b"
    r"|\bpasswor[dt]\b|\bcredentials?\b|\bkennwort\b|\banmeld\w{1,5}\b|\b[ht]?otp\b|\b2fa\b|\badmin token\b)"
)
_FAIL = (
    r"(?:\bfail\w{0,5}\b|\binvalid\b|\bincorrect\b|\bunsuccessful\w{0,2}\b|\bdenied\b|\brejected\b|\brefused\b|\bwrong\b"
    r"|\bbad\b|\bnot allowed\b|\bunauthori[sz]ed\b|\bunknown user\b|\bno such user\b|\bnonexistent\b|\bfehlgeschlagen\b"
    r"|\bfehlerhafte?r?\b|\bfalsche?s?\b|\bung\xfcltige?s?\b|\bdisabled or expired\b|\bAUTH-ERROR\b)"
)
_FAILED = re.compile(
    rf"(?i){_AUTH}.{{0,60}}?{_FAIL}|{_FAIL}.{{0,40}}?{_AUTH}|\bAUTH-ERROR\b|\b(?:no such|unknown|invalid) user\b"
    r"|\bcan(?:'t|not)? find user\b|\bcould not (?:find|retrieve) user\b|\buser (?:\S{1,128} )?not found\b"
    r"|\buser\b.{1,100}\bdo(?:es)? not exist\b"
)
_TRIED = re.compile(r"(?i)\b(?:trying to log ?in|(?:log[io]n|sign-?in|authentication) attempt)\b")
_WORKED = re.compile(
    r"(?i)(?<!not )(?:\blogged[ -]?in\b|\bsigned[ -]?in\b)"
    r"|\blog[io]n (?:was |attempt )?(?:success\w{0,5}|succeeded|ok|accepted)\b"
    r"|\b(?<!un)success(?:ful|fully)? (?:\w{1,12} ){0,2}(?:auth\w{0,10}|log(?:ged)?[ -]?[io]n|sign(?:ed)?[ -]?in)\b"
    r"|\bauth (?:succeeded|success|ok)\b|\bauthenticat(?:ed|ion) (?:was )?(?:success\w{0,5}|succeeded|accepted)\b"
    r"|\baccepted (?:password|publickey|keyboard\S{0,20})\b|\berfolgreich\w{0,2} (?:an)?gemeldet\b"
)
_LEFT = re.compile(r"(?i)\b(?:logged[ -]?out|signed[ -]?out|logout successful|session closed|abgemeldet)\b")

_RADIUS = re.compile(r"\bLogin (?:OK|incorrect)[^\[]{0,200}: \[(?P<a>[^\]/]{1,128})")
_QUOTED = re.compile(
    r"(?i)\b(?:user(?:[ _-]?(?:name|id))?|account|login|for|by|benutzer|konto|email)(?: input| using| as)?\s?[:=]?\s?"
    r"(?:\"(?P<a>[^\"]{1,128})\"|'(?P<b>[^']{1,128})'|`(?P<c>[^`]{1,128})`|\[(?P<d>[^\]\s]{1,128})\])"
)
_PAIRED = re.compile(
    r"(?i)\b(?:users?(?:[ _-]?name)?|account|login|benutzer)\s?[:=]\s?(?P<a>[\w.+$*\\-][^\s\"'`\[(,;{]{0,127})"
)
_BARE = re.compile(
    r"(?i)\b(?<!waiting )(?<!wait )(?<!asking )(?<!looking )(?<!listening )(?<!except )(?<!used )"
    r"(?:for(?: (?:nonexistent|invalid|unknown|illegal|local))?(?: user(?:name)?)?|user|account|benutzer)\s"
    r"(?P<a>[\w.+$*\\-][^\s\"'`\[(<,;:={]{0,127})(?=[\s,;.)(:]|$)(?!\s\[)"
)
_NO_NAME = re.compile(
    r"(?i)an?|the|user(?:name)?|account|from|with|has|is|was|were|in|on|at|to|by|of|and|or|not|name|login|password|this"
    r"|that|attempt|request|authentication|credentials|unknown|undefined|null|none|ip|service|session|id|its?|could|via"
    r"|cannot|does|did|logged|signed|using|after|before|as|be|been|failed|denied|all|more|than|details"
)

_SHORT = {"INF": "info", "WRN": "warn", "DBG": "debug", "ERR": "error", "FTL": "fatal"}
_REQUEST = re.compile(
    r"\b(GET|POST|PUT|DELETE|HEAD|OPTIONS|PATCH|CONNECT|PROPFIND|REPORT|TRACE) {1,6}\"?((?:/|https?://)[^\s\"]{0,2000})"
    r"(?: HTTP/(\d(?:\.\d)?))?\"?(?:,? [(|]?([1-5]\d\d)\b)?"
)
_STATUS = re.compile(r"\| +([1-5]\d\d) +\||\b(?:returned|status(?: code)?)[ :=]{1,2}([1-5]\d\d)\b")
_COLOUR = re.compile(r"(?:\x1b|\\x1b)\[[0-9;]{0,12}[mK]")
_OFFSET = re.compile(r"\S{19,29}[+-]\d\d:?\d\d ")
_HOST = re.compile(r"(?=.{0,255}[A-Za-z.])[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_LEVEL = re.compile(
    r"(?<![\w/])(?:\x1b\[[0-9;]{1,8}m)?[\[(<|]?(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|ERR|CRITICAL|FATAL|SEVERE"
    r"|Trace|Debug|Info|Notice|Warn|Warning|Error|Critical|Fatal|(?<=[\[<|])(?:trace|debug|info|notice|warn|warning|error"
    r"|critical|fatal|WRN|INF|DBG|ERR|FTL))(?=[\]\s)>:|,*]|\x1b|$)"
)


def sentence(message: str, fields: Fields, received: datetime, zone: str) -> None:
    """Add to `fields` what `message` says; what is set already stays."""
    said = message[:MESSAGE_MAX]
    begin = said.find(' {"')
    if begin >= 0:
        said = _with_object(message, begin, fields, received, zone)
    if said.count("=") > 1:
        pairs = {name: value.rstrip(",;") for name, value in kv.pairs(said).items()}
        if len(pairs) > 1:
            common.read(dict(pairs), fields, received, zone)
    level = _LEVEL.search(said, 0, 200)
    if level is not None:
        fields.setdefault("log.level", _SHORT.get(level[1], level[1]).lower())
    login = None
    if "event.category" not in fields:
        login = _verdict(said)
    asked = _request(said, fields)
    _addresses(said, fields, alone=login is not None or asked)
    left = login is None and "event.category" not in fields and _LEFT.search(said) is not None
    if (login is not None or left) and "user.name" not in fields:
        _user(said, fields)
    if "source.ip" not in fields and "user.name" not in fields:
        return
    if login is not None:
        fields["event.category"], fields["event.type"] = ("authentication",), ("start",)
        fields["event.outcome"] = login
    elif asked and "event.category" not in fields:
        fields["event.category"], fields["event.type"] = ("web",), ("access",)
        status = fields.get("http.response.status_code")
        if isinstance(status, int):
            fields["event.outcome"] = "failure" if status >= 400 else "success"
    elif left:
        fields["event.category"], fields["event.type"] = ("session",), ("end",)
        fields["event.outcome"] = "success"


def header(raw: Raw) -> syslog.Syslog:
    """Return the record's syslog header and message; a line that only looks as if it had a header is all message.

    Many programs begin with a time as rsyslog does, and what follows is then a level or a class, not a host.
    """
    line = syslog.read(raw)
    if line.priority is not None or line.timestamp is None:
        return line
    whole = text.decode(raw.body).rstrip("\r\n\0")
    named = line.app is not None and (whole[10:11] != " " or line.pid is not None)
    sure = named or not whole[:1].isdecimal() or _OFFSET.match(whole) is not None
    if line.host is None or (sure and _is_host(line.host)):
        return line if line.host or line.app else syslog.Syslog(whole)
    return syslog.Syslog(whole)


def _is_host(word: str) -> bool:
    if ":" in word:
        return text.address(word) is not None
    return _HOST.fullmatch(word) is not None and not _LEVEL.fullmatch(word)


def moment(message: str, received: datetime, zone: str, *, alone: bool) -> stamps.Stamp | None:
    """Return the time a line begins with; `alone` says that no header gives one, so that more may stand before it."""
    return stamps.find(message, received, zone, 120 if alone else 2)


def _with_object(message: str, begin: int, fields: Fields, received: datetime, zone: str) -> str:
    """Read the JSON object that begins at `begin`, return the words before it; the message if it is none."""
    try:
        said = structured.json_object(message[begin : message.rfind("}") + 1])
    except ParseError:
        return message[:MESSAGE_MAX]
    common.read(document.flat(said), fields, received, zone)
    return message[:begin]


def _verdict(said: str) -> str | None:
    for verdict, form in (("failure", _FAILED), ("success", _WORKED), ("unknown", _TRIED)):
        if form.search(said):
            return verdict
    return None


def _request(said: str, fields: Fields) -> bool:
    found = _REQUEST.search(said)
    if found is None:
        return "http.request.method" in fields and "url.original" in fields
    method, url, version, status = found.groups()
    if status is None and (later := _STATUS.search(said)):
        status = later[1] or later[2]
    fields.setdefault("http.request.method", method)
    if "url.original" not in fields:
        names.url(fields, url)
    if version:
        fields.setdefault("http.version", version)
    if status:
        fields.setdefault("http.response.status_code", int(status))
    return True


def _addresses(said: str, fields: Fields, *, alone: bool) -> None:
    if "source.ip" in fields or ("." not in said and ":" not in said):
        return
    arrow = _ARROW.search(said) or _DUMPED.search(said)
    if arrow is not None and (source := text.address(arrow["ip"])) and (there := text.address(arrow["ip2"])):
        ends = [("source.ip", source), ("source.port", text.port(arrow["port"]) or None)]
        text.put(fields, [*ends, ("destination.ip", there), ("destination.port", text.port(arrow["port2"]) or None)])
        return
    found, sure = _told(said)
    if not sure and (alone or found):
        found |= _every(said)
    if len(found) > 1:
        fields["related.ip"] = tuple(found)
    for address, port in found.items() if len(found) == 1 else ():
        text.put(fields, [("source.ip", address), ("source.port", port)])
        onward = _FROM_TO.search(said)
        if onward is not None:
            there = text.address(onward["ip"])
            text.put(fields, [("destination.ip", there), ("destination.port", text.port(onward["port"]) or None)])


def _told(said: str) -> tuple[dict[str, int | None], bool]:
    """Return the addresses of which a word says that something came from them, and whether it is more than `IP:`."""
    found: dict[str, int | None] = {}
    sure = False
    if _LIKE.search(said) is None:
        return found, sure
    for one in (*_SAID.finditer(said), *_AT.finditer(said), *_CLIENT.finditer(said), *_BANNED.finditer(said)):
        address = _address(one["ip"])
        if address is None or _FETCHED.search(said, max(0, one.start() - 60), one.start()):
            continue
        parts = one.groupdict()
        found[address] = found.get(address) or text.port(parts.get("port") or parts.get("port2")) or None
        sure = sure or one[0][:2].lower() != "ip"
    return found, sure


def _every(said: str) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for one in _ANY.finditer(said):
        address = _address(one["ip"])
        if address is not None:
            found[address] = found.get(address) or text.port(one["port"]) or None
    return found


def _address(written: str) -> str | None:
    found = text.address(written) or text.address(written.rstrip(":"))
    # `::` is a separator in programs' names more often than an address
    return found if found and any(map(str.isdigit, found)) and found.strip("0.:") else None


def _user(said: str, fields: Fields) -> None:
    for form in (_RADIUS, _QUOTED, _PAIRED, _BARE):
        for found in form.finditer(said):
            name = next(filter(None, found.groups()), "").rstrip(".,:;)")
            if _NO_NAME.fullmatch(name) or text.given(name) is None or text.address(name) is not None:
                continue
            who = text.user(name)
            if "user.name" in who:
                fields.update(who)
                return


def plain(message: str) -> str:
    """Return the message without the colours of a terminal."""
    return _COLOUR.sub("", message) if "\\x1b" in message or "\x1b" in message else message
