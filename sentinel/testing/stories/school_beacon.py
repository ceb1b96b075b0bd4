"""A tablet in one of 85 schools calls its master every five minutes."""

from datetime import timedelta

from sentinel.testing.city import services
from sentinel.testing.city.firewalls import Flow, filterlog
from sentinel.testing.city.town import schools
from sentinel.testing.packets import SECOND
from sentinel.testing.scene import About, Scene

ABOUT = About("An infected tablet in one of 85 schools beacons", "high", (7, 9), timedelta(hours=48))
_HOME = ("api.wetter-widget.example", "203.0.113.77")


def tell(scene: Scene) -> None:
    """Tell it, with a board that looks for updates as regularly beside it."""
    rng = scene.rng
    school, other = rng.sample(schools(), 2)
    tablet = school.device(40 + rng.randrange(60))
    wire = scene.wire(school.name, tablet)
    for number in range(576):
        at = scene.after(seconds=number * 300 + rng.uniform(-9, 9))
        scene.say("it calls", filterlog(at, school, Flow(tablet, _HOME[1], 443), rng), decisive=number == 24)
        if number % 4 == 0:
            scene.say("it calls", services.query(at - timedelta(seconds=1), tablet, _HOME[0], rng))
        if number < 48:
            hello = [(b"\x17\x03\x03\x01\x00" + rng.randbytes(256), b"\x17\x03\x03\x00\x40" + rng.randbytes(64))]
            wire.talk(int(at.timestamp() * SECOND), tablet, _HOME[1], 443, hello)
    for number in range(192):
        at = scene.after(seconds=number * 900)
        scene.twin("a board looks for updates", filterlog(at, other, Flow(other.device(9), "198.51.100.30", 443), rng))
    for number in range(60):
        moment = int(scene.after(minutes=4 * number).timestamp()) * SECOND
        wire.browse(moment, school.device(number), "198.51.100.80", "lernplattform.example.org")
