"""Reads PostgreSQL's log (any `log_line_prefix` of the usual parts, CSV), MySQL's and MariaDB's, SQL Server's ERRORLOG.

PostgreSQL writes whose connection it was before the level, so a name within a message moves nothing.
"""

import csv
import re
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, stamps, syslog, text, when
from sentinel.pack.forms import what

MESSAGE_MAX = 8_192
_POSTGRES = re.compile(
    r"(?P<prefix>.{0,400}?)(?:^|[\s:\]>])(?P<level>DEBUG[1-5]?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT"
    r"|STATEMENT|CONTEXT|QUERY|LOCATION):  ?(?:(?P<state>(?!AUDIT)[0-9A-Z]{5}): +)?(?P<said>.*)",
    re.DOTALL,
)
_WHO = re.compile(r"(?<![\w.@-])(?P<user>[^\s@:\[\]()=,]{1,63})@(?P<database>[^\s@:\[\]()=,]{1,63})")
_NAMED = re.compile(r"\b(user|db|app|client|host)=([^\s,\]]{1,128})")
_IP = r"[0-9A-Fa-f:.]{2,45}"
_WHERE = re.compile(
    r"(?<![\w.])(?P<ip>(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){2,7})"
    r"(?:\((?P<port>\d{1,5})\))?(?![\w.])"
)
_PID = re.compile(r"\[(\d{1,10})\]")
_ERROR = re.compile(
    r"(?P<thread>\d{1,12}) +\[(?P<level>[A-Za-z]{3,10})\](?: \[(?P<code>MY-\d{6})\] \[\w{1,30}\])? (?P<said>.*)"
    r"|\[(?P<old>[A-Za-z]{3,10})\] (?P<words>.*)"
    r"|(?P<id>\d{1,12}) (?P<command>[A-Z][a-z]+(?: [A-Z][a-z]+)?)[ \t]+(?P<general>.*)",
    re.DOTALL,
)
_AUDIT = re.compile(
    r"(?P<host>[^,]{0,255}),(?P<user>[^,]{0,128}),(?P<ip>[^,]{0,255}),(?P<connection>\d{1,12}),\d{1,12},"
    r"(?P<operation>[A-Z_]{3,20}),(?P<database>[^,]{0,128}),(?P<said>.*),(?P<code>\d{0,6})\s*",
    re.DOTALL,
)
_OLD_TIME = re.compile(r"(\d\d)(\d\d)(\d\d) {1,2}(\d{1,2}):(\d\d:\d\d)[ \t]+")
_AUDIT_TIME = re.compile(r"(20\d\d)(\d\d)(\d\d) (\d\d:\d\d:\d\d),")
_MSSQL = re.compile(r"(?P<who>Logon|Server|Backup|spid\d{1,6}s?) +(?P<said>.*)", re.DOTALL)
_FAILED = what("login", "authentication", "start", "failure")
_LOGIN = what("login", "authentication", "start", "success")
_OPENED = what("connection", "database network", "connection start")
_CLOSED = what("disconnection", "database session", "end", "success")
_QUERY = what("query", "database", "access")
_USER, _DATABASE = r'user "(?P<user>.{0,128})"', r'database "(?P<database>.{0,128})"'
_FORMS: dict[str, tuple[tuple[re.Pattern[str], Fields], ...]] = {
    product: tuple((re.compile(form, re.DOTALL), said) for form, said in forms)
    for product, forms in {
        "PostgreSQL": (
            (rf"(?P<reason>\S{{1,40}} authentication failed) for {_USER}", _FAILED),
            ((rf"(?P<reason>no pg_hba\.conf entry) for (?:replication connection from )?host \"(?P<ip>{_IP})\", {_USER}"
              rf"(?:, {_DATABASE})?,? ?.*"), _FAILED),
            (r'(?P<reason>role "(?P<user>.{0,128})" does not exist)', _FAILED),
            (rf"{_DATABASE} does not exist", what("login", "database", "access", "failure")),
            (rf"connection received: host=(?P<ip>{_IP}|\[local\])(?: port=(?P<port>\d{{1,5}}))?", _OPENED),
            (r'connection authenticated: identity="(?P<user>.{0,128})" method=(?P<method>\S{1,40}).*', _LOGIN),
            ((r"(?:replication )?connection authorized: user=(?P<user>\S{1,128})(?: database=(?P<database>\S{1,128}))?"
              r"(?: application_name=(?P<application>.{1,128}?))?(?: SSL enabled.*)?"), _LOGIN),
            ((r"disconnection: session time: \S{1,30} user=(?P<user>\S{1,128}) database=(?P<database>\S{1,128})"
              rf" host=(?P<ip>{_IP}|\[local\])(?: port=(?P<port>\d{{1,5}}))?"), _CLOSED),
            (r"(?:duration: [\d.]{1,20} ms  )?(?:statement|execute [^:]{1,64}): (?P<query>.*)", _QUERY),
            (r"AUDIT: (?:SESSION|OBJECT),\d{1,12},\d{1,12},(?P<class>\w{1,20}),(?P<command>[\w ]{1,60}),.*", _QUERY),
            (r"(?P<reason>too many connections for .*|remaining connection slots .*|could not accept SSL.*)",
             what("connection", "database network", "connection denied", "failure")),
        ),
        "MySQL": (
            ((r"Access denied for user '(?P<user>.{0,128})'@'(?P<ip>[^']{0,255})'(?: \(using password: \w{1,5}\))?"
              r"(?: to .*)?"), _FAILED),
            ((r"Aborted connection \d{1,12} to db: '(?P<database>[^']{0,128})' user: '(?P<user>[^']{0,128})'"
              r" host: '(?P<ip>[^']{0,255})' \((?P<reason>.{1,200})\)\.?"), _CLOSED | {"event.outcome": "failure"}),
            (r"Host '(?P<ip>[^']{1,255})' is (?P<reason>(?:blocked because of|not allowed to connect).*)",
             what("connection", "database network", "connection denied", "failure")),
            (rf"IP address '(?P<ip>{_IP})' (?P<reason>could not be resolved.*)", _OPENED),
        ),
        "Microsoft SQL Server": (
            ((r"Login failed for user '(?P<user>.{0,128}?)'\.(?: Reason: (?P<reason>.{0,300}?))?"
              r" \[CLIENT: (?P<ip>[^\]]{2,60})\]"), _FAILED),
            (r"Login succeeded for user '(?P<user>.{0,128}?)'\..{0,300} \[CLIENT: (?P<ip>[^\]]{2,60})\]", _LOGIN),
            (r"Error: (?P<code>\d{1,6}), Severity: (?P<severity>\d{1,2}), State: (?P<state>\d{1,3})\.?.*",
             what("error", "database", "error")),
        ),
    }.items()
}  # fmt: skip
_APPS = frozenset({"postgres", "mysqld", "mariadbd", "mysql-server_auditing", "sqlservr"})
_OPERATIONS = {"FAILED_CONNECT": _FAILED, "CONNECT": _LOGIN, "DISCONNECT": _CLOSED, "QUERY": _QUERY}
_CSV = (
    "time", "user", "database", "pid", "peer", "session", "line", "tag", "started", "vxid", "xid", "level", "state",
    "said",
)  # fmt: skip


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    if line.priority is None and line.app not in _APPS:
        line = syslog.Syslog(text.decode(raw.body).rstrip("\r\n"))  # a file of its own, without a header
    fields = syslog.fields(line)
    message = line.message[:MESSAGE_MAX].strip()
    fields["event.kind"] = "event"
    known = _mysql(message, fields, raw) or _mssql(message, fields, raw) or _postgres(message, fields, raw)
    if not known and line.app is None:
        raise ParseError("no line of a database that is known")
    yield fields


