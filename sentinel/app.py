"""Wires the stages: makes each as the configuration says; `running` sets them to work."""

import asyncio
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sentinel.config import Config, FileSource, SyslogSource
from sentinel.core.clock import SystemClock
from sentinel.core.content import content
from sentinel.core.errors import ConfigError, UsageError
from sentinel.core.ports import Clock, Collector, Form, Store

if TYPE_CHECKING:
    from sentinel.alert.book import Book
    from sentinel.detect.rules import Rules
    from sentinel.parse.packs import Packs
    from sentinel.parse.record import Reader
    from sentinel.spool.disk import DiskSpool


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

    @cached_property
    def form(self) -> Form:
        """How the store that is configured forms events; needs no store."""
        if self.config.store.kind == "embedded":
            from sentinel.store.forming import Former

            return Former()
        from sentinel.store import es_bulk

        return es_bulk.Former(self.config.store.prefix)

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
