"""Somebody asks for tickets of all service accounts, with the old cipher, and later is one of them."""

from datetime import timedelta

from sentinel.testing.city import windows
from sentinel.testing.city.town import DC1, DC2, JUMP, PRINTS, SERVICE_ACCOUNTS, TAXES
from sentinel.testing.scene import About, Scene

ABOUT = About("Kerberoasting, and a service account used by a person", "high", (8, 12), timedelta(hours=10))
_MORE = ("svc-archiv", "svc-zeit", "svc-karten", "svc-kita", "svc-meldewesen", "svc-waffen", "svc-kfz", "svc-rechnung")


def tell(scene: Scene) -> None:
    """Tell it, with an old printing service and an inventory beside it."""
    thief, rng = scene.someone("rathaus"), scene.rng
    services = [*SERVICE_ACCOUNTS, *_MORE]
    rng.shuffle(services)
    for number, name in enumerate(services):
        at = scene.after(seconds=number * rng.uniform(2, 5))
        line = windows.ticket(at, DC1.host, thief.login, name, thief.address, "0x17")
        scene.say("tickets with RC4", line, decisive=number == 9)
    at = scene.after(hours=7)
    scene.say(
        "the cracked account",
        windows.logon(at, TAXES.host, "svc-sql", 3, thief.address, ntlm=True),
        windows.privileges(at + timedelta(milliseconds=30), TAXES.host, "svc-sql"),
        *(
            windows.shared(
                at + timedelta(seconds=number), TAXES.host, "svc-sql", thief.address, "Steuer$", f"Export\\{number}.csv"
            )
            for number in range(20)
        ),
    )
    for number in range(8):
        at = scene.after(hours=number)
        scene.twin(
            "a printer that knows only RC4",
            windows.ticket(at, DC2.host, "svc-druck", "druck-alt$", PRINTS.address, "0x17"),
        )
    for number, name in enumerate(services):
        at = scene.after(hours=2, seconds=number)
        scene.twin("an inventory asks for all, with AES", windows.ticket(at, DC1.host, "adm-weber", name, JUMP.address))
