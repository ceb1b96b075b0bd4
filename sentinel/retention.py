"""What is older than it may be goes: what open cases need is copied first, and every removal has its receipt.

A receipt is an entry of the audit log, written before anything is removed: class, day, number of events, a digest of
their ids, and how many of them open cases keep. Without a receipt nothing is removed.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from shutil import rmtree

from sentinel.app import App
from sentinel.cases.book import copied
from sentinel.core.audit import SENTINEL, Deed, Detail, Entry
from sentinel.core.case import AddEvidence
from sentinel.core.errors import AuditError, NotThereError, SentinelError
from sentinel.core.event import Event
from sentinel.core.ports import Archive, Kept, Removed
from sentinel.excepting import evidence
from sentinel.repair.journal import finished

DEED = "retention.drop"
_CASES_MAX = 1_000_000
ASKED = "retention.asked"
"""A file of this name in the data folder asks the process that stores to look at once; it is removed afterwards."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was removed, and how many events of it are kept in each case."""

    kept: Kept
    removed: Removed
    held: dict[int, int]


@dataclass(slots=True)
class Report:
    """What a pass did; `problems` say what could not be removed and why."""

    receipts: list[Receipt] = field(default_factory=list)
    repairs: int = 0
    problems: list[str] = field(default_factory=list)


def due(app: App, archive: Archive) -> list[Kept]:
    """Return what there may be events of whose time is over; raises StoreError."""
    today = app.clock.now().date()
    return [one for one in archive.kept() if app.config.kept_for.due(one, today)]


def run(app: App, archive: Archive, who: str = SENTINEL) -> Report:
    """Remove what is due; what cannot be removed now stays and is told. Raises StoreError if the store is away."""
    report = Report()
    work = _Pass(app, archive, who)
    for kept in due(app, archive):
        try:
            work.drop(kept, report.receipts)
        except SentinelError as error:
            report.problems.append(f"{kept.name} of {kept.day}: {error}")
    report.repairs = _old_repairs(app, who)
    return report


@dataclass
class _Pass:
    """One way through what is due."""

    app: App
    archive: Archive
    who: str

    def drop(self, kept: Kept, receipts: list[Receipt]) -> None:
        held: dict[int, int] = {}
        entries: list[Entry] = []

        def first(removed: Removed) -> None:
            held.update(self._hold(kept))
            said: dict[str, Detail] = {
                "class": kept.name,
                "day": kept.day.isoformat(),
                "count": removed.count,
                "ids_sha256": removed.sha256,
                "held": tuple(f"case {number}: {count}" for number, count in sorted(held.items())),
            }
            entries.append(self.app.audit.enter(Deed(DEED, self.who, f"{kept.name} {kept.day}", said)))

        try:
            removed = self.archive.drop(kept, first)
        except SentinelError as error:
            for entry in entries:
                why: dict[str, Detail] = {"entry": entry.number, "reason": str(error)[:500]}
                with suppress(AuditError):  # the receipt stands, and that not all of it is gone is told
                    self.app.audit.enter(Deed(f"{DEED}.failed", self.who, entry.deed.about, why))
            raise
        if removed.count:
            receipts.append(Receipt(kept, removed, held))

    def _hold(self, kept: Kept) -> dict[int, int]:
        # the cases, with how many of the events in `kept` each has
        now, counts = self.app.clock.now(), Counter[int]()
        with self.app.cases() as book:
            for number, events in self._wanted.items():
                here = [event for event in events if self._is_in(event, kept)]
                there = {one.event for one in book.evidence(number)} if here else set()
                new = [event for event in here if event.id not in there]
                counts[number] += len(here)
                if new:
                    why = f"evidence of its alerts, copied before {kept.name} of {kept.day} was removed"
                    taken = tuple(copied(event, why, self.who, now) for event in new)
                    book.change(number, AddEvidence(taken), self.who, why)
        return {number: count for number, count in counts.items() if count}

    def _is_in(self, event: Event, kept: Kept) -> bool:
        retention = self.app.config.kept_for
        known = kept.name in retention.on(kept.day)  # of a class that is no longer, what may be of it is kept
        return event.ingested.date() == kept.day and (not known or retention.class_of(event) == kept.name)

    @cached_property
    def _wanted(self) -> dict[int, list[Event]]:
        # by open case, the events that its alerts rest on, as far as they are stored
        with self.app.cases() as book, self.app.book() as desk, self.app.reading() as store:
            found: dict[int, list[Event]] = {}
            for case in book.cases(limit=_CASES_MAX):
                found[case.number] = []
                for alert in case.alerts:
                    with suppress(NotThereError):  # an alert that is gone rests on nothing
                        there = desk.alert(alert)
                        found[case.number] += evidence(self.app, store, there, len(there.evidence))
        return found


def _old_repairs(app: App, who: str) -> int:
    # what was amended holds events as they were before: it goes with the last of them
    retention, today = app.config.kept_for, app.clock.now().date()
    longest = max([retention.days, *(one.days for one in retention.classes)])
    gone = 0
    for path in finished(app.config.repairs_dir):
        if _day_of(path) < today - timedelta(days=longest):
            app.audit.enter(Deed(DEED, who, str(path), {"files": sum(1 for _ in path.iterdir())}))
            rmtree(path)
            gone += 1
    return gone


def _day_of(repair: Path) -> date:
    return datetime.strptime(repair.name[:8], "%Y%m%d").date()  # noqa: DTZ007  a day, in UTC


class Daily:
    """Looks at the disk whenever it is called, and removes what is due once a day or when it is asked to."""

    def __init__(self, app: App, archive: Archive, talk: Callable[[str], None]) -> None:
        self._app = app
        self._archive = archive
        self._talk = talk
        self._done: date | None = None
        self._told: set[str] = set()
        self.troubles: tuple[str, ...] = ()
        """What is wrong with where events are kept, as of the last call."""

    @property
    def _asked(self) -> Path:
        return self._app.config.data / ASKED

    @property
    def asked(self) -> bool:
        """Say whether somebody wants it done at once."""
        return self._asked.exists()

    def run(self) -> Report:
        """Look, and remove what is due; what could not be done now is told, and done by the next call."""
        today, asked = self._app.clock.now().date(), self.asked
        try:
            self.troubles = tuple(self._archive.troubles())
            report = run(self._app, self._archive) if asked or self._done != today else Report()
        except SentinelError as error:
            report = Report(problems=[str(error)])
        for problem in set(report.problems) - self._told:
            self._talk(f"retention: {problem}")
        self._told = set(report.problems)
        if report.receipts:
            events = sum(one.removed.count for one in report.receipts)
            self._talk(f"retention: {events:,} events are gone; sentinel audit list --what {DEED} has the receipts")
        if not report.problems:
            self._done = today
        if asked:
            self._asked.unlink(missing_ok=True)
        return report
