"""What the mail gateway (Postfix) and the mailboxes (Exchange) write of a message on its way.

Formats: https://www.postfix.org/documentation.html, https://learn.microsoft.com/en-us/exchange/mail-flow/transport-logs/message-tracking
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from sentinel.testing.city.lines import Line, bsd
from sentinel.testing.city.town import MAIL_IN, MAILBOXES
from sentinel.testing.city.windows import named

_STEP = timedelta(milliseconds=230)


@dataclass(frozen=True, slots=True)
class Message:
    """A mail: who sends it to whom, what about; `client` is the host and address it comes from."""

    sender: str
    receiver: str
    subject: str
    size: int
    client: tuple[str, str] = ("mail.example.net", "203.0.113.25")


def _postfix(at: datetime, program: str, text: str, rng: Random) -> Line:
    body = bsd(at, MAIL_IN.name, f"postfix/{program}[{rng.randrange(500, 60_000)}]", text, 22)
    return Line(at, MAIL_IN.address, body)


def arrives(at: datetime, mail: Message, rng: Random) -> Iterator[Line]:
    """Yield what is written of a mail from outside, from the gateway to the mailbox."""
    host, address = mail.client
    queue, ident = f"{rng.randrange(1 << 40):010X}", f"{rng.randrange(1 << 60):x}@{mail.sender.rpartition('@')[2]}"
    said = (
        ("smtpd", f"connect from {host}[{address}]"),
        ("smtpd", f"{queue}: client={host}[{address}]"),
        ("cleanup", f"{queue}: message-id=<{ident}>"),
        (
            "cleanup",
            (
                f"{queue}: warning: header Subject: {mail.subject} from {host}[{address}]; from=<{mail.sender}> "
                f"to=<{mail.receiver}> proto=ESMTP helo=<{host}>"
            ),
        ),
        ("qmgr", f"{queue}: from=<{mail.sender}>, size={mail.size}, nrcpt=1 (queue active)"),
        (
            "smtp",
            (
                f"{queue}: to=<{mail.receiver}>, relay={MAILBOXES.host}[{MAILBOXES.address}]:25, delay=0.42, "
                "delays=0.1/0.01/0.2/0.11, dsn=2.0.0, status=sent (250 2.6.0 Queued mail for delivery)"
            ),
        ),
        ("qmgr", f"{queue}: removed"),
    )
    for number, (program, text) in enumerate(said):
        yield _postfix(at + number * _STEP, program, text, rng)
    yield tracked(at + 8 * _STEP, mail, rng, "DELIVER")


def leaves(at: datetime, mail: Message, rng: Random) -> Iterator[Line]:
    """Yield what is written of a mail to the outside."""
    queue = f"{rng.randrange(1 << 40):010X}"
    host, address = MAILBOXES.host, MAILBOXES.address
    domain = mail.receiver.rpartition("@")[2]
    said = (
        ("smtpd", f"{queue}: client={host}[{address}]"),
        ("cleanup", f"{queue}: message-id=<{rng.randrange(1 << 60):x}@stadt.example>"),
        ("qmgr", f"{queue}: from=<{mail.sender}>, size={mail.size}, nrcpt=1 (queue active)"),
        (
            "smtp",
            (
                f"{queue}: to=<{mail.receiver}>, relay=mx.{domain}[203.0.113.25]:25, delay=1.2, "
                "delays=0.1/0.01/0.6/0.49, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4ABCDE)"
            ),
        ),
        ("qmgr", f"{queue}: removed"),
    )
    yield tracked(at, mail, rng, "SEND")
    for number, (program, text) in enumerate(said, start=1):
        yield _postfix(at + number * _STEP, program, text, rng)


def rejected(at: datetime, mail: Message, rng: Random) -> Line:
    """Return the gateway's line on a mail it does not take."""
    host, address = mail.client
    text = (
        f"NOQUEUE: reject: RCPT from {host}[{address}]: 554 5.7.1 Service unavailable; Client host [{address}] blocked "
        f"using zen.example.org; from=<{mail.sender}> to=<{mail.receiver}> proto=ESMTP helo=<{host}>"
    )
    return _postfix(at, "smtpd", text, rng)


def tracked(at: datetime, mail: Message, rng: Random, what: str) -> Line:
    """Return Exchange's tracking of a message; `what` is DELIVER or SEND."""
    source, way = ("STOREDRIVER", "Incoming") if what == "DELIVER" else ("SMTP", "Originating")
    subject = mail.subject.replace('"', '""')
    text = (
        f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z,{MAIL_IN.address},MX01,{MAILBOXES.address},MBX01,,,"
        f"{source},{what},{rng.randrange(10_000, 9_999_999)},"
        f"<{rng.randrange(1 << 48):x}@{mail.sender.rpartition('@')[2]}>,"
        f'8f1c2a3b-1111-2222-3333-{rng.randrange(1 << 48):012x},{mail.receiver},,{mail.size},1,,,"{subject}",'
        f"{mail.sender},{mail.sender},{at:%Y-%m-%dT%H:%M:%S}.000Z;SRV=MX01,{way},,{mail.client[1]},"
        f"{MAILBOXES.address},S:MailboxDatabaseName=DB02,Email,0a0b0c0d-1111-2222-3333-{rng.randrange(1 << 48):012x},"
        "15.02.1118.040"
    )
    return Line(at, MAILBOXES.address, text.encode(), "file")


def forwarding(at: datetime, owner: str, target: str) -> Line:
    """Return Exchange's event on a rule that sends a mailbox's new mails on to `target`."""
    rule = f'-Name "." -ForwardTo "{target}" -StopProcessingRules $true -Mailbox "{owner}"'
    said = ("New-InboxRule", rule, f"stadt.example/Benutzer/{owner}", "S-1-5-21-1-2-3-1500", "S-1-5-21-1-2-3-1500")
    return named(at, MAILBOXES.host, 1, said, ("MSExchange Management", "MSExchange CmdletLogs"))
