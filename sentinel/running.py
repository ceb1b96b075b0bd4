"""The stages at work, each process with its own: receiving and storing, parsing, judging.

None of them waits for another's lock, and a machine with more cores parses more. What a process needs is imported
where it is needed, so that none carries what belongs to another.
"""

import asyncio
import os
import resource
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from socket import gethostname
from typing import TYPE_CHECKING

from sentinel import comparing, stores
from sentinel.app import App
from sentinel.config.options import Config
from sentinel.core.errors import ConfigError, SentinelError, StoreError
from sentinel.core.source import Lost, lost
from sentinel.entrances import entrances
from sentinel.judge import Talk, judge
from sentinel.keeping import Keeping
from sentinel.notifying import keep
from sentinel.processes import begun, follow, ready, settled
from sentinel.roles import Roles, remember
from sentinel.service import Service
from sentinel.watchdog import Watchdog

if TYPE_CHECKING:
    from sentinel.parse.prepare import Preparer
    from sentinel.presence import Presence

_PARSING_NICENESS = 2
_ROOM_SECONDS = 5.0
"""So long an orderly end waits for room in a full spool; then what nobody was told is kept is dropped and counted."""
_SENSOR_SECONDS = 10.0
"""So long the sensor may take to write down what it has learnt."""
_PARSERS_MAX = 4
"""One process stores; it can keep up with about so many that parse."""


