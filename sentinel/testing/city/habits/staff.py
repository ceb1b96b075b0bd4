"""People come to work, log on, have lunch, open files, start programs and go home; some work from home over VPN."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache, partial
from random import Random

from sentinel.testing.city import firewalls, services, windows
from sentinel.testing.city.lines import Line
from sentinel.testing.city.model import Tick
from sentinel.testing.city.rhythm import works
from sentinel.testing.city.town import DC1, DC2, FILES, PERSONNEL, PRINTS, TAXES, Person
from sentinel.testing.city.windows import SYSTEM

_OFFICE = "C:\\Program Files\\Microsoft Office\\root\\Office16\\"
_PROGRAMS = (
    (f"{_OFFICE}OUTLOOK.EXE", f'"{_OFFICE}OUTLOOK.EXE"', "C:\\Windows\\explorer.exe"),
    (f"{_OFFICE}WINWORD.EXE", f'"{_OFFICE}WINWORD.EXE" /n "H:\\Vermerk.docx"', "C:\\Windows\\explorer.exe"),
    (f"{_OFFICE}EXCEL.EXE", f'"{_OFFICE}EXCEL.EXE" "H:\\Haushalt.xlsx"', "C:\\Windows\\explorer.exe"),
    ("C:\\Program Files\\Fachverfahren\\akte.exe", "akte.exe /mandant 01", "C:\\Windows\\explorer.exe"),
    ("C:\\Program Files\\Mozilla Firefox\\firefox.exe", "firefox.exe -osint -url", "C:\\Windows\\explorer.exe"),
    (f"{SYSTEM}svchost.exe", "svchost.exe -k netsvcs -p -s Schedule", f"{SYSTEM}services.exe"),
    (f"{SYSTEM}taskhostw.exe", "taskhostw.exe", f"{SYSTEM}svchost.exe"),
    (f"{SYSTEM}backgroundTaskHost.exe", "backgroundTaskHost.exe -ServerName:App", f"{SYSTEM}svchost.exe"),
)
_FOLDERS = ("Vorlagen", "Sitzungen", "Haushalt", "Bescheide", "Planung", "Protokolle", "Austausch")
_Told = Callable[[datetime], Iterator[Line]]


def happen(tick: Tick) -> Iterator[Line]:
    """Yield what people do."""
    days = _day(tick.city.seed, tick.city.staff, tick.begin.replace(hour=0, minute=0))
    first = bisect_left(days, tick.begin, key=lambda one: one[0])
    for at, told in days[first:]:
        if at >= tick.end:
            break
        yield from told(at)
    for at in tick.often("office", 20_000):
        image, command, parent = tick.rng.choice(_PROGRAMS)
        person = tick.rng.choice(tick.city.staff)
        user = "SYSTEM" if parent.startswith(SYSTEM) else person.login
        yield windows.process(at, person.host, user, image, command, parent)
    for at in tick.often("office", 8_000):
        yield from _files(at, tick)


def _files(at: datetime, tick: Tick) -> Iterator[Line]:
    rng, person = tick.rng, tick.rng.choice(tick.city.staff)
    if person.office == "personal" and rng.random() < 0.5:
        server, share, path = PERSONNEL, "Personal$", f"Akten\\{rng.randrange(1, 4000):04d}\\Akte.pdf"
    elif person.office == "kasse-steuer" and rng.random() < 0.5:
        server, share, path = TAXES, "Steuer$", f"Bescheide\\2026\\{rng.randrange(1, 90_000):06d}.pdf"
    elif rng.random() < 0.15:
        server, share, path = PRINTS, "print$", "x64\\3\\treiber.dll"
    else:
        server, share, path = FILES, "Daten", f"{rng.choice(_FOLDERS)}\\{rng.randrange(1, 9000):04d}.docx"
    step = timedelta(milliseconds=40)
    yield windows.ticket(at, rng.choice((DC1, DC2)).host, person.login, f"{server.name.upper()}$", person.address)
    yield windows.logon(at + step, server.host, person.login, 3, person.address)
    yield windows.shared(at + 2 * step, server.host, person.login, person.address, share, path)
    yield windows.logoff(at + 30 * step, server.host, person.login, 3)


@lru_cache(maxsize=4)
def _day(seed: int, staff: tuple[Person, ...], day: datetime) -> tuple[tuple[datetime, _Told], ...]:
    # who comes, has lunch and goes when; times of day are the wall's, an hour or two ahead of UTC
    if not works("office", day + timedelta(hours=10)):
        return ()
    found: list[tuple[datetime, _Told]] = []
    for person in staff:
        rng = Random(f"{seed}/{person.login}/{day:%Y-%m-%d}")  # noqa: S311  repeatable on purpose
        if rng.random() < 0.12:  # ill, or away
            continue
        comes = day + timedelta(hours=5.75) + timedelta(hours=rng.triangular(0, 3, 1.2))
        goes = comes + timedelta(hours=rng.triangular(6, 9.5, 8.3))
        home = rng.random() < 0.08
        found.append((comes, partial(_comes, person, rng.random() < 0.03, home)))
        if not home:
            found.append((comes + timedelta(hours=rng.uniform(3.8, 4.8)), partial(_unlocks, person)))
        found.append((goes, partial(_goes, person, home)))
    return tuple(sorted(found, key=lambda one: one[0]))


def _remote(person: Person) -> str:
    return f"203.0.113.{100 + windows.hash_of(person.login) % 100}"


def _comes(person: Person, slips: bool, home: bool, at: datetime) -> Iterator[Line]:  # noqa: FBT001  how this day goes
    second = timedelta(seconds=1)
    address = person.address
    if home:
        yield firewalls.vpn(at, person.login, _remote(person), success=True)
        address = "10.212.134.20"
    else:
        card = f"00:00:5e:00:{windows.hash_of(person.pc) % 256:02x}:{windows.hash_of(person.pc) // 256 % 256:02x}"
        yield services.asked(at, address, card, person.pc)
        yield services.lease(at + second / 5, address, card, person.pc)
    if slips:
        yield windows.refused(at + 15 * second, person.host, person.login, "127.0.0.1", 2)
    yield windows.identified(at + 30 * second, DC1.host, person.login, address)
    yield windows.logon(at + 31 * second, person.host, person.login, 2, "127.0.0.1")


def _unlocks(person: Person, at: datetime) -> Iterator[Line]:
    yield windows.logon(at, person.host, person.login, 7, "127.0.0.1")


def _goes(person: Person, home: bool, at: datetime) -> Iterator[Line]:  # noqa: FBT001  as above
    yield windows.logoff(at, person.host, person.login, 2)
    if home:
        yield firewalls.vpn_down(
            at + timedelta(seconds=9), person.login, _remote(person), 28_000, 90_000_000, 700_000_000
        )
