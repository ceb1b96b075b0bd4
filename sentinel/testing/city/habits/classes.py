"""Schools: devices get addresses in the morning, go to the web in lessons, are stopped at the filter."""

from collections.abc import Iterator
from datetime import timedelta

from sentinel.testing.city import services
from sentinel.testing.city.firewalls import Flow, filterlog
from sentinel.testing.city.lines import Line
from sentinel.testing.city.model import Tick
from sentinel.testing.city.rhythm import activity
from sentinel.testing.city.town import LEARNING, schools

_BREAK_MINUTES = frozenset({*range(35, 55)})
_STOPPED = (("203.0.113.90", 6881), ("203.0.113.91", 1194), ("203.0.113.92", 25))


def happen(tick: Tick) -> Iterator[Line]:
    """Yield what the firewalls of schools write."""
    rng = tick.rng
    # in the breaks of 9:35 and 11:35 the yard is full and the network empty
    busy = 0.4 if tick.begin.minute in _BREAK_MINUTES and tick.begin.hour in {8, 10} else 1.0
    for at in tick.often("school", 330_000 * busy):
        school, device = tick.city.school(rng)
        if rng.random() < 0.01:
            target, port = rng.choice(_STOPPED)
            yield filterlog(at, school, Flow(device, target, port), rng, "block")
            continue
        name, address = rng.choice(LEARNING)
        yield filterlog(at, school, Flow(device, address, 443), rng)
        if rng.random() < 0.1:
            yield services.query(at, device, name, rng)
    share = activity("school", tick.begin)
    for school in schools():
        # each firewall asks for time and names, day and night
        if (tick.begin.minute + school.number) % 20 == 0:
            flow = Flow(school.firewall.address, "10.10.8.53", rng.choice((53, 123)))
            yield filterlog(tick.begin + timedelta(seconds=rng.random() * 50), school, flow, rng)
        if share >= 0.4 and tick.begin.hour in {6, 7} and rng.random() < 0.01 * tick.city.devices(school):
            number = rng.randrange(tick.city.devices(school))
            yield services.lease(
                tick.begin, school.device(number), school.card(number), f"tablet-{number:03d}", school.firewall
            )
