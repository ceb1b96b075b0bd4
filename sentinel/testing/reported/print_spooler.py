"""The district of Anhalt-Bitterfeld, July 2021: through the print spooler to all of the domain, then encryption.

What was reported: the weakness called PrintNightmare (CVE-2021-34527), known for days, was the likely way in; the group
behind "Pay or Grief" took data and encrypted servers; the district declared a state of disaster and was without its
procedures for months (reports of the district, the BSI and the press, July 2021 to 2022). How that weakness shows:
a driver's DLL is put into the spooler's folder, and the spooler starts programs.
"""

from datetime import timedelta

from sentinel.testing.city import windows
from sentinel.testing.city.firewalls import Flow, traffic
from sentinel.testing.city.town import DC1, FILES, PRINTS, TAXES, WSUS
from sentinel.testing.city.windows import SYSTEM
from sentinel.testing.scene import About, Scene

ABOUT = About(
    "Through the print spooler to encryption", "critical", (11, 14), timedelta(hours=64), "Anhalt-Bitterfeld, July 2021"
)
_SPOOLER, _SHELL = f"{SYSTEM}spoolsv.exe", f"{SYSTEM}cmd.exe"
_FOLDER = f"{SYSTEM}spool\\drivers\\x64\\3\\"


def tell(scene: Scene) -> None:
    """Tell it, with a driver that a printer really needs beside it."""
    rng, first = scene.rng, scene.someone("rathaus")
    at = scene.begin
    scene.say(
        "a driver that is none",
        windows.logon(at, PRINTS.host, first.login, 3, first.address),
        windows.shared(
            at + timedelta(seconds=1), PRINTS.host, first.login, first.address, "print$", "x64\\3\\New\\nachtdruck.dll"
        ),
        windows.written(at + timedelta(seconds=2), PRINTS.host, "SYSTEM", _SPOOLER, f"{_FOLDER}nachtdruck.dll"),
        windows.process(
            at + timedelta(seconds=3),
            PRINTS.host,
            "SYSTEM",
            _SHELL,
            "cmd.exe /c net user drucker2 Sommer!2021 /add",
            _SPOOLER,
        ),
        windows.account(at + timedelta(seconds=5), PRINTS.host, "druck1$", "drucker2"),
        decisive=True,
    )
    at = scene.after(hours=14)
    scene.say(
        "on the domain controller the same way",
        windows.written(at, DC1.host, "SYSTEM", _SPOOLER, f"{_FOLDER}nachtdruck.dll"),
        windows.process(
            at + timedelta(seconds=2),
            DC1.host,
            "SYSTEM",
            f"{SYSTEM}rundll32.exe",
            "rundll32.exe C:\\Windows\\Temp\\k.dll,Start",
            _SPOOLER,
        ),
        windows.membership(at + timedelta(minutes=3), DC1.host, "dc1$", "drucker2", "Domain Admins"),
    )
    for number in range(14):
        flow = Flow(FILES.address, "203.0.113.188", 443, rng.randrange(180, 300) * 1_000_000, 400_000, 500, "server")
        scene.say("data is taken", traffic(scene.after(hours=32, minutes=11 * number), flow, rng))
    for number, host in enumerate((FILES.host, TAXES.host, WSUS.host)):
        at = scene.after(hours=62, minutes=number * 4)
        scene.say("all machines get a program", windows.service(at, host, "GriefSvc", "C:\\Windows\\Temp\\g.exe"))
        for file in range(60):
            name = f"D:\\Daten\\{file:04d}.docx.payorgrief"
            scene.say(
                "encryption",
                windows.written(at + timedelta(seconds=20 + file), host, "SYSTEM", "C:\\Windows\\Temp\\g.exe", name),
            )
    at = scene.after(hours=3)
    scene.twin(
        "a driver of the city's own",
        windows.logon(at, PRINTS.host, "adm-kuhn", 10, "10.10.9.10"),
        windows.written(at + timedelta(minutes=2), PRINTS.host, "SYSTEM", _SPOOLER, f"{_FOLDER}etagendruck.dll"),
        windows.process(
            at + timedelta(minutes=2), PRINTS.host, "SYSTEM", f"{SYSTEM}splwow64.exe", "splwow64.exe 12288", _SPOOLER
        ),
    )
