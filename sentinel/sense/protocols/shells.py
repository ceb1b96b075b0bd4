"""Shells: SSH (RFC 4253), Telnet (RFC 854), rsh and rlogin (RFC 1282)."""

from collections.abc import Iterator
from dataclasses import dataclass

from sentinel.sense.applications import RemoteShell, Ssh, Telnet
from sentinel.sense.columns import AT, Cells
from sentinel.sense.flows import Live
from sentinel.sense.protocols.common import Pending, cut, ends, ends_of, is_answer, plain
from sentinel.sense.records import Record
from sentinel.sense.sift import Shown

__all__ = ["banners", "rlogin", "rsh", "ssh", "telnet"]


@dataclass(slots=True)
class _Session(Pending):
    """What both sides of an SSH connection call themselves."""

    time: int
    frame: int
    told: bool = False
    client: str = ""
    server: str = ""
    hassh: str = ""
    hassh_server: str = ""

    def record(self, flow: Live) -> Ssh:
        """Return the record."""
        return Ssh(
            **ends_of(flow, self.time, self.frame),
            client=self.client,
            server=self.server,
            hassh=self.hassh,
            hassh_server=self.hassh_server,
        )


def ssh(cells: Cells, shown: Shown) -> Iterator[Record]:
    """Yield the record of an SSH connection once both sides have said what they can."""
    banner, client, server = (cells[AT[f"ssh.{name}"]] for name in ("protocol", "kex.hassh", "kex.hasshserver"))
    if not (banner or client or server):
        return
    flow = shown.side.flow
    note = flow.notes.get("ssh")
    if not isinstance(note, _Session):
        note = flow.notes["ssh"] = _Session(shown.time, shown.frame)
    if banner and is_answer(shown):
        note.server = note.server or cut(banner)
    elif banner:
        note.client = note.client or cut(banner)
    note.hassh, note.hassh_server = note.hassh or client, note.hassh_server or server
    if not note.told and note.hassh and note.hassh_server:
        note.told = True
        yield note.record(flow)


def banners(flow: Live) -> Ssh:
    """Return the record of an SSH connection on a port where tshark expects none, from its first lines."""
    client, server = (
        plain(head.partition(b"\n")[0].strip().decode("ascii", "replace")) if head.startswith(b"SSH-") else ""
        for head in (flow.out.head, flow.back.head)
    )
    return Ssh(**ends_of(flow, flow.start, flow.frame), client=client, server=server)


def telnet(cells: Cells, shown: Shown) -> Iterator[Telnet]:  # noqa: ARG001  every reader is asked the same
    """Yield the record of a prompt for a name or a password, the first of each in a flow."""
    text = shown.payload.lower()
    if not text or not is_answer(shown):
        return
    notes = shown.side.flow.notes
    if b"login:" in text or b"username:" in text or b"benutzer" in text:
        if "telnet.login" not in notes:
            notes["telnet.login"] = True
            yield Telnet(**ends(shown), kind="login")
    elif (b"password" in text or b"kennwort" in text or b"passwort" in text) and "telnet.password" not in notes:
        notes["telnet.password"] = True
        yield Telnet(**ends(shown), kind="password")


def rsh(cells: Cells, shown: Shown) -> Iterator[RemoteShell]:
    """Yield the record of the names an rsh session begins with."""
    client, server = cells[AT["rsh.client_username"]], cells[AT["rsh.server_username"]]
    if client or server:
        yield RemoteShell(**ends(shown), service="rsh", client_user=cut(client), server_user=cut(server))


def rlogin(cells: Cells, shown: Shown) -> Iterator[RemoteShell]:
    """Yield the record of the names an rlogin session begins with."""
    client, server = cells[AT["rlogin.client_user_name"]], cells[AT["rlogin.server_user_name"]]
    if client or server:
        yield RemoteShell(**ends(shown), service="rlogin", client_user=cut(client), server_user=cut(server))
