"""Mail comes in and goes out; some of it is spam and is turned away; the mailing lists write on Mondays."""

from collections.abc import Iterator

from sentinel.testing.city import mail
from sentinel.testing.city.lines import Line
from sentinel.testing.city.model import Tick

_DOMAINS = (
    ("example.net", "203.0.113.25"), ("example.org", "198.51.100.25"), ("lieferant.example", "198.51.100.40"),
    ("kanzlei.example", "198.51.100.41"), ("landkreis.example", "198.51.100.42"), ("bank.example", "198.51.100.43"),
)  # fmt: skip
_SUBJECTS = (
    "Bauantrag {}", "Anfrage zu Aktenzeichen {}", "Rechnung {}", "Terminbestätigung", "Ihr Schreiben Nr. {}",
    "Sitzung des Ausschusses", "Angebot {}", "Rückfrage", "Unterlagen {}", "Mahnung {}",
)  # fmt: skip
_WRITERS = ("info", "buero", "kontakt", "a.beispiel", "verwaltung", "rechnung")


def happen(tick: Tick) -> Iterator[Line]:
    """Yield what is written of mails."""
    rng = tick.rng
    for at in tick.often("office", 3_500):
        domain, address = rng.choice(_DOMAINS)
        subject = rng.choice(_SUBJECTS).format(rng.randrange(1, 9000))
        person = rng.choice(tick.city.staff)
        sender = f"{rng.choice(_WRITERS)}@{domain}"
        size = int(rng.paretovariate(1.2) * 9000) % 20_000_000
        if rng.random() < 0.35:
            yield from mail.leaves(at, mail.Message(person.mail, sender, f"Re: {subject}", size), rng)
        else:
            yield from mail.arrives(
                at, mail.Message(sender, person.mail, subject, size, (f"mail.{domain}", address)), rng
            )
    for at in tick.often("machines", 1_500):
        person = rng.choice(tick.city.staff)
        client = ("unknown", f"203.0.113.{rng.randrange(150, 250)}")
        yield mail.rejected(
            at, mail.Message(f"gewinn{rng.randrange(99)}@werbung.example", person.mail, "", 0, client), rng
        )
