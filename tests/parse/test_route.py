"""Every record finds its pack: by hint, by program name, by its text, by its entrance, or not at all."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.content import content
from sentinel.core.event import Entry, Origin, Raw
from sentinel.pack import syslog
from sentinel.parse.packs import load
from sentinel.parse.route import APPS_MAX, SHAPES_MAX, Router
from sentinel.testing.packs import RECEIVED

MakePack = Callable[..., Path]
MakeEntry = Callable[..., Entry]


@pytest.fixture
def router(folder: Path, make_pack: MakePack) -> Router:
    make_pack("sshd", toml='aliases = ["linux_auth"]\n[match]\napp = ["sshd", "sshd-*"]\n')
    make_pack("netfilter", toml='[match]\napp = ["kernel"]\ncontains_all = ["IN=", "OUT="]\ncontains_any = ["SRC="]\n')
    make_pack("fortigate", toml='[match]\nstarts = ["date="]\ncontains_any = ["logid=", "devid="]\n')
    make_pack("general", toml='[match]\ncontains_any = ["devid="]\npriority = 900\n')
    make_pack("sensor", toml='[match]\nvia = ["sensor"]\n')
    make_pack("windows", toml='[[match]]\nstarts = ["<Event"]\n[[match]]\nstarts = ["{"]\ncontains_any = ["EventID"]\n')
    make_pack("unasked")
    return Router(load([folder]))


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("<38>Nov 23 11:00:00 host sshd[1]: anything", "sshd"),
        ("<38>Nov 23 11:00:00 host SSHD-session[1]: anything", "sshd"),
        ("<38>1 2026-11-23T11:00:00Z host sshd 1 - - anything", "sshd"),
        ("<38>Nov 23 11:00:00 host sshdx[1]: sshd: anything", None),
        ("<4>Nov 23 11:00:00 host kernel: [1.5] IN=eth0 OUT= SRC=192.0.2.1", "netfilter"),
        ("<4>Nov 23 11:00:00 host kernel: usb 1-1: new device", None),
        ("<189>date=2026-11-23 devid=FG1", "fortigate"),
        ("date=2026-11-23 logid=1", "fortigate"),
        ("x date=2026-11-23 devid=FG1", "general"),
        ("<Event xmlns='x'/>", "windows"),
        ('{"EventID": 1}', "windows"),
        ('{"other": 1}', None),
        ("", None),
        ("\0\0\0", None),
    ],
)
def test_a_record_finds_its_pack(router: Router, make_entry: MakeEntry, body: str, name: str | None) -> None:
    pack = router.route(make_entry(body).raw)
    assert (pack.name if pack else None) == name


def test_a_hint_decides_and_an_unknown_one_does_not(router: Router, make_entry: MakeEntry) -> None:
    raw = make_entry("<38>Nov 23 11:00:00 host sshd[1]: x").raw
    hinted = router.route(raw, "unasked")
    assert hinted is not None
    assert hinted.name == "unasked"
    alias = router.route(make_entry("nothing known").raw, "Linux-Auth")
    assert alias is not None
    assert alias.name == "sshd"
    recognised = router.route(raw, "no such pack")
    assert recognised is not None
    assert recognised.name == "sshd"


def test_an_entrance_may_be_the_sign(router: Router, make_entry: MakeEntry) -> None:
    pack = router.route(make_entry('{"kind": "flow"}', origin=Origin("sensor", "eth0")).raw)
    assert pack is not None
    assert pack.name == "sensor"


def test_a_sender_that_invents_names_costs_no_memory(router: Router, make_entry: MakeEntry) -> None:
    for number in range(APPS_MAX + 10):
        router.route(make_entry(f"<38>Nov 23 11:00:00 host sshd-{number}[1]: x").raw)
    assert len(router._apps) <= APPS_MAX


def test_a_sender_that_invents_shapes_costs_no_memory(router: Router, make_entry: MakeEntry) -> None:
    for number in range(SHAPES_MAX + 10):
        marks = "".join(mark for at, mark in enumerate("#%&()*,/;<=@_") if number >> at & 1)
        router.route(make_entry(f"<38>no program {marks}").raw)
    assert len(router._shapes) <= SHAPES_MAX


def test_what_nobody_takes_goes_to_the_pack_for_the_rest(
    folder: Path, make_pack: MakePack, make_entry: MakeEntry
) -> None:
    make_pack("rest", toml='aliases = ["syslog"]\n[match]\nrest = true\npriority = 1\n')
    make_pack("known", toml='[match]\ncontains_any = ["known"]\npriority = 900\n')
    router = Router(load([folder]))
    for hint in (None, "rest", "syslog", "no such pack"):
        names = [pack.name for line in ("known", "other", "\0") if (pack := router.route(make_entry(line).raw, hint))]
        assert names == ["known", "rest", "rest"]


def test_a_pack_for_the_rest_asks_for_nothing_else(folder: Path, make_pack: MakePack) -> None:
    make_pack("rest", toml='[match]\nrest = true\napp = ["x"]\n')
    (refused,) = load([folder]).refused
    assert "rest" in refused.reason


SHIPPED = load([content("parsers")], shipped=content("parsers"))
PIECES = sorted(
    {piece for pack in SHIPPED for one in pack.match for piece in (*one.starts, *one.contains_all, *one.contains_any)}
)
RULES = Router(SHIPPED)


@given(pieces=st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=6), header=st.sampled_from(["", "<13>"]))
def test_which_rules_are_left_out_for_a_record_changes_nothing(pieces: list[str], header: str) -> None:
    raw = Raw((header + "".join(pieces)).encode(), "test", RECEIVED, Origin("file"))
    message = None if raw.body.startswith((b"{", b"[")) else syslog.read(raw).message
    first = next((rule.pack for rule in RULES._texts if rule.holds(raw, message)), None)
    left = next((rule.pack for _, rule in RULES._candidates(raw, message) if rule.holds(raw, message)), None)
    assert left is first
