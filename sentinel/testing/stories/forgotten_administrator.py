"""An administrator left years ago; the account did not, and comes in from abroad."""

from datetime import timedelta

from sentinel.testing.city import firewalls, windows
from sentinel.testing.city.town import DC1, JUMP
from sentinel.testing.scene import About, Scene

ABOUT = About("A forgotten administrator account used from abroad", "critical", (0, 3), timedelta(hours=9))
_USER, _FROM = "adm-altmann", "192.0.2.201"


def tell(scene: Scene) -> None:
    """Tell it, with an administrator on duty and an ordered change beside it."""
    scene.say(
        "a login from abroad",
        *(firewalls.vpn(scene.after(seconds=20 * number), _USER, _FROM, success=number == 2) for number in range(3)),
    )
    at = scene.after(minutes=4)
    scene.say(
        "on the domain controller",
        windows.identified(at, DC1.host, _USER, "10.212.134.66"),
        windows.logon(at + timedelta(seconds=1), DC1.host, _USER, 10, "10.212.134.66"),
        windows.privileges(at + timedelta(seconds=1), DC1.host, _USER),
        decisive=True,
    )
    at = scene.after(minutes=11)
    scene.say(
        "a way back",
        windows.account(at, DC1.host, _USER, "svc-update2"),
        windows.membership(at + timedelta(seconds=30), DC1.host, _USER, "svc-update2", "Domain Admins"),
    )
    at = scene.after(minutes=30)
    address = "10.212.134.66"
    scene.say(
        "the firewall is changed",
        firewalls.admin(at, "admin", address),
        firewalls.configured(at + timedelta(minutes=2), "admin", address, "firewall.policy", "status[disable->enable]"),
    )
    scene.say("it leaves", firewalls.vpn_down(scene.after(hours=1), _USER, _FROM, 3600, 4_000_000, 61_000_000))
    at = scene.after(hours=6)
    scene.twin(
        "an administrator on duty",
        firewalls.vpn(at, "adm-weber", "203.0.113.110", success=True),
        windows.logon(at + timedelta(minutes=2), DC1.host, "adm-weber", 10, JUMP.address),
        windows.privileges(at + timedelta(minutes=2), DC1.host, "adm-weber"),
    )
    scene.twin("a new colleague", windows.account(scene.after(hours=8), DC1.host, "adm-weber", "n.beispiel"))
