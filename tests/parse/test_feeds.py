"""Lists of indicators as they come: plain, from MISP, as STIX; what cannot be used is passed over and counted."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sentinel.config.enrichment import IndicatorList
from sentinel.core.clock import iso
from sentinel.parse import feeds, indicators, stix
from sentinel.parse.indicators import Listing, Term, term

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
Read = Callable[..., Listing]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def reading(content: object, **options: object) -> Listing:
        path = tmp_path / "list"
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))
        return feeds.read(IndicatorList.model_validate({"name": "list", "path": path, **options}))

    return reading


def valid(listing: Listing, value: str, at: datetime = NOW) -> bool:
    one = term(value)
    assert isinstance(one, Term)
    return any(terms.since <= at.timestamp() < terms.until for _, terms in listing.match(one))


@pytest.mark.parametrize(
    ("written", "kind", "value"),
    [
        ("203.0.113.7", "ip", "203.0.113.7"),
        ("203[.]0[.]113[.]7", "ip", "203.0.113.7"),
        ("203.0.113.7:8443", "ip", "203.0.113.7"),
        ("[2001:DB8::7]:443", "ip", "2001:db8::7"),
        ("::ffff:203.0.113.7", "ip", "203.0.113.7"),
        ("203.0.113.7/24", "ip", "203.0.113.0/24"),
        ("203.0.113.7/32", "ip", "203.0.113.7"),
        ("Evil.Example.", "domain", "evil.example"),
        ("*.evil.example", "domain", "evil.example"),
        ("böse.example", "domain", "xn--bse-sna.example"),
        ("hxxp://evil[.]example/", "domain", "evil.example"),
        ("hxxps[://]203.0.113.7:8443", "ip", "203.0.113.7"),
        ("http://Evil.example:80/A?b#c", "url", "http://evil.example/A?b"),
        ("Chef(at)evil[.]example", "email", "chef@evil.example"),
        ("D41D8CD98F00B204E9800998ECF8427E", "hash", "d41d8cd98f00b204e9800998ecf8427e"),
    ],
)
def test_an_indicator_is_understood_however_it_is_written(written: str, kind: str, value: str) -> None:
    assert term(written) == (kind, value)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("10.1.2.3", indicators.INSIDE),
        ("192.168.0.0/16", indicators.INSIDE),
        ("fe80::1", indicators.INSIDE),
        ("127.0.0.1", indicators.INSIDE),
        ("0.0.0.0/0", indicators.WIDE),
        ("203.0.0.0/6", indicators.WIDE),
        ("evil", indicators.UNREADABLE),
        ("HKLM\\Software\\Run", indicators.UNREADABLE),
        ("http:///nothing", indicators.UNREADABLE),
        ("@evil.example", indicators.UNREADABLE),
        ("a..example", indicators.UNREADABLE),
        ("x" * 5000, indicators.UNREADABLE),
        ("1:" * 999 + "1", indicators.UNREADABLE),
    ],
)
def test_what_would_match_by_chance_or_not_at_all_is_no_indicator(written: str, why: str) -> None:
    assert term(written) == why


@given(st.text(max_size=60) | st.from_regex(r"[a-z0-9@:/.\[\]*%#-]{0,40}", fullmatch=True))
def test_whatever_is_written_becomes_the_same_term_again_or_a_reason(written: str) -> None:
    found = term(written)
    if isinstance(found, Term):
        assert indicators.read(found.value) == found
    else:
        assert found in {indicators.INSIDE, indicators.WIDE, indicators.UNREADABLE}


def test_a_plain_list_may_have_comments_hosts_lines_and_further_columns(read: Read) -> None:
    comments = "\ufeff# a list\n; another\n// third\n\n"
    listing = read(f"{comments}0.0.0.0 ads.evil.example\n198.51.100.0/24 ; SBL7\nevil.example,phish\nnonsense\n")
    assert listing.count == 3
    assert valid(listing, "ads.evil.example")
    assert valid(listing, "198.51.100.9")
    assert valid(listing, "deep.below.evil.example")
    assert not valid(listing, "notevil.example")
    assert listing.skipped == {indicators.UNREADABLE: 1}


def test_a_plain_list_ages_with_its_file(read: Read) -> None:
    listing = read("evil.example", days_valid=7)
    assert valid(listing, "evil.example", NOW + 6 * DAY)
    assert not valid(listing, "evil.example", NOW + 8 * DAY)
    assert listing.expired((NOW + 8 * DAY).timestamp()) == 1


def test_only_the_wanted_types_are_taken(read: Read) -> None:
    listing = read("evil.example\n203.0.113.7\n", types=["ip"])
    assert listing.count == 1
    assert listing.skipped == {indicators.UNWANTED: 1}


def attribute(kind: str, value: str, **more: object) -> dict[str, object]:
    return {"type": kind, "value": value, "to_ids": True, "timestamp": str(int(NOW.timestamp())), "uuid": "u"} | more


def test_a_misp_export_is_read_with_its_objects_and_what_is_over_is_over(read: Read) -> None:
    ended = [{"type": "0", "date_sighting": "1"}, {"type": "2", "date_sighting": str(int((NOW - DAY).timestamp()))}]
    event = {
        "info": "Phishing gegen Kassen",
        "timestamp": str(int(NOW.timestamp())),
        "Attribute": [
            attribute("ip-dst|port", "203.0.113.7|443"),
            attribute("domain|ip", "evil.example|203.0.113.8"),
            attribute("filename|sha256", "rechnung.exe|" + "ab" * 32),
            attribute("url", "http://evil.example/login"),
            attribute("ip-src", "203.0.113.20", to_ids=False),
            attribute("ip-src", "203.0.113.21", deleted=True),
            attribute("ip-src", "203.0.113.22", decay_score=[{"decayed": True}]),
            attribute("ip-src", "203.0.113.23", timestamp=str(int((NOW - 31 * DAY).timestamp()))),
            attribute("ip-src", "203.0.113.24", Sighting=ended),
            attribute("regkey", "HKLM"),
            attribute("ip-src", "10.1.1.1"),
            "nonsense",
        ],
        "Object": [{"name": "email", "Attribute": [attribute("email-src", "chef@evil.example", comment="CEO")]}],
    }
    listing = read({"response": [{"Event": event}]})
    for value in ("203.0.113.7", "203.0.113.8", "www.evil.example", "ab" * 32, "chef@evil.example"):
        assert valid(listing, value), value
    for value in ("203.0.113.20", "203.0.113.21", "203.0.113.22", "203.0.113.23", "203.0.113.24"):
        assert not valid(listing, value), value
    assert listing.expired(NOW.timestamp()) == 2
    assert listing.skipped["not meant for detection (to_ids)"] == 1
    assert listing.skipped["of MISP's type 'regkey'"] == 1
    assert listing.skipped[indicators.INSIDE] == 1
    ((_, terms),) = listing.match(Term("email", "chef@evil.example"))
    assert terms.about == "CEO"


def test_misp_attributes_may_come_without_an_event_around_them(read: Read) -> None:
    bare = {"response": {"Attribute": [attribute("domain", "evil.example", Event={"info": "Welle"})]}}
    ((_, terms),) = read(bare).match(Term("domain", "evil.example"))
    assert terms.about == "Welle"


def indicator(pattern: str, **more: object) -> dict[str, object]:
    base = {"type": "indicator", "id": "indicator--1", "pattern_type": "stix", "valid_from": iso(NOW - DAY)}
    return base | {"pattern": pattern} | more


def test_a_stix_bundle_is_read_and_each_pattern_beyond_it_is_counted(read: Read) -> None:
    digest = "ab" * 32
    usable = [
        indicator("[ipv4-addr:value = '203.0.113.7' OR domain-name:value = 'evil.example']", name="Welle"),
        indicator(f"[file:hashes.'SHA-256' = '{digest}'] OR [url:value = 'http://203.0.113.8/']"),
        indicator("[ipv4-addr:value ISSUBSET '198.51.100.0/24']"),
        indicator("([email-addr:value IN ('a@evil.example', 'b@evil.example')])"),
    ]
    others = [
        indicator("[ipv4-addr:value = '203.0.113.20']", revoked=True),
        indicator("[ipv4-addr:value = '203.0.113.21']", valid_until=iso(NOW - timedelta(hours=1))),
        indicator("[ipv4-addr:value = '203.0.113.22']", valid_from=iso(NOW + DAY)),
        indicator("[ipv4-addr:value = '203.0.113.23' AND network-traffic:dst_port = 443]"),
        indicator("[ipv4-addr:value = '203.0.113.24'] FOLLOWEDBY [domain-name:value = 'x.example']"),
        indicator("[process:name = 'x.exe']"),
        indicator("alert tcp any any", pattern_type="snort"),
        {"type": "malware", "id": "malware--1"},
    ]
    listing = read({"type": "bundle", "id": "bundle--1", "objects": [*usable, *others]})
    good = ("203.0.113.7", "www.evil.example", digest, "203.0.113.8", "198.51.100.77", "b@evil.example")
    assert [value for value in good if not valid(listing, value)] == []
    assert [at for at in range(20, 25) if valid(listing, f"203.0.113.{at}")] == []
    assert valid(listing, "203.0.113.22", NOW + 2 * DAY)
    assert listing.skipped == {
        stix.REVOKED: 1, stix.COMPOUND: 2, "a pattern on process:name": 1, stix.FOREIGN: 1,
    }  # fmt: skip
    ((_, terms),) = listing.match(Term("ip", "203.0.113.7"))
    assert (terms.id, terms.about) == ("indicator--1", "Welle")


@given(st.text(alphabet="[]()'=\\ ORAND:value.ipv4-addr203,\n", max_size=80) | st.text(max_size=80))
def test_no_pattern_makes_the_reader_stumble(pattern: str) -> None:
    found = stix.values({"pattern": pattern})
    assert isinstance(found, str) or all(isinstance(one, str) for one in found)


@pytest.mark.parametrize(
    ("content", "options", "why"),
    [
        ('{"Event": ', {}, "no JSON"),
        ('{"something": "else"}', {}, "neither"),
        ("[1, 2]", {}, "neither"),
        ("evil.example", {"format": "misp"}, "no JSON"),
        ('{"Event": {}}', {"format": "stix"}, "no STIX bundle"),
        ("x" * (feeds.FILE_BYTES_MAX + 1), {}, "larger than 32 MiB"),
    ],
)
def test_a_file_that_is_no_list_is_refused_with_the_reason(
    content: str, options: dict[str, str], why: str, read: Read
) -> None:
    with pytest.raises(ValueError, match=why):
        read(content, **options)


KEYS = (
    "Event", "Attribute", "Object", "type", "value", "to_ids", "timestamp", "id", "pattern", "pattern_type",
    "valid_from", "valid_until", "modified", "Sighting", "decay_score", "date_sighting", "decayed", "uuid", "comment",
)  # fmt: skip
PLAIN = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9)
SAID = st.sampled_from(
    ("indicator", "ip-src", "domain|ip", "203.0.113.7", "[ipv4-addr:value = '203.0.113.7']", "1e999")
)
JSON = st.recursive(
    PLAIN | SAID,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=8), max_size=4))
def test_no_json_makes_the_readers_stumble(objects: list[dict[str, object]]) -> None:
    taken = feeds._Taken(IndicatorList(name="x", path=Path("x")), NOW.timestamp())
    taken.stix([{"type": "indicator"} | one for one in objects])
    for one in objects:
        for event, said in feeds._attributes({"Event": one}):
            taken.misp(event, {"to_ids": True, "type": "ip-src", "value": "203.0.113.7", **said})
        taken.misp({}, {"to_ids": True, "type": "ip-src", "value": "203.0.113.7"} | one)


def test_what_everybody_speaks_to_is_never_taken(read: Read) -> None:
    lines = "9.9.9.9\n9.9.9.0/24\n2620:fe::fe\nGoogle.com\nevil.google.com\n192.0.2.7\n198.51.100.9\nour.example\n"
    listing = read(lines, allow=["192.0.2.0/24", "our.example"])
    assert listing.skipped == {indicators.HARMLESS: 6}
    assert listing.count == 2
    assert [*listing.match(Term("domain", "evil.google.com"))]
    assert [*listing.match(Term("ip", "198.51.100.9"))]
    assert not [*listing.match(Term("domain", "mail.google.com"))]


def test_stix_says_how_sure_it_is(read: Read) -> None:
    def indicator(number: int, **more: object) -> dict[str, object]:
        pattern = f"[ipv4-addr:value = '198.51.100.{number}']"
        return {"type": "indicator", "id": f"indicator--{number}", "pattern": pattern, **more}

    sure = [indicator(2, confidence=20), indicator(3, confidence=50), indicator(4, confidence=90)]
    listing = read({"type": "bundle", "objects": [indicator(1), *sure]}, confidence_min=30)
    assert listing.skipped == {indicators.UNSURE: 1}
    said = [terms.confidence for n in (1, 3, 4) for _, terms in listing.match(Term("ip", f"198.51.100.{n}"))]
    assert said == ["", "Medium", "High"]


def test_an_allowed_thing_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="no address, network or domain"):
        IndicatorList(name="own", path=Path("x"), allow=("nonsense",))
