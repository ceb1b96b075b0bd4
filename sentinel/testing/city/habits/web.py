"""Offices use the web through the proxy; names are asked for, the firewall sees the proxy's connections."""

from collections.abc import Iterator
from datetime import timedelta

from sentinel.testing.city import services
from sentinel.testing.city.firewalls import Flow, traffic
from sentinel.testing.city.lines import Line
from sentinel.testing.city.model import Tick
from sentinel.testing.city.town import NAMES, PROXY, SITES

_STEP = timedelta(milliseconds=35)
_TRACKERS = ("werbung.example.net", "zaehler.example.com")


def happen(tick: Tick) -> Iterator[Line]:
    """Yield visits to sites, questions for names, and what else crosses the firewall."""
    rng = tick.rng
    for at in tick.often("office", 60_000):
        person = rng.choice(tick.city.staff)
        if rng.random() < 0.02:
            name = rng.choice(_TRACKERS)
            yield services.proxied(at, person.address, person.login, (name, ""), rng, denied=True)
            continue
        # everybody has sites of their own, and visits others now and then
        site = SITES[(len(person.login) * 7 + rng.choice((0, 0, 0, 1, 2, 5, 9))) % len(SITES)]
        yield services.query(at, person.address, site[0], rng, rng.choice(("A", "A", "AAAA")))
        yield services.proxied(at + _STEP, person.address, person.login, site, rng)
        if rng.random() < 0.5:
            flow = Flow(PROXY.address, site[1], 443, rng.randrange(900, 90_000), rng.randrange(9000, 900_000), 30)
            yield traffic(at + 2 * _STEP, flow, rng, rng.choice(("close", "close", "close", "timeout")))
    for at in tick.often("machines", 3_000):
        flow = Flow(NAMES.address, f"198.51.100.{rng.randrange(200, 204)}", 53, 90, 240, 1)
        yield traffic(at, flow, rng, "accept")
    for at in tick.often("office", 9_000):
        person = rng.choice(tick.city.staff)
        target = rng.choice(("10.10.8.20", "10.10.8.30", "10.10.8.42", "10.10.8.10"))
        flow = Flow(person.address, target, rng.choice((445, 445, 389, 88)), 4000, 21_000, 60, outer="server")
        yield traffic(at, flow, rng)
