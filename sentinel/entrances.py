"""Every entrance that the configuration names, each made as its source's options say; one function a kind."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sentinel.config import Config
from sentinel.config.files import made
from sentinel.config.sources import FileSource, SyslogSource
from sentinel.core.check import Check
from sentinel.core.ports import Clock, Collector


@dataclass(frozen=True)
class Entrance:
    """A collector, the event that it sets when it receives, where that is in words, and what doctor looks at."""

    collector: Collector
    ready: asyncio.Event
    where: Callable[[], str]
    checks: Callable[[], Iterable[Check]] = tuple


def entrances(config: Config, clock: Clock) -> Iterator[Entrance]:
    """Yield every entrance; nothing is opened before it is run."""
    for syslog in config.syslog:
        for transport in syslog.transports:
            yield _syslog(syslog, transport, clock)
    for files in config.files:
        yield _files(files, config, clock)


def _syslog(source: SyslogSource, transport: str, clock: Clock) -> Entrance:
    from sentinel.collect.sockets import port_check, receive_buffer_check
    from sentinel.collect.syslog_tcp import SyslogTcp
    from sentinel.collect.syslog_udp import SyslogUdp

    def checks() -> Iterator[Check]:
        yield port_check(source.host, source.port, "udp" if transport == "udp" else "tcp")
        if transport == "udp":
            yield receive_buffer_check()

    kind = SyslogUdp if transport == "udp" else SyslogTcp
    syslog = kind(source.name, clock, host=source.host, port=source.port)
    return Entrance(syslog, syslog.ready, lambda: f"{transport} {source.host}:{syslog.port}", checks)


def _files(source: FileSource, config: Config, clock: Clock) -> Entrance:
    from sentinel.collect.files import FollowedFiles

    checkpoint = made(config.collect_dir) / f"{source.name}.json"
    followed = FollowedFiles(source.name, clock, source.paths, checkpoint=checkpoint, start=source.start)
    return Entrance(followed, followed.ready, lambda: ", ".join(source.paths))
