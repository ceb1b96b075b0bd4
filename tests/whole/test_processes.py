"""`sentinel run` is two processes: one falls with the other, and what was not judged is judged by the next."""

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.whole.conftest import Running

Patiently = Callable[..., Any]


def judge(city: "Running") -> int:
    assert city.process is not None
    pid = city.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    (found,) = [int(one) for one in children if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]
    return found


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


def test_a_judge_does_not_outlive_the_process_that_began_it(city: "Running", patiently: Patiently) -> None:
    city.start()
    assert city.process is not None
    orphan = judge(city)
    city.process.kill()
    city.process.wait(60)
    patiently(
        lambda: not Path(f"/proc/{orphan}").exists() or b"spawn" not in Path(f"/proc/{orphan}/cmdline").read_bytes()
    )
