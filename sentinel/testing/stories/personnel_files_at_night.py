"""Somebody from the personnel office reads hundreds of files at half past two."""

from datetime import timedelta

from sentinel.testing.city import windows
from sentinel.testing.city.town import BACKUP, PERSONNEL
from sentinel.testing.scene import About, Scene

ABOUT = About("Mass reading of personnel files at night", "high", (1, 2.5), timedelta(hours=12))


def tell(scene: Scene) -> None:
    """Tell it, with the backup and a busy clerk by day beside it."""
    reader, rng = scene.someone("personal"), scene.rng
    scene.say(
        "a logon at night",
        windows.identified(scene.begin, "dc1.stadt.example", reader.login, reader.address),
        windows.logon(scene.after(seconds=1), reader.host, reader.login, 10, "10.212.134.31"),
        windows.logon(scene.after(seconds=40), PERSONNEL.host, reader.login, 3, reader.address),
    )
    for number in range(420):
        at, file = scene.after(minutes=2, seconds=number * 5.5), rng.randrange(1, 4000)
        scene.say(
            "file after file",
            windows.shared(
                at, PERSONNEL.host, reader.login, reader.address, "Personal$", f"Akten\\{file:04d}\\Akte.pdf"
            ),
            windows.opened(at, PERSONNEL.host, reader.login, f"D:\\Personal\\Akten\\{file:04d}\\Akte.pdf"),
            decisive=number == 49,
        )
    archive = f"C:\\Users\\{reader.login}\\AppData\\Local\\Temp\\akten.7z"
    zipper = "C:\\Program Files\\7-Zip\\7z.exe"
    at = scene.after(minutes=48)
    scene.say(
        "packed",
        windows.process(
            at, reader.host, reader.login, zipper, f"7z.exe a -pgeheim {archive} P:\\Akten", "C:\\Windows\\explorer.exe"
        ),
    )
    for number in range(60):
        at = scene.after(minutes=20, seconds=number * 3)
        line = windows.shared(
            at, PERSONNEL.host, "svc-backup", BACKUP.address, "Personal$", f"Akten\\{number:04d}\\Akte.pdf"
        )
        scene.twin("the backup reads, too", line)
    clerk = scene.someone("personal")
    for number in range(45):
        at = scene.after(hours=7, minutes=number * 3)
        line = windows.shared(
            at,
            PERSONNEL.host,
            clerk.login,
            clerk.address,
            "Personal$",
            f"Akten\\{rng.randrange(1, 4000):04d}\\Akte.pdf",
        )
        scene.twin("a busy day", line)
    scene.twin(
        "somebody is early",
        windows.logon(scene.after(hours=3.4) + timedelta(minutes=8), clerk.host, clerk.login, 2, "127.0.0.1"),
    )
