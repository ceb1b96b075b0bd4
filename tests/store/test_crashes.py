"""A writer that is killed loses nothing it has acknowledged and doubles nothing, wherever it was."""

import os
import random
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from subprocess import Popen, run
from sys import executable

import pytest

from sentinel.core.errors import StoreError
from sentinel.core.event import Event
from sentinel.core.ports import Kept, Span
from sentinel.core.where import ALWAYS
from sentinel.store.embedded import EmbeddedStore

pytestmark = pytest.mark.kill
Start = Callable[..., Popen[str]]
EVER = Span(datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))

POINTS = [
    "store.before_write",
    "store.after_write:3",
    "store.after_sync:2",
    "store.seal_started",
    "store.seal_written",
    "store.seal_ids",
    "store.seal_renamed",
    "store.seal_removed",
    "store.seal_renamed:2",
]


def acknowledged(process: Popen[str]) -> int:
    """Return the highest number the process printed before it ended."""
    said, _ = process.communicate(timeout=60)
    return max((int(line) for line in said.split() if line.isdigit()), default=0)


def judge(folder: Path, through: int) -> list[int]:
    """Open the store again and say which events it holds; all acknowledged ones must be there, each once."""
    with_writer = EmbeddedStore(folder, segment_events=100)
    try:
        numbers = [event.seq for event in with_writer.since(0, 1 << 60, 1 << 20)]
        assert len(set(numbers)) == len(numbers)
        assert set(range(1, through + 1)) <= set(numbers)
        assert with_writer.tally(ALWAYS, EVER, (), 1) == [((), len(numbers))] or not numbers
    finally:
        with_writer.close()
    assert not list(folder.glob("*.tmp"))
    return numbers


@pytest.mark.parametrize("where", POINTS)
def test_killed_at_every_point_nothing_acknowledged_is_lost(tmp_path: Path, writer: Start, where: str) -> None:
    process = writer(tmp_path, 1, 451, kill_at=where)
    through = acknowledged(process)
    assert process.returncode == -9, "it was not killed: the test would prove nothing"
    kept = judge(tmp_path, through)
    # a replay of everything, as the spool does it, stores each event once
    again = writer(tmp_path, 1, 451)
    assert acknowledged(again) == 450
    assert again.returncode == 0
    assert judge(tmp_path, 450) == list(range(1, 451))
    assert len(kept) <= 450


def test_killed_in_the_middle_of_recovery_too(tmp_path: Path, writer: Start) -> None:
    through = acknowledged(writer(tmp_path, 1, 451, kill_at="store.seal_renamed"))
    second = writer(tmp_path, 451, 700, kill_at="store.seal_ids")
    through = max(through, acknowledged(second))
    third = writer(tmp_path, 1, 700, kill_at="store.seal_started:2")
    acknowledged(third)
    assert [process.returncode for process in (second, third)] == [-9, -9]
    judge(tmp_path, 0)
    assert acknowledged(writer(tmp_path, 1, 700)) == 699
    assert judge(tmp_path, 699) == list(range(1, 700))


def test_killed_at_any_moment_nothing_acknowledged_is_lost(tmp_path: Path, writer: Start) -> None:
    chance = random.Random(20261123)  # noqa: S311  moments, nothing secret
    through = 0
    for _ in range(6):
        process = writer(tmp_path, 1, 20_000, batch=7)
        assert process.stdout is not None
        for _ in range(chance.randrange(1, 120)):
            line = process.stdout.readline()
            through = max(through, int(line) if line.strip().isdigit() else 0)
        process.kill()
        rest = process.stdout.read()
        through = max([through, *(int(word) for word in rest.split() if word.isdigit())])
        process.wait()
        judge(tmp_path, through)
    assert through > 0


_DROPPER = """
import sys
from datetime import date
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from sentinel.core.ports import Kept
from sentinel.store.embedded import EmbeddedStore
EmbeddedStore(Path(sys.argv[1])).drop(Kept("standard", date(2026, 11, 23)))
"""


def test_killed_while_a_day_is_removed_the_rest_of_it_goes_next_time_and_nothing_else(
    tmp_path: Path, make: Callable[..., Event]
) -> None:
    store = EmbeddedStore(tmp_path, segment_events=2)
    next_day = datetime(2026, 11, 24, 9, tzinfo=UTC)
    store.append([make(1), make(2)])
    store.append([make(3, ingested=next_day)])
    store.seal()
    store.append([make(4)])
    store.close()
    done = run(
        [executable, "-c", _DROPPER, str(tmp_path), str(Path(__file__).parents[2])],
        env={**os.environ, "SENTINEL_KILL_AT": "store.drop_half"},
        check=False,
    )
    assert done.returncode == -9, "it was not killed: the test would prove nothing"
    store = EmbeddedStore(tmp_path, segment_events=2)
    assert 3 in [event.seq for event in store.since(0, 100, 100)]
    store.drop(Kept("standard", date(2026, 11, 23)))
    assert [event.seq for event in store.since(0, 100, 100)] == [3]
    assert {path.name[:8] for path in tmp_path.glob("2026*")} == {"20261124"}
    assert store.append([make(1)]).stored == 1
    store.close()


