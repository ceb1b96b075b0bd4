"""`sentinel simulate`: a model city that lives, as files for a replay or in real time into a running Sentinel."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sentinel.cli.common import talk
from sentinel.core.clock import SystemClock
from sentinel.core.errors import SentinelError, UsageError

if TYPE_CHECKING:
    from sentinel.testing.city import City

EXAMPLE = """
sentinel simulate city --start 2026-11-16 --days 7 --seed 4
sentinel replay --config city/sentinel.toml city/records-*.jsonl
sentinel sense --config city/sentinel.toml --pcap city/captures/kasse-steuer.pcap
sentinel simulate city --to 127.0.0.1:5514 --scale 0.02 --minutes 60
"""

LINES_A_DAY = 6_000_000
"""So many lines are written on a workday at scale 1."""
LINES_MAX = 100_000_000

verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command()
def simulate(  # noqa: PLR0913, PLR0917  an option each
    folder: Annotated[Path, typer.Argument(help="Where records, captures, inventory and the truth are written.")],
    start: Annotated[str, typer.Option(help="The first day; nothing: last Monday.")] = "",
    days: Annotated[float, typer.Option(min=0.01, max=400, help="How many days, as files.")] = 7,
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same city, and the same bytes.")] = 1,
    scale: Annotated[
        float, typer.Option(min=0.0001, max=10, help="1: all 17,000 machines, some 180 lines a second.")
    ] = 0.002,
    to: Annotated[str, typer.Option("--to", help="HOST:PORT: send to these sockets (UDP and TCP) in real time.")] = "",
    minutes: Annotated[float, typer.Option(min=0, help="With --to: how long; 0: until Ctrl+C.")] = 0,
) -> None:
    """Let the model city live: ordinary work, and attacks with what looks like them. deploy/docs/simulate.md."""
    from sentinel.testing.city import City

    city = City(seed, scale)
    if to:
        if start:
            raise UsageError("--to is about now: leave out --start")
        _send(folder, city, to, minutes)
        return
    from sentinel.testing.city import folder as written

    if any(folder.glob("records-*.jsonl")):
        raise UsageError(f"{folder} holds records already: name another folder, or remove it")
    if days * scale * LINES_A_DAY > LINES_MAX:
        raise UsageError(f"{days:g} days at scale {scale:g} are more than {LINES_MAX:,} lines: ask for less at once")
    begin = _begin(start)
    told = written.write(folder, city, begin, begin + timedelta(days=days))
    for name, count in told.packets.items():
        talk(f"{folder}/captures/{name}.pcap: {count:,} packets")
    talk(f"{folder}: {sum(told.lines.values()):,} records of {len(told.lines)} days, {len(told.plays)} stories")
    talk(f"bring them in: sentinel replay --config {folder}/sentinel.toml {folder}/records-*.jsonl")


def _begin(start: str) -> datetime:
    if not start:
        today = SystemClock().now().replace(hour=0, minute=0, second=0, microsecond=0)
        return today - timedelta(days=today.weekday() + 7)
    try:
        found = datetime.fromisoformat(start)
    except ValueError as error:
        raise UsageError(f"not a day: {start!r}; say 2026-11-16") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _send(folder: Path, city: "City", to: str, minutes: float) -> None:
    from sentinel.testing.city.folder import prepare
    from sentinel.testing.city.living import records, weeks
    from sentinel.testing.city.sending import send

    host, _, port = to.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"not HOST:PORT: {to!r}")
    clock = SystemClock()
    begin = clock.now()
    end = begin + timedelta(minutes=minutes) if minutes else begin + timedelta(days=365)
    told = weeks(city, begin, min(end, begin + timedelta(days=35)))
    prepare(folder, city, begin, end, told)
    talk(f"sending to {host}, port {port}, at the pace of the clock; Ctrl+C ends it")
    try:
        sent = send((record.line for record in records(city, begin, end, told)), host, int(port), clock, time.sleep)
    except OSError as error:
        raise SentinelError(f"{to}: {error.strerror or error}; is `sentinel run` listening there?") from error
    talk(f"{sent.udp:,} lines over UDP, {sent.tcp:,} over TCP; {sent.behind.total_seconds():.1f} s behind at the end")
