"""From the wire to the screen: whose machines they are, where they lie, and the alert that an indicator raises."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

if TYPE_CHECKING:
    from tests.running import Running

Patiently = Callable[..., Any]
ATTACKER = "203.0.113.66"
SECOND = "203.0.113.67"
INVENTORY = """
[[network]]
name = "schule-42"
cidr = "10.20.42.0/24"
site = "Gesamtschule Nord"
owner = "Schulverwaltungsamt"
calendar = "school"
[[host]]
name = "srv-schule-42.stadt.example"
addresses = "10.20.42.10"
criticality = "high"
[[source]]
name = "Relais der Schulen"
source = "city"
peer = "127.0.0.0/8"
owner = "IT-Amt"
"""


def accepted(source: str) -> str:
    now = datetime.now(UTC)
    stamp = f"{now:%b} {now.day:2d} {now:%H:%M:%S}"
    return f"<86>{stamp} srv-schule-42 sshd[7]: Accepted password for admin from {source} port 40000 ssh2"


@pytest.fixture
def enriched(city: "Running") -> "Running":
    writer = MMDBWriter(4, "Test", languages=["en"], int_type="u32")
    record = {"country": {"iso_code": "DE", "names": {"en": "Germany"}}, "autonomous_system_number": 64500}
    writer.insert_network(IPSet(["203.0.113.0/24"]), record)
    writer.to_db_file(str(city.folder / "city.mmdb"))
    (city.folder / "assets.toml").write_text(INVENTORY, "utf-8")
    (city.folder / "bad.txt").write_text(f"{ATTACKER}\n")
    places = f'inventory = "{city.folder}/assets.toml"\ngeoip = ["{city.folder}/city.mmdb"]\n'
    lists = f'[[indicators]]\nname = "bad"\npath = "{city.folder}/bad.txt"\n'
    city.config.write_text(places + city.config.read_text("utf-8") + lists, "utf-8")
    return city


def test_a_line_shows_asset_site_owner_and_place_and_its_indicator_raises_an_alert(
    enriched: "Running", patiently: Patiently
) -> None:
    enriched.start()
    assert any("1 networks, 1 hosts; GeoIP files: 1; indicators: 1 in 1 lists" in line for line in enriched.said)
    enriched.udp(accepted(ATTACKER))
    (event,) = patiently(lambda: enriched.json("query", 'sentinel.host_asset.site:"Gesamtschule Nord"'))
    assert event["sentinel.host_asset.name"] == "srv-schule-42.stadt.example"
    assert event["sentinel.host_asset.owner"] == "Schulverwaltungsamt"
    assert event["sentinel.host_asset.criticality"] == "high"
    assert event["sentinel.sender_asset.name"] == "Relais der Schulen"
    assert event["source.geo.country_iso_code"] == "DE"
    assert event["source.as.number"] == 64500
    assert event["threat.feed.name"] == "bad"
    alerts = patiently(lambda: [one for one in enriched.json("alerts", "list") if "indicator" in one["title"]])
    assert alerts[0]["key"] == {"threat.indicator.name": ATTACKER}
    (sender,) = patiently(lambda: enriched.json("sources"))
    assert (sender["site"], sender["owner"]) == ("", "IT-Amt")
    (enriched.folder / "bad.txt").write_text(f"{ATTACKER}\n{SECOND}\n")

    def noticed() -> bool:
        enriched.udp(accepted(SECOND))
        return bool(enriched.json("query", f"threat.indicator.ip:{SECOND}"))

    patiently(noticed)
    assert len([one for one in enriched.json("alerts", "list") if "indicator" in one["title"]]) <= 2


def test_what_becomes_wrong_while_it_runs_is_said_and_what_is_wrong_before_is_refused(
    enriched: "Running", patiently: Patiently
) -> None:
    enriched.start()
    (enriched.folder / "assets.toml").write_text(INVENTORY.replace("owner", "ownr"), "utf-8")
    (enriched.folder / "bad.txt").write_text('{"Event": ')

    def said() -> bool:
        enriched.udp(accepted(ATTACKER))
        text = "".join(enriched.said)
        return "unknown option" in text and "bad.txt: no JSON" in text

    patiently(said)
    (event, *_) = enriched.json("query", f"source.ip:{ATTACKER}")
    assert event["sentinel.host_asset.owner"] == "Schulverwaltungsamt"
    assert enriched.stop() == 0
    done = enriched.sentinel("run", code=3)
    assert b'[[network]] 1 ("schule-42"): unknown option' in done.stderr
    assert enriched.sentinel("check", code=3).stderr.count(b"did you mean 'owner'") == 2


def test_a_list_that_changes_is_compared_with_what_is_stored_and_each_event_is_told_once(
    enriched: "Running", patiently: Patiently
) -> None:
    enriched.config.write_text(enriched.config.read_text("utf-8") + "look_back_days = 3\n", "utf-8")
    enriched.start()
    enriched.udp(accepted(ATTACKER), accepted(SECOND), accepted(SECOND), accepted("198.51.100.7"))
    patiently(lambda: len(enriched.json("query", "event.action:ssh_login")) == 4)

    def told() -> dict[str, list[tuple[int, str]]]:
        found: dict[str, list[tuple[int, str]]] = {}
        for one in enriched.json("alerts", "list"):
            if "indicator" in one["title"]:
                found.setdefault(one["key"]["threat.indicator.name"], []).append((one["count"], one["summary"][:30]))
        return found

    patiently(lambda: ATTACKER in told())
    assert set(told()) == {ATTACKER}
    (enriched.folder / "bad.txt").write_text(f"{ATTACKER}\n{SECOND}\n9.9.9.9\n")
    # by itself
    patiently(lambda: SECOND in told())
    ((count, summary),) = told()[SECOND]
    assert (count, summary.startswith("found by indicators, ")) == (2, True)
    assert len(told()[ATTACKER]) == 1  # it was told when it came
    # and whenever somebody asks
    (report,) = enriched.json("indicators", "retro", "--last", "1d", "--apply")
    assert (report["records"], report["alerts"]) == (2, [])
    (enriched.folder / "bad.txt").write_text(f"{ATTACKER}\n198.51.100.0/24\n")
    (would,) = enriched.json("indicators", "retro", "--last", "1d", "--list", "bad")
    assert (would["records"], [one["events"] for one in would["rules"]], would["alerts"]) == (1, [1], [])
