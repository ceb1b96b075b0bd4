"""A small city whose events are stored and judged at the moments a test says, and the command line over it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentinel.app import App
from sentinel.config import load
from sentinel.core.clock import ManualClock, iso
from sentinel.core.event import Event, Fields, Value
from sentinel.detect.runner import Runner
from tests import warm
from tests.shared import known

if TYPE_CHECKING:
    import subprocess

LOGIN: dict[str, Value] = {
    "event.dataset": "sshd.log",
    "event.module": "sshd",
    "event.action": "ssh_login",
    "event.outcome": "success",
    "user.name": "root",
    "source.ip": "203.0.113.66",
    "host.name": "srv-01",
    "message": "Accepted password for root from 203.0.113.66 port 40000 ssh2",
}
"""What raises `ssh_root_from_outside`."""


@dataclass
class City:
    """A folder with a configuration; `clock` is the city's, the command line has the machine's."""

    folder: Path
    more: str = ""
    clock: ManualClock = field(default_factory=lambda: ManualClock(datetime.now(UTC)))
    stored: int = 0

    def __post_init__(self) -> None:
        """Write the configuration."""
        self.config = self.folder / "sentinel.toml"
        (self.folder / "rules").mkdir(exist_ok=True)
        self.config.write_text(
            f'data = "{self.folder}/data"\n[spool]\nballast_bytes = 0\n'
            f'[content]\npacks = []\nrules = ["{self.folder}/rules"]\n{self.more}'
        )
        known(self.folder / "data")

    @property
    def app(self) -> App:
        """The stages, wired anew."""
        return App(load(self.config), self.clock)

    def event(self, fields: Mapping[str, Value], at: datetime | None = None) -> Event:
        """Return the next event, which happens and arrives `at` (None: now)."""
        self.stored += 1
        moment = at or self.clock.now()
        name = blake2b(b"%d" % self.stored, digest_size=16).hexdigest()
        whole: Fields = {"@timestamp": iso(moment), "event.ingested": iso(moment), "event.id": name}
        whole |= {"event.kind": "event", "event.sequence": self.stored, **fields}
        return Event(name, self.stored, moment, moment, whole)

    def keep(self, events: Iterable[Event]) -> None:
        """Store events."""
        with self.app.writing() as store:
            store.append(list(events))

    def judge(self, events: Iterable[Event] = ()) -> None:
        """Store events and judge all that has not been judged yet."""
        app = self.app
        with app.writing() as store, app.book() as desk:
            store.append(list(events))
            Runner(store, desk, app.rules.detections, self.clock, store.newest).run()

    def login(self, number: int = 1, *, after: timedelta = timedelta(), **said: Value) -> None:
        """Let root log in so many times, judged once each `after` so long."""
        fields = LOGIN | {name.replace("_", "."): value for name, value in said.items()}
        for _ in range(number):
            self.clock.advance(after)
            self.judge([self.event(fields)])

    def sentinel(self, *words: str, code: int | None = 0, given: str = "") -> "subprocess.CompletedProcess[str]":
        """Run a command."""
        plain = {"NO_COLOR": "1", "COLUMNS": "160"}
        done = warm.texts(*words, "--config", str(self.config), given=given.encode(), environment=plain)
        assert code is None or done.returncode == code, done.stderr
        return done

    def json(self, *words: str, code: int | None = 0) -> list[dict[str, Any]]:
        """Run a command with `--json` and return what it prints."""
        return [json.loads(line) for line in self.sentinel(*words, "--json", code=code).stdout.splitlines()]
