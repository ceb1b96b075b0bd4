r"""Reads what Microsoft's IIS writes: W3C lines of any selection of fields, NCSA, IIS' own format, HTTPERR, FTP.

https://learn.microsoft.com/en-us/windows/win32/http/w3c-logging. A line is read without the `#Fields` line before it,
which may be in another file or was never sent: IIS writes the fields that are chosen in one fixed order, so that
method, addresses and the run of numbers from the status on say which column is which. Columns that are custom fields
stand last and are kept as `iis.custom`. W3C times are UTC, those of the other formats local.
"""

import re
from collections.abc import Iterator
from datetime import datetime

from sentinel.pack import Fields, ParseError, Raw, syslog, text, weblog, when

COLUMNS_MAX = 128
_W3C = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})? ")
_METHOD = re.compile(r"[A-Z][A-Z_-]{1,30}")
_WEB = frozenset({
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE", "PROPFIND", "REPORT", "MOVE",
    "COPY",
})  # fmt: skip
_NUMBER = re.compile(r"-?\d{1,12}")
_HEAD = re.compile(r"#(Software|Version|Date|Start-Date|Fields|Remark): (.*)")
_IIS_DATE = re.compile(r"(\d{1,4})([./-])(\d{1,2})[./-](\d{1,4})")
# the numbers from the status on, by how many there are
_NUMBERS = {
    1: ("sc-status",),
    2: ("sc-status", "sc-win32-status"),
    3: ("sc-status", "sc-substatus", "sc-win32-status"),
    4: ("sc-status", "sc-substatus", "sc-win32-status", "time-taken"),
    5: ("sc-status", "sc-substatus", "sc-win32-status", "sc-bytes", "cs-bytes"),
    6: ("sc-status", "sc-substatus", "sc-win32-status", "sc-bytes", "cs-bytes", "time-taken"),
}
# the texts between client and status: agent, cookie, referrer, host
_TEXTS = {
    1: ("cs(User-Agent)",),
    2: ("cs(User-Agent)", "cs(Referer)"),
    3: ("cs(User-Agent)", "cs(Cookie)", "cs(Referer)"),
    4: ("cs(User-Agent)", "cs(Cookie)", "cs(Referer)", "cs-host"),
}
_FTP = ("c-ip", "cs-username", "s-ip", "s-port", "cs-method", "cs-uri-stem", "sc-status", "sc-win32-status",
        "sc-substatus", "x-session", "x-fullpath")  # fmt: skip
_ERROR = ("c-ip", "c-port", "s-ip", "s-port", "cs-version", "cs-method", "cs-uri-stem")
_IIS = ("c-ip", "cs-username", "date", "time", "s-sitename", "s-computername", "s-ip", "time-taken", "cs-bytes",
        "sc-bytes", "sc-status", "sc-win32-status", "cs-method", "cs-uri-stem", "cs-uri-query")  # fmt: skip


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line; those that begin with # say how the log goes on and become events without a request."""
    whole = text.decode(raw.body).rstrip("\r\n\0")
    fields: Fields = {"event.kind": "event", "observer.vendor": "Microsoft", "observer.product": "IIS"}
    if not _W3C.match(whole):  # else its date is not the head of syslog
        line = syslog.read(raw)
        fields.update(syslog.fields(line))
        whole = line.message
    if not _read(whole, fields, raw):
        if "host.name" not in fields:
            raise ParseError("no line of IIS")
        fields["event.category"], fields["event.type"] = ("web",), ("info",)
    yield fields


def _read(whole: str, fields: Fields, raw: Raw) -> bool:
    if _W3C.match(whole):
        columns = whole.split(" ")[:COLUMNS_MAX]
        fields["@timestamp"] = when.iso(when.rfc3339(f"{columns[0]} {columns[1]}"))
        _fill(fields, _named(columns[2:], fields))
    elif head := _HEAD.fullmatch(whole):
        _head(fields, head[1], head[2])
    elif found := weblog.access(whole):
        fields["@timestamp"] = when.iso(when.clf(found.time, raw.zone))
        weblog.fill(fields, found)
    elif whole.count(", ") >= 12 and text.address(whole.partition(",")[0]):
        columns = [column.strip() for column in whole.split(",")]
        named = dict(zip(_IIS, columns, strict=False))
        fields["@timestamp"] = when.iso(_local(named.pop("date"), named.pop("time"), raw.zone))
        _fill(fields, named)
    else:
        return False
    return True


