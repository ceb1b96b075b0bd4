"""Attacks that show in a request, and programs that are fetched in clear.

- `exploit.log4shell` (CVE-2021-44228), `exploit.sqli`, `exploit.rce`, `exploit.traversal`: patterns over what a request
  says after its escapes are undone twice. Zeek counts 50 requests of SQL injection in 5 minutes
  (`policy/protocols/http/detect-sqli.zeek`); here the patterns are narrow enough for one.
- `exploit.sigred` (CVE-2020-1350): a SIG answer so long that its length overflows.
- `malware.exe_download`: a program over HTTP, by what it is, from none of the hosts that updates come from.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_plus

from sentinel.core.regex import Pattern, compile_regex
from sentinel.sense.applications import Http
from sentinel.sense.findings import CRITICAL, HIGH, Detector, Finding, Prompt, Scene, about
from sentinel.sense.records import Dns

_PROGRAMS = frozenset({
    "application/x-msdownload", "application/x-dosexec", "application/x-msdos-program", "application/x-executable",
    "application/vnd.microsoft.portable-executable", "application/x-elf", "application/x-mach-binary",
    "application/hta",
})  # fmt: skip
_MAGIC = (b"MZ", b"\x7fELF", b"\xcf\xfa\xed\xfe")
_SIG_BYTES = 65_280
SHOWN_MAX = 200
"""So many characters of what was sent are shown."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`update_hosts` are domains that programs may come from over HTTP: updates are signed, not encrypted."""

    update_hosts: tuple[str, ...] = (
        "windowsupdate.com", "microsoft.com", "delivery.mp.microsoft.com", "office.com", "mozilla.org", "mozilla.net",
        "adobe.com", "gvt1.com", "google.com", "apple.com", "ubuntu.com", "debian.org", "sophos.com", "sophosupd.com",
        "eset.com", "avast.com", "kaspersky.com", "trendmicro.com", "gdatasecurity.de", "lenovo.com", "dell.com",
        "hp.com",
    )  # fmt: skip


def _any(*expressions: str) -> Pattern:
    # RE2: what is looked at is an attacker's
    return compile_regex("|".join(f"(?:{one})" for one in expressions), "is")


_LOG4SHELL = _any(r"\$\{\s*jndi\s*:")
_SQLI = _any(
    r"\bunion\s+(?:all\s+|distinct\s+)?select\s*(?:[\d*'\"(@]|null\b|char\(|(?:group_)?concat|\w+\s*,|[^&]{1,99}\bfrom\b)",
    r"['\"]\s*\)*\s*(?:or|and)\s+[\('\"]*\w+[\)'\"]*\s*(?:=|<|>|like)\s*['\"(]*\w*",
    r"\b(?:or|and)\s+\(?\d+\s*=\s*\d+\s*\)?\s*(?:--|#|/\*|&|$)",
    r"\bselect\b[^&]{1,200}\bfrom\s+(?:information_schema|mysql\.|sys\.|pg_catalog|sqlite_master|all_tables)",
    r"\b(?:sleep|pg_sleep|benchmark)\s*\(\s*\d",
    r"\bwaitfor\s+delay\s+'",
    r"\bxp_cmdshell\b",
    r"\b(?:extractvalue|updatexml)\s*\(",
    r";\s*(?:drop\s+(?:table|database)|insert\s+into|delete\s+from|shutdown|exec\s+(?:master|xp_|sp_))\b",
    r"'\s*\)?\s*;?\s*(?:--|#)\s*(?:&|$)",
    r"\border\s+by\s+\d+\s*(?:--|#)",
)
_RCE = _any(
    r"(?:;|\||&&|`|\$\()\s*(?:/bin/|/usr/bin/)?(?:wget\s+\S|curl\s+\S|nc\s+-|ncat\s|bash\s+-|sh\s+-c|whoami\b|uname\s+-)",
    r"\bcmd(?:\.exe)?\s*(?:\?|\s)\s*/c\s",
    r"/system32/cmd\.exe",
    r"\bpowershell(?:\.exe)?\s+-(?:e|enc|nop|w|c)",
    r"/bin/(?:ba|da|z)?sh\b",
    r"\$\{?ifs\b",
    r"\b(?:php|expect)://(?:input|filter|id|whoami)",
    r"<\?php\b",
    r"@java\.lang\.(?:runtime|processbuilder)|#_?memberaccess|class\.module\.classloader",
)
_SHELLSHOCK = _any(r"\(\)\s*\{\s*[:_][^}]{0,40};")
_TRAVERSAL = _any(
    r"(?:\.\.[/\\]){3,}",
    r"\.\.[/\\][^\s&]{0,200}(?:etc/(?:passwd|shadow|hosts)|win\.ini|boot\.ini|web-inf|web\.config|\.ssh/)",
    r"(?:=|^/)(?:file://)?/?/etc/(?:passwd|shadow)\b",
)
_LOOKUP = re.compile(r"\$\{(?:lower:|upper:|[^${}]{0,60}:-)([^${}]{0,60})\}", re.IGNORECASE)
_COMMENT = re.compile(r"/\*[^*]{0,100}\*/")


