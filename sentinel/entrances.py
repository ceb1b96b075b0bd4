"""Every entrance that the configuration names, each made as its source's options say; one function a kind."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from sentinel.config.options import Config
from sentinel.config.pull import M365_SCOPE, M365_TOKEN_URL, M365_URL, PullSource
from sentinel.config.sources import (
    BeatsSource,
    FileSource,
    HttpSource,
    JournaldSource,
    Listening,
    NetflowSource,
    RelpSource,
    SyslogSource,
)
from sentinel.core.check import Check
from sentinel.core.errors import ConfigError
from sentinel.core.folders import made, secret
from sentinel.core.ports import Clock, Collector

if TYPE_CHECKING:
    from sentinel.collect.pull_feeds import Feed
    from sentinel.collect.pull_tokens import Tokens
    from sentinel.collect.records import Cutting
    from sentinel.collect.tls import Tls, TlsFiles

TOKEN_MIN = 16


@dataclass(frozen=True)
class Entrance:
    """A collector, the event that it sets when it receives, where that is in words, and what doctor looks at."""

    collector: Collector
    ready: asyncio.Event
    where: Callable[[], str]
    checks: Callable[[], Iterable[Check]] = tuple


def entrances(config: Config, clock: Clock) -> Iterator[Entrance]:
    """Yield every entrance; nothing is opened before it is run. Raises ConfigError."""
    return (make() for make in makers(config, clock))


def makers(config: Config, clock: Clock) -> Iterator[Callable[[], Entrance]]:
    """Yield what makes each entrance: one that cannot be made (its token cannot be read) says nothing of the others."""
    for syslog in config.syslog:
        for transport in syslog.transports:
            yield partial(_syslog, syslog, transport, clock)
    yield from (partial(_relp, relp, clock) for relp in config.relp)
    yield from (partial(_beats, beats, clock) for beats in config.beats)
    yield from (partial(_netflow, netflow, config, clock) for netflow in config.netflow)
    yield from (partial(_http, sharing, clock) for sharing in _by_port(config.http))
    yield from (partial(_files, files, config, clock) for files in config.files)
    yield from (partial(_journald, journal, config, clock) for journal in config.journald)
    yield from (partial(_pull, pull, config, clock) for pull in config.pull)


def _syslog(source: SyslogSource, transport: str, clock: Clock) -> Entrance:
    from sentinel.collect.syslog_tcp import SyslogTcp
    from sentinel.collect.syslog_udp import SyslogUdp

    def checks() -> Iterator[Check]:
        if transport == "udp":
            yield from _udp_checks(source.host, source.port)
        else:
            yield from _listening_checks(source, source.host, source.port, clock)

    syslog: SyslogTcp | SyslogUdp
    if transport == "udp":
        syslog = SyslogUdp(source.name, clock, host=source.host, port=source.port)
    else:
        syslog = SyslogTcp(source.name, clock, host=source.host, port=source.port, tls=_tls(source))
    return Entrance(syslog, syslog.ready, lambda: f"{transport} {source.host}:{syslog.port}", checks)


def _udp_checks(host: str, port: int) -> Iterator[Check]:
    from sentinel.collect.sockets import port_check, receive_buffer_check

    yield port_check(host, port, "udp")
    yield receive_buffer_check()


def _tls(source: Listening) -> "Tls | None":
    from sentinel.collect.tls import Tls

    files = _tls_files(source)
    return None if files is None else Tls(files)


def _tls_files(source: Listening) -> "TlsFiles | None":
    from sentinel.collect.tls import TlsFiles

    if source.tls_cert is None or source.tls_key is None:
        return None
    return TlsFiles(source.tls_cert, source.tls_key, source.tls_client_ca, source.tls_crl, source.tls_allow)


def _listening_checks(source: Listening, host: str, port: int, clock: Clock) -> Iterator[Check]:
    from sentinel.collect.sockets import port_check
    from sentinel.collect.tls import certificate_check

    yield port_check(host, port, "tcp")
    files = _tls_files(source)
    if files is not None:
        yield certificate_check(files, clock.now().timestamp())


def _relp(source: RelpSource, clock: Clock) -> Entrance:
    from sentinel.collect.relp import Relp

    relp = Relp(source.name, clock, host=source.host, port=source.port, tls=_tls(source))
    return Entrance(
        relp,
        relp.ready,
        lambda: f"relp {source.host}:{relp.port}",
        lambda: _listening_checks(source, source.host, source.port, clock),
    )


def _beats(source: BeatsSource, clock: Clock) -> Entrance:
    from sentinel.collect.lumberjack import Lumberjack

    beats = Lumberjack(source.name, clock, host=source.host, port=source.port, tls=_tls(source))
    return Entrance(
        beats,
        beats.ready,
        lambda: f"beats {source.host}:{beats.port}",
        lambda: _listening_checks(source, source.host, source.port, clock),
    )


def _netflow(source: NetflowSource, config: Config, clock: Clock) -> Entrance:
    from sentinel.collect.netflow import Netflow, exporters_check

    netflow = Netflow(
        source.name,
        clock,
        mark=made(config.collect_dir) / f"{source.name}.templates",
        host=source.host,
        port=source.port,
        exporters=source.exporters,
    )

    def checks() -> Iterator[Check]:
        yield from _udp_checks(source.host, source.port)
        yield exporters_check(source.host, source.exporters)

    return Entrance(netflow, netflow.ready, lambda: f"netflow {source.host}:{netflow.port}", checks)


def _by_port(sources: Sequence[HttpSource]) -> list[list[HttpSource]]:
    ports: dict[tuple[str, int], list[HttpSource]] = {}
    for source in sources:
        ports.setdefault((source.host, source.port), []).append(source)
    return list(ports.values())


def _http(sources: Sequence[HttpSource], clock: Clock) -> Entrance:
    from sentinel.collect.http import HttpEntrance

    first, tokens = sources[0], dict[str, str]()
    for source in sources:
        if _tls_files(source) != _tls_files(first):
            raise ConfigError(f"{first.name!r} and {source.name!r} share a port: give both the same tls_ options")
        token = secret(source.token_file)
        if len(token) < TOKEN_MIN:
            raise ConfigError(f"{source.token_file}: a token needs {TOKEN_MIN} characters: openssl rand -hex 32")
        if token in tokens:
            raise ConfigError(f"{tokens[token]!r} and {source.name!r} have the same token: give each its own")
        tokens[token] = source.name
    http = HttpEntrance(first.name, clock, tokens, host=first.host, port=first.port, tls=_tls(first))
    names = ", ".join(source.name for source in sources)
    return Entrance(
        http,
        http.ready,
        lambda: f"http {first.host}:{http.port} ({names})",
        lambda: _listening_checks(first, first.host, first.port, clock),
    )


def _files(source: FileSource, config: Config, clock: Clock) -> Entrance:
    from sentinel.collect.filechecks import file_checks
    from sentinel.collect.files import FollowedFiles

    checkpoint = made(config.collect_dir) / f"{source.name}.json"
    followed = FollowedFiles(
        source.name, clock, source.paths, checkpoint=checkpoint, cutting=cutting(source), start=source.start
    )
    return Entrance(
        followed,
        followed.ready,
        lambda: ", ".join(source.paths),
        lambda: file_checks(source.name, source.paths, source.encoding),
    )


def cutting(source: FileSource) -> "Cutting":
    """Return how the bytes of a source's files become records."""
    from sentinel.collect.records import Cutting

    quiet = timedelta(seconds=source.record_seconds)
    return Cutting(source.records, source.record_start, source.record_end, source.encoding, quiet)


