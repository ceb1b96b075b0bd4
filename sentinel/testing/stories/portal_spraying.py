"""A few passwords are tried on hundreds of the portal's accounts, slowly and from several addresses; one fits."""

from datetime import timedelta

from sentinel.testing.city import services
from sentinel.testing.city.town import WEB
from sentinel.testing.scene import About, Scene

ABOUT = About("Password spraying against the portal's accounts", "high", (16, 19), timedelta(hours=7))
_LOGIN = "POST /amt24/api/v1/anmelden HTTP/1.1"
_ADDRESSES = ("203.0.113.131", "203.0.113.132", "203.0.113.133", "203.0.113.134")


def tell(scene: Scene) -> None:
    """Tell it, with a citizen who has forgotten a password and a family behind one address beside it."""
    rng = scene.rng
    for number in range(480):
        at = scene.after(seconds=number * 40 + rng.uniform(0, 30))
        address, user = _ADDRESSES[number % len(_ADDRESSES)], f"konto{rng.randrange(100_000, 999_999)}"
        line = services.web(at, WEB, address, _LOGIN, 401, size=58, agent="python-requests/2.32", user=user)
        scene.say("passwords are tried", line, decisive=number == 59)
    at = scene.after(hours=5.5)
    scene.say(
        "one fits",
        services.web(at, WEB, _ADDRESSES[2], _LOGIN, 200, size=640, agent="python-requests/2.32", user="konto417733"),
        services.web(
            at + timedelta(seconds=4),
            WEB,
            _ADDRESSES[2],
            "GET /amt24/api/v1/postfach HTTP/1.1",
            200,
            size=90_211,
            agent="python-requests/2.32",
            user="konto417733",
        ),
    )
    for number in range(7):
        at = scene.after(hours=1, seconds=9 * number)
        status = 200 if number == 6 else 401
        scene.twin(
            "a password forgotten",
            services.web(at, WEB, "198.51.100.150", _LOGIN, status, agent=services.BROWSERS[2], user="konto200417"),
        )
    for number in range(12):
        at = scene.after(hours=2, minutes=6 * number)
        user = f"konto3000{number % 3:02d}"
        scene.twin(
            "a library's computers",
            services.web(at, WEB, "198.51.100.160", _LOGIN, 200, agent=services.BROWSERS[1], user=user),
        )
