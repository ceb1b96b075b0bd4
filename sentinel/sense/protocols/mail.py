"""Commands and replies of mail and file transfer: SMTP (RFC 5321), POP3 (RFC 1939), IMAP (RFC 9051), FTP (RFC 959).

A name is read from USER and LOGIN; of AUTH the mechanism alone; PASS is never looked behind.
"""

from collections.abc import Iterator

from sentinel.sense.applications import Ftp, Mail
from sentinel.sense.columns import AT, Cells, number
from sentinel.sense.protocols.common import cut, ends, plain
from sentinel.sense.sift import Shown

__all__ = ["ftp", "imap", "pop", "smtp"]


def ftp(cells: Cells, shown: Shown) -> Iterator[Ftp]:
    """Yield the record of an FTP command or reply."""
    command, code = cells[AT["ftp.request.command"]].upper(), number(cells[AT["ftp.response.code"]])
    if not command and not code:
        return
    notes = shown.side.flow.notes
    if command == "USER":
        notes["user"] = _user(shown.payload)
    yield Ftp(
        **ends(shown),
        kind="request" if command else "response",
        command=cut(command),
        code=code,
        user=str(notes.get("user", "")),
    )


def pop(cells: Cells, shown: Shown) -> Iterator[Mail]:
    """Yield the record of a POP3 command or reply."""
    command, status = cells[AT["pop.request.command"]].upper(), cells[AT["pop.response.indicator"]]
    if not command and not status:
        return
    notes = shown.side.flow.notes
    if command == "USER":
        notes["user"] = _user(shown.payload)
    yield Mail(
        **ends(shown),
        service="pop",
        kind="request" if command else "response",
        command=cut(command),
        mechanism=_mechanism(shown.payload) if command == "AUTH" else "",
        status=cut(status),
        user=str(notes.get("user", "")),
    )


def imap(cells: Cells, shown: Shown) -> Iterator[Mail]:
    """Yield the record of an IMAP command or its completion."""
    command, status = cells[AT["imap.request.command"]].upper(), cells[AT["imap.response.status"]].upper()
    if not command and not status:
        return
    notes = shown.side.flow.notes
    if command == "LOGIN":
        notes["user"] = cut(cells[AT["imap.request.username"]].strip('"'))
    yield Mail(
        **ends(shown),
        service="imap",
        kind="request" if command else "response",
        command=cut(command),
        status=cut(status),
        user=str(notes.get("user", "")),
    )


def smtp(cells: Cells, shown: Shown) -> Iterator[Mail]:
    """Yield the record of an SMTP command or reply."""
    command, code = cells[AT["smtp.req.command"]].upper(), cells[AT["smtp.response.code"]]
    if not command and not code:
        return
    yield Mail(
        **ends(shown),
        service="smtp",
        kind="request" if command else "response",
        command=cut(command),
        mechanism=_mechanism(shown.payload) if command == "AUTH" else "",
        status=cut(code),
    )


def _user(payload: bytes) -> str:
    # `USER name`
    word, _, name = payload.partition(b"\r")[0].partition(b"\n")[0].partition(b" ")
    return plain(cut(name.strip().decode("utf-8", "replace"))) if word.upper() == b"USER" else ""


def _mechanism(payload: bytes) -> str:
    # `AUTH PLAIN …`: what stands behind the mechanism is a secret
    words = payload[:64].split(None, 2)
    return plain(words[1].decode("ascii", "replace").lower()) if len(words) > 1 and words[0].upper() == b"AUTH" else ""
