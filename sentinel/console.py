"""Wires the console: who stands behind each service that the screens ask."""

import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, cast

from sentinel.config import state_file
from sentinel.ui.console.services import Chain, Pulse, Services
from sentinel.ui.words import preferred

if TYPE_CHECKING:
    from datetime import datetime

    from sentinel.app import App
    from sentinel.core.alert import Alert
    from sentinel.core.audit import Entry
    from sentinel.core.case import Case, Exported
    from sentinel.core.detection import Detection
    from sentinel.core.incident import Incident
    from sentinel.core.listing import Listings
    from sentinel.core.ports import Clock
    from sentinel.core.replica import Replica
    from sentinel.core.scene import Dossier, Scene
    from sentinel.core.slip import Slip
    from sentinel.detect.exempting import Renewal
    from sentinel.excepting import Draft
    from sentinel.ui.console.surveys import Surveys

T = TypeVar("T")
DEEDS_MAX = 10_000
"""So many entries of the audit log are shown, the latest."""


class Opened:
    """What the console has opened, each thing once, when it was first asked for; from any thread."""

    def __init__(self, load: Callable[[], "App"], data: Path, clock: "Clock", who: str) -> None:
        self._load = load
        self._data = data
        self._clock = clock
        self.who = who
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._renewing = threading.Lock()
        self._renewal: Renewal | None = None
        self._loading = threading.Lock()
        self._app: App | None = None
        self._ended = threading.Event()
        self._booked: tuple[datetime, int] | None = None
        self.desk = self.once(lambda app: app.desk())
        self.store = self.once(lambda app: app.reading())

    @property
    def app(self) -> "App":
        """The wired stages; the first who asks waits until the configuration is read. Raises ConfigError."""
        with self._loading:
            if self._app is None:
                self._app = self._load()
                if self._app.config.store.kind != "embedded":
                    threading.Thread(target=self._follow, args=(self._app,), name="follow", daemon=True).start()
            return self._app

    def _follow(self, app: "App") -> None:
        # what other machines write is taken in here, so no screen waits for a store that does not answer
        from sentinel.alert import file as alerts
        from sentinel.cases import file as cases
        from sentinel.core.replica import FRESH_SECONDS

        with ExitStack() as stack:
            copies = [
                stack.enter_context(closing(cast("Replica", opened(path, app.journal(name)))))
                for opened, path, name in (
                    (alerts.open_file, app.config.state_file, "state"),
                    (cases.open_file, app.config.cases_file, "cases"),
                )
            ]
            while not self._ended.is_set():
                for one in copies:
                    one.follow()
                self._ended.wait(FRESH_SECONDS)

    def once(self, opening: Callable[["App"], AbstractContextManager[T]]) -> Callable[[], T]:
        """Return what opens a thing at the first call and returns the same at every other."""
        made: list[T] = []
        lock = threading.Lock()

        def opened() -> T:
            with lock:
                if not made:
                    thing = opening(self.app)
                    with self._lock:
                        made.append(self._stack.enter_context(thing))
                return made[0]

        return opened

    def close(self) -> None:
        """Let go of everything."""
        self._ended.set()
        with self._lock:
            self._stack.close()

    @cached_property
    def listings(self) -> "Listings":
        """Who makes lists of alerts."""
        from sentinel.alert.listing import AlertListings
        from sentinel.core.folders import made

        return AlertListings(state_file(made(self._data)), self._clock)

    @property
    def surveys(self) -> "Surveys":
        """Who looks how everything fares."""
        self._renew()
        return self._surveyor

    @cached_property
    def _surveyor(self) -> "Surveys":
        from sentinel.surveys import Surveyor

        return Surveyor(self.app)

    def _renew(self) -> None:
        """Have the rules read anew if a file of theirs has changed, or an exception has expired."""
        from sentinel.detect.exempting import Renewal
        from sentinel.detect.fetched import CURRENT

        with self._renewing:
            if self._renewal is not None and self._renewal.due(self.app.clock.now()):
                vars(self.app).pop("rules", None)
                self._renewal = None
            if self._renewal is None:
                also = (self.app.switches_file, self.app.config.fetched_dir / CURRENT)
                self._renewal = Renewal(self.app.rule_folders, also, rules=True)
            if "rules" in vars(self.app):
                self._renewal.until(self.app.rules.exceptions)

    def rule(self, rule_id: str) -> "Detection | None":
        """Return a rule that is on, None if it is not."""
        self._renew()
        return self.app.rules.get(rule_id)

    def titles(self) -> Mapping[str, str]:
        """Return what the rules are called in German, by their English titles."""
        self._renew()
        every = (*self.app.rules.detections, *(one.detection for one in self.app.rules.off))
        return {one.title: one.title_de for one in every if one.title_de}

    def slip(self, start: "datetime", end: "datetime") -> "Slip":
        """Return what could not be seen in a stretch of time."""
        from sentinel.slip import slip

        return slip(self.app, start, end)

    def dossier(self, alert_id: str) -> "Dossier":
        """Return what the book says about an alert."""
        from sentinel import scene

        return scene.dossier(self.desk(), self.listings, alert_id)

    def scene(self, alert: "Alert") -> "Scene":
        """Return what rules and store say about an alert."""
        from sentinel import scene

        self._renew()
        return scene.scene(self.app, self.store(), alert)

    def glance(self, alert_id: str) -> "tuple[Dossier, Scene | None]":
        """Return what the book says about an alert, and the rest if the rules have been read by now."""
        found = self.dossier(alert_id)
        return found, self.scene(found.alert) if "rules" in vars(self.app) else None

    def text(self, alert_id: str, fields: Sequence[str], reason: str, until: "datetime") -> str:
        """Return an exception to the rule of an alert, as the file that it would be, and what it would have spared."""
        from sentinel import excepting

        made = self._draft(alert_id, fields, reason, until)
        before, after = excepting.effect(self.app, made)
        return f"# {before - after:,} of {before:,} events of the last {excepting.EFFECT_DAYS} days\n{made.text}"

    def write(self, alert_id: str, fields: Sequence[str], reason: str, until: "datetime") -> Path:
        """Write it."""
        from sentinel import excepting

        return excepting.write(self.app, self._draft(alert_id, fields, reason, until), self.who)

    def _draft(self, alert_id: str, fields: Sequence[str], reason: str, until: "datetime") -> "Draft":
        from sentinel import excepting
        from sentinel.detect.exceptions import Terms
        from sentinel.detect.rules import chosen

        self._renew()
        alert = self.desk().alert(alert_id)
        conditions = excepting.conditions(fields, excepting.of_alert(self.app, self.store(), alert))
        detection = chosen(self.app.rules.detections, alert.rule_id)
        return excepting.draft(self.app, detection, conditions, Terms(reason, self.who, until))

    def take(self, number: int, ids: Sequence[str]) -> "Case":
        """Take alerts into a case."""
        from sentinel import casework

        return casework.take(self.app, number, [self.desk().alert(one) for one in ids], self.who)

    def export(self, number: int, to: Path) -> "Exported":
        """Write a case out."""
        from sentinel import casework

        return casework.export(self.app, number, to, self.who)

    def incidents(self) -> Sequence["Incident"]:
        """Look which alerts belong together by now."""
        with self.app.incidents() as book:
            book.refresh()
            return book.incidents(closed=True)

    def draft(self, query: str, name: str, title: str, level: str, folder: str) -> list[Path]:
        """Write the draft of a rule from a question; return its files."""
        from sentinel.drafts import Wish, draft

        drafted = draft(self.app, Wish(name, query, self.who, title, level), Path(folder).expanduser())
        drafted.write()
        return list(drafted.files)

    def replay(self, source: str) -> int:
        """Bring in again what could not be read of a source."""
        from sentinel import letters

        return letters.replay(self.app, source, self.who)

    def hunted(self, query: str) -> None:
        """Write down that a question is asked."""
        from sentinel.core.audit import Deed

        self.app.audit.enter(Deed("query", self.who, details={"question": query}))

    def deeds(self) -> "list[Entry]":
        """Return the latest entries of the audit log, the last first."""
        from sentinel.audit.chain import entry_of

        latest = deque(self.app.audit.entries(), maxlen=DEEDS_MAX)
        return [entry_of(shape) for shape in reversed(latest)]

    def chain(self) -> Chain:
        """Check the audit log from its first entry on."""
        log = self.app.audit
        found, anchor = log.examine(), log.last_anchor()
        problems = tuple(f"{one.line}: {one.text}" for one in found.problems)
        return Chain(found.entries, found.head.hash, problems, anchor.at if anchor else "")

    def pulse(self) -> Pulse:
        """Look how Sentinel fares."""
        from sentinel import status
        from sentinel.core.replica import behind

        found = status.look(self.app)
        apart = {self.app.config.state_file, self.app.config.cases_file} & behind().keys()
        now, booked = self.app.clock.now(), found.progress.booked
        before, self._booked = self._booked, (now, booked)
        seconds = (now - before[0]).total_seconds() if before else 0.0
        problem: Literal["", "run", "judge", "spool", "apart"] = (
            "apart" if apart else "run" if not found.running else "judge" if found.judging else ""
        )
        return Pulse(
            per_second=max(0.0, (booked - before[1]) / seconds) if before and seconds > 0 else None,
            spool=found.spool.bytes / self.app.config.spool.bytes_max,
            silent=len(found.silent),
            detect_lag=found.detect_lag,
            problem=problem or ("spool" if found.spool.full else ""),
        )


