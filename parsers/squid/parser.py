r"""Reads Squid's access log (native, combined, common), its store log and its cache log.

https://wiki.squid-cache.org/Features/LogFormat; result codes such as TCP_DENIED/403 stand in `squid.result`, how the
object was found in `squid.hierarchy` (HIER_DIRECT, FIRSTUP_PARENT). Squid writes spaces in URLs as %20, so a URL is one
word; a CONNECT has `host:port`, with SSL-bump the requests inside follow as whole URLs.
"""

import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, structured, syslog, text, webjson, weblog, when

MESSAGE_MAX = 65_536
_RESULT = re.compile(r"((?:TCP|UDP|TAG|NONE|TLS)(?:_[A-Z_]{1,60})?|[A-Z]{3,5}_[A-Z_]{1,60})(?:/(-|\d{1,3}))?")
_NATIVE = re.compile(
    r"(?P<time>\d{9,11}(?:\.\d{1,9})?) +(?P<taken>-?\d{1,10}) (?P<client>\S+) (?P<result>[A-Z_]{3,80}/(?:\d{1,3}|-)) "
    r"(?P<size>\d{1,18}|-) (?P<method>\S+) (?P<rest>.*)",
    re.DOTALL,
)
_COMBINED = re.compile(r"([A-Z][A-Z_]{2,80}):([A-Z][A-Z_]{2,60})")
_HIERARCHY = re.compile(r"[A-Z][A-Z_]{2,60}/\S*")
_STORE = re.compile(
    r"(?P<time>\d{9,11}(?:\.\d{1,9})?) (?P<what>SWAPIN|SWAPOUT|RELEASE|CREATE|SO_FAIL) (?P<dir>\S+) (?P<file>\S+) "
    r"(?P<hash>[0-9A-F]{32}) +(?P<status>\d{1,3}|\?) +(?P<date>-?\d+|\?) +(?P<modified>-?\d+|\?) "
    r"+(?P<expires>-?\d+|\?) (?P<type>\S+) (?P<size>-?\d+|\?)/(?P<read>-?\d+|\?) (?P<method>\S+) (?P<url>\S+)"
)
_CACHE = re.compile(
    r"(?P<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?)(?: (?P<worker>kid\d+))?\| ?(?P<message>.*)", re.DOTALL
)
_VERSION = re.compile(
    r"(?:Starting|Shutting down:?) Squid Cache(?:: |[ \w]*version |: version )+(\S+?)(?: for \S+)?\.*"
)
_LEVEL = re.compile(r"(WARNING|ERROR|FATAL|SECURITY ALERT|SECURITY ERROR|NOTICE|Warning|Error|assertion failed)\b:? ?")
_ALERT_FROM = re.compile(r"(?:on )?(?:conn\d+ )?local=(?P<local>\S+) remote=(?P<remote>\S+)")


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line, bare or in syslog."""
    line = syslog.read(raw)
    fields: Fields = {"event.kind": "event"}
    fields.update({"observer.vendor": "Squid", "observer.product": "Squid", "observer.type": "proxy"})
    fields.update(syslog.fields(line))
    if not _read(line.message.strip()[:MESSAGE_MAX], fields, raw.zone) and line.app is None:
        raise ParseError("no line of Squid")
    yield fields


def _read(message: str, fields: Fields, zone: str) -> bool:
    if found := _NATIVE.fullmatch(message):
        fields["@timestamp"] = when.iso(when.epoch(found["time"]))
        _native(fields, found)
    elif access := weblog.access(message):
        fields["@timestamp"] = when.iso(when.clf(access.time, zone))
        _combined(fields, weblog.fill(fields, access))
    elif store := _STORE.fullmatch(message):
        fields["@timestamp"] = when.iso(when.epoch(store["time"]))
        _store(fields, store)
    elif cache := _CACHE.fullmatch(message):
        fields["@timestamp"] = when.iso(when.rfc3339(cache["time"].replace("/", "-"), zone))
        text.put(fields, [("squid.worker", cache["worker"])])
        _cache(fields, cache["message"])
    elif message.startswith("{"):
        webjson.fill(fields, structured.json_object(message), zone, "squid.")
    elif "process.name" in fields and message:
        _cache(fields, message)
    else:
        return False
    return True


def _native(fields: Fields, found: re.Match[str]) -> None:
    """Read `time elapsed client result/status bytes method URL user hierarchy/peer type`, and what was added behind."""
    method, target = found["method"], found["rest"]
    words = target.split(" ")
    # a URL may hold blanks where Squid was told not to encode them: user and hierarchy behind it say where it ends
    at = next((at for at in range(len(words) - 1, 1, -1) if _HIERARCHY.fullmatch(words[at])), 2)
    target, user, left = " ".join(words[: at - 1]), words[at - 1 : at], words[at:]
    _request(fields, method, target)
    result, _, status = found["result"].partition("/")
    weblog.answer(fields, status)
    fields.pop("http.response.body.bytes", None)
    _result(fields, result)
    if not weblog.client(fields, found["client"]):
        text.put(fields, [("source.domain", text.given(found["client"]))])
    taken = int(found["taken"])
    text.put(fields, [("http.response.bytes", text.number(found["size"]))])
    text.put(fields, [("event.duration", taken * 1_000_000 if taken >= 0 else None)])
    weblog.user(fields, user[0] if user else None)
    if left:
        _peer(fields, left[0])
    text.put(fields, [("http.response.mime_type", text.given(left[1]) if len(left) > 1 else None)])
    if kept := tuple(one for one in left[2:] if text.given(one)):
        fields["squid.columns"] = kept


def _request(fields: Fields, method: str, target: str) -> None:
    if method not in {"NONE", "-"}:
        fields["http.request.method"] = method
    if target.startswith(("error:", "-")) or target == "NONE://":
        text.put(fields, [("squid.error", target[6:] if target.startswith("error:") else None)])
        return
    weblog.url(fields, target, method)
    if method == "CONNECT" and "url.domain" in fields:
        text.put(fields, [("destination.domain", fields["url.domain"]), ("destination.port", fields.get("url.port"))])


def _result(fields: Fields, result: str) -> None:
    """Set what a result code says; a proxy's requests are network traffic as well."""
    fields["squid.result"] = result
    fields["event.category"] = ("web", "network")
    denied = "DENIED" in result
    answered = "http.response.status_code" in fields and fields["event.outcome"] == "success"
    fields["event.type"] = ("access", "denied") if denied else ("access", "allowed") if answered else ("access",)
    fields["event.action"] = result.lower()
    if denied:
        fields["event.outcome"] = "failure"