def _journald(source: JournaldSource, config: Config, clock: Clock) -> Entrance:
    from sentinel.collect import journald

    mark = made(config.collect_dir) / f"{source.name}.cursor"
    followed = journald.Journald(source.name, clock, mark=mark, folder=source.folder, start=source.start)
    where = "this machine's journal" if source.folder is None else str(source.folder)
    return Entrance(followed, followed.ready, lambda: where, lambda: (journald.check(),))


def _pull(source: PullSource, config: Config, clock: Clock) -> Entrance:
    from sentinel.collect import pull
    from sentinel.collect.pull_client import Client, place, trust

    url = source.url or M365_URL
    token_url = source.token_url or M365_TOKEN_URL.format(tenant=source.tenant_id)
    hosts = {place(url), *(place(f"https://{host}") for host in source.hosts)}
    if source.client_id:
        hosts.add(place(token_url))
    context = trust(source.ca_cert)
    puller = pull.Pull(
        source.name,
        clock,
        _feeds(source, url),
        url=url,
        tokens=_tokens(source, token_url),
        client=lambda: Client(hosts, context),
        marks=made(config.collect_dir) / f"{source.name}.pull.db",
        pace=pull.Pace(
            interval=timedelta(seconds=source.interval_seconds),
            window=timedelta(minutes=source.window_minutes),
            overlap=timedelta(minutes=source.overlap_minutes),
            start=timedelta(hours=source.start_hours),
        ),
        headers={name: value.strip() for name, _, value in (line.partition(":") for line in source.headers)},
    )
    return Entrance(puller, puller.ready, lambda: f"pull {puller.host}", lambda: (pull.check(puller),))


def _tokens(source: PullSource, token_url: str) -> "Tokens":
    from sentinel.collect.pull_tokens import ClientCredentials, FileToken, Nobody, shown

    if source.client_secret_file is not None:
        shown(source.client_secret_file)  # one that cannot be used is refused now
        scope = source.scope or (M365_SCOPE if source.kind == "m365" else "")
        return ClientCredentials(token_url, source.client_id, source.client_secret_file, scope)
    if source.token_file is not None:
        shown(source.token_file)
        return FileToken(source.token_file, header=source.token_header, scheme=source.token_scheme)
    return Nobody()


def _feeds(source: PullSource, url: str) -> "Sequence[Feed]":
    from sentinel.collect.pull_answers import Form
    from sentinel.collect.pull_feeds import JsonFeed
    from sentinel.collect.pull_m365 import CONTENT_TYPES, AuditFeed

    if source.kind == "m365":
        return [AuditFeed(url, source.tenant_id, key) for key in source.content_types or CONTENT_TYPES]
    form = Form(source.format, source.records, source.id, source.next_path, source.next_header, source.cursor_path)
    return [JsonFeed(source.url, form, source.times)]
