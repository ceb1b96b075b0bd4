"""Two real Sentinels with one Elasticsearch: one judges, the other waits and takes over."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.running import Running, eventually

pytestmark = pytest.mark.elastic

LOGIN = "<86>Nov 23 08:00:00 srv-{0} sshd[1]: Accepted password for root from 203.0.113.{0} port 40000 ssh2"


@pytest.fixture
def sentinel(tmp_path: Path, elastic_url: str, elastic_prefix: str) -> Iterator[Callable[[int], Running]]:
    """Return what makes the Sentinel of a machine with this number."""
    made: list[Running] = []

    def make(node: int) -> Running:
        folder = tmp_path / str(node)
        folder.mkdir()
        config = folder / "sentinel.toml"
        config.write_text(
            f'data = "{folder}/data"\nnode = {node}\n[[syslog]]\nname = "city"\nport = 0\n[spool]\nballast_bytes = 0\n'
            f"[detect]\nevery_seconds = 0.5\nlease_seconds = 2\n[metrics]\nport = 0\n"
            f'[store]\nkind = "elasticsearch"\nurl = "{elastic_url}"\nprefix = "{elastic_prefix}"\n'
        )
        made.append(Running(folder, config))
        return made[-1]

    yield make
    for one in made:
        one.stop(signal.SIGKILL)


def test_the_second_waits_until_the_first_is_gone_and_people_work_on_either(
    sentinel: Callable[[int], Running],
) -> None:
    first, second = sentinel(0).start(), sentinel(1)
    eventually(lambda: any("rules:" in line for line in first.said))
    second.start()
    eventually(lambda: any("this machine waits" in line for line in second.said))
    assert not any(line.startswith("rules: 6") for line in second.said)
    first.tcp(LOGIN.format(7))
    (alert,) = eventually(lambda: second.json("alerts", "list"))
    second.sentinel("alerts", "ack", alert["id"])
    second.sentinel("cases", "new", "a case")
    assert [one["title"] for one in first.json("cases", "list")] == ["a case"]
    (seen,) = first.json("alerts", "list")
    assert seen["state"] == "acknowledged"
    assert first.process is not None
    os.kill(first.process.pid, signal.SIGKILL)
    second.tcp(LOGIN.format(8))
    found = eventually(lambda: [each for each in [second.json("alerts", "list")] if len(each) == 2])[0]
    assert sorted(one["count"] for one in found) == [1, 1]
    assert second.stop() == 0
