"""Who and what there is in the model city: people, machines, servers, schools and their networks.

All names are invented; addresses are RFC 1918 inside and documentation addresses (RFC 5737) outside.
"""

from dataclasses import dataclass
from functools import cache

DOMAIN = "stadt.example"
SCHOOLS = 85
SCHOOL_DEVICES = 15_000
_OFFICES = (
    ("rathaus", "10.10.16", 1470),
    ("kasse-steuer", "10.10.2", 240),
    ("liegenschaften", "10.10.3", 160),
    ("personal", "10.10.5", 90),
    ("poststelle", "10.10.6", 40),
)
_HOSTS_A_NET = 240
_FIRST = "abcdefghijklmnoprstuvw"
_LAST = (
    "müller", "schmidt", "schneider", "fischer", "weber", "meyer", "wagner", "becker", "schulz", "hoffmann", "schäfer",
    "koch", "bauer", "richter", "klein", "wolf", "schröder", "neumann", "schwarz", "zimmermann", "braun", "krüger",
    "hofmann", "hartmann", "lange", "schmitt", "werner", "krause", "meier", "lehmann", "schmid", "schulze", "maier",
    "köhler", "herrmann", "könig", "walter", "mayer", "huber", "kaiser", "fuchs", "peters", "lang", "scholz", "möller",
    "weiß", "jung", "hahn", "schubert", "vogel", "friedrich", "keller", "günther", "frank", "berger", "winkler",
    "roth", "beck", "lorenz", "baumann", "franke", "albrecht", "schuster", "simon", "ludwig", "böhm", "winter",
    "kraus", "martin", "schumacher", "krämer", "vogt", "stein", "jäger", "otto", "sommer", "groß", "seidel",
    "heinrich", "brandt", "haas", "schreiber", "graf", "schulte", "dietrich", "ziegler", "kuhn", "kühn", "pohl",
    "engel", "horn", "busch", "bergmann", "thomas", "voigt", "sauer", "arnold", "wolff", "pfeiffer", "yildiz",
)  # fmt: skip
_ASCII = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who works for the city, at a computer of their own."""

    login: str
    office: str
    pc: str
    address: str

    @property
    def mail(self) -> str:
        """Their mail address."""
        return f"{self.login.translate(_ASCII)}@{DOMAIN}"

    @property
    def host(self) -> str:
        """The whole name of their computer."""
        return f"{self.pc}.{DOMAIN}"


@dataclass(frozen=True, slots=True)
class Server:
    """A machine in the city's server rooms."""

    name: str
    address: str

    @property
    def host(self) -> str:
        """Its whole name."""
        return f"{self.name}.{DOMAIN}"


@dataclass(frozen=True, slots=True)
class School:
    """One of the 85; its firewall has the first address, devices begin at the twentieth."""

    number: int

    @property
    def name(self) -> str:
        """Its segment."""
        return f"schule-{self.number:02d}"

    @property
    def firewall(self) -> Server:
        """What stands between the school and all else."""
        return Server(f"fw-{self.name}", f"10.20.{self.number}.1")

    @property
    def devices(self) -> int:
        """How many laptops, tablets and boards it has."""
        more = SCHOOL_DEVICES % SCHOOLS
        return SCHOOL_DEVICES // SCHOOLS + (self.number <= more)

    def device(self, number: int) -> str:
        """Return the address of a device, counted from 0."""
        return f"10.20.{self.number}.{20 + number % self.devices}"

    def card(self, number: int) -> str:
        """Return the hardware address of a device."""
        return f"00:00:5e:{self.number:02x}:{number // 256:02x}:{number % 256:02x}"


DC1, DC2 = Server("dc1", "10.10.8.10"), Server("dc2", "10.10.8.11")
FILES, PERSONNEL = Server("fs1", "10.10.8.20"), Server("fs-personal", "10.10.8.21")
TAXES, BACKUP = Server("steuer1", "10.10.8.30"), Server("backup1", "10.10.8.40")
WSUS, PRINTS, PROXY = Server("wsus1", "10.10.8.41"), Server("druck1", "10.10.8.42"), Server("proxy1", "10.10.8.50")
NAMES, LEASES = Server("ns1", "10.10.8.53"), Server("dhcp1", "10.10.8.67")
MAIL_IN, MAILBOXES = Server("mx1", "10.10.6.225"), Server("mbx01", "10.10.6.230")
WEB, API = Server("portal1", "10.10.7.21"), Server("portal-api1", "10.10.7.22")
PORTAL_DATA = Server("portal-db1", "10.10.8.31")
JUMP, SCANNER = Server("jump1", "10.10.9.10"), Server("scanner1", "10.10.9.20")
FIREWALL, WATCH = Server("fw-rathaus", "10.10.9.1"), Server("monitor1", "10.10.9.30")
LINUX = tuple(Server(f"srv-{number:02d}", f"10.10.8.{100 + number}") for number in range(1, 25))
OUTER_ADDRESS = "192.0.2.1"
"""The city firewall's own address on the Internet; the portal's is 192.0.2.5, the mail gateway's 192.0.2.25."""
WEB_OUTSIDE, MAIL_OUTSIDE = "192.0.2.5", "192.0.2.25"

ADMINS = ("adm-weber", "adm-roth", "adm-kuhn")
SERVICE_ACCOUNTS = ("svc-backup", "svc-scan", "svc-druck", "svc-sql", "svc-steuer", "svc-portal", "svc-wsus")
SITES = (
    ("www.musterland.example", "198.51.100.10"), ("suche.example.com", "198.51.100.11"),
    ("recht.example.org", "198.51.100.12"), ("karten.example.net", "198.51.100.13"),
    ("nachrichten.example.com", "198.51.100.14"), ("bahn.example.org", "198.51.100.15"),
    ("wetter.example.net", "198.51.100.16"), ("register.example.org", "198.51.100.17"),
    ("fachverlag.example.com", "198.51.100.18"), ("videokonferenz.example.net", "198.51.100.19"),
    ("lieferant.example", "198.51.100.20"), ("cloudspeicher.example.com", "198.51.100.21"),
    ("updates.example.com", "198.51.100.30"), ("telemetrie.example.com", "198.51.100.31"),
)  # fmt: skip
LEARNING = (
    ("lernplattform.example.org", "198.51.100.80"), ("mediathek.example.org", "198.51.100.81"),
    ("lexikon.example.org", "198.51.100.82"), ("schulbuch.example.com", "198.51.100.83"),
    ("updates.example.com", "198.51.100.30"), ("tablet-verwaltung.example.com", "198.51.100.84"),
    ("videos.example.com", "198.51.100.85"), ("spiele.example.net", "198.51.100.86"),
)  # fmt: skip


@cache
def people() -> tuple[Person, ...]:
    """Return the 2,000 who have an office computer."""
    found: list[Person] = []
    for office, net, count in _OFFICES:
        third, rest = net.rsplit(".", 1)[0], int(net.rsplit(".", 1)[1])
        for place in range(count):
            number = len(found)
            name = f"{_FIRST[number // len(_LAST) % len(_FIRST)]}.{_LAST[number % len(_LAST)]}"
            address = f"{third}.{rest + place // _HOSTS_A_NET}.{10 + place % _HOSTS_A_NET}"
            found.append(Person(name, office, f"PC-{number + 1:04d}", address))
    return tuple(found)


@cache
def of_office(office: str) -> tuple[Person, ...]:
    """Return those who work in an office."""
    return tuple(person for person in people() if person.office == office)


@cache
def schools() -> tuple[School, ...]:
    """Return the 85 schools."""
    return tuple(School(number) for number in range(1, SCHOOLS + 1))
