"""What Sentinel is told of the model city: its inventory, its segments and their paths, exceptions, a configuration."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from sentinel.testing.city import town
from sentinel.testing.city.rhythm import CALENDAR

_SEGMENTS = (
    ("rathaus", ("10.10.1.0/24", "10.10.16.0/21"), "Hauptamt", "normal", "office"),
    ("kasse-steuer", ("10.10.2.0/24",), "Kassen- und Steueramt", "high", "office"),
    ("liegenschaften", ("10.10.3.0/24",), "Liegenschaftsamt", "normal", "office"),
    ("personal", ("10.10.5.0/24",), "Personalamt", "high", "office"),
    ("poststelle", ("10.10.6.0/24",), "Digitale Poststelle", "high", "always"),
    ("dmz-portal", ("10.10.7.0/24", "192.0.2.0/28"), "Bürgerportal", "high", "always"),
    ("server", ("10.10.8.0/24",), "IT-Amt", "high", "always"),
    ("verwaltung-mgmt", ("10.10.9.0/24",), "IT-Amt", "critical", "always"),
)
_CRITICAL = (town.DC1, town.DC2, town.BACKUP, town.FIREWALL, town.MAIL_IN, town.MAILBOXES)
_SERVERS = (
    town.FILES, town.PERSONNEL, town.TAXES, town.WSUS, town.PRINTS, town.PROXY, town.NAMES, town.LEASES, town.WEB,
    town.API, town.PORTAL_DATA, town.JUMP, town.SCANNER, town.WATCH, *town.LINUX,
)  # fmt: skip
_PATHS = """\
allow:
  - {from: "*", to: [rathaus], ports: [53]}
  - from: [rathaus, kasse-steuer, liegenschaften, personal, poststelle]
    to: [server, poststelle]
    ports: [25, 53, 67, 80, 88, 123, 135, 389, 443, 445, 3128, 8530, 9100, "49152-65535"]
  - {from: [verwaltung-mgmt], to: "*"}
  - {from: "*", to: [dmz-portal], ports: [80, 443]}
  - {from: [dmz-portal], to: [server], ports: [53, 123, 5432]}
  - {from: [SCHOOLS], to: [server], ports: [53, 123]}
  - {from: [server, poststelle], to: [server, poststelle]}
"""
_CONFIG = """\
# Sentinel for the model city; `sentinel run --config {file}`, then `sentinel replay` or `sentinel simulate --to`.
data = "{folder}/data"
inventory = "{folder}/assets.toml"
calendar = "{folder}/calendar.toml"

[content]
rules = ["{folder}/rules"]

[[syslog]]
name = "{source}"
port = 5514

[[syslog]]
name = "{clients}"
port = 5515
silence_minutes = 0

[sense]
segments = "{folder}/segments.yaml"
"""
_EXCEPTIONS = """\
title: The city's own scanner asks for every service
logsource: {{category: firewall}}
filter:
  rules: [firewall_inner_denied]
  scanner: {{source.ip: {scanner}}}
  condition: not scanner
sentinel: {{reason: the weekly search for weaknesses, owner: IT-Amt, expires: {until}}}
---
title: The virus scanner asks its maker about files
logsource: {{category: dns}}
filter:
  rules: [dns_coded_name]
  maker: {{dns.question.name|endswith: .pruefsummen.virenschutz.example}}
  condition: not maker
sentinel: {{reason: names of this zone are digests of files, owner: IT-Amt, expires: {until}}}
---
title: The backup is copied to its provider, and the proxy sends for everybody
logsource: {{category: firewall}}
filter:
  rules: [server_sends]
  backup: {{source.ip: {backup}, destination.ip: 198.51.100.60}}
  proxy: {{source.ip: {proxy}}}
  condition: not backup and not proxy
sentinel: {{reason: both are there for that, owner: IT-Amt, expires: {until}}}
"""
_EXCEPTED = timedelta(days=180)


def write(folder: Path, source: str, clients: str, begin: date) -> None:
    """Write assets.toml, calendar.toml, segments.yaml, sentinel.toml and exceptions that are good for half a year.

    Records belong to `source` or `clients`.
    """
    exceptions = folder / "rules" / "exceptions"
    exceptions.mkdir(parents=True, exist_ok=True)
    who = {"scanner": town.SCANNER, "backup": town.BACKUP, "proxy": town.PROXY}
    addresses = {name: server.address for name, server in who.items()}
    (exceptions / "city.yml").write_text(_EXCEPTIONS.format(**addresses, until=begin + _EXCEPTED), "utf-8")
    (folder / "assets.toml").write_text("\n".join(_assets()), "utf-8")
    (folder / "calendar.toml").write_text(CALENDAR.read_text("utf-8"), "utf-8")
    named = ", ".join(school.name for school in town.schools())
    (folder / "segments.yaml").write_text("\n".join(_segments()) + "\n" + _PATHS.replace("SCHOOLS", named), "utf-8")
    config = folder / "sentinel.toml"
    config.write_text(_CONFIG.format(folder=folder, file=config, source=source, clients=clients), "utf-8")


def _assets() -> Iterator[str]:
    yield "# The inventory of the model city."
    for name, nets, owner, weight, calendar in _SEGMENTS:
        cidr = ", ".join(f'"{net}"' for net in nets)
        yield f'\n[[network]]\nname = "{name}"\ncidr = [{cidr}]\nsite = "Verwaltung"\nowner = "{owner}"'
        yield f'criticality = "{weight}"\ncalendar = "{calendar}"'
    yield '\n[[network]]\nname = "schulen"\ncidr = "10.20.0.0/16"\nowner = "Schulverwaltungsamt"\ncalendar = "school"'
    for school in town.schools():
        yield f'\n[[network]]\nname = "{school.name}"\ncidr = "10.20.{school.number}.0/24"'
        yield f'site = "Schule {school.number}"'
    for server in (*_CRITICAL, *_SERVERS):
        weight = "critical" if server in _CRITICAL else "high"
        yield f'\n[[host]]\nname = "{server.host}"\naddresses = "{server.address}"\ncriticality = "{weight}"'
    for school in town.schools():
        # what stands between networks speaks day and night
        wall = school.firewall
        yield f'\n[[host]]\nname = "{wall.name}"\naddresses = "{wall.address}"\ncalendar = "always"'
    yield ""


def _segments() -> Iterator[str]:
    yield "segments:"
    for name, nets, *_ in _SEGMENTS:
        yield f"  {name}: [{', '.join(nets)}]"
    for school in town.schools():
        yield f"  {school.name}: [10.20.{school.number}.0/24]"
