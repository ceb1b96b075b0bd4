"""Guessed passwords, sprayed accounts, roasted tickets, and passwords that anybody on the wire can read.

- `brute.*`: Zeek counts 20 failed FTP logins in 15 minutes and 30 SSH connections in 30
  (https://github.com/zeek/zeek, `policy/protocols/ftp/detect-bruteforcing.zeek`, `ssh/detect-bruteforcing.zeek`). What
  is encrypted is judged by its size: a login that fails is a short session, but longer than a look at the banner.
- `krb.kerberoast`: tickets of weak encryption (RC4, etype 23 of RFC 4757) for many services at once; `krb.spray`:
  many names asked for, most of them refused. Error 25 (pre-authentication required) is every login's first answer and
  no refusal.
- `cleartext.*`: a login that is not encrypted. Only the name of the user is ever read.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sentinel.sense.applications import Ftp, Http, Kerberos, Ldap, Mail, Rdp, RemoteShell, Telnet
from sentinel.sense.findings import HIGH, INFO, MEDIUM, Detector, Finding, Prompt, Scene, about, bounded
from sentinel.sense.records import TCP, Flow, Record
from sentinel.sense.window import Window

_RC4 = frozenset({23, 24})
_REFUSED = frozenset({6, 18, 24})
"""KDC_ERR_C_PRINCIPAL_UNKNOWN, KDC_ERR_CLIENT_REVOKED, KDC_ERR_PREAUTH_FAILED (RFC 4120, 7.5.9)."""
_COMPUTERS = frozenset({
    "cifs", "dns", "gc", "host", "ldap", "nfs", "restrictedkrbhost", "rpc", "rpcss", "termsrv", "wsman",
})  # fmt: skip
"""Classes of services that run as the computer itself."""
_LOGINS = {
    "pop": frozenset({"PASS", "APOP", "AUTH"}),
    "imap": frozenset({"LOGIN", "AUTHENTICATE"}),
    "smtp": frozenset({"AUTH"}),
}
_NAMES = {"pop": "pop3", "imap": "imap", "smtp": "smtp"}
_OPEN_SCHEMES = frozenset({"basic", "digest"})
_PLAIN = frozenset({"plain", "login"})
_SECRETS = ("pass", "pwd", "kennwort", "passwort", "secret")
_ANONYMOUS = frozenset({"anonymous", "ftp"})
EXAMPLES_MAX = 10


@dataclass(frozen=True, slots=True)
class Settings:
    """From how many on it is guessing.

    `sessions` short ones of SSH or RDP (payload from `session_bytes_min` to `session_bytes_max`) within
    `session_seconds`; `failures` of FTP or mail and `http_failures` within `failure_seconds`; `tickets` of weak
    encryption, or `names` of which `refused` fail, within `kerberos_seconds`. `keys_max` bounds what is watched.
    """

    sessions: int = 10
    session_bytes_min: int = 700
    session_bytes_max: int = 8_000
    session_seconds: int = 1_800
    failures: int = 10
    http_failures: int = 20
    failure_seconds: int = 900
    tickets: int = 5
    names: int = 5
    refused: int = 4
    kerberos_seconds: int = 60
    keys_max: int = 50_000
    targets_max: int = 2_000


class Guessing(Prompt):
    """`brute.ssh` and `brute.rdp`, by short sessions; `brute.ftp`, `brute.http`, `brute.pop3` …, by their failures."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sessions = Window(settings.session_seconds, settings.keys_max, settings.targets_max)
        self._failures = Window(settings.failure_seconds, settings.keys_max, settings.targets_max)
        # what a flow was asked last, and which flows are RDP's
        self._asked: OrderedDict[tuple[str, str, int, int], str] = OrderedDict()
        self._users: OrderedDict[tuple[str, str, int, int], str] = OrderedDict()

    def take(self, record: Flow | Rdp | Http | Ftp | Mail) -> Iterable[Finding]:
        """Take a flow that has ended, or a command or an answer, into account."""
        match record:
            case Flow():
                return self._session(record)
            case Rdp(kind="request", user=user):
                self._keep(self._users, record, user)
            case Http(kind="request", auth=auth):
                self._keep(self._asked, record, auth)
            case Http(status=401) if self._asked.get(_ends(record), "") in _OPEN_SCHEMES:
                return self._failed("brute.http", record, self._settings.http_failures)
            case Ftp(kind="response", code=530):
                return self._failed("brute.ftp", record, self._settings.failures)
            case Mail(kind="request", command=command):
                self._keep(self._asked, record, command.upper())
            case Mail(service=service, status=status) if self._refused(service, status, record):
                return self._failed(f"brute.{_NAMES[service]}", record, self._settings.failures)
            case _:
                pass
        return ()

    def _refused(self, service: str, status: str, record: Mail) -> bool:
        bad = status in {"-ERR", "NO"} or status.startswith("535")
        return bad and self._asked.get(_ends(record), "") in _LOGINS[service]

    def _keep(self, held: OrderedDict[tuple[str, str, int, int], str], record: Record, value: str) -> None:
        held[_ends(record)] = value
        bounded(held, self._settings.keys_max)

    def _session(self, flow: Flow) -> Iterable[Finding]:
        limits = self._settings
        if flow.proto != TCP or flow.failed:
            return ()
        rdp = _ends(flow) in self._users or flow.service == "rdp" or (flow.dport == 3389 and flow.data_out > 0)
        ssh = flow.service == "ssh" or flow.head_in.startswith(b"SSH-") or (flow.dport == 22 and flow.data_out > 1)
        size = (flow.payload_out + flow.payload_in) or (flow.bytes_out + flow.bytes_in)
        # the first packets of RDP tell its client's whole wish: a refused one is shorter than SSH's keys
        least = limits.session_bytes_min if ssh else 0
        if not (rdp or ssh) or not least <= size <= limits.session_bytes_max:
            return ()
        kind = "brute.rdp" if rdp else "brute.ssh"
        seen = self._sessions.note((kind, flow.src, flow.dst, flow.dport), (flow.sport, flow.time), flow.time)
        if len(seen) < limits.sessions:
            return ()
        told = f"{len(seen)} short {kind[6:].upper()} sessions (up to {limits.session_bytes_max} bytes)"
        named = self._users.get(_ends(flow), "")
        return [_guess(kind, flow, told, seen, limit=limits.sessions, seconds=limits.session_seconds, user=named)]

    def _failed(self, kind: str, record: Record, limit: int) -> Iterable[Finding]:
        key = (kind, record.src, record.dst, record.dport)
        seen = self._failures.note(key, (record.sport, record.frame, record.time), record.time)
        if len(seen) < limit:
            return ()
        told = f"{len(seen)} logins were refused by {kind[6:].upper()}"
        named = record.user if isinstance(record, Ftp | Mail) else ""
        return [_guess(kind, record, told, seen, limit=limit, seconds=self._settings.failure_seconds, user=named)]