def _said(product: str, said: str, fields: Fields) -> None:
    fields["observer.product"] = product
    text.put(fields, [("message", said)])
    for form, meaning in _FORMS[product]:
        found = form.fullmatch(said.strip())
        if found is None:
            continue
        fields.update(meaning)
        parts = found.groupdict()
        text.put(fields, [
            ("databases.database", parts.get("database")),
            ("event.reason", parts.get("reason")), ("databases.query", parts.get("query")),
            ("databases.method", parts.get("method")), ("databases.application", parts.get("application")),
            ("event.code", parts.get("code")), ("databases.state", parts.get("state")),
            ("source.port", text.port(parts.get("port")) or None),
        ])  # fmt: skip
        if user := text.given(parts.get("user")):
            fields.update(text.user(user) if "\\" in user else {"user.name": user})
        _client(fields, parts.get("ip"))
        return


def _client(fields: Fields, where: str | None) -> None:
    address = text.address(where)
    if address is not None:
        fields["source.ip"] = address
    elif where and not where.startswith(("[", "<", "local machine", "named pipe")):
        fields["source.domain"] = where


def _mysql(message: str, fields: Fields, raw: Raw) -> bool:
    if stamp := _AUDIT_TIME.match(message):
        audited = _AUDIT.fullmatch(message[stamp.end() :])
        if audited:
            written = f"{stamp[1]}-{stamp[2]}-{stamp[3]}T{stamp[4]}"
            _time(fields, written, raw.zone)
            _audit(audited, fields)
            return True
    rest = message
    if old := _OLD_TIME.match(message):
        _time(fields, f"20{old[1]}-{old[2]}-{old[3]}T{int(old[4]):02d}:{old[5]}", raw.zone)
        rest = message[old.end() :]
    elif stamp_at := stamps.find(message, raw.received, raw.zone, 0):
        rest = message[stamp_at.end :].lstrip()
    found = _ERROR.fullmatch(rest)
    if found is None:
        return False
    if rest is not message and not old and stamp_at:
        fields["@timestamp"] = when.iso(stamp_at.moment)
    level = found["level"] or found["old"]
    text.put(fields, [
        ("log.level", level.lower() if level else None), ("event.code", found["code"]),
        ("databases.thread", found["thread"] or found["id"]), ("databases.command", found["command"]),
    ])  # fmt: skip
    said = found["said"] or found["words"] or found["general"] or ""
    _said("MySQL", said, fields)
    if found["command"] in {"Query", "Execute", "Prepare"}:
        fields.update(_QUERY)
        text.put(fields, [("databases.query", said)])
    elif found["command"] == "Connect" and "event.outcome" not in fields:
        user, at, host = said.partition(" on ")[0].strip().rpartition("@")
        fields.update(_LOGIN)
        text.put(fields, [("user.name", user if at else None)])
        _client(fields, host or None)
    return True


