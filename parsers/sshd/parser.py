"""Reads what OpenSSH's sshd and sftp-server write to syslog (auth.c, packet.c, sshd.c, session.c, sftp-server.c).

Beside it, for sources that hold a whole auth.log: PAM's lines of any program, sudo, su, doas, polkit, login, logind,
cron, the shadow tools, Dropbear and Fail2ban. A name that a stranger chose may hold ` from 192.0.2.1 port 22`: what
sshd itself appends stands last, so the last one counts.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import partial

from sentinel.pack import Fields, ParseError, Raw, forms, syslog, text

MESSAGE_MAX = 4_096  # sshd cuts at 1,024; what is longer was not written by it and could make matching slow
_IP = r"\[?(?P<ip>(?!\d+(?::?\s|$))[^\s\]\[,;]+)\]?"
_PEER = rf"{_IP}(?: port (?P<port>\d+))?"
_ON = r"(?P<dest>\S+) port (?P<dport>\d+)"
_SWITCH = r"(?:for|\(to) (?P<as>\S+?)\)? (?:by )?(?P<user>\S+)(?: on (?P<tty>\S+))?"
_WHO = r"(?:(?P<who>invalid user|illegal user|authenticating user|user) (?P<user>.*) )?"
_FOR = r"(?:(?P<who>invalid user|illegal user) )?(?P<user>.*)"
_what = forms.what
_fail = partial(_what, category="authentication", kind="info", outcome="failure")
_CLOSED = _what("ssh_disconnect", "network", "connection end")
_LEFT = _what("ssh_logout", "session", "end", "success")
_OPENED = _what("ssh_connect", "network", "connection start")
_DENIED = _what("ssh_refused", "network", "connection denied", "failure")
_BROKEN = _what("ssh_handshake", "network", "connection protocol", "failure")
_BEGUN = _what("session_opened", "session", "start", "success")
_ENDED = _what("session_closed", "session", "end", "success")
_SU, _SU_FAILED = (_what("su", "authentication", "start", outcome) for outcome in ("success", "failure"))
_SFTP = _what("sftp", "file", "access")
_REFUSED, _TOO_MANY, _PAM_FAILED = _fail("ssh_user_refused"), _fail("ssh_max_attempts"), _fail("pam_login")
_ASKED = _what("ssh_login", "authentication", "info", "unknown")
_LOGIN = {
    "Accepted": _what("ssh_login", "authentication", "start", "success"),
    "Failed": _what("ssh_login", "authentication", "start", "failure"),
}
_CRONTAB, _CRONTAB_READ = _what("crontab", "configuration", "change"), _what("crontab", "configuration", "access")
_LOGIN_FAILED = _what("login", "authentication", "start", "failure")
_LOGGED_IN = _what("login", "authentication", "start", "success")
_GROUP_MADE, _GROUP_GONE = (_what(f"group_{verb}d", "iam", f"group {verb[:-1]}ion") for verb in ("create", "delete"))
_GROUP_JOINED, _GROUP_LEFT, _GROUP_CHANGED = (
    _what(f"group_{what}", "iam", "group change") for what in ("joined", "left", "changed")
)
_USER_CHANGED, _PASSWORD_CHANGED = (_what(f"{what}_changed", "iam", "user change") for what in ("user", "password"))
_BANNED = _what("ban", "network", "denied") | {"event.kind": "alert"}

_NO_LOGIN = r"(?i:FAILED LOGIN|TOO MANY LOGIN TRIES)(?: (?:SESSION|\(?\d+\)?))?"
_NAMED = r"(?:\(unknown\)|(?P<user>.*))"
_QUOTED = r"'(?:UNKNOWN|(?P<user>.*))'"
_OPERATOR = r"Operator of unix-session:\S+"
_OWNER = r"\(owned by unix-user:(?P<user>\S+)\)"
_POLKIT = rf"(?:TEMPORARY |ONE-SHOT )?authorization for action (?P<reason>\S+) for .* {_OWNER}"
_PKEXEC = r"\[USER=(?P<as>\S+)\] \[TTY=(?P<tty>.*?)\] \[CWD=(?P<cwd>.*?)\] \[COMMAND=(?P<command>.*)\]"
_FAILS = r"user '(?P<user>.*)', \d+ fails?"
_COLON = r"(?P<ip>\S+):(?P<port>\d+)"
_SUDOERS = (
    r"(?P<user>\S+) : (?:(?P<failed>(?!TTY=).*?) ; )?(?:TTY=(?P<tty>.*?) ; )?PWD=(?P<cwd>.*?) ; USER=(?P<as>.*?)"
    r"(?: ; (?:GROUP|ENV|TSID)=.*?)*(?: ; COMMAND=(?P<command>.*))?"
)
# first words a form begins with, the form, what it means
_FORMS: tuple[tuple[str, str, Fields], ...] = (
    ("Accepted Failed Postponed Partial",
     rf"(?P<verb>\w+) (?P<method>\S+) for {_FOR} from {_PEER}(?: ssh\d?)?(?:: (?P<key>.*))?", {}),
    ("Invalid Illegal", rf"\w+ user (?P<user>.*) from {_PEER}", _fail("ssh_invalid_user")),
    ("Connection", rf"Connection (?:closed|reset) by {_WHO}{_PEER}", _CLOSED),
    ("Connection", rf"Connection from {_PEER} on {_ON}(?: rdomain .*)?", _OPENED),
    ("Disconnected", rf"Disconnected from {_WHO}{_PEER}", _CLOSED),
    ("Disconnecting", rf"Disconnecting {_WHO}{_PEER}: (?P<reason>.*)", _CLOSED),
    ("Disconnecting", rf"Disconnecting: (?P<reason>Too many auth\w+ failures)(?: for {_FOR})?", _TOO_MANY),
    ("Received", r"\w+ disconnect from (?P<ip>\S+?)(?: port (?P<port>\d+):|: )(?P<code>\d+): ?(?P<reason>.*)", _CLOSED),
    ("maximum", rf"maximum authentication attempts exceeded for {_FOR} from {_PEER}(?: ssh\d?)?", _TOO_MANY),
    ("PAM", rf"PAM: (?P<reason>.*?) for {_FOR} from {_PEER}", _PAM_FAILED),
    ("PAM", r"PAM (?P<repeated>\d+) more authentication failures?; (?P<pairs>.*)", _PAM_FAILED),
    ("User", r"User (?P<user>.*) from (?P<ip>\S+) not allowed because (?P<reason>.*)", _REFUSED),
    ("User", r"User (?P<user>.*) not allowed because (?P<reason>.*)", _REFUSED),
    ("Access", r"Access denied for user (?P<user>.*) by (?P<reason>PAM account configuration)", _REFUSED),
    ("input_userauth_request", r"\w+: (?P<who>invalid user|illegal user) (?P<user>.*)", _fail("ssh_invalid_user")),
    ("ROOT", rf"ROOT LOGIN REFUSED FROM {_PEER}", _REFUSED | {"user.name": "root"}),
    ("Authentication", r"Authentication refused: (?P<reason>.*)", _fail("ssh_key_refused")),
    ("Magic", rf"Magic value check failed \(\d+\) on obfuscated handshake from {_PEER}", _fail("ssh_handshake")),
    ("Timeout", rf"Timeout before \w+ for (?:connection from )?{_PEER}(?: to (?P<dest>[^\s,]+))?(?:, .*)?", _CLOSED),
    ("Did", rf"(?P<reason>Did not receive identification string) from {_PEER}", _BROKEN),
    ("Bad", rf"Bad protocol version identification '(?P<sent>.*)' from {_PEER}", _BROKEN),
    ("banner ssh_dispatch_run_fatal", rf"[\w ]+: Connection from {_WHO}{_PEER}: (?P<reason>.*)", _BROKEN),
    ("kex kex_exchange_identification kex_protocol_error ssh_dispatch_run_fatal", r"[\w ]+: (?P<reason>.*)", _BROKEN),
    ("Unable Protocol", rf"(?:Unable to .* with|Protocol .* for) {_PEER}: (?P<reason>.*)", _BROKEN),
    ("no Corrupted Bad padding", r"(?P<reason>(?:no matching|Corrupted MAC|Bad packet|padding error).*)", _BROKEN),
    ("scanned probed", rf"\w+ from {_PEER} with (?P<sent>.*?)(?:\.  Don't panic\.?)?", _BROKEN),
    ("refused", rf"refused connect from (?P<name>.*) \({_IP}\)", _DENIED),
    ("drop", r"drop .* from \[(?P<ip>.+?)\]:(?P<port>\d+) on \[(?P<dest>.+)\]:(?P<dport>\d+) ?(?P<reason>.*)", _DENIED),
    ("srclimit_penalise", r"\w+: \S+ \w+ (?P<ip>[^\s/]+)(?:/\d+)? (?P<reason>.*)", _DENIED),
    ("reverse", rf"reverse mapping checking getaddrinfo for (?P<name>\S+) {_IP} failed.*", _OPENED),
    ("Address", r"Address (?P<ip>\S+) maps to (?P<name>\S+), but this does not map back to the address.*", _OPENED),
    ("Starting", rf"Starting session: (?P<reason>.*?) for (?P<user>.*) from {_PEER} id \d+", _BEGUN),
    ("Close", rf"Close session: user (?P<user>.*) from {_PEER} id \d+", _ENDED),
    ("subsystem", r"\w+ request for (?P<subsystem>\S+)(?: by user (?P<user>.*?))?(?: failed, (?P<failed>.*))?", _BEGUN),
    ("session", rf"session opened for local user (?P<user>.*) from {_IP}", _BEGUN),
    ("session", rf"session closed for local user (?P<user>.*) from {_IP}", _ENDED),
    ("Server", rf"Server listening on {_ON}\.?", _what("ssh_listen", "process", "start")),
    ("Received Exiting", r"\w+(?: on)? signal \d+.*", _what("ssh_stop", "process", "end")),
    ("Received refused", rf"(?:Received request|refused .*:) \w+ {_PEER},? (?:target|to .*) {_ON}.*", _DENIED),
    ("open opendir close closedir remove rmdir mkdir set", r"(?P<sftp>\w+)(?: name)? \"(?P<path>.*)\"(?: .*)?", _SFTP),
    (":", _SUDOERS, _what("sudo", "process", "start", "success")),
    ("New", r"New session \S+ of user '?(?P<user>.*?)'?(?: with class .*)?\.", _BEGUN),
    ("Removed", r"Removed session \S+\.", _ENDED),
    ("Session", r"Session \S+ logged out\. .*", _what("session_left", "session", "end", "success")),
    ("The", r"The system will (?:power off|reboot|halt|suspend|hibernate)\b.*", _what("shutdown", "host", "end")),
    ("cron", r"\((?P<user>[^()]{1,64})\) CMD \((?P<command>.*)\)", _what("cron_job", "process", "start")),
    ("cron", r"\((?P<user>[^()]{1,64})\) CMDEND \((?P<command>.*)\)", _what("cron_job", "process", "end")),
    ("cron", r"\((?P<user>[^()]{1,64})\) (?:REPLACE|DELETE|RELOAD) \((?P<reason>.*)\)", _CRONTAB),
    ("cron", r"\((?P<user>[^()]{1,64})\) (?:LIST|(?:BEGIN|END) EDIT) \((?P<reason>.*)\)", _CRONTAB_READ),
    ("cron", r"\((?P<user>[^()]{1,64})\) (?:AUTH|WRONG|PAM ERROR|FAILED)\b.*", _fail("cron_refused")),
    ("FAILED TOO", rf"{_NO_LOGIN} FROM (?P<origin>\S+) FOR {_NAMED}, (?P<reason>[^,]*)", _LOGIN_FAILED),
    ("FAILED TOO", rf"{_NO_LOGIN} on '(?P<tty>\S+)'(?: from '(?P<origin>\S+)')? FOR {_QUOTED}, (?P<reason>[^,]*)",
     _LOGIN_FAILED),
    ("ROOT", r"ROOT LOGIN +(?i:on) '?(?P<tty>[^\s']+)'?(?: (?i:from) '?(?P<origin>[^\s']+)'?)?",
     _LOGGED_IN | {"user.name": "root"}),
    ("LOGIN", r"LOGIN ON (?P<tty>\S+) BY (?P<user>.*?)(?: FROM (?P<origin>\S+))?", _LOGGED_IN),
    ("Operator", rf"{_OPERATOR} successfully authenticated as unix-user:(?P<as>\S+) to gain {_POLKIT}",
     _what("polkit", "authentication", "start", "success")),
    ("Operator", rf"{_OPERATOR} FAILED to authenticate to gain {_POLKIT}", _fail("polkit")),
    ("pkexec", r"(?P<user>\S+): Executing command " + _PKEXEC, _what("pkexec", "process", "start", "success")),
    ("pkexec", r"(?P<user>\S+): (?P<failed>Error executing command .*?) " + _PKEXEC,
     _what("pkexec", "process", "start")),
    ("doas", r"(?P<user>\S+) ran command (?P<command>.*) as (?P<as>\S+) from (?P<cwd>\S+)",
     _what("doas", "process", "start", "success")),
    ("doas", r"command not permitted for (?P<user>\S+): (?P<command>.*)", _what("doas", "process", "denied",
     "failure")),
    ("doas", r"failed auth for (?P<user>.*)", _fail("doas")),
    ("(to Successful", rf"(?:Successful su )?{_SWITCH}", _SU),
    ("FAILED", rf"FAILED (?:su|SU) {_SWITCH}", _SU_FAILED),
    ("'su", r"'su (?P<as>.*)' succeeded for (?P<user>.*) on (?P<tty>\S+)", _SU),
    ("'su", r"'su (?P<as>.*)' failed for (?P<user>.*) on (?P<tty>\S+)", _SU_FAILED),
    ("+", r"\+ (?P<tty>\S+) (?P<user>[^\s:]+):(?P<as>\S+)", _SU),
    ("-", r"- (?P<tty>\S+) (?P<user>[^\s:]+):(?P<as>\S+)", _SU_FAILED),
    ("new", r"new user: name=(?P<target>[^,]+), .*", _what("user_created", "iam", "user creation")),
    ("new", r"new group: name=(?P<group>[^,]+), .*", _GROUP_MADE),
    ("group", r"group added to \S+: name=(?P<group>[^,]+), .*", _GROUP_MADE),
    ("group", r"group '(?P<group>.*)' (?:removed|deleted)\b.*", _GROUP_GONE),
    ("removed", r"removed (?:shadow )?group '(?P<group>.*)' owned by '.*'", _GROUP_GONE),
    ("failed", r"failed adding user '(?P<target>.*)', .*", _what("user_created", "iam", "user creation", "failure")),
    ("failed", r"failed adding group '(?P<group>.*)'.*", _what("group_created", "iam", "group creation", "failure")),
    ("delete", r"delete user '(?P<target>.*)'", _what("user_deleted", "iam", "user deletion")),
    ("delete", r"delete '(?P<target>.*)' from (?:shadow )?group '(?P<group>.*)'", _GROUP_LEFT),
    ("user", r"user (?P<target>\S+) added by (?P<user>\S+) to group (?P<group>\S+)", _GROUP_JOINED),
    ("user", r"user (?P<target>\S+) removed by (?P<user>\S+) from group (?P<group>\S+)", _GROUP_LEFT),
    ("members administrators", r"\w+ of group (?P<group>\S+) set by (?P<user>\S+) to .*", _GROUP_CHANGED),
    ("password", r"password of group (?P<group>\S+) changed by (?P<user>\S+)", _GROUP_CHANGED),
    ("password", r"password for '(?P<target>.*)' changed by '(?P<user>.*)'", _PASSWORD_CHANGED),
    ("change", r"change user '(?P<target>.*)' password", _PASSWORD_CHANGED),
    ("change", r"change user '(?P<target>.*?)' (?P<reason>.*)", _USER_CHANGED),
    ("change", r"change user name '(?P<target>.*)' to '(?P<renamed>.*)'", _USER_CHANGED),
    ("changed", r"changed user '(?P<target>.*?)' (?P<reason>.*)", _USER_CHANGED),
    ("changed", r"changed password expiry for (?P<target>.*)", _USER_CHANGED),
    ("lock", r"lock user '(?P<target>.*)' password", _what("user_locked", "iam", "user change")),
    ("unlock", r"unlock user '(?P<target>.*)' password", _what("user_unlocked", "iam", "user change")),
    ("add", r"add '(?P<target>.*)' to (?:shadow )?group '(?P<group>.*)'", _GROUP_JOINED),
    ("pam", r"session opened for user (?P<as>.*?)(?:\(uid=\d+\))?(?: by (?P<user>.*?)\(uid=\d+\))?", _BEGUN),
    ("pam", r"session closed for user (?P<user>.*?)(?:\(uid=\d+\))?", _ENDED),
    ("pam", r"authentication success;? ?(?P<pairs>.*)", _what("pam_login", "authentication", "info", "success")),
    ("pam", r"authentication failure;? ?(?P<pairs>.*)", _PAM_FAILED),
    ("pam", r"(?P<reason>check pass; user unknown|bad username .*|auth could not identify.*)", _PAM_FAILED),
    ("pam", r"received for user (?P<user>.*): \d+ \((?P<reason>.*)\)", _PAM_FAILED),
    ("pam", r"\w+ login failures for user (?P<user>.*) (?P<reason>account temp\w+ locked)", _fail("account_locked")),
    ("pam", r"user (?P<user>\S+) \(\d+\) (?P<reason>(?:has )?tally.*)", _fail("account_locked")),
    ("pam", r"access denied for user [`'\"](?P<user>.*)['\"] from [`'\"](?P<ip>.*)['\"]", _PAM_FAILED),
    ("pam", r"(?P<reason>requirement .* not met by user) \"(?P<user>.*)\"", _PAM_FAILED),
    ("pam", r"password changed for (?P<target>.*)", _PASSWORD_CHANGED | {"event.outcome": "success"}),
    ("Bad", rf"Bad (?:PAM )?password attempt for '(?P<user>.*)' from {_COLON}", _LOGIN["Failed"]),
    ("Login", rf"Login attempt for nonexistent user(?: '(?P<user>.*)')? from {_COLON}", _LOGIN["Failed"]),
    ("Login", rf"Login attempt with wrong user .* from {_COLON}", _LOGIN["Failed"]),
    ("Password PAM", rf"(?:PAM p|P)assword auth succeeded for '(?P<user>.*)' from {_COLON}", _LOGIN["Accepted"]),
    ("Pubkey", rf"Pubkey auth succeeded for '(?P<user>.*)' with .* from {_COLON}", _LOGIN["Accepted"]),
    ("User", rf"User '(?P<user>.*)' (?P<reason>has .*|is not allowed.*), rejected(?: from {_COLON})?", _REFUSED),
    ("Child", rf"Child connection from {_COLON}", _OPENED),
    ("Exit", rf"Exit before auth \({_FAILS}\): (?P<reason>Max auth tries reached) .* from {_COLON}", _TOO_MANY),
    ("Exit", rf"Exit before auth from <{_COLON}>: (?:\({_FAILS}\): )?(?P<reason>.*)", _CLOSED),
    ("Exit", rf"Exit \((?P<user>.*)\) from <{_COLON}>: (?P<reason>.*)", _LEFT),
    ("fail2ban", rf"\[(?P<jail>[^\]]+)\] (?:Restore )?Ban {_IP}", _BANNED),
    ("fail2ban", rf"\[(?P<jail>[^\]]+)\] Unban {_IP}", _what("unban", "network", "allowed")),
    ("fail2ban", rf"\[(?P<jail>[^\]]+)\] {_IP} already banned", _BANNED),
    ("fail2ban", rf"\[(?P<jail>[^\]]+)\] Found {_IP}(?: - .*)?", _what("found", "intrusion_detection", "info")),
)  # fmt: skip
_BY_WORD: dict[str, list[tuple[re.Pattern[str], Fields]]] = defaultdict(list)
for _words, _form, _said in _FORMS:
    for _word in _words.split():
        _BY_WORD[_word].append((re.compile(_form), _said))

_BY_APP = frozenset({"doas", "pkexec"})
_FAIL2BAN = re.compile(r"(?:fail2ban\.\w{1,20} +\[\d{1,10}\]: )?[A-Z]{4,8} +(?=\[)")
_OWN_PID = re.compile(r"^\[\d{1,10}\]: ")
_LEVEL = re.compile(r"(error|fatal|debug\d|info): ")
_REPEATED = re.compile(r"message repeated (\d+) times: \[ ?(.*)\]")
_PAM = re.compile(r"(pam_\w+)\(([^():\s]+)(?::\w+)?\):? (.*)")
_PAIRS = re.compile(
    r"logname=(?P<logname>.*?) uid=.*? tty=(?P<tty>.*?) ruser=(?P<ruser>.*?) rhost=(?P<ip>.*?)(?:\s+user=(?P<user>.*))?"
)
_DOMAIN = re.compile(r"[\w.-]+\\(?!\d{3})[^\\\s]+")
_PLACES = {
    "user": "user.name", "as": "user.effective.name", "target": "user.target.name", "group": "group.name",
    "reason": "event.reason", "failed": "event.reason", "path": "file.path", "name": "source.domain",
    "cwd": "process.working_directory", "command": "process.command_line", "method": "sshd.method", "tty": "sshd.tty",
    "sent": "sshd.identification", "code": "sshd.disconnect_code", "subsystem": "sshd.subsystem",
    "jail": "rule.name", "renamed": "user.changes.name", "repeated": "sshd.repeated", "logname": "sshd.logname",
    "ruser": "sshd.remote_user", "sftp": "sshd.sftp",
}  # fmt: skip


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line of sshd, or of another program that writes to auth.log."""
    line = syslog.read(raw)
    if line.app is None and line.host is not None and line.host.startswith("fail2ban."):  # its own file
        line = line._replace(host=None, app=line.host, message=_OWN_PID.sub("", line.message))
    fields = syslog.fields(line)
    message = line.message
    if message.startswith("message repeated ") and (repeated := _REPEATED.fullmatch(message)):
        fields["sshd.repeated"], message = repeated.groups()
    if (
        not (len(message) <= MESSAGE_MAX and _read(message, line.app or "", fields))
        and line.app is None
        and line.timestamp is None
    ):
        raise ParseError("neither a syslog header nor a message of sshd or PAM")
    if line.app is not None and not line.app.startswith(("sshd", "sftp-server", "internal-sftp")):
        fields["event.dataset"] = "auth.log"
    yield fields


