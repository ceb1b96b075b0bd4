"""`sentinel run` is several processes: none outlives the first, and what one leaves undone is done by the next."""

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.running import Running

Patiently = Callable[..., Any]


def begun(city: "Running") -> list[int]:
    assert city.process is not None
    pid = city.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in children if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]


def judge(city: "Running") -> int:
    return begun(city)[0]


def accepted() -> str:
    now = datetime.now(UTC)
    stamp = f"{now:%b} {now.day:2d} {now:%H:%M:%S}"
    return f"<86>{stamp} srv sshd[1]: Accepted password for root from 203.0.113.66 port 1 ssh2"


def test_a_judge_that_dies_ends_everything_and_the_next_start_judges_what_came(
    city: "Running", patiently: Patiently
) -> None:
    city.start()
    assert city.process is not None
    os.kill(judge(city), signal.SIGSTOP)
    city.tcp(accepted())
    patiently(lambda: city.json("query", "source.ip:203.0.113.66"))
    assert city.json("alerts", "list") == []
    os.kill(judge(city), signal.SIGKILL)
    assert city.process.wait(60) != 0
    patiently(lambda: any("nothing judges any more" in line and "signal 9" in line for line in city.said))
    city.start()
    (alert,) = patiently(lambda: city.json("alerts", "list"))
    assert alert["count"] == 1


def test_no_process_outlives_the_one_that_began_it(city: "Running", patiently: Patiently) -> None:
    city.start()
    assert city.process is not None
    orphans = begun(city)
    assert len(orphans) >= 2
    city.process.kill()
    city.process.wait(60)
    for orphan in orphans:
        command = Path(f"/proc/{orphan}/cmdline")
        patiently(lambda command=command: not command.exists() or b"spawn" not in command.read_bytes())


def test_a_parser_that_dies_is_begun_anew(city: "Running", patiently: Patiently) -> None:
    city.start()
    for parser in begun(city)[1:]:
        os.kill(parser, signal.SIGKILL)
    for number in range(3):
        city.tcp(accepted())
        patiently(lambda number=number: len(city.json("query", "source.ip:203.0.113.66")) == number + 1)
