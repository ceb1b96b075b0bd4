"""What is known beside an event is added to it: whose machines these are, where addresses lie, what indicators say."""

import os
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from sentinel.app import App
from sentinel.config import parse as configured
from sentinel.config.inventory import Inventory
from sentinel.core.clock import ManualClock
from sentinel.core.event import Entry, Fields, Origin, Raw
from sentinel.parse.assets import Assets

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ATTACKER = "203.0.113.66"
INVENTORY = """
[[network]]
name = "verwaltung"
cidr = ["10.10.0.0/16", "2001:db8:10::/48"]
site = "Rathaus"
owner = "IT-Amt"
calendar = "office"
[[network]]
name = "kasse-steuer"
cidr = "10.10.2.0/24"
owner = "Kassen- und Steueramt"
criticality = "high"
[[host]]
name = "srv-kasse.stadt.example"
addresses = ["10.10.2.10", "2001:db8:10:2::10"]
aliases = ["kasse"]
criticality = "critical"
[[source]]
name = "Firewall der Gesamtschule Nord"
peer = "198.51.100.0/28"
site = "Gesamtschule Nord"
calendar = "school"
[[source]]
name = "Firewall der Grundschule"
identity = "dns:fw1.example.org"
site = "Grundschule am Park"
"""


class Bench:
    """A folder of files to enrich from, and events made from lines."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock(NOW)
        self.table: dict[str, Any] = {"data": str(folder / "data"), "inventory": str(folder / "assets.toml")}
        self._app: App | None = None

    def write(self, name: str, text: str | bytes, at: datetime = NOW) -> Path:
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        os.utime(path, (at.timestamp(), at.timestamp()))
        return path

    def listed(self, name: str, text: str, **options: object) -> None:
        path = self.write(name, text)
        self.table.setdefault("indicators", []).append({"name": name, "path": str(path), **options})

    @property
    def app(self) -> App:
        if self._app is None:
            self._app = App(configured(self.table), self.clock)
        return self._app

    def event(self, line: str, peer: str = "192.0.2.7:514", identity: str = "") -> Fields:
        entry = Entry(1, NOW, Raw(line.encode(), "city", NOW, Origin("syslog-udp", peer, identity=identity)))
        (event,) = self.app.reader.read(entry)
        return dict(event.fields)

    def failed(self, source: str = ATTACKER, host: str = "srv-kasse") -> Fields:
        line = f"<86>Nov 23 11:59:00 {host} sshd[7]: Failed password for root from {source} port 40000 ssh2"
        return self.event(line)

    def later(self, by: timedelta = timedelta(seconds=11)) -> tuple[str, ...]:
        """Let time pass and look for changed files until nothing more is said."""
        self.clock.advance(by)
        reader = self.app.reader
        return (*reader.refresh(), *reader.refresh(), *reader.refresh())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_an_event_says_whose_its_machines_are(bench: Bench) -> None:
    bench.write("assets.toml", INVENTORY)
    fields = bench.failed("10.10.2.77", host="srv-kasse")
    assert fields["sentinel.source_asset.segment"] == "kasse-steuer"
    assert fields["sentinel.source_asset.site"] == "Rathaus"
    assert fields["sentinel.source_asset.owner"] == "Kassen- und Steueramt"
    assert fields["sentinel.source_asset.criticality"] == "high"
    assert fields["sentinel.source_asset.calendar"] == "office"
    assert fields["sentinel.host_asset.name"] == "srv-kasse.stadt.example"
    assert fields["sentinel.host_asset.criticality"] == "critical"
    assert not [name for name in fields if name.startswith("sentinel.sender_asset")]


@pytest.mark.parametrize("name", ["SRV-KASSE", "srv-kasse.stadt.example", "Srv-Kasse.Stadt.Example.", "kasse"])
def test_a_host_is_known_by_each_of_its_names_in_any_case(name: str, bench: Bench) -> None:
    bench.write("assets.toml", INVENTORY)
    assert bench.failed(host=name).get("sentinel.host_asset.name") == "srv-kasse.stadt.example"


@pytest.mark.parametrize("name", ["srv-kasse.evil.example", "srv", "stadt.example"])
def test_a_name_that_only_looks_alike_is_not_the_host(name: str, bench: Bench) -> None:
    bench.write("assets.toml", INVENTORY)
    assert "sentinel.host_asset.name" not in bench.failed(host=name)


def test_the_sender_is_known_by_its_address_or_certificate_whatever_the_record_claims(bench: Bench) -> None:
    bench.write("assets.toml", INVENTORY)
    fields = bench.event("<86>Nov 23 11:59:00 rathaus su: hello", peer="198.51.100.5:514")
    assert fields["sentinel.sender_asset.site"] == "Gesamtschule Nord"
    assert fields["sentinel.sender_asset.calendar"] == "school"
    assert bench.event("<86>x", peer="[2001:db8:10::9]:514")["sentinel.sender_asset.segment"] == "verwaltung"
    fields = bench.event("<86>x", identity="dns:FW1.example.org")
    assert fields["sentinel.sender_asset.site"] == "Grundschule am Park"


NETWORKS = st.one_of(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(lambda one: ip_network(one, strict=False)),
    st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128)).map(lambda one: ip_network(one, strict=False)),
)


@given(st.lists(NETWORKS, max_size=12, unique=True), st.data())
def test_the_smallest_network_around_an_address_is_the_one_that_counts(
    networks: list[Any], data: st.DataObject
) -> None:
    inventory = Inventory.model_validate({"network": [{"name": str(net), "cidr": str(net)} for net in networks]})
    inside = [st.integers(0, net.num_addresses - 1).map(net.network_address.__add__) for net in networks]
    address = data.draw(st.one_of(*inside, st.ip_addresses()))
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    around = [net for net in networks if net.version == address.version and address in net]
    expected = str(max(around, key=lambda net: net.prefixlen)) if around else None
    assert Assets(inventory).of_address(str(address)).get("segment") == expected


def geo_file(path: Path, records: dict[str, dict[str, Any]], version: int = 6) -> None:
    writer = MMDBWriter(version, "Test", languages=["en"], int_type="u32", ipv4_compatible=version == 6)
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))


CITY = {
    "continent": {"code": "EU"},
    "country": {"iso_code": "DE", "names": {"en": "Germany", "de": "Deutschland"}},
    "subdivisions": [{"iso_code": "NW", "names": {"en": "North Rhine-Westphalia"}}],
    "city": {"names": {"en": "Musterstadt"}},
}


def test_an_address_outside_has_its_place_and_its_network_from_several_files(bench: Bench) -> None:
    geo_file(bench.folder / "city.mmdb", {"203.0.113.0/24": CITY, "10.0.0.0/8": CITY, "2001:db8::/32": CITY})
    asn = {"autonomous_system_number": 64500, "autonomous_system_organization": "Example Net"}
    geo_file(bench.folder / "asn.mmdb", {"203.0.113.0/24": asn}, version=4)
    bench.table["geoip"] = [str(bench.folder / "city.mmdb"), str(bench.folder / "asn.mmdb")]
    fields = bench.failed()
    assert fields["source.geo.country_iso_code"] == "DE"
    assert fields["source.geo.region_iso_code"] == "DE-NW"
    assert fields["source.geo.city_name"] == "Musterstadt"
    assert fields["source.as.number"] == 64500
    assert fields["source.as.organization.name"] == "Example Net"
    assert not [name for name in bench.failed("10.10.2.77") if name.startswith("source.geo")]
    assert bench.failed("2001:db8::7")["source.geo.country_name"] == "Germany"


def test_a_geoip_file_that_changes_is_read_again_and_a_broken_one_leaves_the_old_in_use(bench: Bench) -> None:
    path = bench.folder / "city.mmdb"
    geo_file(path, {"203.0.113.0/24": {"country": {"iso_code": "DE"}}})
    bench.table["geoip"] = [str(path)]
    assert bench.failed()["source.geo.country_iso_code"] == "DE"
    new = bench.folder / "new.mmdb"
    geo_file(new, {"203.0.113.0/24": {"country": {"iso_code": "AT"}}})
    new.replace(path)
    assert bench.later() == ()
    assert bench.failed()["source.geo.country_iso_code"] == "AT"
    bench.write("new.mmdb", b"no database at all").replace(path)
    (said,) = bench.later()
    assert "city.mmdb" in said
    assert "stays in use" in said
    assert bench.failed()["source.geo.country_iso_code"] == "AT"


def test_a_geoip_file_of_another_shape_says_nothing_and_stops_nothing(bench: Bench) -> None:
    odd = {"country": "DE", "city": {"names": "x"}, "subdivisions": {}, "autonomous_system_number": "AS1"}
    geo_file(bench.folder / "odd.mmdb", {"203.0.113.0/24": odd})
    bench.write("broken.mmdb", b"\x00" * 100)
    bench.table["geoip"] = [str(bench.folder / name) for name in ("odd.mmdb", "broken.mmdb", "gone.mmdb")]
    fields = bench.failed()
    assert not [name for name in fields if name.startswith(("source.geo", "source.as"))]
    assert len(bench.later()) == 2
    assert bench.later() == ()


def test_an_event_with_an_indicator_says_which_and_where_it_stood(bench: Bench) -> None:
    bench.listed("abuse", f"# seen lately\n{ATTACKER.replace('.', '[.]')}\n")
    bench.listed("wide", "203.0.113.0/26\n203.0.113.64/26 ; SBL1\n")
    fields = bench.failed()
    assert fields["threat.indicator.type"] == "ipv4-addr"
    assert fields["threat.indicator.ip"] == ATTACKER
    assert fields["threat.indicator.name"] == (ATTACKER, "203.0.113.64/26")
    assert fields["threat.feed.name"] == ("abuse", "wide")
    assert fields["threat.enrichments.matched.field"] == "source.ip"
    assert fields["threat.enrichments.matched.atomic"] == ATTACKER
    assert "threat.feed.name" not in bench.failed("203.0.113.128")


def test_mail_domains_and_digests_match_in_whatever_field_they_stand(bench: Bench) -> None:
    digest = "0123456789ABCDEF" * 4
    bench.listed("mixed", f"chef@evil.example\n*.bad.example\n{digest}\nhxxps://evil[.]example/login?a=1,2#x\n")
    mail = "<22>Nov 23 11:59:00 mx1 postfix/qmgr[7]: 4ABCDE: from=<{}>, size=9000, nrcpt=1 (queue active)"
    fields = bench.event(mail.format("Chef@Evil.Example"))
    assert fields["threat.indicator.type"] == "email-addr"
    assert fields["threat.enrichments.matched.field"] == "email.from.address"
    fields = bench.event(mail.format("someone@mail.bad.example"))
    assert fields["threat.indicator.url.domain"] == "bad.example"
    assert "threat.feed.name" not in bench.event(mail.format("someone@verybad.example"))
    about = bench.app.enricher
    assert about is not None
    assert [hit.one.kind for hit in about.threats.about(digest.lower())] == ["hash"]
    assert [hit.one.kind for hit in about.threats.about("HTTPS://user@EVIL.example:443/login?a=1,2")] == ["url"]
    assert not list(about.threats.about("https://evil.example/other"))


def test_an_indicator_ends_when_its_time_is_over(bench: Bench) -> None:
    bench.listed("abuse", ATTACKER, days_valid=2)
    assert "threat.feed.name" in bench.failed()
    bench.later(timedelta(days=2, minutes=1))
    assert "threat.feed.name" not in bench.failed()


def test_a_list_that_changes_is_read_again_and_one_that_cannot_be_read_is_named_once(bench: Bench) -> None:
    bench.listed("abuse", "192.0.2.99")
    assert "threat.feed.name" not in bench.failed()
    bench.write("abuse", f"192.0.2.99\n{ATTACKER}\n")
    assert "threat.feed.name" not in bench.failed()
    bench.later()
    assert "threat.feed.name" in bench.failed()
    bench.write("abuse", '{"Event": ')
    (said,) = bench.later()
    assert "stays in use" in said
    assert bench.later() == ()
    assert "threat.feed.name" in bench.failed()
    (bench.folder / "abuse").unlink()
    assert len(bench.later()) == 1
    assert "threat.feed.name" in bench.failed()


def test_an_inventory_that_becomes_wrong_leaves_the_one_before_in_use(bench: Bench) -> None:
    bench.write("assets.toml", INVENTORY)
    assert bench.failed()["sentinel.host_asset.owner"] == "Kassen- und Steueramt"
    bench.write("assets.toml", INVENTORY.replace("owner", "ownr"))
    (said,) = bench.later()
    assert "did you mean 'owner'" in said
    assert bench.failed()["sentinel.host_asset.owner"] == "Kassen- und Steueramt"
    bench.write("assets.toml", INVENTORY.replace("Kassen- und Steueramt", "Kämmerei"))
    assert bench.later() == ()
    assert bench.failed()["sentinel.host_asset.owner"] == "Kämmerei"


def test_without_anything_to_enrich_from_nothing_is_added(bench: Bench) -> None:
    fields = bench.failed()
    assert not [name for name in fields if "_asset" in name or name.startswith("threat")]


def test_the_shipped_example_is_a_good_inventory(bench: Bench) -> None:
    example = Path(__file__).parents[2] / "deploy/assets.toml"
    bench.write("assets.toml", example.read_text("utf-8"))
    fields = bench.failed("10.20.42.17")
    assert fields["sentinel.source_asset.site"] == "Gesamtschule Nord"
    assert fields["sentinel.source_asset.owner"] == "Schulverwaltungsamt"
    assert fields["sentinel.source_asset.calendar"] == "school"
