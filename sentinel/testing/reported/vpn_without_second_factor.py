"""Südwestfalen-IT, October 2023: into a VPN without a second factor, to the domain, and on a Sunday night Akira.

What was reported (the provider's published summary of the forensic report, January 2024): the first logins came over a
VPN that asked for no second factor, passwords were probably tried out; in the domain a password of an administrator
was to be found in a group policy, where it had lain for years; from 29 to 30 October files were encrypted and named
`.akira`; over seventy municipalities were without procedures for months.
"""

from datetime import timedelta

from sentinel.testing.city import firewalls, windows
from sentinel.testing.city.town import DC1, FILES, TAXES
from sentinel.testing.city.windows import SYSTEM
from sentinel.testing.scene import About, Scene

ABOUT = About(
    "Through a VPN without a second factor to encryption",
    "critical",
    (2, 5),
    timedelta(hours=70),
    "Südwestfalen-IT, October 2023",
)
_FROM, _INSIDE = "203.0.113.215", "10.212.134.88"
_SHELL = f"{SYSTEM}WindowsPowerShell\\v1.0\\powershell.exe"


def tell(scene: Scene) -> None:
    """Tell it, with an employee who mistypes at home beside it."""
    rng, taken = scene.rng, scene.someone("rathaus")
    tried = [*rng.sample([one.login for one in scene.city.staff], 12), "test", "vpn", "scan"]
    for number in range(90):
        at = scene.after(minutes=6 * number, seconds=rng.uniform(0, 200))
        scene.say("passwords are tried", firewalls.vpn(at, tried[number % len(tried)], _FROM, success=False))
    scene.say("a password fits", firewalls.vpn(scene.after(hours=11), taken.login, _FROM, success=True, tunnel=_INSIDE))
    at = scene.after(hours=11.5)
    scene.say(
        "a password in a group policy",
        windows.identified(at, DC1.host, taken.login, _INSIDE),
        windows.shared(
            at + timedelta(minutes=1),
            DC1.host,
            taken.login,
            _INSIDE,
            "SYSVOL",
            "stadt.example\\Policies\\{31B2F340-016D-11D2-945F-00C04FB984F9}\\Machine\\Preferences\\Groups\\Groups.xml",
        ),
    )
    for number, host in enumerate((DC1.host, FILES.host, TAXES.host)):
        at = scene.after(hours=35, minutes=number * 6)
        scene.say(
            "an administrator from the VPN",
            windows.logon(at, host, "Administrator", 10, _INSIDE),
            windows.privileges(at, host, "Administrator"),
            decisive=number == 0,
        )
    at = scene.after(hours=66)
    command = 'powershell.exe -Command "Get-WmiObject Win32_Shadowcopy | Remove-WmiObject"'
    for number, host in enumerate((FILES.host, TAXES.host)):
        at = scene.after(hours=66, minutes=number)
        scene.say(
            "nothing to restore from", windows.process(at, host, "Administrator", _SHELL, command, f"{SYSTEM}cmd.exe")
        )
        for file in range(80):
            name = f"D:\\Daten\\{file:04d}.xlsx.akira"
            scene.say(
                "encryption",
                windows.written(
                    at + timedelta(seconds=30 + file), host, "Administrator", "C:\\ProgramData\\w.exe", name
                ),
            )
    home = scene.someone("rathaus")
    for number in range(4):
        at = scene.after(hours=5, seconds=25 * number)
        scene.twin("somebody mistypes at home", firewalls.vpn(at, home.login, "203.0.113.111", success=number == 3))
