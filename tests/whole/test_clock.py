"""The clock of a real Sentinel is set and crosses summer time's ends: nothing is lost, doubled, silent or unjudged."""

import json
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo

from sentinel.app import App
from sentinel.config import load
from sentinel.core.alert import Alert
from sentinel.core.event import Event
from sentinel.core.ports import Span
from sentinel.core.where import Is
from sentinel.respond.language import EARLIEST
from tests.posting import unbalanced
from tests.running import eventually

if TYPE_CHECKING:
    from tests.running import Running

SILENT = "A source has fallen silent"
BERLIN = "Europe/Berlin"
AUTUMN = datetime(2026, 10, 25, 1, tzinfo=UTC)
SPRING = datetime(2027, 3, 28, 1, tzinfo=UTC)
HOUR, DAY = 3600.0, 86_400.0


class Steered:
    """The clock that a Sentinel sees: this machine's, and so many seconds more."""

    def __init__(self, city: "Running") -> None:
        self._file = city.folder / "clock"
        city.environment |= {
            "LD_PRELOAD": str(next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            "TZ": BERLIN,
        }
        self.set(0.0)

    def set(self, ahead: float) -> None:
        """Set it, at once for every process."""
        self.ahead = ahead
        aside = self._file.with_suffix(".new")
        aside.write_text(f"{ahead:+.3f}\n")
        aside.replace(self._file)

    def set_before(self, moment: datetime, seconds: float) -> None:
        """Set it to so long before a moment."""
        self.set(moment.timestamp() - seconds - time.time())

    def now(self) -> datetime:
        """Return what it shows."""
        return datetime.fromtimestamp(time.time() + self.ahead, UTC)

    def stamp(self) -> str:
        """Return what it shows as a device in Berlin writes it."""
        local = self.now().astimezone(ZoneInfo(BERLIN))
        return f"{local:%b} {local.day:2d} {local:%H:%M:%S}"


class Device:
    """Sends a numbered line every tenth of a second until it is switched off, with the time that the clock shows."""

    def __init__(self, city: "Running", clock: Steered) -> None:
        self.sent = 0
        self._city, self._clock = city, clock
        self._off = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        """Switch it on."""
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Switch it off."""
        self._off.set()
        self._thread.join()

    def _run(self) -> None:
        with socket.create_connection(("127.0.0.1", self._city.ports["tcp"])) as sender:
            while not self._off.wait(0.1):
                sender.sendall(f"<13>{self._clock.stamp()} fw1 load: number={self.sent}\n".encode())
                self.sent += 1


def found(city: "Running", program: str) -> list[Event]:
    with App(load(city.config)).reading() as store:
        return store.search(Is("process.name", program), Span(EARLIEST, datetime(2100, 1, 1, tzinfo=UTC)), 100_000)


def alerts(city: "Running", *, silent: bool) -> list[Alert]:
    """Return those that say that somebody is silent, open or closed, or all others."""
    with App(load(city.config)).desk() as desk:
        return [one for one in desk.alerts() if (one.title == SILENT) == silent]


def test_a_clock_that_is_set_and_summer_time_that_ends_and_begins(city: "Running") -> None:
    text = city.config.read_text().replace("port = 0\n", f'port = 0\nzone = "{BERLIN}"\n', 1)
    city.config.write_text(text + "[silence]\nminutes = 0.1\n")
    clock = Steered(city)
    clock.set_before(AUTUMN, 8)
    city.start()
    logins = 0

    def judged() -> None:
        nonlocal logins
        logins += 1
        city.tcp(f"<86>{clock.stamp()} srv sshd[1]: Accepted password for root from 203.0.113.66 port {logins} ssh2")
        eventually(lambda: sum(one.count for one in alerts(city, silent=False)) == logins)

    with Device(city, clock) as device:
        judged()
        eventually(lambda: clock.now() > AUTUMN + timedelta(seconds=2))
        judged()
        clock.set_before(SPRING, 3)
        eventually(lambda: clock.now() > SPRING + timedelta(seconds=2))
        judged()
        for step in (-HOUR, DAY + HOUR):
            clock.set(clock.ahead + step)
            time.sleep(1)
            judged()
        time.sleep(8)  # longer than anybody may be silent
        assert not [one for one in alerts(city, silent=True) if "fw1" in one.summary]
    eventually(lambda: [one for one in alerts(city, silent=True) if "fw1" in one.summary])
    eventually(lambda: b'"in_spool":0,' in city.sentinel("status", "--json", code=1).stdout)
    assert json.loads(city.sentinel("ledger", "--json", "--last", "400d", code=0).stdout)["unaccounted"] == 0
    assert city.stop() == 0
    events = found(city, "load")
    assert sorted(int(str(one.fields["message"]).split("=")[1]) for one in events) == list(range(device.sent))
    late = [one for one in events if abs(one.ingested - one.timestamp) > timedelta(seconds=30)]
    assert len(late) <= 2 * 3, "but what was on its way each time the clock was set"
    assert len(found(city, "sshd")) == logins == 5
    assert not unbalanced(city)
