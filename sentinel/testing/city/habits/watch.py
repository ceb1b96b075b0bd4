"""The monitoring asks every service every ten minutes, day and night, whatever the scale; so none falls silent."""

from collections.abc import Iterator
from datetime import timedelta

from sentinel.testing.city import mail, services, windows
from sentinel.testing.city.lines import Line
from sentinel.testing.city.model import Tick
from sentinel.testing.city.town import (
    BACKUP,
    DC1,
    DC2,
    FILES,
    LINUX,
    PERSONNEL,
    PRINTS,
    SITES,
    TAXES,
    WATCH,
    WSUS,
)

_PROBE = mail.Message("probe@stadt.example", "probe@stadt.example", "Probe", 900, (WATCH.host, WATCH.address))
_SERVERS = (DC1, DC2, FILES, PERSONNEL, TAXES, BACKUP, WSUS, PRINTS)


def happen(tick: Tick) -> Iterator[Line]:
    """Yield what services write of being asked."""
    if tick.begin.minute % 10 != 3:
        return
    at, rng = tick.begin + timedelta(seconds=tick.rng.random() * 20), tick.rng
    yield services.query(at, WATCH.address, "www.stadt.example", rng)
    yield services.proxied(at, WATCH.address, "", SITES[0], rng, size=900)
    yield services.lease(at, WATCH.address, "00:00:5e:00:53:01", WATCH.name)
    yield from mail.arrives(at, _PROBE, rng)
    for server in _SERVERS:
        yield windows.logon(at, server.host, "svc-monitor", 3, WATCH.address)
        yield windows.logoff(at + timedelta(seconds=1), server.host, "svc-monitor", 3)
    for server in LINUX:
        yield services.ssh(at, server, "monitor", WATCH.address, rng)
