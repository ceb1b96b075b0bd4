"""Questions to an HTTPS server that may be slow, broken or hostile: every answer is bounded, and so is where they go.

Certificates are always verified, redirects are never followed, and only the servers that the operator named are
asked, whatever address an answer points to.
"""

import asyncio
import socket
import ssl
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit

from urllib3.connection import HTTPSConnection
from urllib3.response import BaseHTTPResponse

from sentinel.collect.threads import abandonable
from sentinel.collect.tls import reason
from sentinel.core.errors import ConfigError

ANSWER_BYTES_MAX = 16 << 20
"""So many bytes one answer may have, unpacked as well."""
ANSWER_SECONDS_MAX = 120.0
IDLE_SECONDS_MAX = 30.0
_READ_BYTES = 1 << 16
_HEADER_MAX = 16_384
Method = Literal["GET", "POST"]
_URL_SAFE = "!#$%&'()*+,/:;=?@[]~"


class PullError(Exception):
    """Why nothing can be had from a server at present; the text may be shown.

    `status` is its HTTP status, 0 if it did not come to that. `passing` says that the same question may well be
    answered a little later, `after` (seconds) when the server wants to be asked again.
    """

    def __init__(self, text: str, *, status: int = 0, passing: bool = False, after: float | None = None) -> None:
        super().__init__(text)
        self.status, self.passing, self.after = status, passing, after


@dataclass(frozen=True, slots=True)
class Question:
    """A request; `url` may hold blanks and other characters that have to be escaped."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    method: Method = "GET"
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: names of headers are in lower case, the body is unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def after(self, now: datetime) -> float | None:
        """Return in how many seconds `Retry-After` (RFC 9110, 10.2.3) wants to be asked again, None if it is silent."""
        said = self.headers.get("retry-after", "").strip()
        if said.isascii() and said.isdecimal():
            return float(said[:9])
        try:
            moment = parsedate_to_datetime(said)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return max(0.0, (moment - now).total_seconds())
        except (ValueError, OverflowError):
            return None


def place(url: str) -> tuple[str, int]:
    """Return the host and port that a URL names; raises PullError unless it is an https URL."""
    try:
        parts = urlsplit(url)
        if parts.scheme.lower() == "https" and parts.hostname and parts.username is None:
            return parts.hostname, parts.port or 443
    except ValueError:
        pass
    raise PullError(f"{spoken(url)} is no https address")


def spoken(url: str) -> str:
    """Return an address as it may stand in a message: without account, query and control characters."""
    plain = url.partition("?")[0].partition("#")[0]
    scheme, separator, rest = plain.partition("://")
    host, slash, path = rest.partition("/")
    shown = scheme + separator + host.rpartition("@")[2] + slash + path
    return "".join(one if one.isprintable() else "?" for one in shown)[:200]


def trust(ca_cert: Path | None) -> ssl.SSLContext:
    """Return what certificates are verified with: the authorities in `ca_cert`, else the system's; ConfigError."""
    try:
        context = ssl.create_default_context(cafile=None if ca_cert is None else str(ca_cert))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{ca_cert}: no certificates of authorities in PEM ({error.strerror})") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class Client:
    """Connections to the servers in `hosts` (host and port), kept open between questions; asks one at a time."""

    def __init__(
        self,
        hosts: Collection[tuple[str, int]],
        context: ssl.SSLContext,
        *,
        bytes_max: int = ANSWER_BYTES_MAX,
        seconds_max: float = ANSWER_SECONDS_MAX,
        idle_seconds: float = IDLE_SECONDS_MAX,
    ) -> None:
        self._hosts, self._context = frozenset(hosts), context
        self._bytes_max, self._seconds_max, self._idle_seconds = bytes_max, seconds_max, idle_seconds
        self._connections: dict[tuple[str, int], HTTPSConnection] = {}

    async def ask(self, question: Question) -> Answer:
        """Return the answer, whatever its status; raises PullError if there is none that can be taken."""
        where = place(question.url)
        if where not in self._hosts:
            known = ", ".join(sorted({host for host, _ in self._hosts}))
            raise PullError(f"{spoken(question.url)} is another server than {known}: it is not asked")
        connection = self._connections.pop(where, None) or HTTPSConnection(
            *where, timeout=self._idle_seconds, ssl_context=self._context
        )
        try:
            async with asyncio.timeout(self._seconds_max):
                answer = await abandonable(lambda: self._exchange(connection, question))
        except BaseException as error:
            cut(connection)
            if isinstance(error, TimeoutError):
                text = f"{where[0]}: no whole answer within {self._seconds_max:.0f} s"
                raise PullError(text, passing=True) from None
            raise
        self._connections[where] = connection
        return answer

    def _exchange(self, connection: HTTPSConnection, question: Question) -> Answer:
        try:
            if not connection.is_connected:
                connection.close()
            return self._asked(connection, question)
        except PullError:
            connection.close()
            raise
        except Exception as error:  # noqa: BLE001  whatever a server makes the library raise must not end Sentinel
            connection.close()
            raise _told(connection.host, error) from None

    def _asked(self, connection: HTTPSConnection, question: Question) -> Answer:
        parts = urlsplit(quote(question.url, safe=_URL_SAFE))
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"User-Agent": "Sentinel", "Accept": "application/json, */*;q=0.5", "Accept-Encoding": "gzip"}
        connection.request(
            question.method, target, question.body, {**headers, **question.headers}, preload_content=False
        )
        response = connection.getresponse()
        try:
            body = self._whole(response)
        finally:
            response.close()
        found = {name.lower(): value[:_HEADER_MAX] for name, value in response.headers.items()}
        return Answer(response.status, found, body)

    def _whole(self, response: BaseHTTPResponse) -> bytes:
        whole = bytearray()
        while part := response.read1(_READ_BYTES):
            whole += part
            if len(whole) > self._bytes_max:
                raise PullError(f"an answer of more than {self._bytes_max >> 20} MiB: ask for fewer records at once")
        return bytes(whole)

    def close(self) -> None:
        """Close every connection."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()


def cut(connection: HTTPSConnection) -> None:
    """Wake whoever waits on the connection in another thread, who then closes it."""
    held = connection.sock
    if held is not None:
        with suppress(OSError):
            socket.socket.shutdown(held, socket.SHUT_RDWR)  # not SSLSocket's, which pulls TLS away under the reader


def _told(host: str, error: Exception) -> PullError:
    """Say what went wrong without the library's own words: they may quote a header, and so a secret."""
    causes = list(_causes(error))
    for cause in causes:
        match cause:
            case ssl.SSLCertVerificationError():
                return PullError(f"{host}: its certificate is not trusted ({reason(cause)})")
            case ssl.SSLError():
                return PullError(f"{host}: TLS failed ({reason(cause)})", passing=True)
            case socket.gaierror():
                return PullError(f"{host}: the name cannot be resolved", passing=True)
            case TimeoutError():
                return PullError(f"{host}: no answer in time", passing=True)
            case _:
                pass
    words = [one.strerror for one in causes if isinstance(one, OSError) and one.strerror]
    return PullError(f"{host}: the connection failed ({[*words, type(error).__name__][0]})", passing=True)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