def _head(fields: Fields, name: str, value: str) -> None:
    fields.update({"event.action": "log_started", "event.category": ("process",), "event.type": ("info",)})
    if value:
        fields["iis." + name.lower().replace("-", "_")] = value
    if "Date" in name:
        fields["@timestamp"] = when.iso(when.rfc3339(value))
    version = value.rpartition(" ")[2]
    if name == "Software" and version[:1].isdecimal():
        fields["observer.version"] = version


def _local(date: str, time: str, zone: str) -> datetime:
    found = _IIS_DATE.fullmatch(date)
    clock = time.split(":")
    if found is None or len(clock) != 3:
        raise ParseError(f"not a time: {date[:20]!r} {time[:20]!r}")
    one, sign, two, three = found.groups()
    if len(one) == 4:
        year, month, day = one, two, three
    else:
        year, month, day = (three, two, one) if sign == "." else (three, one, two)
    year = year if len(year) == 4 else f"20{year:0>2}"
    return when.rfc3339(f"{year}-{month:0>2}-{day:0>2}T" + ":".join(f"{part:0>2}" for part in clock), zone)


def _named(columns: list[str], fields: Fields) -> dict[str, str]:
    """Return the columns behind date and time by the names that `#Fields` gives them."""
    first = columns[:5]
    if len(first) == 5 and text.address(first[0]) and first[1].isdecimal() and first[3].isdecimal():
        return _error(columns, fields)
    ftp = len(columns) > 7 and first[3].isdecimal() and _METHOD.fullmatch(first[4]) and first[4] not in _WEB
    if ftp and text.address(first[0]):
        fields["event.dataset"] = "iis.ftp"
        return dict(zip(_FTP, columns, strict=False))
    at = next(
        (at for at, one in enumerate(columns[:-1]) if _METHOD.fullmatch(one) and columns[at + 1][:1] in {"/", "*"}), -1
    )
    if at < 0:
        return {"custom": " ".join(columns)}
    named = {"cs-method": columns[at], "cs-uri-stem": columns[at + 1]}
    if at > 2 and text.address(columns[0]) and text.address(columns[at - 2]) and columns[at - 1].isdecimal():
        return named | _former(columns, at)
    for one in columns[:at]:
        named["s-ip" if text.address(one) else "s-sitename" if _is_site(one) else "s-computername"] = one
    rest = columns[at + 2 :]
    if rest and not (rest[0].isdecimal() and len(rest) > 2 and text.address(rest[2])):
        named["cs-uri-query"], rest = rest[0], rest[1:]
    if len(rest) > 1 and rest[0].isdecimal():
        named["s-port"], rest = rest[0], rest[1:]
    # a user may call himself by an address: the client stands behind the user, if there is a column for users
    client = next((at for at in (1, 0) if text.address(rest[at] if at < len(rest) else None)), -1)
    if client < 0:
        return named | {"custom": " ".join(rest)}
    named.update(zip(("c-ip", "cs-username"), reversed(rest[: client + 1]), strict=False))
    return named | _answer(rest[client + 1 :])


def _first(numbers: list[bool], end: int) -> int:
    """Return where the run of numbers begins that ends before `end`; of a longer one the last six."""
    start = end
    while start and numbers[start - 1] and end - start < 6:
        start -= 1
    return start


def _former(columns: list[str], at: int) -> dict[str, str]:
    """Return what stands around the method in the order of IIS 5, where client and user come first."""
    named = {"c-ip": columns[0], "cs-username": columns[1], "s-ip": columns[at - 2], "s-port": columns[at - 1]}
    for one in columns[2 : at - 2]:
        named["s-sitename" if _is_site(one) else "s-computername"] = one
    query, rest = columns[at + 2 : at + 3], columns[at + 3 :]
    named["cs-uri-query"] = query[0] if query else ""
    end = next((index for index, one in enumerate(rest) if not _NUMBER.fullmatch(one)), len(rest))
    names = ("sc-status", "sc-win32-status", "sc-bytes", "cs-bytes", "time-taken")
    named.update(zip(names if end == len(names) else names[:2], rest[:end], strict=False))
    rest = rest[end:]
    if rest and rest[0].startswith("HTTP/"):
        named["cs-version"], rest = rest[0], rest[1:]
    texts = ("cs-host", *_TEXTS[3]) if len(rest) == 4 else _TEXTS.get(len(rest), ())
    return named | dict(zip(texts, rest, strict=False))


