"""A backup made while lines come in, brought back on an empty machine: nothing lost or doubled, the books balance."""

import json
import shutil
import signal
import threading
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sentinel import backup
from sentinel.core.errors import UsageError

if TYPE_CHECKING:
    from tests.running import Running

Patiently = Callable[..., Any]
BEFORE, MEANWHILE, AFTER = 300, 600, 20
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def line(number: int) -> str:
    how = "Accepted" if number % 100 == 1 else "Failed"
    now, address = datetime.now(UTC), f"203.0.113.{number % 200 + 1}"
    stamp = f"<86>{now:%b} {now.day:2d} {now:%H:%M:%S} srv sshd[{number}]:"
    return f"{stamp} {how} password for root from {address} port {number} ssh2"


def sent(city: "Running", start: int, number: int) -> None:
    city.tcp(*map(line, range(start, start + number)))


def numbers(city: "Running") -> list[int]:
    """Return the number of each line that is stored, as often as it is."""
    found = city.json("query", "event.action:ssh_login", "--limit", "100000")
    return sorted(int(one["process.pid"]) for one in found)


def settled(city: "Running", stored: int) -> bool:
    """Say whether so many are booked as stored, and all that came in is stored and judged."""
    (status,) = city.json("status")
    lags = status["store_lag_seconds"], status["detect_lag_seconds"]
    return status["stored"] >= stored and lags == (0, 0) and status["problems"] == []


@pytest.fixture(params=["embedded", pytest.param("elasticsearch", marks=pytest.mark.elastic)])
def either(city: "Running", request: pytest.FixtureRequest) -> Iterator[Callable[[], None]]:
    """Configure a store; return what loses it."""
    if request.param == "embedded":
        yield lambda: None
        return
    url, prefix = request.getfixturevalue("elastic_url"), request.getfixturevalue("elastic_prefix")

    def asked(method: str, path: str, **body: object) -> None:
        data = json.dumps(body).encode() if body else None
        wanted = urllib.request.Request(  # noqa: S310  the node's own address
            f"{url}/{path}", data, {"Content-Type": "application/json"}, method=method
        )
        _NO_PROXY.open(wanted, timeout=60).close()

    asked("PUT", f"_snapshot/{prefix}", type="fs", settings={"location": prefix})
    options = f'[store]\nkind = "elasticsearch"\nurl = "{url}"\nprefix = "{prefix}"\nsnapshots = "{prefix}"\n'
    city.config.write_text(city.config.read_text("utf-8") + options, "utf-8")

    def lose() -> None:
        from sentinel.store.elastic import ElasticStore  # noqa: PLC0415  the other store runs without it

        store = ElasticStore(url, prefix=prefix)
        store.forget()
        store.close()

    yield lose
    asked("DELETE", f"_snapshot/{prefix}")


def test_what_was_backed_up_under_load_goes_on_where_it_was(
    city: "Running", either: Callable[[], None], patiently: Patiently, tmp_path: Path
) -> None:
    rules = tmp_path / "rules/exceptions"
    rules.mkdir(parents=True, mode=0o755)
    (rules / "kept.txt").write_text("mine")
    city.start()
    sent(city, 1, BEFORE)
    patiently(lambda: settled(city, BEFORE))
    alerts = {one["id"] for one in city.json("alerts", "list")}
    assert alerts
    city.sentinel("cases", "new", "A break-in", "--alert", min(alerts))
    load = threading.Thread(target=sent, args=(city, 1_000, MEANWHILE))
    load.start()
    (made,) = city.json("backup", "make", str(tmp_path / "copy"))
    load.join()
    assert city.sentinel("backup", "make", str(tmp_path / "copy"), code=2).stderr.endswith(b"never added to another\n")

    city.stop(signal.SIGKILL)
    (tmp_path / "data").rename(tmp_path / "lost")  # its other processes are about to end
    shutil.rmtree(tmp_path / "rules")
    either()
    city.sentinel("backup", "restore", str(tmp_path / "copy"))
    assert (rules / "kept.txt").read_text() == "mine"
    city.start()
    patiently(lambda: settled(city, BEFORE))
    there = numbers(city)
    assert len(there) == len(set(there)), "nothing is doubled"
    assert there == [*range(1, BEFORE + 1), *range(1_000, 1_000 + len(there) - BEFORE)], "no hole: all up to a moment"
    assert made["through"] >= BEFORE
    assert {one["id"] for one in city.json("alerts", "list")} >= alerts
    (case,) = city.json("cases", "list")
    assert (case["title"], case["alerts"]) == ("A break-in", [min(alerts)])
    assert city.json("audit", "verify")[0]["well"]
    assert [one["what"] for one in city.json("audit", "list", "--what", "backup.restore")] == ["backup.restore"]

    sent(city, 10_000, AFTER)
    patiently(lambda: settled(city, len(there) + AFTER))
    assert numbers(city) == [*there, *range(10_000, 10_000 + AFTER)]
    seen = {one["event.sequence"] for one in city.json("query", "event.action:ssh_login", "--limit", "100000")}
    assert len(seen) == len(there) + AFTER, "every event has a place of its own"


def test_what_was_changed_is_told_and_not_restored(city: "Running", tmp_path: Path) -> None:
    city.sentinel("status")  # makes the books
    city.sentinel("backup", "make", str(tmp_path / "copy"))
    made, problems = backup.verify(tmp_path / "copy")
    assert (made.store, problems) == ("embedded", [])
    (tmp_path / "copy/data/cases.db").unlink(missing_ok=True)
    chain = tmp_path / "copy/data/audit/chain.jsonl"
    chain.write_bytes(chain.read_bytes().replace(b"backup", b"nothin"))
    (tmp_path / "copy/data/more").touch()
    _, problems = backup.verify(tmp_path / "copy")
    assert "data/audit/chain.jsonl: has been changed" in problems
    assert "data/more: not in SHA256SUMS" in problems
    assert b"nothing was done" in city.sentinel("backup", "restore", str(tmp_path / "copy"), code=4).stderr
    with pytest.raises(UsageError, match="is no backup of Sentinel's"):
        backup.verify(tmp_path)
