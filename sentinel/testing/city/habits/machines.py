"""What servers do by the clock: cron, backups at night, updates on Tuesdays, a vulnerability scan on Sundays."""

from collections.abc import Iterator
from datetime import timedelta

from sentinel.testing.city import firewalls, services, town, windows
from sentinel.testing.city.firewalls import Flow, traffic
from sentinel.testing.city.lines import Line
from sentinel.testing.city.model import Tick
from sentinel.testing.city.town import ADMINS, BACKUP, DC1, FILES, JUMP, LINUX, SCANNER, WEB, WSUS, Server
from sentinel.testing.city.windows import SYSTEM

_SAVED = (FILES, town.PERSONNEL, town.TAXES, town.MAILBOXES, DC1)
_PORTS = (22, 80, 443, 445, 3389, 1433, 5432, 9100)
_SECOND = timedelta(seconds=1)


def happen(tick: Tick) -> Iterator[Line]:
    """Yield what machines do by themselves, and administrators to them."""
    yield from _jobs(tick)
    yield from _administration(tick)
    # half an hour a server; the first at 22:00 on the wall
    for number, server in enumerate(_SAVED):
        if tick.at(None, 21 + number // 2, number % 2 * 30):
            yield from _backup(tick, server)
    if tick.begin.weekday() == 6 and tick.begin.hour == 1:
        yield from _scan(tick)
    if tick.begin.weekday() == 1 and tick.begin.hour == 19:
        yield from _updates(tick)


def _jobs(tick: Tick) -> Iterator[Line]:
    rng = tick.rng
    for number, server in enumerate(LINUX):
        if tick.begin.minute == number * 2 % 60:
            text = "(root) CMD (/usr/lib/check/run --all)"
            yield services.auth(
                tick.begin + rng.random() * 40 * _SECOND, server, f"CRON[{rng.randrange(999, 9999)}]", text
            )
    for at in tick.often("office", 400):
        number = rng.randrange(1, 30)
        flow = Flow(rng.choice(tick.city.staff).address, f"10.10.16.{220 + number}", 9100, 400_000, 900, 8, outer="lan")
        yield traffic(at, flow, rng)


def _administration(tick: Tick) -> Iterator[Line]:
    rng = tick.rng
    for at in tick.often("office", 3 / tick.city.scale):
        user, server = rng.choice(ADMINS), rng.choice(LINUX)
        yield services.ssh(at, server, user, JUMP.address, rng)
        text = f"{user} : TTY=pts/0 ; PWD=/home/{user} ; USER=root ; COMMAND=/usr/bin/systemctl status"
        yield services.auth(at + 9 * _SECOND, server, "sudo", text)
    for at in tick.often("office", 1.2 / tick.city.scale):
        user, server = rng.choice(ADMINS), rng.choice((FILES, DC1, WSUS))
        yield windows.logon(at, server.host, user, 10, JUMP.address)
        yield windows.privileges(at, server.host, user)
    for at in tick.often("office", 0.4 / tick.city.scale):
        yield firewalls.admin(at, rng.choice(ADMINS), JUMP.address)


def _backup(tick: Tick, server: Server) -> Iterator[Line]:
    rng, at = tick.rng, tick.begin + 5 * _SECOND
    yield windows.logon(at, server.host, "svc-backup", 3, BACKUP.address)
    yield windows.privileges(at, server.host, "svc-backup")
    for number in range(12):
        path = f"Sicherung\\{number:02d}.vhdx"
        yield windows.shared(at + number * 4 * _SECOND, server.host, "svc-backup", BACKUP.address, "D$", path)
    size = rng.randrange(20, 40) * 1_000_000_000
    yield traffic(
        at + 55 * _SECOND, Flow(server.address, BACKUP.address, 445, size, 90_000_000, 1600, "server", "server"), rng
    )


def _scan(tick: Tick) -> Iterator[Line]:
    # the city looks for weaknesses itself, from an address everybody knows
    rng = tick.rng
    for number in range(12):
        at = tick.begin + number * 5 * _SECOND
        server = rng.choice(LINUX)
        flow = Flow(SCANNER.address, server.address, rng.choice(_PORTS), 300, 60, 1, "mgmt", "server")
        yield traffic(at, flow, rng, rng.choice(("deny", "close", "timeout")))
        if number % 4 == 0:
            text = f"Connection closed by {SCANNER.address} port {rng.randrange(1024, 65536)} [preauth]"
            yield services.auth(at, server, f"sshd[{rng.randrange(999, 9999)}]", text)
        if number % 3 == 0:
            page = rng.choice(("/admin/", "/.git/config", "/phpinfo.php", "/server-status", "/backup.zip"))
            yield services.web(
                at, WEB, SCANNER.address, f"GET {page} HTTP/1.1", 404, agent="Schwachstellenpruefung/2.1"
            )


def _updates(tick: Tick) -> Iterator[Line]:
    rng = tick.rng
    for person in rng.sample(tick.city.staff, max(1, len(tick.city.staff) // 60)):
        at = tick.begin + rng.random() * 50 * _SECOND
        command = "msiexec.exe /i \\\\wsus1\\pakete\\update.msi /quiet"
        yield windows.process(at, person.host, "SYSTEM", f"{SYSTEM}msiexec.exe", command, f"{SYSTEM}services.exe")
        yield traffic(at, Flow(person.address, WSUS.address, 8530, 4000, 90_000_000, 300, outer="server"), rng)