def _peer(fields: Fields, word: str) -> None:
    """Set how the answer was got and from whom: `HIER_DIRECT/192.0.2.80`, `FIRSTUP_PARENT/proxy2`."""
    code, _, host = word.partition("/")
    text.put(fields, [("squid.hierarchy", text.given(code))])
    address = text.address(host)
    if "DIRECT" in code or "PINNED" in code:
        text.put(fields, [("destination.ip", address)])
        if address is None and text.given(host):
            fields["destination.domain"] = host
    else:
        text.put(fields, [("squid.peer", text.given(host))])


def _combined(fields: Fields, left: list[weblog.Column]) -> None:
    for at, column in enumerate(left):
        if found := _COMBINED.fullmatch(column.text):
            _result(fields, found[1])
            fields["squid.hierarchy"] = found[2]
        elif at < len(left) and _RESULT.fullmatch(column.text):
            _result(fields, column.text.partition("/")[0])
    if "http.response.body.bytes" in fields:
        fields["http.response.bytes"] = fields.pop("http.response.body.bytes")


def _store(fields: Fields, found: re.Match[str]) -> None:
    fields["event.dataset"] = "squid.store"
    fields["event.category"], fields["event.type"] = ("web",), ("info",)
    fields["event.action"] = f"store_{found['what'].lower()}"
    status = text.number(found["status"])
    mime = None if found["type"] in {"unknown", "?", "-"} else found["type"]
    text.put(fields, [
        ("squid.store.directory", found["dir"]), ("squid.store.file", found["file"]),
        ("squid.store.key", found["hash"]),
        ("http.response.mime_type", mime), ("http.response.status_code", status or None),
    ])  # fmt: skip
    _request(fields, found["method"], found["url"])


def _cache(fields: Fields, message: str) -> None:
    fields["event.dataset"] = "squid.cache"
    level = _LEVEL.match(message)
    text.put(fields, [("log.level", level[1].lower() if level else None)])
    fields["event.category"], fields["event.type"] = ("process",), ("error",) if level else ("info",)
    if version := _VERSION.fullmatch(message):
        started = message.startswith("Starting")
        fields["event.action"] = "squid_start" if started else "squid_stop"
        fields["event.type"] = ("start",) if started else ("end",)
        fields["observer.version"] = version[1]
    elif message.startswith(("SECURITY ALERT", "SECURITY ERROR")):
        fields["event.kind"], fields["event.category"] = "alert", ("intrusion_detection",)
        fields["event.type"], fields["event.action"] = ("info",), "host_header_forgery"
    elif level:
        fields["event.type"] = ("info",)
    if ends := _ALERT_FROM.search(message):
        for side, word in (("destination", ends["local"]), ("source", ends["remote"])):
            address, port = weblog.peer(word)
            text.put(fields, [(f"{side}.ip", address), (f"{side}.port", port)])
