"""A machine looks for the city's servers, one port every twenty minutes, for days."""

from datetime import timedelta

from sentinel.testing.city.firewalls import Flow, traffic
from sentinel.testing.city.town import SCANNER
from sentinel.testing.scene import About, Scene

ABOUT = About("A slow scan over days", "medium", (6, 12), timedelta(hours=80))
_PORTS = (22, 445, 3389, 1433, 5432, 8080)


def tell(scene: Scene) -> None:
    """Tell it, with the city's own scanner and a machine with a wrong setting beside it."""
    rng = scene.rng
    looker = scene.someone("liegenschaften").address
    targets = [(f"10.10.8.{host}", port) for host in range(10, 60) for port in _PORTS]
    rng.shuffle(targets)
    for number, (target, port) in enumerate(targets[:230]):
        at = scene.after(minutes=20 * number, seconds=rng.uniform(0, 500))
        flow = Flow(looker, target, port, outer="server")
        scene.say("one port after the other", traffic(at, flow, rng, "deny"), decisive=number == 40)
    for number in range(60):
        at = scene.after(hours=30) + timedelta(seconds=20 * number)
        flow = Flow(SCANNER.address, f"10.10.8.{10 + number}", 22, inner="mgmt", outer="server")
        scene.twin("the city's own scanner", traffic(at, flow, rng, "deny"))
    wrong = scene.someone("rathaus").address
    for number in range(150):
        at = scene.after(minutes=30 * number)
        flow = Flow(wrong, "10.10.8.77", 9100, outer="server")
        scene.twin("a printer that is gone", traffic(at, flow, rng, "deny"))
