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
    patiently(lambda: any("signal 9" in line for line in city.said))  # it was the judge, and another one was begun
    city.stop()
    del city.environment["SENTINEL_KILL_AT"]
    city.start()
    (mail,) = patiently(lambda: city.json("query", "event.dataset:postfix.mail"))
    assert mail["sentinel.joined"] == len(BEGIN) + len(END)
    assert (mail["email.from.address"], mail["email.to.address"]) == (["a@example.net"], ["b@stadt.example"])
    send(city, ("qmgr[3]: AAAAAAAAAA: removed",))  # what comes after it has been joined, and so has what came before
    patiently(lambda: len(city.json("query", "event.dataset:postfix.mail")) > 1)
    assert len(city.json("query", "event.dataset:postfix.mail and email.local_id:3E29030F87")) == 1
    assert city.json("status")[0]["balanced"]


def test_the_event_of_a_mail_says_what_amavis_and_rspamd_found_in_it(
    city: "Running", patiently: Callable[..., Any]
) -> None:
    city.start()
    send(city, BEGIN)
    now = datetime.now(UTC)
    head = f"<22>{now:%b} {now.day:2d} {now:%H:%M:%S} mx1"
    city.tcp(
        f"{head} rspamd[5]: <a1>; proxy; rspamd_task_write_log: id: <1@example.net>, qid: <3E29030F87>, "
        "ip: 203.0.113.20, from: <a@example.net>, (default: F (add header): [7.50/15.00] [BAYES_SPAM(5.10){99%;}]), "
        "len: 100, time: 5.0ms, dns req: 1, digest: <aa>, rcpts: <b@stadt.example>",
        f"{head} amavis[6]: (00006-01) Passed SPAMMY {{RelayedTaggedInbound}}, [203.0.113.20]:4 <a@example.net> -> "
        "<b@stadt.example>, Queue-ID: 3E29030F87, Message-ID: <1@example.net>, mail_id: x, Hits: 6.4, size: 100, 9 ms",
    )
    patiently(lambda: len(city.json("query", "email.local_id:3E29030F87")) == len(BEGIN) + 2)
    send(city, END)
    (mail,) = patiently(lambda: city.json("query", "event.dataset:postfix.mail"))
    assert (mail["amavis.verdict"], mail["amavis.score"]) == ("SPAMMY", 6.4)
    assert (mail["rspamd.action"], mail["rspamd.score"], mail["rspamd.symbols"]) == ("add header", 7.5, "BAYES_SPAM")
    assert (mail["event.action"], mail["sentinel.joined"]) == ("mail_sent", len(BEGIN) + 2 + len(END))
