"""What an operator asks of the inventory and of lists of indicators on the command line."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.warm import texts

if TYPE_CHECKING:
    import subprocess

EXAMPLE = Path(__file__).parents[2] / "deploy/assets.toml"


class Desk:
    """A configuration and the command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "sentinel.toml"
        self.inventory = folder / "assets.toml"
        self.list = folder / "list.txt"
        self.config.write_text(
            f'data = "{folder}/data"\ninventory = "{self.inventory}"\n'
            f'calendar = "{EXAMPLE.parent}/calendar.toml"\n[spool]\nballast_bytes = 0\n'
            f'[[indicators]]\nname = "bad"\npath = "{self.list}"\n'
        )
        self.inventory.write_text(EXAMPLE.read_text("utf-8"), "utf-8")
        self.list.write_text("203.0.113.66\nevil.example\nnonsense\n10.0.0.1\n")

    def sentinel(self, *words: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        done = texts(*words, "--config", str(self.config), environment={"NO_COLOR": "1"})
        assert done.returncode == code, done.stderr
        return done

    def json(self, *words: str, code: int = 0) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.sentinel(*words, "--json", code=code).stdout.splitlines()]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_assets_show_says_what_would_be_added(desk: Desk) -> None:
    (told,) = desk.json("assets", "show", "10.20.42.17")
    assert told["fields"]["sentinel.source_asset.site"] == "Gesamtschule Nord"
    (told,) = desk.json("assets", "show", "SRV-AD-01")
    assert told["fields"]["sentinel.host_asset.segment"] == "server"
    assert "Schulverwaltungsamt" in desk.sentinel("assets", "show", "10.20.42.17").stdout
    desk.sentinel("assets", "show", "192.0.2.200", code=1)
    hosts = [row["name"] for row in desk.json("assets", "list") if row["table"] == "host"]
    assert hosts[0] == "srv-ad-01.stadt.example"


def test_indicators_are_listed_with_what_was_passed_over(desk: Desk) -> None:
    (told,) = desk.json("indicators", "list")
    assert (told["count"], told["expired"], sum(told["skipped"].values())) == (2, 0, 2)
    assert "passed over" in desk.sentinel("indicators", "list").stderr
    os.utime(desk.list, (0, 0))
    assert desk.json("indicators", "list")[0]["expired"] == 2
    assert desk.json("indicators", "match", "evil.example", code=1)[0]["state"] == "expired"
    assert "none of them is valid any more" in desk.sentinel("doctor", "--json").stdout
    desk.list.write_text('{"x": ')
    assert "no JSON" in desk.sentinel("indicators", "list", code=1).stderr
    assert "no JSON" in desk.sentinel("check").stderr


def test_a_value_is_matched_as_an_event_would_be(desk: Desk) -> None:
    (told,) = desk.json("indicators", "match", "hxxp://www[.]evil[.]example")
    assert (told["list"], told["indicator"], told["state"]) == ("bad", "evil.example", "valid")
    assert desk.json("indicators", "match", "203.0.113.66")[0]["type"] == "ip"
    assert desk.json("indicators", "match", "203.0.113.67", code=1) == []


WRONG = {
    'name = "a"\ncidr = "10.0.0.1/24"': "[[network]] 1 (\"a\"): cidr.0: '10.0.0.1/24' names a host inside a network; "
    "did you mean '10.0.0.0/24'?",
    'name = "a"\ncidr = "10.0.0.0/24"\nowneer = "x"': "[[network]] 1 (\"a\"): unknown option 'owneer'; "
    "did you mean 'owner'?",
    'name = "a"\ncidr = "10.0.0.0/24"\n[[network]]\nname = "b"\ncidr = ["10.0.0.0/24"]': "the network 10.0.0.0/24 is "
    "given to 'a' and 'b'",
    'name = "a"\ncidr = []': '[[network]] 1 ("a"): cidr: ',
    'name = "a"\ncidr = "10.0.0.0/24"\ncriticality = "huge"': '[[network]] 1 ("a"): criticality: ',
    'name = "a"\ncidr = "10.0.0.0/24"\n[[host]]\nname = "x"\n[[host]]\nname = "y"\naliases = ["X"]': "the name x is "
    "given to 'x' and 'y'",
    'name = "a"\ncidr = "10.0.0.0/24"\n[[source]]\nsite = "x"': "[[source]] 1: say of which records it speaks",
    'name = "a"\ncidr = "10.0.0.0/24"\n[[hosts]]\nname = "x"': "unknown option 'hosts'; did you mean 'host'?",
}


@pytest.mark.parametrize("table", WRONG)
def test_a_wrong_inventory_is_refused_with_its_table_and_what_to_do(table: str, desk: Desk) -> None:
    desk.inventory.write_text(f"[[network]]\n{table}\n")
    said = desk.sentinel("check", code=3).stderr
    assert f"{desk.inventory}: {WRONG[table]}" in said


def test_a_missing_inventory_that_was_asked_for_is_mentioned(desk: Desk) -> None:
    desk.inventory.unlink()
    assert "no event will say whose it is" in desk.sentinel("check").stderr
    desk.sentinel("assets", "list", code=1)


def test_a_sender_of_a_source_that_is_not_there_is_mentioned(desk: Desk) -> None:
    desk.inventory.write_text('[[source]]\nsource = "shulen"\nsite = "x"\n')
    assert "'shulen', which is no source here" in desk.sentinel("check").stderr


def test_calendar_shows_what_is_open_and_which_days_are_closed(desk: Desk) -> None:
    told = {one["calendar"]: one for one in desk.json("calendar", "--days", "400")}
    assert told["always"]["state"] in {"open", "maintenance"}
    assert "Gesamtschule Nord" in told["school"]["places"]
    assert any("Neujahr" in day["because"] for day in told["office"]["closed"])
    assert [one["valid_until"] for one in told["school"]["school_holidays"]] == ["2027-07-31"]
    (school,) = desk.json("calendar", "--site", "gesamtschule nord")
    assert school["places"] == ["Gesamtschule Nord"]
    assert "Weihnachtsferien" in desk.sentinel("calendar").stdout
    assert "knows no site" in desk.sentinel("calendar", "--site", "nowhere", code=2).stderr