def test_a_torn_last_line_is_cut_off_and_told(tmp_path: Path, make: Callable[..., Event]) -> None:
    store = EmbeddedStore(tmp_path)
    store.append([make(1), make(2)])
    store.close()
    (hot,) = tmp_path.glob("*.ndjson")
    whole = hot.read_bytes()
    for cut in (1, 20, len(whole) // 2 - 1):
        hot.write_bytes(whole[:-cut])
        reader = EmbeddedStore(tmp_path, readonly=True)
        assert [event.seq for event in reader.since(0, 10, 10)] == [1]
        assert len(reader.search(ALWAYS, EVER, 10)) in {1, 2}  # the text may be whole but for its newline
        reader.close()
        store = EmbeddedStore(tmp_path)
        assert [event.seq for event in store.search(ALWAYS, EVER, 10)] == [1]
        assert [problem.reason for problem in store.problems] == ["a torn last line"]
        assert store.append([make(1), make(2)]).stored == 1
        assert [event.seq for event in store.since(0, 10, 10)] == [1, 2]
        store.close()
    assert (tmp_path / "quarantine").is_dir()


@pytest.mark.parametrize(
    "damage",
    [
        b"\0" * 4096,
        b"\0" * 100 + b"\n",
        b"garbage\n",
        b'{"seq":7}\n',
        b'{"seq":7,"id":5,"ts":1,"ing":1,"f":{}}\n',
        b'{"seq":9,"id":"x","ts":1e99,"ing":{},"f":[]}\n',
        b"[]\n\n\n",
        b'{"seq":99999999999999999999999,"id":"x"}\n',
        b'\xff\xfe{"seq":\n',
    ],
)
def test_damaged_lines_are_set_apart_and_their_neighbours_stay(
    tmp_path: Path, make: Callable[..., Event], damage: bytes
) -> None:
    store = EmbeddedStore(tmp_path)
    store.append([make(1), make(2)])
    store.close()
    (hot,) = tmp_path.glob("*.ndjson")
    first, second = hot.read_bytes().splitlines(keepends=True)
    hot.write_bytes(first + damage + (b"" if damage.endswith(b"\n") else b"\n") + second)
    reader = EmbeddedStore(tmp_path, readonly=True)
    assert [event.seq for event in reader.since(0, 10, 10)] == [1, 2]
    reader.close()
    store = EmbeddedStore(tmp_path)
    assert [event.seq for event in store.since(0, 10, 10)] == [1, 2]
    assert [event.seq for event in store.search(ALWAYS, EVER, 10)] == [2, 1]
    assert store.problems
    store.append([make(3)])
    store.seal()
    assert [event.seq for event in store.since(0, 10, 10)] == [1, 2, 3]
    store.close()
    assert list((tmp_path / "quarantine").iterdir())


def test_a_failed_sync_stops_the_writer_until_the_store_is_opened_anew(
    tmp_path: Path, make: Callable[..., Event]
) -> None:
    store = EmbeddedStore(tmp_path)
    store.append([make(1)])
    assert store._writer is not None
    (day,) = store._writer._days.values()
    assert day.hot is not None
    good = os.dup(day.hot._handle)
    out, into = os.pipe()  # takes what is written, cannot be synced
    os.dup2(into, day.hot._handle)
    with pytest.raises(StoreError, match=r"sync|refuses"):
        store.append([make(2)])
    os.dup2(good, day.hot._handle)
    with pytest.raises(StoreError, match="open the store anew"):
        store.append([make(3)])
    store.close()
    for handle in (good, out, into):
        os.close(handle)
    again = EmbeddedStore(tmp_path)
    assert again.append([make(1), make(2)]).stored == 1
    again.close()


AMEND = """\
import sys
from dataclasses import replace
from pathlib import Path
from sentinel.store.embedded import EmbeddedStore
store = EmbeddedStore(Path(sys.argv[1]), segment_events=100)
old = [one for one in store.since(0, 1 << 60, 1 << 20) if one.seq % 50 == 0]
store.amend(old, [replace(one, fields={**one.fields, "message": "amended"}) for one in old])
store.close()
"""


@pytest.mark.parametrize(
    "where", ["store.amend_written", "store.seal_written", "store.seal_ids:2", "store.amend_renamed:2"]
)
def test_killed_while_amending_it_can_be_done_again(tmp_path: Path, writer: Start, where: str) -> None:
    assert acknowledged(writer(tmp_path, 1, 451)) == 450
    store = EmbeddedStore(tmp_path, segment_events=100)
    store.seal()
    store.close()
    command = [executable, "-c", AMEND, str(tmp_path)]
    assert run(command, env={**os.environ, "SENTINEL_KILL_AT": where}, check=False).returncode == -9
    assert judge(tmp_path, 450) == list(range(1, 451))
    run(command, check=True)
    assert judge(tmp_path, 450) == list(range(1, 451))
    store = EmbeddedStore(tmp_path, readonly=True)
    amended = [one.seq for one in store.since(0, 1 << 60, 1 << 20) if one.fields.get("message") == "amended"]
    store.close()
    assert amended == list(range(50, 451, 50))
    assert acknowledged(writer(tmp_path, 1, 451)) == 450  # what comes again is known
    assert judge(tmp_path, 450) == list(range(1, 451))
