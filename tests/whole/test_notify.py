"""A real Sentinel tells of an alert by mail, while another channel hangs and the process that tells is killed."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.faults.memory import family
from tests.notify.servers import MailServer, WebServer, mail_channel

if TYPE_CHECKING:
    from tests.running import Running

LOGIN = "<38>Nov 23 09:00:00 {host} sshd[7]: Accepted password for root from 203.0.113.66 port 40000 ssh2"


def notifiers(pid: int) -> list[int]:
    """Return the processes that descend from `pid` and have the outbox open."""
    found = []
    for one in family(pid):
        try:
            files = {file.readlink().name for file in Path(f"/proc/{one}/fd").iterdir()}
        except OSError:  # it has just ended
            continue
        if one != pid and "notify.db" in files:
            found.append(one)
    return found


def test_a_mail_arrives_whatever_else_hangs_or_dies(
    city: "Running", patiently: Callable[..., Any], mail_server: Callable[..., MailServer], web_server: WebServer
) -> None:
    server = mail_server()
    web_server.drip = True
    hook = f'[[channels]]\nname = "hook"\nkind = "webhook"\nurl = "http://127.0.0.1:{web_server.port}/x"\n'
    config = city.config.read_text() + mail_channel(server) + hook + 'networks = ["127.0.0.0/8"]\n'
    city.config.write_text(f"{config}[notify]\ngather_seconds = 0\nagain_minutes = 0\n")
    assert city.json("notify", "test", "team")[0]["arrived"]
    city.start()
    assert city.process is not None
    city.udp(LOGIN.format(host="srv-01"))
    patiently(lambda: len(server.mails) > 1)
    assert not any(word in server.raw[1] for word in ("203.0.113.66", "srv-01", "root from", "Accepted"))
    (alert,) = city.json("alerts", "list")
    assert alert["id"][:12] in server.mails[1].get_content()
    patiently(lambda: web_server.requests)
    (victim,) = notifiers(city.process.pid)
    os.kill(victim, signal.SIGKILL)
    city.udp(LOGIN.format(host="srv-02"))
    patiently(lambda: len(server.mails) > 2)
    assert any("the process that notifies ended (-9)" in line for line in city.said)
    assert len({mail["Message-ID"] for mail in server.mails}) == 3
    (said,) = city.json("status")
    counts = {(one["channel"], one["state"]): one["number"] for one in said["notifications"]}
    assert counts["team", "sent"] == 2
    assert counts["hook", "waiting"] == 2
    assert city.stop() == 0
    assert sum(one["what"] == "notify.sent" for one in city.json("audit", "list")) == 2