def run(app: App, talk: Talk, proven: Callable[[], object], roles: Roles) -> bool:
    """Do the work of `roles` until the process is asked to end; what was accepted is on disk then.

    Says whether it shall begin anew: it was asked to (SIGHUP), and `proven`, which looks at the options as they are
    by now, raised no SentinelError.

    Rules run in a process of their own, which is given `talk` too: a function of a module.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the usual 1024 are fewer than senders that may connect
    with ExitStack() as stack:
        running = _Running(app, stack, talk, proven, roles)
        running.start()
        try:
            asyncio.run(running.collect())
        finally:
            stores.hurry(app.config)
            running.end()
    stores.hurry(app.config, on=False)
    return running.again


def parse(config: Config, link: Connection) -> None:
    """Be a process that parses; see `parse.workers.serve`."""
    from sentinel.parse.prepare import Preparer
    from sentinel.parse.workers import serve

    follow(_PARSING_NICENESS)
    app = App(config)
    with ExitStack() as stack:

        def made() -> "tuple[Preparer, str]":
            preparer = Preparer(stack.enter_context(app.spool()), app.reader, app.form)
            settled()
            known = "" if app.enricher is None else f"\n{app.enricher.summary}"
            return preparer, f"packs: {len(app.packs.by_name)}, refused: {len(app.packs.refused)}{known}"

        serve(link, made)


class _Running:
    """The stages at work, from their start to an orderly end."""

    def __init__(self, app: App, stack: ExitStack, talk: Talk, proven: Callable[[], object], roles: Roles) -> None:
        from sentinel.audit.daily import anchor_daily
        from sentinel.collect.notices import Problems
        from sentinel.parse.pipeline import BEAT_SECONDS, Pipeline
        from sentinel.parse.workers import Workers

        self.talk, self.proven, self.roles = talk, proven, roles
        self.again = False
        self.stop = threading.Event()
        self.failed: BaseException | None = None
        remember(roles, app.config)
        talk(f"data: {app.config.data}; role: {roles}")
        app.inventory  # noqa: B018  one that is wrong is refused now; one that becomes wrong later is not
        # processes of their own: reading, judging and storing each get a core, and none waits for another's lock
        self.watchdog: Watchdog | None = None
        if roles.detect:
            self.watchdog = Watchdog(app, lambda stuck: begun(judge, "judge", app.config, talk, stuck), talk)
            stack.callback(self.watchdog.end)
        self.spool = stack.enter_context(app.spool())
        self.store = stack.enter_context(app.writing())
        books = stack.enter_context(app.books(writer=True))
        if books.set_aside is not None:
            talk(f"the books of sources were damaged and begin anew; what they were is in {books.set_aside}")
        workers = Workers(lambda: begun(parse, "parse", app.config), _parsers(), talk)
        stack.callback(workers.close)
        talk(workers.greeting)
        self.entrances = list(entrances(app.config, app.clock)) if roles.collect else []
        self.pipeline = Pipeline(self.spool, self.store, workers, app.form, app.clock, books, losses=self._losses)
        self.pipeline.beat_seconds = min([BEAT_SECONDS, *_limits(app.config)])
        self.problems = [Problems("spool_problem", app.clock, lambda: (*self.spool.problems, *self.pipeline.problems))]
        self.threads = [
            threading.Thread(target=self._parse, name="parse"),
            threading.Thread(target=anchor_daily, name="anchor", args=(app.audit, app.clock, self.stop, talk)),
        ]
        self.presence = self._present(app, stack)
        self.keeping: Keeping | None = None
        if roles.detect:
            self.keeping = keeping = Keeping(app, self.store, stack, talk)
            self.problems.append(Problems("store_problem", app.clock, lambda: keeping.troubles))
            self.threads += self._beside_judging(app.config)
        self.sensor = self._sensor(app.config) if roles.sensor else None
        self.looks = 0
        self.service = Service(app.config.store_word, lambda: (self.pipeline.turns, self.looks), self._short)
        self._serve_metrics(app, stack)

    def _sensor(self, config: Config) -> tuple[BaseProcess, Connection]:
        from sentinel.sensing import sense

        return begun(sense, "sense", config, self.talk)

    def _beside_judging(self, config: Config) -> Iterator[threading.Thread]:
        from sentinel.repair.watch import watch

        arguments = (config, self.stop, self.talk)
        yield threading.Thread(target=comparing.watch, name="compare", args=arguments)
        if any(one.look_back_days for one in config.indicators):
            yield threading.Thread(target=watch, name="indicators", args=arguments)
        if config.channels:
            yield threading.Thread(target=keep, name="notify", args=arguments)

    def _present(self, app: App, stack: ExitStack) -> "Presence | None":
        from sentinel.presence import Presence

        register = stack.enter_context(stores.register(app.config, "writer"))
        if register is None:
            return None
        presence = Presence(register, self.spool, app.clock, gethostname(), str(self.roles))
        try:
            presence.must()
        except StoreError as error:  # it goes on receiving, and claims the number before it stores
            self.talk(f"this machine could not be entered as node {app.config.node} yet: {error}")
        self.pipeline.may = presence.must
        self.threads.append(threading.Thread(target=presence.keep, name="presence", args=(self.stop, self._fail)))
        return presence

    def _losses(self) -> dict[tuple[str, Lost], int]:
        found: Counter[tuple[str, Lost]] = Counter()
        for one in self.entrances:
            for what, number in lost(one.collector.counters):
                found[one.collector.name, what] += number
        return found

    def _short(self) -> tuple[str, ...]:
        troubles = self.keeping.troubles if self.keeping is not None else ()
        return tuple(filter(None, (self.pipeline.trouble, *troubles)))

    def _serve_metrics(self, app: App, stack: ExitStack) -> None:
        from sentinel import metrics, status

        if not app.config.metrics.port:
            return
        try:
            port = stack.enter_context(metrics.served(app.config.metrics.port, lambda: status.look(app), app.clock))
        except ConfigError as error:  # figures are no reason to receive nothing
            self.talk(str(error))
        else:
            self.talk(f"metrics: http://{metrics.HOST}:{port}/metrics")

    def start(self) -> None:
        """Start storing."""
        settled()
        self.service.start()
        for one in self.threads:
            one.start()
        if self.keeping is not None:
            self.keeping.start()

    async def collect(self) -> None:
        """Receive until asked to end; an entrance that fails ends everything, for silence would look like peace."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            if threading.current_thread() is threading.main_thread():
                loop.add_signal_handler(number, ended.set)
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            loop.add_signal_handler(signal.SIGHUP, lambda: self._hung_up(ended))
        entrances = [
            asyncio.create_task(one.collector.run(self.spool), name=one.collector.name) for one in self.entrances
        ]
        waiting = asyncio.create_task(self._stopped(ended))
        await self._announce(entrances)
        entrances += [asyncio.create_task(one.run(self.spool), name="problems") for one in self.problems]
        done, _ = await asyncio.wait([waiting, *entrances], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for task in entrances:
            task.cancel()
        await asyncio.wait(entrances, timeout=_ROOM_SECONDS)
        self.spool.hurry()
        await asyncio.gather(waiting, *entrances, return_exceptions=True)
        for task in done - {waiting}:
            error = task.exception() if not task.cancelled() else None
            self.failed = self.failed or error or SentinelError(f"the entrance {task.get_name()!r} ended by itself")

    def _hung_up(self, ended: asyncio.Event) -> None:
        if sys.stderr.isatty():  # the terminal is gone, and with it whoever would want a new beginning
            ended.set()
            return
        try:
            self.proven()
        except SentinelError as error:
            self.talk(f"the new options are wrong, the old ones go on: {error}")
            return
        self.talk("beginning anew with the new options")
        self.again = True
        ended.set()

    async def _stopped(self, ended: asyncio.Event) -> None:
        while not ended.is_set() and not self.stop.is_set():
            self.looks += 1
            if self.watchdog is not None and not await asyncio.to_thread(self.watchdog.look):
                self.failed = self.watchdog.failed
                return
            if self.sensor is not None and not self.sensor[0].is_alive():
                self.failed = SentinelError(
                    f"nothing listens any more: the sensor ended with {self.sensor[0].exitcode}"
                )
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
        judges = self.watchdog is None or await asyncio.to_thread(self.watchdog.ready)
        senses = self.sensor is None or await asyncio.to_thread(ready, self.sensor[1])
        if judges and senses and not any(task.done() for task in tasks):
            self.service.ready()
            self.talk("ready")

    def end(self) -> None:
        """End in order: nothing more comes in, what is in the spool stays there, the last judgement is finished."""
        self.stop.set()
        self.service.stopping()
        self.store.give_up()
        if self.sensor is not None:
            process, link = self.sensor
            link.close()
            process.join(_SENSOR_SECONDS)
            process.kill()
        if self.keeping is not None:
            self.keeping.end()
        for one in self.threads:
            one.join()
        if self.presence is not None:
            with suppress(SentinelError):  # what was stored last is judged without this machine
                self.presence.tell()
        if self.watchdog is not None:
            self.watchdog.end()
        self.talk("ended: everything that was accepted is on disk")
        if self.failed is not None:
            raise self.failed

    def _parse(self) -> None:
        try:
            self.pipeline.run(self.stop)
        except BaseException as error:
            self._fail(error)
            raise

    def _fail(self, error: BaseException) -> None:
        self.failed = self.failed or error
        self.stop.set()


def _limits(config: Config) -> list[float]:
    # a silence must be noticed soon after its time has come
    return [limit / 5 for source in config.sources if (limit := config.silent_after(source.name))]


def _parsers() -> int:
    return min(_PARSERS_MAX, len(os.sched_getaffinity(0)))