def _ends(record: Record) -> tuple[str, str, int, int]:
    return record.src, record.dst, record.sport, record.dport


def _guess(  # noqa: PLR0913  what the sentence is made of
    kind: str, record: Record, told: str, seen: OrderedDict[object, int], *, limit: int, seconds: int, user: str
) -> Finding:
    named = f", the last as {user}" if user else ""
    said = f"{told} from {record.src} to {record.dst} port {record.dport} within {seconds // 60} minutes{named}; from "
    return replace(
        about(kind, record, f"{said}{limit} on somebody guesses", HIGH, "T1110.001", count=len(seen)),
        start=min(seen.values()),
        end=max(seen.values()),
        numbers={"attempts": len(seen), "limit": limit, "window_seconds": seconds},
        examples=(user,) if user else (),
    )


class KerberosAbuse(Prompt):
    """`krb.kerberoast`, `krb.spray`, and of each weak ticket, noted only, `krb.rc4_ticket`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._services = Window(settings.kerberos_seconds, settings.keys_max, settings.targets_max)
        self._names = Window(settings.kerberos_seconds, settings.keys_max, settings.targets_max)
        self._refusals = Window(settings.kerberos_seconds, settings.keys_max, settings.targets_max)
        self._asked: OrderedDict[tuple[str, str, int, int], str] = OrderedDict()

    def take(self, record: Kerberos) -> Iterable[Finding]:
        """Take a message of Kerberos into account."""
        match record:
            case Kerberos(message="TGS-REP", ticket_etype=etype) if etype in _RC4:
                return self._weak(record)
            case Kerberos(message="AS-REQ", user=user) if user:
                self._names.note((record.src,), user.lower(), record.time)
                self._asked[_ends(record)] = user.lower()
                bounded(self._asked, self._settings.keys_max)
                return self._spray(record)
            case Kerberos(message="ERROR", error=error) if error in _REFUSED:
                refused = record.user.lower() or self._asked.get(_ends(record), "")
                self._refusals.note((record.src,), refused, record.time)
                return self._spray(record)
            case _:
                return ()

    def _weak(self, record: Kerberos) -> Iterator[Finding]:
        service = record.service.lower()
        if not service or service.startswith("krbtgt"):
            return
        limits = self._settings
        kind = service.partition("/")[0]
        seen = self._services.held((record.src,), record.time)
        # a computer's password is long and random: nobody collects tickets of its services, every login does
        if kind not in _COMPUTERS and not service.endswith("$"):
            seen = self._services.note((record.src,), service, record.time)
        who = f"{record.src} ({record.user})" if record.user else record.src
        if len(seen) >= limits.tickets:
            told = f"{who} got tickets with RC4 for {len(seen)} services within {limits.kerberos_seconds} s; from "
            told += f"{limits.tickets} on somebody collects them to guess passwords offline"
            yield _several(about("krb.kerberoast", record, told, HIGH, "T1558.003"), seen, limits.tickets)
        told = f"{who} got a ticket with RC4 for {record.service}; a password can be guessed from it offline"
        yield about("krb.rc4_ticket", record, told, INFO, "T1558.003", name=service)

    def _spray(self, record: Kerberos) -> Iterable[Finding]:
        limits = self._settings
        names, refusals = (held.held((record.src,), record.time) for held in (self._names, self._refusals))
        if len(names) < limits.names or len(refusals) < limits.refused:
            return ()
        told = f"{record.src} asked for {len(names)} accounts within {limits.kerberos_seconds} s and was refused "
        told += f"for {len(refusals)} of them; from {limits.names} and {limits.refused} on somebody tries them out"
        return [_several(about("krb.spray", record, told, HIGH, "T1110.003"), names, limits.names)]


def _several(found: Finding, seen: OrderedDict[object, int], limit: int) -> Finding:
    return replace(
        found,
        start=min(seen.values()),
        count=len(seen),
        numbers={"distinct": len(seen), "limit": limit},
        examples=tuple(str(one) for one in list(seen)[:EXAMPLES_MAX]),
    )


class Cleartext(Prompt):
    """`cleartext.*`: one for each client, server and protocol."""

    def take(self, record: Ftp | Telnet | Http | Ldap | RemoteShell | Mail) -> Iterable[Finding]:
        """Take what an application says into account."""
        found = _readable(record)
        if found is None:
            return ()
        kind, user, what = found
        named = f" as {user}" if user else ""
        told = f"{record.src} logged in to {record.dst} port {record.dport}{named} by {what} in clear text"
        plain = about(f"cleartext.{kind}", record, told, MEDIUM, "T1040")
        return [replace(plain, examples=(user,) if user else ())]


def _readable(record: Record) -> tuple[str, str, str] | None:
    # the protocol, the user, and how it is called
    match record:
        case Ftp(kind="request", command=command, user=user) if command.upper() == "PASS":
            return None if user.lower() in _ANONYMOUS else ("ftp", user, "FTP")
        case Telnet(kind="password"):
            return "telnet", "", "Telnet"
        case Http(kind="request", auth="basic", user=user):
            return "http_basic", user, "HTTP Basic"
        case Http(kind="request", form=form) if any(one in name.lower() for name in form for one in _SECRETS):
            return "http_form", record.user, "a form over HTTP"
        case Ldap(operation="bindRequest", auth="simple", user=user) if user:
            return "ldap", user, "LDAP"
        case RemoteShell(service=service, server_user=user):
            return "rsh", user, service
        case Mail(kind="request", service=service, command=command) if _secret(record, service, command.upper()):
            return _NAMES[service], record.user, _NAMES[service].upper()
        case _:
            return None


def _secret(record: Mail, service: str, command: str) -> bool:
    if command in {"PASS", "LOGIN"}:
        return True
    return command in _LOGINS[service] and record.mechanism.lower() in _PLAIN


def detectors(settings: Settings, scene: Scene) -> Sequence[Detector]:  # noqa: ARG001  every family is asked the same
    """Return the detectors of this family."""
    return [Guessing(settings), KerberosAbuse(settings), Cleartext()]
