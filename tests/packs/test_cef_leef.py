"""CEF and LEEF of any product: escapes, blanks, delimiters, who may say what."""

from datetime import UTC, datetime

import pytest

from sentinel.core.content import content
from sentinel.core.event import Fields, Origin, Raw
from sentinel.pack import cef, leef, when
from sentinel.parse.packs import load, load_one
from sentinel.parse.route import Router

SHIPPED = content("parsers")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def read(pack: str, line: str, zone: str = "UTC") -> Fields:
    (event,) = load_one(SHIPPED / pack, trusted=True).parse(Raw(line.encode(), pack, NOW, Origin("test"), zone))
    return event


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (r"a\=b", "a=b"),
        (r"a\\nb", r"a\nb"),
        (r"a\nb", "a\nb"),
        ("several words, and a url?x=1&y=2", "several words, and a url?x=1&y=2"),
        ("a bar | is no end", "a bar | is no end"),
        (r"C:\\temp\\new", r"C:\temp\new"),
    ],
)
def test_a_cef_value_comes_out_as_it_was_meant(written: str, value: str) -> None:
    record = cef.read(f"CEF:0|v|p|1|s|n|5|src=192.0.2.1 msg={written} dst=192.0.2.2")
    assert record.extension == {"src": "192.0.2.1", "msg": value, "dst": "192.0.2.2"}


def test_bars_and_backslashes_in_a_cef_header_belong_to_its_parts() -> None:
    record = cef.read(r"CEF:0|A\|B|C\\|1|s\|7|a name with \| in it|5|src=192.0.2.1")
    assert (record.vendor, record.product, record.signature) == ("A|B", "C\\", "s|7")
    assert record.name == "a name with | in it"


def test_what_stands_first_in_a_record_is_not_overwritten_later() -> None:
    event = read("cef", "CEF:0|v|p|1|s|n|5|src=192.0.2.1 suser=x src=203.0.113.66")
    assert event["source.ip"] == "192.0.2.1"
    event = read("leef", "LEEF:2.0|v|p|1|e|^|src=192.0.2.1^usrName=x^src=203.0.113.66")
    assert event["source.ip"] == "192.0.2.1"


@pytest.mark.parametrize("delimiter", ["^", "x5E", "0x5e", "x09", "0x09", "x7C", ";", ""])
def test_leef_2_names_its_own_delimiter(delimiter: str) -> None:
    between = {"x09": "\t", "0x09": "\t", "": "\t", "x7C": "|", ";": ";"}.get(delimiter, "^")
    record = leef.read(f"LEEF:2.0|v|p|1|e|{delimiter}|" + between.join(["src=192.0.2.1", "msg=a b=c d", "sev=5"]))
    assert record.attributes == {"src": "192.0.2.1", "msg": "a b=c d", "sev": "5"}


@pytest.mark.parametrize(
    "written",
    [
        "1795418100000", "1795418100", "Nov 23 2026 08:15:00", "Nov 23 2026 08:15:00.000 CET", "Nov 23 08:15:00",
        "2026-11-23T08:15:00+01:00", "2026/11/23 08:15:00", "Mon Nov 23 07:15:00 UTC 2026", "23 Nov 2026 07:15:00 GMT",
        "23/Nov/2026:08:15:00 +0100", "Nov 23, 2026 at 8:15:00 AM", "Nov 23 2026 09:15:00 UTC+0200",
    ],
)  # fmt: skip
def test_one_moment_in_every_way_of_writing_it(written: str) -> None:
    assert when.iso(when.written(written, NOW, "Europe/Berlin")) == "2026-11-23T07:15:00.000000Z"
    event = read("cef", f"CEF:0|v|p|1|s|n|5|rt={written} src=192.0.2.1", "Europe/Berlin")
    assert event["@timestamp"] == "2026-11-23T07:15:00.000000Z"


@pytest.mark.parametrize("head", ["", "<13>Nov 23 08:15:00 fw ", "<13>Nov 23 08:15:00 ", "<13>1 - fw - - - - "])
def test_a_record_is_known_with_and_without_a_header(head: str) -> None:
    router = Router(load([SHIPPED], shipped=SHIPPED))
    for name, line in (("cef", "CEF:0|v|p|1|s|n|5|src=192.0.2.1"), ("leef", "LEEF:1.0|v|p|1|e|src=192.0.2.1")):
        raw = Raw((head + line).encode(), "x", NOW, Origin("test"))
        pack = router.route(raw)
        assert pack is not None
        assert pack.name == name
        (event,) = pack.parse(raw)
        assert event["source.ip"] == "192.0.2.1"
        assert event.get("observer.name") == ("fw" if "fw" in head else None)


def test_text_without_any_pair_is_no_trouble() -> None:
    assert leef.read("LEEF:1.0|v|p|1|e|= = no pair = at all =").attributes == {}
    assert cef.read("CEF:0|v|p|1|s|n|5|= = no pair = at all =").extension == {}


def test_the_zone_that_a_record_names_counts_unless_nobody_knows_it() -> None:
    line = "CEF:0|v|p|1|s|n|5|rt=Nov 23 2026 08:15:00 dtz="
    assert read("cef", line + "America/New_York", "UTC")["@timestamp"] == "2026-11-23T13:15:00.000000Z"
    for unknown in ("No/Where", "../../etc/passwd", "/etc/passwd", "CET"):
        assert read("cef", line + unknown, "Europe/Berlin")["@timestamp"] == "2026-11-23T07:15:00.000000Z"
