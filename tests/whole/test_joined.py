"""From the wire: the lines of a mail become one event beside the lines, once, whoever is killed between."""

import signal
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.running import Running

BEGIN = (
    "smtpd[1]: 3E29030F87: client=mail.example.net[203.0.113.20]",
    "cleanup[2]: 3E29030F87: message-id=<1@example.net>",
    "qmgr[3]: 3E29030F87: from=<a@example.net>, size=100, nrcpt=1 (queue active)",
)
END = (
    "smtp[4]: 3E29030F87: to=<b@stadt.example>, relay=mx[10.10.9.5]:25, delay=1, dsn=2.0.0, status=sent (ok)",
    "qmgr[3]: 3E29030F87: removed",
)


def send(city: "Running", lines: tuple[str, ...]) -> None:
    now = datetime.now(UTC)
    city.tcp(*(f"<22>{now:%b} {now.day:2d} {now:%H:%M:%S} mx1 postfix/{line}" for line in lines))


@pytest.mark.kill
@pytest.mark.parametrize("where", ["join.durable", "join.entered"])
def test_a_mail_is_one_event_though_a_process_is_killed(
    city: "Running", patiently: Callable[..., Any], where: str
) -> None:
    city.start()
    send(city, BEGIN)
    patiently(lambda: len(city.json("query", "email.local_id:3E29030F87")) == len(BEGIN))
    city.stop(signal.SIGKILL)
    city.environment["SENTINEL_KILL_AT"] = where
    city.start()
    send(city, END)
    process = city.process
    assert process is not None
    patiently(lambda: process.poll() is not None)
    del city.environment["SENTINEL_KILL_AT"]
    city.start()
    (mail,) = patiently(lambda: city.json("query", "event.dataset:postfix.mail"))
    assert mail["sentinel.joined"] == len(BEGIN) + len(END)
    assert (mail["email.from.address"], mail["email.to.address"]) == (["a@example.net"], ["b@stadt.example"])
    send(city, ("qmgr[3]: AAAAAAAAAA: removed",))  # what comes after it has been joined, and so has what came before
    patiently(lambda: len(city.json("query", "event.dataset:postfix.mail")) > 1)
    assert len(city.json("query", "event.dataset:postfix.mail and email.local_id:3E29030F87")) == 1
    assert city.json("status")[0]["balanced"]
