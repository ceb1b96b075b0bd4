"""How a message leaves: apprise, told exactly what to do; the only module that knows it.

Nothing is read from URLs, files or the environment: no redirects, no proxy, no `.netrc`, no attachments, no memory.
"""

import logging
import os
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from apprise import AppriseAsset, NotifyType
from apprise.plugins.custom_json import NotifyJSON
from apprise.plugins.email.smtp import SMTP_EXCEPTIONS, AppriseSMTPController
from apprise.plugins.matrix import NotifyMatrix

from sentinel.core.errors import SentinelError
from sentinel.core.visible import visible
from sentinel.notify.guard import guarded
from sentinel.notify.message import Message

SECONDS_MAX = 30.0
"""So long one message may take, whatever its server does."""
STEP_SECONDS = 10.0
DOMAIN = "sentinel.invalid"
"""What a mail's Message-ID ends with (RFC 2606): the same message has the same, wherever it was sent from."""
_REASON_MAX = 300
REACHED_MAX = 1_000


class UndeliveredError(SentinelError):
    """A message that did not arrive, as far as we know; the text says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a channel leads; secrets are read when they are needed, so that a new one counts at once."""

    kind: str
    host: str
    port: int
    secure: str
    secret: Callable[[], str]
    path: str = "/"
    user: str = ""
    sender: str = ""
    to: tuple[str, ...] = ()
    room: str = ""
    networks: tuple[str, ...] = ()
    seconds: float = SECONDS_MAX


class _Said(logging.Handler):
    """Keeps what apprise says in this thread, for it returns only whether it worked."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.own = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING or text.startswith("Socket Exception"):
            self.own.text = f"{getattr(self.own, 'text', '')}; {text}"[-4 * _REASON_MAX :]

    def taken(self) -> str:
        text = str(getattr(self.own, "text", ""))
        self.own.text = ""
        return visible(text.strip("; "))[-_REASON_MAX:]


_said = _Said()
_reached: dict[str, set[str]] = {}
"""Who has a mail already that others of its addresses have not, for as long as the process lives."""


def opened() -> None:
    """Prepare the process: what apprise and requests would read from outside is not there."""
    os.environ["NO_PROXY"] = "*"
    os.environ["NETRC"] = os.devnull
    logger = logging.getLogger("apprise")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    if _said not in logger.handlers:
        logger.addHandler(_said)


def deliver(target: Target, message: Message, at: datetime, facts: Mapping[str, object]) -> None:
    """Send one message; raises UndeliveredError. `at` is its date, `facts` what a program wants to know of it."""
    _said.taken()
    with guarded(target.networks, target.seconds) as guard:
        try:
            good = _SENDERS[target.kind](target, message, at, facts)
        except SMTP_EXCEPTIONS as error:
            good = False
            _said.own.text = f"{type(error).__name__}: {error}"
    said = _said.taken()
    if guard.refused:
        raise UndeliveredError(guard.refused)
    if not good or guard.late:  # an answer that was cut is none
        late = f"no answer within {target.seconds:g} s; " if guard.late else ""
        raise UndeliveredError(f"{late}{said or 'refused without a reason'}")


def _mail(target: Target, message: Message, at: datetime, facts: Mapping[str, object]) -> bool:
    del facts
    mail = EmailMessage()
    mail["Message-ID"] = f"<{message.id}@{DOMAIN}>"
    mail["Date"] = format_datetime(at)
    mail["From"] = target.sender
    mail["To"] = ", ".join(target.to)
    mail["Subject"] = message.title
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.body, cte="quoted-printable")
    mode = {"tls": "ssl", "none": "insecure"}.get(target.secure, target.secure)
    password = target.secret() if target.user else None
    reached = _reached.setdefault(message.id, set())
    with AppriseSMTPController(
        target.host, target.port, mode, target.user or None, password, socket_connect_timeout=int(STEP_SECONDS)
    ) as server:
        for one in target.to:  # one that is refused for ever is no reason to send the others the same again
            if one not in reached and server.sendmail(target.sender, [one], mail.as_string()):
                reached.add(one)
    whole = reached.issuperset(target.to)
    if whole or len(_reached) > REACHED_MAX:
        del _reached[message.id if whole else next(iter(_reached))]
    return whole


def _webhook(target: Target, message: Message, at: datetime, facts: Mapping[str, object]) -> bool:
    del at
    token = target.secret()
    headers = {"Idempotency-Key": message.id} | ({"Authorization": f"Bearer {token}"} if token else {})
    nothing = dict.fromkeys(("version", "attachments", "type"), "")  # apprise leaves out what is empty
    plugin = _plugin(NotifyJSON, target, headers=headers, payload={**nothing, **facts}, fullpath=target.path)
    return bool(plugin.send(body=message.body, title=message.title, notify_type=NotifyType.WARNING))


def _matrix(target: Target, message: Message, at: datetime, facts: Mapping[str, object]) -> bool:
    del at, facts
    token = target.secret()
    plugin = _plugin(
        NotifyMatrix, target, targets=[target.room], password=token, include_image=False, discovery=False, e2ee=False
    )
    # the home server shows one event for one transaction of a token, however often it is sent
    plugin.access_token = token
    plugin.transaction_id = message.id
    return bool(plugin.send(body=message.body, title=message.title, notify_type=NotifyType.WARNING))


def _plugin(kind: Callable[..., Any], target: Target, **more: object) -> Any:  # noqa: ANN401  apprise types half of it
    plugin = kind(
        host=target.host,
        port=target.port,
        secure=target.secure != "none",
        format="text",
        redirect=False,
        cto=STEP_SECONDS,
        rto=STEP_SECONDS,
        asset=AppriseAsset(app_id="Sentinel", http_redirects=False, storage_mode="memory", secure_logging=True),
        **more,
    )
    # the system's certificates, not those that come with a library
    trusted = ssl.get_default_verify_paths()
    plugin.verify_certificate = trusted.cafile or trusted.capath or True
    plugin.request_rate_per_sec = 0
    return plugin


_SENDERS: dict[str, Callable[[Target, Message, datetime, Mapping[str, object]], bool]] = {
    "mail": _mail,
    "webhook": _webhook,
    "matrix": _matrix,
}