def _audit(audited: "re.Match[str]", fields: Fields) -> None:
    fields["observer.product"] = "MySQL"
    operation = audited["operation"]
    fields.update(_OPERATIONS.get(operation, what(operation.lower(), "database", "access")))
    text.put(fields, [
        ("user.name", audited["user"]), ("host.name", audited["host"]), ("databases.database", audited["database"]),
        ("databases.query", audited["said"].strip("'") if operation == "QUERY" else None),
        ("event.code", audited["code"] if audited["code"] != "0" else None),
        ("databases.thread", audited["connection"]),
    ])  # fmt: skip
    _client(fields, audited["ip"] if audited["ip"] != "localhost" else None)


def _mssql(message: str, fields: Fields, raw: Raw) -> bool:
    stamp = stamps.find(message, raw.received, raw.zone, 0)
    found = _MSSQL.fullmatch(message[stamp.end :].lstrip() if stamp else message)
    if found is None:
        return False
    if stamp is not None:
        fields["@timestamp"] = when.iso(stamp.moment)
    fields["databases.source"] = found["who"]
    _said("Microsoft SQL Server", found["said"], fields)
    return True


def _postgres(message: str, fields: Fields, raw: Raw) -> bool:
    if message.count(",") > 20 and message[:2].isdecimal():
        return _postgres_csv(message, fields, raw)
    found = _POSTGRES.fullmatch(message)
    if found is None:
        return False
    prefix = found["prefix"]
    if stamp := stamps.find(prefix, raw.received, raw.zone, 80):
        fields["@timestamp"] = when.iso(stamp.moment)
        prefix = f"{prefix[: stamp.start]} {prefix[stamp.end :]}"
    if pid := _PID.search(prefix):
        fields["process.pid"] = int(pid[1])
    named = dict(_NAMED.findall(prefix))
    who = _WHO.search(prefix)
    text.put(fields, [
        ("user.name", text.given(who["user"] if who else named.get("user", "").removesuffix(":"))),
        ("databases.database", text.given(who["database"] if who else named.get("db"))),
        ("databases.application", text.given(named.get("app"))),
    ])  # fmt: skip
    for where in _WHERE.finditer(prefix):
        if address := text.address(where["ip"]):
            text.put(fields, [("source.ip", address), ("source.port", text.port(where["port"]) or None)])
            break
    fields["log.level"] = found["level"].lower()
    text.put(fields, [("event.code", found["state"])])
    _said("PostgreSQL", found["said"], fields)
    return True


def _postgres_csv(message: str, fields: Fields, raw: Raw) -> bool:
    try:
        row = dict(zip(_CSV, next(csv.reader([message])), strict=False))
    except (csv.Error, StopIteration):
        return False
    if len(row) < len(_CSV) or not (stamp := stamps.find(row["time"], raw.received, raw.zone, 0)):
        return False
    fields["@timestamp"] = when.iso(stamp.moment)
    address, _, port = row["peer"].rpartition(":")
    text.put(fields, [
        ("user.name", row["user"]), ("databases.database", row["database"]), ("process.pid", text.number(row["pid"])),
        ("source.ip", text.address(address)), ("source.port", text.port(port) or None), ("event.code", row["state"]),
        ("log.level", row["level"].lower()),
    ])  # fmt: skip
    _said("PostgreSQL", row["said"], fields)
    return True


def _time(fields: Fields, written: str, zone: str) -> None:
    try:
        fields["@timestamp"] = when.iso(when.rfc3339(written, zone))
    except ParseError:
        return  # when it was received must do
