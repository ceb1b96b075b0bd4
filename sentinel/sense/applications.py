"""What the sensor sees of applications: TLS, HTTP, Windows' protocols, logins, mail; `records` has what all share."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from sentinel.sense.records import PASSING, TIME, Record

__all__ = [
    "Certificate", "Dcerpc", "Ftp", "Heartbeat", "Http", "Kerberos", "Ldap", "Mail", "Rdp", "RemoteShell", "Smb", "Ssh",
    "Telnet", "Tls",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a certificate says (RFC 5280). Names are common names, else organisations; times ns since 1970, 0: unread.

    `self_signed`: issuer and subject are the same; `key_bits` is the RSA modulus' length, 0 for other keys.
    """

    subject: str = ""
    issuer: str = ""
    not_before: int = field(default=0, metadata=TIME)
    not_after: int = field(default=0, metadata=TIME)
    serial: str = ""
    self_signed: bool = False
    names: tuple[str, ...] = ()
    key_bits: int = 0
    signature: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls(Record):
    """One TLS, DTLS or QUIC handshake, told when it is complete or its flow ends.

    `version` is the one chosen (`1.0` … `1.3`, `3.0`; `d1.2` for DTLS), `cipher` the IANA number (`0xc02f`);
    `established`: the server answered. `ciphers` are all that the client offered. JA3: salesforce/ja3; JA4:
    FoxIO-LLC/ja4 (technical_details/JA4.md). Certificates are visible up to TLS 1.2 only, the server's first.
    """

    type: ClassVar[str] = "tls"

    sni: str = ""
    alpn: str = ""
    version: str = ""
    cipher: str = ""
    ciphers: tuple[int, ...] = field(default=(), metadata=PASSING)
    ja3: str = ""
    ja3s: str = ""
    ja4: str = ""
    established: bool = False
    resumed: bool = False
    certificates: tuple[Certificate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Record):
    """A readable TLS heartbeat (RFC 6520): `claimed` bytes of payload in a record of `length` bytes."""

    type: ClassVar[str] = "heartbeat"

    kind: Literal["request", "response"] = "request"
    claimed: int = 0
    length: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Http(Record):
    """A request or a response, as far as its first packet tells.

    `auth` is the scheme of Authorization (`basic`), `user` the name in it; `form` the names of a posted form's
    fields, never a value. `head` is the request's header lines without the values of Authorization and Cookie, `body`
    the first bytes behind the headers (of a form: with all values of password fields blanked).
    """

    type: ClassVar[str] = "http"

    kind: Literal["request", "response"] = "request"
    method: str = ""
    host: str = ""
    uri: str = ""
    user_agent: str = ""
    referrer: str = ""
    status: int = 0
    content_type: str = ""
    content_length: int = 0
    server: str = ""
    location: str = ""
    auth: str = ""
    user: str = ""
    form: tuple[str, ...] = ()
    head: str = field(default="", metadata=PASSING)
    body: bytes = field(default=b"", metadata=PASSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Smb(Record):
    r"""One packet of SMB. `commands` are the numbers of MS-CIFS (`version` 1) or MS-SMB2 (2), one a message in it.

    `status` is the first NTSTATUS of a response; `tree` the share (`\\server\share`), `file` the path or pipe that is
    named; `user`, `domain` and `host` those of an NTLM login in it; `dialects` what is offered, or the one chosen.
    `compressed_offset`: of a compressed SMB 3.1.1 message, -1 for none; `compression`: it is offered or chosen.
    """

    type: ClassVar[str] = "smb"

    kind: Literal["request", "response"] = "request"
    version: int = 2
    commands: tuple[int, ...] = ()
    status: int = 0
    tree: str = ""
    file: str = ""
    user: str = ""
    domain: str = ""
    host: str = ""
    dialects: tuple[str, ...] = ()
    compression: bool = False
    compressed_offset: int = -1
    compressed_size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dcerpc(Record):
    """A bind, request or response of DCE-RPC, over TCP or in a named pipe.

    `interface` is the UUID that was bound, in lower case (of a request: the last bind of its flow), `name` its usual
    name (`drsuapi`, `svcctl` …) and `opnum` the operation, -1 if there is none.
    """

    type: ClassVar[str] = "dcerpc"

    kind: Literal["bind", "request", "response", "fault"] = "request"
    interface: str = ""
    name: str = ""
    opnum: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Kerberos(Record):
    """A Kerberos message (RFC 4120): `message` is AS-REQ, AS-REP, TGS-REQ, TGS-REP, AP-REQ or ERROR.

    `user` is the client's name, `service` the server's (`cifs/host`); `ticket_etype` the encryption of the ticket
    given, `etypes` those a request offers, `error` the code of an ERROR (-1: none). Numbers: IANA kerberos-parameters.
    """

    type: ClassVar[str] = "kerberos"

    message: str = ""
    user: str = ""
    realm: str = ""
    service: str = ""
    etypes: tuple[int, ...] = ()
    ticket_etype: int = 0
    error: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ldap(Record):
    """An LDAP message (RFC 4511): `operation` by name (`bindRequest`, `searchRequest` …).

    `auth` is `simple` (`user` and a password in clear), `anonymous` or `sasl` of a bind; `result` the code of an
    answer, -1 if it has none.
    """

    type: ClassVar[str] = "ldap"

    operation: str = ""
    auth: str = ""
    user: str = ""
    base: str = ""
    result: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ssh(Record):
    """What both sides of an SSH connection call themselves, told once a flow; `hassh`: salesforce/hassh."""

    type: ClassVar[str] = "ssh"

    client: str = ""
    server: str = ""
    hassh: str = ""
    hassh_server: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rdp(Record):
    """The negotiation of an RDP connection (MS-RDPBCGR 2.2.1): `user` is the cookie's, cut by the client to 9 letters.

    `protocols` is requested (bits: 1 TLS, 2 CredSSP), `chosen` the answer's; -1: none.
    """

    type: ClassVar[str] = "rdp"

    kind: Literal["request", "response"] = "request"
    user: str = ""
    protocols: int = -1
    chosen: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ftp(Record):
    """An FTP command or reply; `user` is the name of a USER command, or the flow's last in what follows."""

    type: ClassVar[str] = "ftp"

    kind: Literal["request", "response"] = "request"
    command: str = ""
    code: int = 0
    user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail(Record):
    """A command or reply of SMTP, POP3 or IMAP (`service`).

    `status` is the reply's: a number (SMTP), `+OK`, `-ERR` (POP3), `OK`, `NO`, `BAD` (IMAP). `user` is the login's
    name, where it is readable. A `mechanism` is what AUTH or AUTHENTICATE asks for (`plain`, `login` …).
    """

    type: ClassVar[str] = "mail"

    service: Literal["smtp", "pop", "imap"] = "smtp"
    kind: Literal["request", "response"] = "request"
    command: str = ""
    mechanism: str = ""
    status: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telnet(Record):
    """A prompt in a Telnet session, told once a flow and kind; what is typed is never read."""

    type: ClassVar[str] = "telnet"

    kind: Literal["login", "password"] = "login"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteShell(Record):
    """The beginning of an rsh or rlogin session (`service`): the names on both sides."""

    type: ClassVar[str] = "rsh"

    service: Literal["rsh", "rlogin"] = "rsh"
    client_user: str = ""
    server_user: str = ""
