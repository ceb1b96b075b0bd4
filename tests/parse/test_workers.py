"""Processes that parse: what ends one of them costs one record, and nothing else is lost, doubled or out of order."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import pytest

from sentinel import running
from sentinel.app import App
from sentinel.config.options import Config, ContentOptions
from sentinel.core.clock import ManualClock
from sentinel.core.errors import ConfigError
from sentinel.core.event import Event, Origin, Raw
from sentinel.parse import workers
from sentinel.parse.pipeline import Pipeline
from sentinel.parse.workers import Workers
from sentinel.processes import begun
from sentinel.testing.packs import RECEIVED

MakePack = Callable[..., Path]

PARSER = """\
import os
if b'boom' in raw.body: os.kill(os.getpid(), 9)
while b'endless' in raw.body: pass
yield {'message': raw.body.decode()}"""


class City(NamedTuple):
    """An application with its spool and store open, and how one of its parsing processes begins."""

    app: App
    pipeline: Pipeline
    workers: Workers
    processes: list[BaseProcess]
    said: list[str]

    def put(self, *bodies: str) -> None:
        origin = Origin("syslog-udp", "192.0.2.7:514")
        self.pipeline.spool.put([Raw(body.encode(), "kitchen", RECEIVED, origin) for body in bodies])

    def stored(self) -> list[Event]:
        while self.pipeline.step(limit=20):
            continue
        return self.pipeline.store.since(0, 1 << 62, 100_000)


@pytest.fixture
def city(folder: Path, tmp_path: Path, make_pack: MakePack) -> Iterator[City]:
    make_pack("oven", PARSER, toml='[[match]]\nvia = ["syslog-udp"]\npriority = 1\n')
    app = App(Config(data=tmp_path / "data", content=ContentOptions(packs=(folder,))))
    processes: list[BaseProcess] = []
    said: list[str] = []

    def begin() -> tuple[BaseProcess, Connection]:
        process, link = begun(running.parse, "parse", app.config)
        processes.append(process)
        return process, link

    with app.spool() as spool, app.writing() as store, app.books(writer=True) as books:
        parsing = Workers(begin, 2, said.append)
        try:
            pipeline = Pipeline(spool, store, parsing, app.form, ManualClock(RECEIVED), books)
            yield City(app, pipeline, parsing, processes, said)
        finally:
            parsing.close()
        assert not any(process.is_alive() for process in processes)


def test_a_flood_is_stored_in_order_by_several_processes(city: City) -> None:
    bodies = [f"line {number}" for number in range(1000)]
    city.put(*bodies)
    assert [event.fields["message"] for event in city.stored()] == bodies
    assert city.workers.greeting.endswith("refused: 0")
    assert not city.said


def test_a_pack_that_ends_its_process_costs_the_record_it_read(city: City) -> None:
    bodies = [f"line {number}" for number in range(60)]
    bodies[17] = bodies[44] = "boom"
    city.put(*bodies)
    events = city.stored()
    assert [event.fields["event.original"] for event in events] == bodies
    letters = [event for event in events if event.fields["event.kind"] == "pipeline_error"]
    assert [letter.fields["event.original"] for letter in letters] == ["boom", "boom"]
    assert letters[0].fields["error.type"] == "ParserDied"
    assert letters[0].fields["error.message"] == "the parser ended over this record (signal 9)"
    assert "a parser ended over the records 1 to 20 (signal 9): read again" in city.said
    count = city.pipeline.counts["kitchen"]
    assert (count.received, count.stored, count.deadletter, count.duplicates) == (60, 60, 2, 0)


def test_a_pack_that_never_returns_costs_the_record_it_read(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PATIENCE_SECONDS", (2.0, 0.0))
    city.put("one", "endless", "two")
    events = city.stored()
    assert [event.fields["event.original"] for event in events] == ["one", "endless", "two"]
    assert events[1].fields["error.message"] == "the parser ended over this record (it did not answer)"


def test_processes_killed_from_outside_cost_nothing(city: City) -> None:
    bodies = [f"line {number}" for number in range(3000)]
    city.put(*bodies)
    stop = threading.Event()
    thread = threading.Thread(target=city.pipeline.run, args=(stop,))
    thread.start()
    try:
        for _ in range(3):
            stop.wait(0.1)
            pid = city.processes[-1].pid
            assert pid is not None
            with suppress(ProcessLookupError):  # just being replaced
                os.kill(pid, signal.SIGKILL)
        while city.pipeline.spool.committed < len(bodies):
            assert thread.is_alive()
            stop.wait(0.05)
    finally:
        stop.set()
        thread.join(60)
    assert [event.fields["message"] for event in city.stored()] == bodies


def test_a_process_that_cannot_begin_says_why(tmp_path: Path) -> None:
    config = Config.model_validate({"data": tmp_path, "syslog": [{"name": "x", "pack": "nobody"}]})
    with pytest.raises(ConfigError, match="asks for a pack 'nobody'"):
        Workers(lambda: begun(running.parse, "parse", config), 2, print)
