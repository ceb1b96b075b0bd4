"""Wires the stages; the only module that knows them all."""

import asyncio
import gc
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from sentinel.config import Config, FileSource, SyslogSource
from sentinel.core.clock import SystemClock
from sentinel.core.content import content
from sentinel.core.errors import ConfigError, SentinelError, UsageError
from sentinel.core.event import arrival
from sentinel.core.ports import Clock, Collector, Store

if TYPE_CHECKING:
    from sentinel.alert.book import Book
    from sentinel.detect.rules import Rules
    from sentinel.parse.packs import Packs
    from sentinel.parse.record import Reader
    from sentinel.spool.disk import DiskSpool

Talk = Callable[[str], None]

_COLLECTED_AFTER = 50_000
"""So many new containers start the garbage collector: some batches of events, which leave no cycles."""
_JUDGING_NICENESS = 5
"""In a flood receiving comes first: a datagram not received is lost, a rule judges late events as well."""


@dataclass(frozen=True)
class Entrance:
    """A collector, the event that it sets when it receives, and where that is, in words."""

    collector: Collector
    ready: asyncio.Event
    where: Callable[[], str]


@dataclass
class App:
    """Sentinel as one configuration describes it; every part is made when it is first asked for."""

    config: Config
    clock: Clock = field(default_factory=SystemClock)
    margin: timedelta = timedelta(days=1)
    """How far around an alert its evidence is looked for."""

    @cached_property
    def packs(self) -> "Packs":
        """Every parser pack: the shipped ones and the city's own."""
        from sentinel.parse.packs import load

        return load([content("parsers"), *self.config.content.packs], shipped=content("parsers"))

    @cached_property
    def reader(self) -> "Reader":
        """What turns a record into events, each source as it is configured; a pack that is not there is refused."""
        from sentinel.parse.record import Reader, Reading
        from sentinel.parse.route import Router

        sources = {}
        for source in (*self.config.syslog, *self.config.files):
            if source.pack and self.packs.hinted(source.pack) is None:
                known = ", ".join(sorted(self.packs.by_name))
                raise ConfigError(f"source {source.name!r} asks for a pack {source.pack!r}; there are: {known}")
            sources[source.name] = Reading(source.pack or None, source.zone)
        return Reader(Router(self.packs), sources)

    @cached_property
    def supplied(self) -> frozenset[str]:
        """Every field that some pack can fill."""
        from sentinel.testing.packs import supplied

        return supplied(self.packs)

    @cached_property
    def rules(self) -> "Rules":
        """Every rule that can be used, and every one that is refused, with its reason."""
        own = [path for path in self.config.content.rules if path.is_dir()]
        return self.rules_in([content("rules"), *own])

    def rules_in(self, paths: Sequence[Path]) -> "Rules":
        """Read the rules among and below `paths`, with the shipped pipelines; raises UsageError if one is not there."""
        from sentinel.detect.sigma import load

        missing = [str(path) for path in paths if not path.exists()]
        if missing:
            raise UsageError(f"there is no {missing[0]}")
        return load(paths, self.supplied, content("rules"))

    @contextmanager
    def spool(self) -> Iterator["DiskSpool"]:
        """Open the spool; several processes may at once."""
        from sentinel.spool.disk import DiskSpool

        options = self.config.spool
        spool = DiskSpool(
            _made(self.config.spool_dir), self.clock, bytes_max=options.bytes_max, ballast_bytes=options.ballast_bytes
        )
        try:
            yield spool
        finally:
            spool.close()

    @contextmanager
    def reading(self) -> Iterator[Store]:
        """Open the store to read; any number of processes may."""
        store = self._store(readonly=True)
        try:
            yield store
        finally:
            store.close()

    @contextmanager
    def writing(self) -> Iterator[Store]:
        """Open the store to write; one process may, the next is told who does."""
        store = self._store(readonly=False)
        try:
            yield store
        finally:
            store.close()

    def _store(self, *, readonly: bool) -> Store:
        options = self.config.store
        if options.kind == "embedded":
            from sentinel.store.embedded import EmbeddedStore

            return EmbeddedStore(_made(self.config.store_dir), readonly=readonly)
        from sentinel.store.elastic import ElasticStore

        key = _secret(options.api_key_file) if options.api_key_file else None
        return ElasticStore(
            options.url,
            prefix=options.prefix,
            ca_cert=options.ca_cert,
            api_key=key,
            readonly=readonly,
        )

    @contextmanager
    def desk(self) -> Iterator["Book"]:
        """Open the book of alerts."""
        from sentinel.alert.book import Book

        _made(self.config.data)
        with Book(self.config.state_file, self.clock, quiet=timedelta(hours=self.config.detect.quiet_hours)) as book:
            yield book

    def entrances(self) -> list["Entrance"]:
        """Return every entrance that the configuration names."""
        return [
            *(self._syslog(source, transport) for source in self.config.syslog for transport in source.transports),
            *(self._files(source) for source in self.config.files),
        ]

    def _syslog(self, source: SyslogSource, transport: str) -> "Entrance":
        from sentinel.collect.syslog_tcp import SyslogTcp
        from sentinel.collect.syslog_udp import SyslogUdp

        kind = SyslogUdp if transport == "udp" else SyslogTcp
        syslog = kind(source.name, self.clock, host=source.host, port=source.port)
        return Entrance(syslog, syslog.ready, lambda: f"{transport} {source.host}:{syslog.port}")

    def _files(self, source: FileSource) -> "Entrance":
        from sentinel.collect.files import FollowedFiles

        checkpoint = _made(self.config.data / "collect") / f"{source.name}.json"
        followed = FollowedFiles(source.name, self.clock, source.paths, checkpoint=checkpoint, start=source.start)
        return Entrance(followed, followed.ready, lambda: ", ".join(source.paths))

    def run(self, talk: Talk) -> None:
        """Run everything until the process is asked to end; what was accepted is on disk then.

        The rules run in a process of their own, which is given `talk` too: a function of a module.
        """
        with ExitStack() as stack:
            running = _Running(self, stack, talk)
            running.start()
            try:
                asyncio.run(running.collect())
            finally:
                running.end()

    def judge(self, talk: Talk, link: Connection) -> None:
        """Run the rules at their pace; say so over `link`, and end when its other end is closed."""
        from sentinel.detect.runner import Runner, RunReport
        from sentinel.detect.schedule import Schedule
        from sentinel.spool import checkpoint

        def stored() -> int:
            return arrival(checkpoint.load(self.config.spool_dir)[0] + 1, 0) - 1

        def judged(report: RunReport) -> None:
            for problem in report.problems:
                talk(f"rules: {problem}")

        def unjudged(error: Exception) -> None:
            talk(f"rules could not run, they will be run again: {error}")

        with self.reading() as store, self.desk() as desk:
            runner = Runner(store, desk, self.rules.detections, self.clock, until=stored)
            schedule = Schedule(runner, every=self.config.detect_every, report=judged, failed=unjudged)
            talk(f"rules: {len(self.rules.detections)}, refused: {len(self.rules.refused)}")
            schedule.start()
            link.send_bytes(b"ready")
            link.poll(None)
            schedule.stop()


