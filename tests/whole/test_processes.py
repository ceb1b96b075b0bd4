"""`sentinel run` is several processes: none outlives the first, and what one leaves undone is done by the next."""

import json
import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sentinel import judge as judging
from sentinel.app import App
from sentinel.beat import last_beat
from sentinel.config import load
from sentinel.store.codec import day_of, micros
from sentinel.store.segments import Extent, sealed_name
from sentinel.watchdog import DEATHS_MAX
from tests.faults.memory import family
from tests.running import PATIENCE_SECONDS, eventually
from tests.shared import known

if TYPE_CHECKING:
    from tests.running import Running

Patiently = Callable[..., Any]


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")  # whoever begins a process is its parent, a thread as well
    return [int(child) for task in tasks for child in task.read_text().split()]


def command(pid: int) -> bytes:
    path = Path(f"/proc/{pid}/cmdline")
    return path.read_bytes() if path.exists() else b""


def begun(city: "Running") -> list[int]:
    assert city.process is not None
    (forking,) = [pid for pid in children(city.process.pid) if b"forkserver" in command(pid)]
    return children(forking)


def judge(city: "Running") -> int:
    beat = eventually(lambda: last_beat(city.folder / "data/judge.beat"))
    assert beat is not None
    return beat.pid


def accepted() -> str:
    now = datetime.now(UTC)
    stamp = f"{now:%b} {now.day:2d} {now:%H:%M:%S}"
    return f"<86>{stamp} srv sshd[1]: Accepted password for root from 203.0.113.66 port 1 ssh2"


def stopped(city: "Running") -> list[dict[str, Any]]:
    return [one for one in city.json("alerts", "list") if one["title"] == "The rules stood still"]


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_judge_that_dies_or_stands_still_is_begun_anew_and_an_alert_says_so(
    city: "Running", patiently: Patiently, number: signal.Signals
) -> None:
    city.config.write_text(city.config.read_text().replace("[detect]\n", "[detect]\nstuck_seconds = 5\n"))
    city.start()
    patiently(lambda: city.sentinel("health", code=None).returncode == 0)
    before = judge(city)
    os.kill(before, number)
    city.tcp(accepted())
    (alarm,) = patiently(lambda: stopped(city))
    assert str(before) in alarm["summary"]
    found = patiently(lambda: [one for one in city.json("alerts", "list") if one["title"] != alarm["title"]])
    assert [one["count"] for one in found] == [1]
    health = json.loads(city.sentinel("health", "--json", code=1).stdout)
    assert [one["what"] for one in health["problems"]] == ["watchdog"]  # of late, so somebody should look
    assert health["judge_pid"] not in {before, None}
    city.sentinel("ledger", code=0)
    assert city.stop() == 0
    health = json.loads(city.sentinel("health", "--json", code=1).stdout)
    assert "run" in {one["what"] for one in health["problems"]}


COUNTED = """\
title: {name} login
name: {name}
id: 00000000-0000-4000-8000-00000000000{number}
logsource: {{product: linux, service: sshd}}
detection: {{login: {{event.outcome: success}}, condition: login}}
level: informational
---
title: {name} logins
id: 00000000-0000-4000-8000-00000000001{number}
correlation: {{type: event_count, rules: [{name}], group-by: [user.name], timespan: {span}, condition: {{gte: 2}}}}
level: high
"""


def test_a_rule_that_never_returns_is_set_aside_and_the_others_go_on(city: "Running", patiently: Patiently) -> None:
    (city.folder / "rules").mkdir()
    for number, (name, span) in enumerate([("early", "2d"), ("close", "5m")]):
        text = COUNTED.format(name=name, number=number, span=span)
        (city.folder / "rules" / f"{name}.yml").write_text(text)
    city.config.write_text(city.config.read_text().replace("[detect]\n", "[detect]\nstuck_seconds = 15\n"))
    known(city.folder / "data")
    city.sentinel("rules", "check")  # proves the two
    city.start()
    patiently(lambda: any("rules: " in line and "refused" in line for line in city.said))
    # whoever asks the store for what was yesterday waits for ever, as on a disk of a server that is gone
    then = datetime.now(UTC) - timedelta(days=1)
    extent = Extent((0, 0), 1, (micros(then),) * 2, (micros(then),) * 2)
    os.mkfifo(city.folder / "data/store" / sealed_name(day_of(micros(then)), 1, extent, 0))
    city.tcp(accepted(), accepted())

    def raised() -> set[str]:
        return {alert["title"] for alert in city.json("alerts", "list")}

    patiently(
        lambda: {"The rules stood still", "close logins", "Sentinel has set a rule aside"} <= raised(),
        3 * PATIENCE_SECONDS,
    )
    (alarm,) = stopped(city)
    assert "over the rule 00000000-0000-4000-8000-000000000010" in alarm["summary"]
    assert "early logins" not in raised()

    def counted() -> list[int]:
        return [one["count"] for one in city.json("alerts", "list") if one["title"] == "close logins"]

    before = counted()
    city.tcp(accepted())
    patiently(lambda: counted() > before)
    assert sum("begun anew" in line for line in city.said) == 1
    assert city.stop() == 0


def test_a_judge_that_dies_again_and_again_ends_everything_and_the_next_start_judges_what_came(
    city: "Running", patiently: Patiently
) -> None:
    city.start()
    assert city.process is not None
    parsers = set(begun(city)) - {judge(city)}
    for _ in range(DEATHS_MAX + 1):
        (dead,) = patiently(lambda: set(begun(city)) - parsers)
        os.kill(dead, signal.SIGKILL)
        patiently(lambda dead=dead: dead not in begun(city))
    assert city.process.wait(60) != 0
    patiently(lambda: any("nothing judges any more" in line and "signal 9" in line for line in city.said))
    city.start()
    city.tcp(accepted())
    (alert,) = patiently(
        lambda: [one for one in city.json("alerts", "list") if one["title"] != "The rules stood still"]
    )
    assert alert["count"] == 1
    assert stopped(city)


def test_a_second_judge_is_told_who_judges_and_waits_for_his_end(city: "Running", patiently: Patiently) -> None:
    city.start()
    said: list[str] = []
    config = load(city.config)
    near, far = Pipe()
    second = threading.Thread(target=_wait, args=(App(config), said.append, far))
    second.start()
    patiently(lambda: said)
    patiently(lambda: f"process {judge(city)} on" in said[0])
    assert f"process {judge(city)} on" in said[0]
    assert "judges already: waiting for its end" in said[0]
    near.close()
    second.join()
    assert not any("overtaken" in line for line in said)


def _wait(app: App, talk: Callable[[str], None], link: Connection) -> None:
    with judging._turn(app, talk, link) as pulse:
        assert pulse is None


def test_no_process_outlives_the_one_that_began_it(city: "Running", patiently: Patiently) -> None:
    city.start()
    assert city.process is not None
    orphans = [one for one in family(city.process.pid) if one != city.process.pid]
    assert {*begun(city)} < {*orphans}
    city.process.kill()
    city.process.wait(60)
    patiently(lambda: not any(b"multiprocessing" in command(one) for one in orphans))


def test_a_parser_that_dies_is_begun_anew(city: "Running", patiently: Patiently) -> None:
    city.start()
    for parser in set(begun(city)) - {judge(city)}:
        os.kill(parser, signal.SIGKILL)
    for number in range(3):
        city.tcp(accepted())
        patiently(lambda number=number: len(city.json("query", "source.ip:203.0.113.66")) == number + 1)