def _answer(columns: list[str]) -> dict[str, str]:
    """Return what stands behind the client: version, agent, cookie, referrer, host, the numbers, custom fields."""
    named: dict[str, str] = {}
    if columns and columns[0].startswith("HTTP/"):
        named["cs-version"], columns = columns[0], columns[1:]
    numbers = [bool(_NUMBER.fullmatch(one)) for one in columns]
    end = start = len(columns)
    while end:  # custom fields behind them may hold numbers, too
        while end and not numbers[end - 1]:
            end -= 1
        start = first = _first(numbers, end)
        while start < end and not (len(columns[start]) == 3 and 100 <= int(columns[start]) < 1_000):
            start += 1
        if start < end and start <= len(_TEXTS):
            break
        end = first
    if not named and start == 0 and end - start > 4:
        start = end - 4  # an agent and a referrer that are numbers
    named.update(zip(_NUMBERS.get(end - start, ()), columns[start:end], strict=False))
    named.update(zip(_TEXTS.get(start, ()), columns, strict=False))
    named["custom"] = " ".join(columns[end:] if end else columns[len(_TEXTS) :])
    return named


def _error(columns: list[str], fields: Fields) -> dict[str, str]:
    """Read HTTP.sys' error log; a column for the stream of HTTP/2 came between address and status."""
    fields["event.dataset"] = "iis.error"
    named = dict(zip(_ERROR, columns, strict=False))
    rest = columns[len(_ERROR) :]
    at = next((at for at, one in enumerate(rest[:3]) if len(one) == 3 and one.isdecimal()), -1)
    if at < 0:
        at = min(max(len(rest) - 4, 0), 1)
    named.update(zip(("sc-status", "s-siteid", "reason", "s-queuename"), rest[at:], strict=False))
    return named


def _is_site(word: str) -> bool:
    return word == "-" or (word[-1:].isdecimal() and word.rstrip("0123456789").endswith("SVC"))


def _fill(fields: Fields, named: dict[str, str]) -> None:
    given = {name: value for name, value in named.items() if value not in {"", "-"}}
    agent = given.get("cs(User-Agent)")
    host, _, port = given.get("cs-host", "").partition(":")
    text.put(fields, [
        ("source.ip", text.address(given.get("c-ip"))), ("source.port", text.port(given.get("c-port")) or None),
        ("destination.ip", text.address(given.get("s-ip"))),
        ("destination.port", text.port(given.get("s-port")) or text.port(port) or None),
        ("host.name", given.get("s-computername")), ("url.domain", host),
        ("http.request.method", given.get("cs-method")),
        ("http.version", given.get("cs-version", "").removeprefix("HTTP/")),
        ("iis.site", given.get("s-sitename") or given.get("s-siteid")), ("iis.sub_status", given.get("sc-substatus")),
        ("iis.win32_status", given.get("sc-win32-status")), ("iis.cookie", given.get("cs(Cookie)")),
        ("iis.application_pool", given.get("s-queuename")), ("event.reason", given.get("reason")),
    ])  # fmt: skip
    stem, query = given.get("cs-uri-stem"), given.get("cs-uri-query")
    if fields.get("event.dataset") == "iis.ftp":
        _ftp(fields, given)
    elif stem:
        weblog.url(fields, f"{stem}?{query}" if query else stem, given.get("cs-method", ""))
        weblog.answer(fields, given.get("sc-status"))
    else:
        fields["event.category"], fields["event.type"] = ("web",), ("info",)
    if fields.get("event.dataset") == "iis.error":
        fields["event.action"], fields["event.type"] = "http_request_refused", ("access", "error")
        fields["event.outcome"] = "failure"
    weblog.said(fields, given.get("cs(Referer)"), agent.replace("+", " ") if agent else None)
    weblog.user(fields, given.get("cs-username"))
    sent, received, taken = (text.number(given.get(name)) for name in ("sc-bytes", "cs-bytes", "time-taken"))
    text.put(fields, [("http.response.bytes", sent), ("http.request.bytes", received)])
    text.put(fields, [("event.duration", taken * 1_000_000 if taken is not None and 0 <= taken < 10**9 else None)])
    custom = given.get("custom", "")
    if custom and not weblog.forwarded(fields, custom.replace("+", "")):
        fields["iis.custom"] = custom


def _ftp(fields: Fields, given: dict[str, str]) -> None:
    method, code = given.get("cs-method", ""), text.number(given.get("sc-status")) or 0
    login = method == "PASS"
    fields.pop("http.request.method", None)
    fields.update({"event.action": f"ftp_{method.lower()}", "network.protocol": "ftp", "event.code": str(code)})
    fields["event.category"] = ("authentication",) if login else ("network",)
    fields["event.type"] = ("start",) if login else ("access",)
    fields["event.outcome"] = "success" if 0 < code < 400 else "failure"
    path = given.get("x-fullpath")
    text.put(fields, [("file.path", path if path != "/" else None), ("iis.session", given.get("x-session"))])
    text.put(fields, [("iis.argument", None if login else given.get("cs-uri-stem"))])