def plain(text: str) -> str:
    """Return what a request says without its disguises: escapes of URLs undone twice, comments of SQL as blanks."""
    return _COMMENT.sub(" ", unquote_plus(unquote_plus(text)))


def resolved(text: str) -> str:
    """Return `text` with Log4j's lookups in lookups taken for what they give (`${lower:J}`, `${env:X:-j}`)."""
    for _ in range(40):
        shorter = _LOOKUP.sub(r"\1", text)
        if shorter == text:
            break
        text = shorter
    return text


class Requests(Prompt):
    """`exploit.log4shell`, `exploit.sqli`, `exploit.rce` and `exploit.traversal`."""

    def take(self, record: Http) -> Iterable[Finding]:
        """Take a request into account."""
        if record.kind != "request":
            return ()
        return list(self._seen(record))

    def _seen(self, request: Http) -> Iterator[Finding]:
        body = request.body.decode("latin-1")
        whole = f"{request.uri}\n{request.user_agent}\n{request.referrer}\n{request.head}\n{body}"
        if "${" in (said := plain(whole)) and _LOG4SHELL.search(resolved(said)):
            yield _attack("exploit.log4shell", request, "a lookup by JNDI (CVE-2021-44228)", resolved(said), CRITICAL)
        path, _, query = request.uri.partition("?")
        asked = plain(query + ("&" + body if body else ""))
        if _SQLI.search(asked):
            yield _attack("exploit.sqli", request, "commands of SQL", asked, HIGH)
        if _RCE.search(asked) or _RCE.search(plain(path)) or _SHELLSHOCK.search(whole):
            yield _attack("exploit.rce", request, "commands of a shell or a language", asked or plain(whole), HIGH)
        if _TRAVERSAL.search(plain(request.uri)) or _TRAVERSAL.search(plain(body)):
            yield _attack("exploit.traversal", request, "a path out of where it should stay", plain(request.uri), HIGH)


class Answers(Prompt):
    """`exploit.sigred`."""

    def take(self, record: Dns) -> Iterable[Finding]:
        """Take an answer of DNS into account."""
        if record.kind != "answer" or record.qtype not in {"SIG", "TYPE24"}:
            return ()
        if record.size < _SIG_BYTES:
            return ()
        told = f"{record.dst} answered {record.src} with a signature of {record.size} bytes (CVE-2020-1350)"
        return [about("exploit.sigred", record, told, CRITICAL, "T1210", name=record.name)]


class Downloads(Prompt):
    """`malware.exe_download`."""

    def __init__(self, settings: Settings) -> None:
        self._updates = settings.update_hosts

    def take(self, record: Http) -> Iterable[Finding]:
        """Take an answer of HTTP into account."""
        if record.kind != "response" or record.status != 200:
            return ()
        content = record.content_type.partition(";")[0].strip().lower()
        if content not in _PROGRAMS and not record.body.startswith(_MAGIC):
            return ()
        host = record.host.partition(":")[0].lower()
        if any(host == one or host.endswith("." + one) for one in self._updates):
            return ()
        told = f"{record.src} fetched a program from {host or record.dst} ({record.dst} port {record.dport}) over HTTP"
        what = f", {record.content_length} bytes" if record.content_length else ""
        return [
            about(
                "malware.exe_download", record, f"{told}{what}, called {content or 'nothing'}", HIGH, "T1105", name=host
            )
        ]


def _attack(kind: str, request: Http, what: str, said: str, severity: int) -> Finding:
    shown = " ".join(said.split())[:SHOWN_MAX]
    told = f"{request.src} sent {request.host or request.dst} {what}: {request.method} {shown}"
    return about(kind, request, told, severity, "T1190", name=request.host)


def detectors(settings: Settings, scene: Scene) -> Sequence[Detector]:  # noqa: ARG001  every family is asked the same
    """Return the detectors of this family."""
    return [Requests(), Answers(), Downloads(settings)]
