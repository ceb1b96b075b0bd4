"""Login programs beside sshd: who did what to whom, and names and commands that imitate the rest of the line."""

from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load
from sentinel.parse.route import Router

SHIPPED = Router(load([content("parsers")], shipped=content("parsers")))
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def read(message: str) -> Fields:
    raw = Raw(f"<86>Nov 23 07:15:00 srv {message}".encode(), "linux", NOW, Origin("syslog-udp"))
    pack = SHIPPED.route(raw)
    assert pack is not None
    return next(iter(pack.parse(raw)))


@pytest.mark.parametrize(
    ("message", "user", "address"),
    [
        (
            "dropbear[5]: Bad password attempt for 'x' from 198.51.100.1:22' from 203.0.113.9:40001",
            "x' from 198.51.100.1:22",
            "203.0.113.9",
        ),
        (
            "sshd[5]: Failed password for invalid user x from 198.51.100.1 port 1 ssh2 from ::ffff:203.0.113.9 port 2",
            "x from 198.51.100.1 port 1 ssh2",
            "203.0.113.9",
        ),
        ("sshd[5]: Accepted password for ida from fe80::1%eth0 port 40001 ssh2", "ida", "fe80::1"),
        ("login[5]: FAILED LOGIN 1 FROM 203.0.113.9 FOR root, Authentication failure", "root", "203.0.113.9"),
        ("login[5]: FAILED LOGIN SESSION FROM tty1 FOR (unknown), User not known", None, None),
        ("login[5]: FAILED LOGIN (3) on '/dev/pts/0' from '203.0.113.9' FOR 'UNKNOWN', failed", None, "203.0.113.9"),
    ],
)
def test_what_the_program_appends_counts_not_what_a_name_imitates(
    message: str, user: str | None, address: str | None
) -> None:
    event = read(message)
    assert (event.get("user.name"), event.get("source.ip")) == (user, address)


@pytest.mark.parametrize(
    ("message", "command", "effective"),
    [
        (
            "doas: ida ran command sh -c 'y as nobody from /' as root from /home/ida",
            "sh -c 'y as nobody from /'",
            "root",
        ),
        (
            "pkexec[5]: ida: Executing command [USER=root] [TTY=/dev/pts/0] [CWD=/] [COMMAND=/bin/x [USER=ida]]",
            "/bin/x [USER=ida]",
            "root",
        ),
    ],
)
def test_a_command_does_not_say_as_whom_it_ran(message: str, command: str, effective: str) -> None:
    event = read(message)
    told = (event["user.name"], event["process.command_line"], event["user.effective.name"])
    assert told == ("ida", command, effective)


def test_who_changed_a_group_and_whom_he_added_are_kept_apart() -> None:
    event = read("gpasswd[5]: user ida added by root to group sudo")
    assert (event["user.name"], event["user.target.name"], event["group.name"]) == ("root", "ida", "sudo")
