"""Data of the tax office leaves inside the names of DNS questions."""

from base64 import b32encode
from datetime import timedelta

from sentinel.testing.city import services
from sentinel.testing.city.town import NAMES
from sentinel.testing.packets import SECOND
from sentinel.testing.scene import About, Scene

ABOUT = About("Exfiltration from the tax office over DNS", "critical", (17, 19), timedelta(hours=5))
_DOMAIN = "n4.zeitabgleich.example"


def tell(scene: Scene) -> None:
    """Tell it, with a virus scanner that asks for hashes beside it."""
    rng, taken = scene.rng, scene.someone("kasse-steuer")
    wire = scene.wire("kasse-steuer", taken.address)
    for number in range(900):
        at = scene.after(seconds=number * 12 + rng.uniform(0, 9))
        labels = b32encode(rng.randbytes(70)).decode().rstrip("=").lower()
        name = f"{labels[:57]}.{labels[57:]}.{_DOMAIN}"
        scene.say("long names", services.query(at, taken.address, name, rng, "TXT"), decisive=number == 40)
        if number < 400:
            wire.look_up(int(at.timestamp() * SECOND), taken.address, NAMES.address, name, [], "TXT")
    scanned = scene.someone("rathaus")
    for number in range(150):
        at = scene.after(minutes=number, seconds=rng.uniform(0, 50))
        name = f"{rng.randrange(1 << 128):032x}.pruefsummen.virenschutz.example"
        scene.twin("a virus scanner asks for hashes", services.query(at, scanned.address, name, rng))
    own = NAMES.address
    for number in range(40):
        moment = int((scene.begin + timedelta(minutes=2 * number)).timestamp()) * SECOND
        wire.browse(moment, scene.someone("kasse-steuer").address, own, "www.stadt.example")
