"""A rule with a history at work: what it has learnt outlives the file it was kept in."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.running import Running

Patiently = Callable[..., Any]
RULE = """\
title: An account from an address that is new for it
id: 00000000-0000-4000-8000-00000000000a
level: high
tags: [attack.t1078]
logsource: {product: linux, service: sshd}
detection:
  selection: {event.outcome: success, event.category: authentication}
  condition: selection
sentinel: {new_terms: {fields: [user.name, source.ip], history: 8d, learning: 2d}}
"""


def accepted(before: timedelta, source: str, user: str = "admin") -> str:
    at = datetime.now(UTC) - before
    return f"<86>1 {at.isoformat()} srv-01 sshd 7 - - Accepted password for {user} from {source} port 40000 ssh2"


def test_what_was_learnt_outlives_the_loss_of_its_file(city: "Running", patiently: Patiently) -> None:
    rules = city.folder / "rules"
    rules.mkdir()
    (rules / "new.yml").write_text(RULE)
    day = timedelta(days=1)

    def told() -> list[list[str]]:
        alerts = city.json("alerts", "list")
        return sorted([*one["key"].values()] for one in alerts if one["title"].startswith("An account from"))

    city.start()
    city.tcp(
        accepted(6 * day, "192.0.2.1"),
        accepted(5 * day, "192.0.2.2", "weber"),  # it only learns
        accepted(3 * day, "192.0.2.1"),
        accepted(2 * day, "192.0.2.3"),
        accepted(day, "192.0.2.2"),
    )
    first = [["admin", "192.0.2.2"], ["admin", "192.0.2.3"]]
    patiently(lambda: told() == first)
    (lesson,) = [row for row in city.json("rules", "learning") if row["title"].startswith("An account from")]
    assert (lesson["state"], lesson["held"]) == ("tells", 4)

    city.stop()
    for file in (city.folder / "data").glob("history.db*"):
        file.unlink()
    city.start()
    city.tcp(accepted(timedelta(), "192.0.2.2", "weber"), accepted(timedelta(), "192.0.2.4"))
    patiently(lambda: told() == [*first, ["admin", "192.0.2.4"]])
