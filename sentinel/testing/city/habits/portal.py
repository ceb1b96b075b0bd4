"""Citizens use the portal: they register dogs, apply for Unterhaltsvorschuss, log in; scanners come, too."""

from collections.abc import Iterator
from datetime import timedelta

from sentinel.testing.city import services
from sentinel.testing.city.firewalls import Flow, traffic
from sentinel.testing.city.lines import Line
from sentinel.testing.city.model import Tick
from sentinel.testing.city.services import BROWSERS
from sentinel.testing.city.town import API, PORTAL_DATA, WATCH, WEB, WEB_OUTSIDE

_PAGES = (
    "/amt24/", "/amt24/hund/anmelden", "/amt24/unterhaltsvorschuss", "/amt24/termine?amt=buergerbuero", "/amt24/konto",
    "/amt24/style.css", "/amt24/app.js", "/amt24/logo.svg", "/amt24/hilfe", "/amt24/api/v1/termine",
)  # fmt: skip
_LOST = ("/robots.txt", "/favicon.ico", "/wp-login.php", "/amt24/alt/formular.pdf", "/.well-known/security.txt")


def happen(tick: Tick) -> Iterator[Line]:
    """Yield requests to the portal and what they cause behind it."""
    rng = tick.rng
    for at in tick.often("citizens", 16_000):
        client, agent = f"198.51.100.{rng.randrange(100, 200)}", rng.choice(BROWSERS)
        if rng.random() < 0.05:
            wrong = rng.random() < 0.06
            request = "POST /amt24/anmelden HTTP/2.0"
            yield services.web(at, WEB, client, request, 401 if wrong else 302, size=210, agent=agent)
        else:
            request = f"GET {rng.choice(_PAGES)} HTTP/2.0"
            yield services.web(at, WEB, client, request, 200, size=rng.randrange(400, 60_000), agent=agent)
        if rng.random() < 0.3:
            flow = Flow(client, WEB_OUTSIDE, 443, 2100, 42_000, 20, "wan1", "dmz")
            yield traffic(at + timedelta(seconds=1), flow, rng)
    for at in tick.often("citizens", 2_000):
        yield traffic(at, Flow(API.address, PORTAL_DATA.address, 5432, 900, 4000, 2, "dmz", "server"), rng)
    for at in tick.often("machines", 250):
        client = f"203.0.113.{rng.randrange(1, 60)}"
        yield services.web(at, WEB, client, f"GET {rng.choice(_LOST)} HTTP/1.1", 404, size=153, agent="Mozilla/5.0")
    if tick.begin.minute % 5 == 0:
        yield services.web(tick.begin, WEB, WATCH.address, "HEAD / HTTP/1.1", 200, size=0, agent="check_http/v2.4")
