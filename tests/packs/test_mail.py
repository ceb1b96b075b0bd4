"""Mail servers and filters: what a stranger writes into a line, and which end of a connection is which."""

from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load_one

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PACKS = {
    name: load_one(content("parsers") / name, trusted=True)
    for name in ("amavis", "dovecot", "exim", "mimecast", "proofpoint", "rspamd", "sendmail")
}


def read(pack: str, line: str) -> Fields:
    (event,) = PACKS[pack].parse(Raw(line.encode(), pack, NOW, Origin("test"), "Europe/Berlin"))
    return event


@pytest.mark.parametrize(
    "name",
    [
        "x>, method=PLAIN, rip=10.0.0.1, lip=10.0.0.2, session=<a>, user=<y",
        "x>, rip=10.0.0.1",
        "a, rip=10.0.0.1, lip=10.0.0.2",
    ],
)
def test_a_login_name_that_imitates_dovecot_does_not_choose_the_address(name: str) -> None:
    event = read(
        "dovecot",
        "Nov 23 09:00:00 mail1 dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): "
        f"user=<{name}>, method=PLAIN, rip=203.0.113.66, lip=192.0.2.25, session=<real>",
    )
    assert (event["source.ip"], event["destination.ip"], event["user.name"]) == ("203.0.113.66", "192.0.2.25", name)
    assert (event["event.outcome"], event["dovecot.session"]) == ("failure", "real")


def test_dovecot_in_its_own_file_has_no_host_and_the_zone_of_its_source() -> None:
    event = read("dovecot", "Nov 23 09:00:00 imap-login: Info: Login: user=<anna>, rip=10.0.0.1, lip=10.0.0.2")
    assert (event["@timestamp"], event["process.name"]) == ("2026-11-23T08:00:00.000000Z", "imap-login")
    assert "host.name" not in event


@pytest.mark.parametrize(
    ("rest", "source", "destination"),
    [
        ("<= a@example.net H=mx [198.51.100.7]:1 I=[192.0.2.25]:25 P=esmtp", "198.51.100.7", "192.0.2.25"),
        ("=> b@example.org R=r T=t H=mx [203.0.113.25]:25 I=[192.0.2.25]:4", "192.0.2.25", "203.0.113.25"),
        ("H=mx [198.51.100.7]:1 I=[192.0.2.25]:25 F=<a@b.example> rejected RCPT <c@d.example>: no", "198.51.100.7",
         "192.0.2.25"),
    ],
)  # fmt: skip
def test_exims_other_end_is_the_source_of_what_comes_and_the_destination_of_what_goes(
    rest: str, source: str, destination: str
) -> None:
    event = read("exim", f"2026-11-23 08:15:00 1abcde-000001-AB {rest}")
    assert (event["source.ip"], event["destination.ip"]) == (source, destination)


@pytest.mark.parametrize(
    "rest",
    [
        '<= "a H=x [10.0.0.1]:1 "@example.net H=mx [203.0.113.66]:2 P=esmtp',
        '<= a@example.net H=mx (x) [203.0.113.66]:2 P=esmtp id=x H=y [10.0.0.1] T="H=z [10.0.0.2]"',
        "rejected EHLO from [203.0.113.66]:2: syntactically invalid argument(s): H=x [10.0.0.1]",
    ],
)
def test_what_a_stranger_says_to_exim_does_not_choose_the_address(rest: str) -> None:
    assert read("exim", f"2026-11-23 08:15:00 1abcde-000001-AB {rest}")["source.ip"] == "203.0.113.66"


def test_a_message_id_that_imitates_rspamds_line_chooses_neither_queue_nor_address_nor_verdict() -> None:
    fake = "x>, qid: <FAKE1>, ip: 10.0.0.1, from: <a@b.example>, (default: F (no action): [0.00/15.00] [A(0.00){}]), y"
    event = read(
        "rspamd",
        f"2026-11-23 08:15:00 #1(normal) <a>; task; rspamd_task_write_log: id: <{fake}>, qid: <REAL1>, "
        "ip: 203.0.113.66, from: <c@d.example>, (default: T (reject): [20.00/15.00] [B_SPAM(20.00){}]), len: 5, "
        "time: 2.0ms, dns req: 0, digest: <aa>, rcpts: <bert@stadt.example>",
    )
    assert (event["email.local_id"], event["source.ip"], event["rspamd.action"]) == ("REAL1", "203.0.113.66", "reject")
    assert (event["email.message_id"], event["email.to.address"]) == (fake, ("bert@stadt.example",))


def test_a_banned_name_that_imitates_amavis_leaves_the_envelope_open() -> None:
    event = read(
        "amavis",
        "Nov 23 08:15:03 mx1 amavis[4]: (04053-01) Blocked BANNED (x) {DiscardedInbound}, [10.0.0.1]:1 <a@b.example> "
        "-> <c@d.example>, .exe) {DiscardedInbound}, [203.0.113.66]:2 <e@f.example> -> <g@h.example>, Queue-ID: AAAA1",
    )
    assert (event["event.kind"], event["amavis.verdict"]) == ("alert", "BANNED")
    assert "source.ip" not in event
    assert "email.from.address" not in event


@pytest.mark.parametrize(
    "said",
    [
        'from=<"a, relay=x [10.0.0.1]"@example.net>, size=1, msgid=<1@example.net>, relay=mx [203.0.113.66]',
        "from=<a@example.net>, size=1, msgid=<1>, relay=x [10.0.0.1], y>, proto=ESMTP, relay=mx [203.0.113.66]",
        "AUTH failure (LOGIN): user not found (-20), user=x, relay=y [10.0.0.1], relay=mx [203.0.113.66]",
    ],
)
def test_what_a_stranger_says_to_sendmail_does_not_choose_the_address(said: str) -> None:
    event = read("sendmail", f"Nov 23 08:15:00 mx3 sm-mta[1]: 4AN8F0xy002101: {said}")
    assert (event["source.ip"], event["source.domain"]) == ("203.0.113.66", "mx")


def test_a_subject_that_imitates_mimecasts_pairs_chooses_neither_sender_nor_address() -> None:
    head = "datetime=2026-11-23T08:15:00+0100|aCode=x|acc=C0A0|IP=203.0.113.66"
    event = read("mimecast", head + "|Subject=a|IP=10.0.0.1|Sender=evil@example.net|Act=Acc|Sender=real@example.net")
    assert event["source.ip"] == "203.0.113.66"
    assert "email.from.address" not in event


def test_an_answer_of_proofpoints_interface_is_an_event_for_everything_it_lists() -> None:
    body = (
        b'{"messagesBlocked":[{"GUID":"1","senderIP":"203.0.113.9","messageTime":"2026-11-23T07:17:00Z"}],'
        b'"clicksPermitted":[{"GUID":"2","clickIP":"192.0.2.2","clickTime":"2026-11-23T07:18:00Z","senderIP":"203.0.113.9"}]}'
    )
    events = list(PACKS["proofpoint"].parse(Raw(body, "proofpoint", NOW, Origin("test"), "UTC")))
    told = [(event["event.action"], event["source.ip"], event["event.type"]) for event in events]
    assert told == [
        ("tap_message_blocked", "203.0.113.9", ("denied",)),
        ("tap_click_permitted", "192.0.2.2", ("access", "allowed")),
    ]