@contextmanager
def services(load: Callable[[], "App"], data: Path, clock: "Clock", who: str) -> Iterator[Services]:
    """Give what the console asks; nothing is opened before it is asked for, and alerts without waiting for `load`."""
    opened = Opened(load, data, clock, who)
    try:
        yield Services(
            clock=clock,
            who=who,
            place=socket.gethostname(),
            state_folder=_folder("XDG_STATE_HOME", ".local/state"),
            keys_file=_folder("XDG_CONFIG_HOME", ".config") / "keys.toml",
            language=preferred(os.environ),
            check=lambda: opened.app,
            desk=opened.desk,
            listings=lambda: opened.listings,
            store=opened.store,
            cases=opened.once(lambda app: app.cases()),
            take=opened.take,
            export_case=opened.export,
            incidents=opened.incidents,
            questions=opened.once(lambda app: app.questions()),
            hunted=opened.hunted,
            draft=opened.draft,
            deeds=opened.deeds,
            chain=opened.chain,
            rule=opened.rule,
            titles=opened.titles,
            slip=opened.slip,
            exceptions=lambda: opened,
            dossier=opened.dossier,
            scene=opened.scene,
            glance=opened.glance,
            pulse=opened.pulse,
            replay=opened.replay,
            surveys=lambda: opened.surveys,
        )
    finally:
        opened.close()


def _folder(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / default) / "sentinel"