def _judge(config: Config, talk: Talk, link: Connection) -> None:
    # Ctrl+C and a service manager's SIGTERM reach every process of the group: when to end is the first one's to say
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.nice(_JUDGING_NICENESS)
    try:
        App(config).judge(talk, link)
    except SentinelError as error:
        talk(f"rules: {error}")
        sys.exit(error.exit_code)


class _Running:
    """The stages at work, from their start to an orderly end."""

    def __init__(self, app: App, stack: ExitStack, talk: Talk) -> None:
        from sentinel.parse.pipeline import Pipeline

        self.talk = talk
        self.stop = threading.Event()
        self.spool = stack.enter_context(app.spool())
        self.pipeline = Pipeline(self.spool, stack.enter_context(app.writing()), app.reader, app.clock)
        self.parsing = threading.Thread(target=self._parse, name="parse")
        self.failed: BaseException | None = None
        # a process of its own: judging and storing each get a core, and neither waits for the other's lock
        self.link, far = get_context("spawn").Pipe()
        self.judging = get_context("spawn").Process(target=_judge, args=(app.config, talk, far), name="judge")
        self.entrances = app.entrances()
        talk(f"data: {app.config.data}")
        talk(f"packs: {len(app.packs.by_name)}, refused: {len(app.packs.refused)}")
        self.judging.start()
        far.close()

    def start(self) -> None:
        """Start storing."""
        # what is loaded by now stays; looking through it again and again costs a tenth of the time
        gc.freeze()
        gc.set_threshold(_COLLECTED_AFTER)
        self.parsing.start()

    async def collect(self) -> None:
        """Receive until asked to end; an entrance that fails ends everything, for silence would look like peace."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            if threading.current_thread() is threading.main_thread():
                loop.add_signal_handler(number, ended.set)
        entrances = [
            asyncio.create_task(one.collector.run(self.spool), name=one.collector.name) for one in self.entrances
        ]
        waiting = asyncio.create_task(self._stopped(ended))
        await self._announce(entrances)
        done, _ = await asyncio.wait([waiting, *entrances], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for task in entrances:
            task.cancel()
        await asyncio.gather(waiting, *entrances, return_exceptions=True)
        for task in done - {waiting}:
            error = task.exception() if not task.cancelled() else None
            self.failed = self.failed or error or SentinelError(f"the entrance {task.get_name()!r} ended by itself")

    async def _stopped(self, ended: asyncio.Event) -> None:
        while not ended.is_set() and not self.stop.is_set():
            if not self.judging.is_alive():
                self.failed = SentinelError(f"nothing judges any more: the rules' process ended ({self._ending()})")
                return
            try:
                await asyncio.wait_for(ended.wait(), 0.2)
            except TimeoutError:
                continue

    async def _announce(self, tasks: Sequence["asyncio.Task[None]"]) -> None:
        for one, task in zip(self.entrances, tasks, strict=True):
            waiting = asyncio.create_task(one.ready.wait())
            await asyncio.wait([waiting, task], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if not task.done():
                self.talk(f"listening: {one.collector.name} {one.where()}")
        await asyncio.to_thread(self.link.poll, None)  # until it says that it is ready, or is gone
        if not any(task.done() for task in tasks) and self.judging.is_alive():
            self.talk("ready")

    def _ending(self) -> str:
        self.judging.join()
        code = self.judging.exitcode or 0
        return f"by signal {-code}" if code < 0 else f"with exit code {code}"

    def end(self) -> None:
        """End in order: nothing more comes in, what is in the spool stays there, the last judgement is finished."""
        self.stop.set()
        self.parsing.join()
        self.link.close()
        self.judging.join()
        self.talk("ended: everything that was accepted is on disk")
        if self.failed is not None:
            raise self.failed

    def _parse(self) -> None:
        try:
            self.pipeline.run(self.stop)
        except BaseException as error:
            self.failed = error
            self.stop.set()
            raise


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    except OSError as error:
        raise ConfigError(
            f"{folder}: cannot be made: {error.strerror}; choose another folder with `data = …` in the configuration"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{folder}: may not be written by this user; choose another with `data = …`, or run as root")
    return folder


def _secret(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        text = path.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{path}: others may read this key; run chmod 600 {path}")
    return text
