"""A pupil's laptop gives addresses in a school and passes itself off as the router."""

from datetime import timedelta

from sentinel.testing.city import services
from sentinel.testing.city.town import schools
from sentinel.testing.packets import SECOND, arp, dhcp
from sentinel.testing.scene import About, Scene

ABOUT = About("A rogue DHCP server and ARP spoofing in a school", "high", (7.2, 9), timedelta(hours=4))
_FALSE = "192.168.178.1"


def tell(scene: Scene) -> None:
    """Tell it, with a new access point that restarts beside it."""
    school = scene.rng.choice(schools())
    router, rogue = school.firewall.address, f"10.20.{school.number}.210"
    wire = scene.wire(school.name, rogue, router)
    for number in range(40):
        client, card = school.device(number), school.card(number)
        at = scene.after(seconds=number * 45)
        wanted = f"DHCPREQUEST for 192.168.178.{20 + number} ({_FALSE}) from {card} (tablet-{number:03d})"
        text = f"{wanted} via igb1: ignored (not authoritative)."
        line = services.dhcpd(at, school.firewall, text)
        scene.say("devices ask another server", line, decisive=number == 2)
        if number % 10 == 9:
            scene.say("addresses collide", services.declined(at + timedelta(seconds=3), client, card, school.firewall))
        moment = int(at.timestamp() * SECOND)
        wire.frames.append((moment, dhcp(router, client, 1, number)))
        wire.frames.append((moment + 4_000_000, dhcp(router, client, 2, number)))
        wire.frames.append((moment + 2_000_000, dhcp(rogue, client, 2, number)))
    victim = school.device(3)
    for number in range(120):
        moment = int(scene.after(minutes=45, seconds=number * 5).timestamp() * SECOND)
        wire.frames.append((moment, arp(rogue, router, victim)))
        wire.frames.append((moment + 800_000_000, arp(router, router, victim)))
    other = scene.rng.choice([one for one in schools() if one != school])
    for number in range(6):
        at, card = scene.after(minutes=30, seconds=number * 9), other.card(number)
        scene.twin("an access point restarts", services.lease(at, other.device(number), card, "ap-2", other.firewall))
