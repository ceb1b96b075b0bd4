"""`sentinel network`: what the console's screen counts, for programs."""

from datetime import timedelta
from pathlib import Path

from tests.living import City
from tests.ui.console.test_network import flow


def test_segments_are_counted_and_each_pair_says_how_to_find_its_events(tmp_path: Path) -> None:
    city = City(tmp_path)
    at = city.clock.now() - timedelta(minutes=5)
    flows = [flow("rathaus", "schule-01")] * 3 + [flow("rathaus", "schule-02")] * 4
    flows.append(flow("schule-02", "rathaus", event_dataset="sensor.finding", message="a scan"))
    city.keep([city.event(one, at) for one in flows])
    found = city.json("network")
    assert [(one["from"], one["to"], one["events"], one["findings"]) for one in found] == [
        ("schule-*", "rathaus", 1, 1),
        ("rathaus", "schule-*", 7, 0),
    ]
    assert len(city.json("query", f"{found[1]['query']} last 1h")) == 7
    assert len(city.json("network", "--each", "--last", "1h")) == 3
