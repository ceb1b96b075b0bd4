"""An exception is written from an alert, takes effect in a Sentinel at work, is told when it expires, and ends."""

import json
from datetime import UTC, datetime, timedelta

from tests.running import Running, eventually

LINE = "<38>Nov 23 09:00:00 srv-{0} sshd[7]: Accepted password for root from 203.0.113.{0} port 40000 ssh2"
RULE = "ssh_root_from_outside"


def about(city: Running) -> list[str]:
    return sorted(alert["key"]["host.name"] for alert in city.json("alerts", "list"))


def test_an_exception_from_an_alert_takes_effect_at_once_and_ends_by_itself(city: Running) -> None:
    rules = city.folder / "rules"
    rules.mkdir()
    city.start().udp(LINE.format(66))
    alert = eventually(lambda: city.json("alerts", "list"))[0]
    words = ("rules", "except", RULE, "--from", alert["id"][:8], "--reason", "jump host, ticket 4711")

    shown = city.sentinel(*words, "--until", "14d", "--field", "source.ip")
    assert b"203.0.113.66" in shown.stdout
    assert b"of 1 events that met the rule in the last 7 days 1 would not have" in shown.stderr
    assert not list(rules.rglob("*.yml")), "shown, not written: nobody agreed"

    city.said.clear()
    city.sentinel(*words, "--until", "14d", "--field", "source.ip", "--yes")
    (path,) = rules.rglob("exceptions/*.yml")
    eventually(lambda: any(line.startswith("rules: ") for line in city.said))
    city.udp(LINE.format(66).replace("srv-66", "srv-99"), LINE.format(67))
    eventually(lambda: len(city.json("query", "event.dataset:sshd.log last 9w")) == 3)
    eventually(lambda: about(city) == ["srv-66", "srv-67"])
    (told,) = city.json("rules", "exceptions")
    assert (told["path"], told["reason"], told["expired"]) == (str(path), "jump host, ticket 4711", False)

    soon = datetime.now(UTC) + timedelta(seconds=2)
    text = path.read_text()
    path.write_text(text[: text.index("expires:")] + f"expires: {soon.isoformat()}\n")
    eventually(lambda: any("an exception has expired and holds no more" in line for line in city.said))
    city.udp(LINE.format(66).replace("srv-66", "srv-98"))
    eventually(lambda: about(city) == ["srv-66", "srv-67", "srv-98"])
    assert city.json("status")[0]["exceptions_expired"] == [str(path)]
    assert b"1 expired: Exception to:" in city.sentinel("status").stdout
    check = city.sentinel("rules", "check")
    assert b"has expired and holds no more" in check.stderr
    assert json.loads(city.sentinel("rules", "exceptions", "--json", code=1).stdout)["expired"]
    doctor = [json.loads(line) for line in city.sentinel("doctor", "--json", code=None).stdout.splitlines()]
    assert [one["state"] for one in doctor if one["check"] == "exception"] == ["warn"]
