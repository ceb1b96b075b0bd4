"""The Internet knocks at the firewall; one school's firewall complains of broadcasts, another one's clock is wrong."""

from collections.abc import Iterator
from datetime import timedelta

from sentinel.testing.city.firewalls import Flow, filterlog, traffic
from sentinel.testing.city.lines import Line
from sentinel.testing.city.model import Tick
from sentinel.testing.city.town import MAIL_OUTSIDE, OUTER_ADDRESS, WEB_OUTSIDE, School

NOISY, SLOW = School(33), School(17)
SLOW_BY = timedelta(minutes=47)
_KNOCKED = (23, 22, 445, 3389, 8080, 5900, 1433, 8443)


def happen(tick: Tick) -> Iterator[Line]:
    """Yield what nobody wants to read."""
    rng = tick.rng
    for at in tick.often("machines", 36_000):
        target = rng.choice((OUTER_ADDRESS, WEB_OUTSIDE, MAIL_OUTSIDE))
        flow = Flow(f"203.0.113.{rng.randrange(1, 255)}", target, rng.choice(_KNOCKED), inner="wan1", outer="dmz")
        yield traffic(at, flow, rng, "deny")
    # two a minute, all night, whatever the scale: a board that looks for a printer that was taken away
    for number in range(2):
        at = tick.begin + timedelta(seconds=29 * number + rng.random() * 10)
        yield filterlog(at, NOISY, Flow(NOISY.device(7), "10.20.33.255", 137), rng, "block")
    if tick.begin.minute % 10 == 4:
        at = tick.begin + timedelta(seconds=rng.random() * 50)
        wrong = filterlog(at - SLOW_BY, SLOW, Flow(SLOW.device(0), "10.10.8.53", 53), rng)
        yield Line(at, wrong.device, wrong.body, wrong.via)
