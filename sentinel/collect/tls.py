"""TLS for entrances (RFC 5425, RFC 9662): version 1.2 at least, client certificates, renewal without a drop."""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import monotonic

from sentinel.core.check import Check
from sentinel.core.errors import ConfigError

_LOOK_SECONDS = 1.0
_SOON_SECONDS = 14 * 86_400
_KINDS = {"DNS": "dns", "IP Address": "ip", "URI": "uri", "email": "email"}


class RefusedError(Exception):
    """A client that may not come in; the text is the reason in one word."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where certificates are, all PEM: the server's chain and its key, who signs clients, who was revoked.

    With `client_ca` every client must show a certificate. `allow` then names those that may come in
    (`dns:fw1.example.org`, `ip:192.0.2.7`, `sha256:<64 hex digits>`); empty lets in all that are well signed.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None
    crl: Path | None = None
    allow: tuple[str, ...] = ()


class Tls:
    """The certificates at present; files that have changed are read again for the connections that follow."""

    def __init__(self, files: TlsFiles, seconds: Callable[[], float] = monotonic) -> None:
        self.files = files
        self.problem = ""
        self.reloads = 0
        self._seconds = seconds
        self._looked = seconds()
        self._stamp = self._stamped()
        self._context = _context(files)
        self._allow = frozenset(_normal(one) for one in files.allow)

    @property
    def context(self) -> ssl.SSLContext:
        """What the next connection is answered with; certificates that cannot be used leave the last ones in place."""
        if self._seconds() - self._looked >= _LOOK_SECONDS:
            self._looked = self._seconds()
            stamp = self._stamped()
            if stamp != self._stamp:
                try:
                    self._context = _context(self.files)
                except ConfigError as error:  # half of a pair may be in place already: looked at again in a second
                    self.problem = str(error)
                else:
                    self.problem, self._stamp = "", stamp
                    self.reloads += 1
        return self._context

    def _stamped(self) -> tuple[tuple[int, int, int], ...]:
        stamps = []
        for path in (self.files.cert, self.files.key, self.files.client_ca, self.files.crl):
            if path is not None and path.exists():
                status = path.stat()
                stamps.append((status.st_mtime_ns, status.st_size, status.st_ino))
        return tuple(stamps)

    def identity(self, connection: ssl.SSLSocket) -> str:
        """Return who the client is by its certificate, empty if it showed none; raises RefusedError."""
        der = connection.getpeercert(binary_form=True)
        if der is None:
            return ""
        names = [f"{_KINDS[kind]}:{value}" for kind, value in _alternatives(connection) if kind in _KINDS]
        names.append("sha256:" + sha256(der).hexdigest())
        if not self._allow:
            return names[0]
        allowed = next((name for name in names if _normal(name) in self._allow), None)
        if allowed is None:
            raise RefusedError("certificate_not_allowed")
        return allowed


def _alternatives(connection: ssl.SSLSocket) -> Sequence[tuple[str, str]]:
    shown = connection.getpeercert() or {}
    return [(str(one[0]), str(one[1])) for one in shown.get("subjectAltName", ())]


def _normal(name: str) -> str:
    kind, _, value = name.partition(":")
    value = value.lower()
    return f"{kind.lower()}:{value.replace(':', '') if kind.lower() == 'sha256' else value}"


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # RFC 9662: forward secrecy and authenticated encryption only; TLS 1.3 has no others
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    # a sender that reads nothing leaves a ticket unread: its closing is a reset then, and what we have not read is lost
    context.num_tickets = 0
    _loaded(files.cert, lambda: context.load_cert_chain(files.cert, files.key), "certificate chain and key")
    if files.client_ca is not None:
        ca = files.client_ca
        _loaded(ca, lambda: context.load_verify_locations(ca), "certificates of those who sign clients")
        context.verify_mode = ssl.CERT_REQUIRED
    if files.crl is not None:
        crl = files.crl
        _loaded(crl, lambda: context.load_verify_locations(crl), "revocation list")
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


def _loaded(path: Path, load: Callable[[], None], what: str) -> None:
    try:
        load()
    except ssl.SSLError as error:
        raise ConfigError(f"{path}: no {what} in PEM, or they do not belong together ({error.reason})") from error
    except OSError as error:
        raise ConfigError(f"{path}: the {what} cannot be read: {error.strerror}") from error


def reason(error: ssl.SSLError | OSError) -> str:
    """Return why a handshake failed, in one word: `certificate_verify_failed:certificate_has_expired`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "certificate_verify_failed:" + error.verify_message.lower().replace(" ", "_")
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower()
    return "handshake_broken_off"


def certificate_check(files: TlsFiles, now: float) -> Check:
    """Say whether the certificates can be used and for how long; `now` in seconds since 1970."""
    name = f"certificate {files.cert}"
    try:
        _context(files)
        end = ssl.cert_time_to_seconds(_expiry(files.cert))
    except ConfigError as error:
        return Check(name, "fail", str(error), "put the right files there; senders cannot connect until then")
    days = (end - now) / 86_400
    if days < 0:
        return Check(name, "fail", f"expired {-days:.0f} days ago", "renew it; it is read again without a restart")
    soon = end - now < _SOON_SECONDS
    return Check(name, "warn" if soon else "ok", f"valid for {days:.0f} days", "renew it soon" if soon else "")


def _expiry(path: Path) -> str:
    decode = ssl._ssl._test_decode_cert  # type: ignore[attr-defined]  # noqa: SLF001  the only reader of dates in ssl
    return str(decode(str(path))["notAfter"])