def _read(message: str, app: str, fields: Fields) -> bool:
    while level := _LEVEL.match(message):
        fields.setdefault("log.level", level[1])
        message = message[level.end() :]
    message = message.removesuffix(" [postauth]").removesuffix(" [preauth]").strip()
    first, _, rest = message.partition(" ")
    word = ":" if rest.startswith(": ") else first.rstrip(":")
    if app in _BY_APP:
        word = app
    elif app.startswith("fail2ban"):
        word, message = "fail2ban", _FAIL2BAN.sub("", message)
    elif first.startswith("(") and first.endswith(")"):
        word = "cron"
    pam = _PAM.fullmatch(message) if message.startswith("pam_") else None
    if pam:
        fields["sshd.pam_module"], fields["sshd.pam_service"], message = pam.groups()
        word = "pam"
    for form, said in _BY_WORD.get(word, ()):
        found = form.fullmatch(message)
        if found:
            fields.update(said)
            _fill(fields, found.groupdict())
            return True
    return False


def _fill(fields: Fields, found: dict[str, str | None]) -> None:
    if found.get("pairs"):
        pairs = _PAIRS.fullmatch(found["pairs"] or "")
        found |= pairs.groupdict() if pairs else {}
    for name, value in found.items():
        if value and name in _PLACES:
            fields[_PLACES[name]] = value
    if "verb" in found:
        fields.update(_LOGIN.get(found["verb"] or "", _ASKED))
    kind, _, mark = (found.get("key") or "").partition(" ")
    if mark:
        text.put(fields, [("sshd.key_type", kind), ("sshd.fingerprint", mark.partition(" ")[0])])
    if found.get("failed"):
        fields["event.outcome"] = "failure"
    if not found.get("user") and found.get("as"):
        fields["user.name"] = fields.pop("user.effective.name")
    who = found.get("who")
    if who is not None and fields["event.action"] == "ssh_disconnect":
        fields.update(_LEFT if who == "user" else _fail("ssh_disconnect"))
    origin = found.get("origin") or ""
    if origin and not origin.startswith(("tty", "pts", "/dev/")):
        found["ip"] = origin
    _ends(fields, "source", found.get("ip"), found.get("port"))
    _ends(fields, "destination", found.get("dest"), found.get("dport"))
    if _DOMAIN.fullmatch(str(fields.get("user.name"))):
        fields.update(text.user(str(fields["user.name"])))


def _ends(fields: Fields, side: str, where: str | None, port: str | None) -> None:
    address = text.address(where)
    if address is not None:
        fields[f"{side}.ip"] = address
    elif where and where != "UNKNOWN":
        fields[f"{side}.domain"] = where
    text.put(fields, [(f"{side}.port", text.port(port))] if where != "UNKNOWN" else [])
