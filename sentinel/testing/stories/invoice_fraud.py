"""A supplier's name with one letter more asks to pay to another account; the mailbox sends its mail on."""

from datetime import timedelta

from sentinel.testing.city import firewalls, mail
from sentinel.testing.city.town import of_office
from sentinel.testing.scene import About, Scene

ABOUT = About("Invoice fraud: changed IBAN, look-alike domain, auto-forward rule", "high", (8, 11), timedelta(hours=76))
_TARGET = "rechnungsablage@postfach.example.net"


def tell(scene: Scene) -> None:
    """Tell it, with the true supplier and a deputy for the holidays beside it."""
    rng, clerk = scene.rng, scene.someone("kasse-steuer")
    false = ("mail.lieferrant.example", "203.0.113.44")
    letter = mail.Message(
        "rechnung@lieferrant.example",
        clerk.mail,
        "Geänderte Bankverbindung (IBAN) zur Rechnung 2026-1187",
        61_200,
        false,
    )
    scene.say("the look-alike writes", *mail.arrives(scene.begin, letter, rng))
    scene.say(
        "the password is used from elsewhere",
        firewalls.vpn(scene.after(hours=20), clerk.login, "203.0.113.201", success=True),
    )
    scene.say("mail is sent on", mail.forwarding(scene.after(hours=20.2), clerk.mail, _TARGET), decisive=True)
    for number in range(30):
        at = scene.after(hours=21 + number * 1.5, minutes=rng.uniform(0, 50))
        copy = mail.Message(clerk.mail, _TARGET, "WG: Rechnung", 40_000 + rng.randrange(90_000))
        scene.say("copies leave", *mail.leaves(at, copy, rng))
    again = mail.Message("rechnung@lieferrant.example", clerk.mail, "Re: Zahlung heute noch anweisen", 22_100, false)
    scene.say("the look-alike presses", *mail.arrives(scene.after(hours=71), again, rng))
    true = mail.Message(
        "rechnung@lieferant.example",
        clerk.mail,
        "Rechnung 2026-1187",
        88_000,
        ("mail.lieferant.example", "198.51.100.40"),
    )
    scene.twin("the true supplier", *mail.arrives(scene.after(hours=2), true, rng))
    absent, deputy = of_office("kasse-steuer")[3:5]
    scene.twin("a deputy in the holidays", mail.forwarding(scene.after(hours=6), absent.mail, deputy.mail))
    for number in range(6):
        inside = mail.Message(
            "rechnung@bank.example",
            deputy.mail,
            f"Kontoauszug {number}",
            30_000,
            ("mail.bank.example", "198.51.100.43"),
        )
        scene.twin("a bank writes", *mail.arrives(scene.after(hours=7 + number) + timedelta(minutes=3), inside, rng))
