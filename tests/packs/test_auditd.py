"""auditd: a value that a user chose is decoded and never acts; what the records of one event say together."""

import json

from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.parse.packs import load_one
from sentinel.testing import packs as harness

PACK = load_one(content("parsers") / "auditd", trusted=True)
HEAD = "type=EXECVE msg=audit(1795418100.123:4711): "


def read(line: str) -> Fields:
    (event,) = PACK.parse(Raw(line.encode("utf-8", "surrogateescape"), "s", harness.RECEIVED, Origin("test")))
    return event


def argument(text: str) -> str:
    """Write an argument as the kernel does: in hexadecimal if it holds what could end it."""
    data = text.encode()
    plain = all(0x21 <= byte <= 0x7E and byte != 0x22 for byte in data)
    return f'"{text}"' if plain else data.hex().upper()


texts = st.text(min_size=1, max_size=20).filter(lambda text: "\0" not in text)


@given(args=st.lists(texts.filter(lambda text: len(text.encode()) > 1), min_size=1, max_size=8))
def test_arguments_come_back_whatever_they_hold(args: list[str]) -> None:
    written = " ".join(f"a{at}={argument(one)}" for at, one in enumerate(args))
    event = read(f"{HEAD}argc={len(args)} {written}")
    assert event["process.args"] == tuple(args)
    assert event["process.command_line"] == " ".join(args)


@given(name=texts)
def test_a_user_name_that_imitates_the_record_stays_a_user_name(name: str) -> None:
    event = read(
        "type=USER_LOGIN msg=audit(1795418100.123:4711): pid=1 uid=0 auid=4294967295 ses=4294967295 "
        f"msg='op=login acct={argument(name + '  res=success addr=192.0.2.1')} addr=203.0.113.9 res=failed'"
    )
    assert event["user.name"] == (name + "  res=success addr=192.0.2.1").strip()
    assert (event["event.outcome"], event["source.ip"]) == ("failure", "203.0.113.9")


def test_interleaved_records_become_one_event_each() -> None:
    sample = content("parsers") / "auditd" / "samples" / "event.log"
    connect, ran, deleted = (json.loads(line) for line in harness.joined(PACK, sample))
    assert (ran["process.command_line"], ran["user.name"], ran["auditd.AUID"], ran["process.working_directory"]) == (
        'useradd -c Max "Muster"\n max', "root", "e.muster", "/root",
    )  # fmt: skip
    assert (connect["destination.ip"], connect["destination.port"], connect["process.name"]) == (
        "203.0.113.66", 443, "php-fpm8.2",
    )  # fmt: skip
    assert (deleted["file.path"], deleted["event.type"], deleted["host.name"]) == (
        "/srv/akten/Ärzte 2026", ["deletion"], "db1",
    )  # fmt: skip
