"""The repair itself: finds what is affected, has it put right, has the affected rules judge it, and reports.

Without `apply` nothing is written: the same is found and counted. An interrupted repair is finished by the next one.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from time import sleep

from sentinel.app import App
from sentinel.core.clock import iso
from sentinel.core.detection import Detection
from sentinel.core.errors import StoreBusyError, StoreError, UsageError
from sentinel.core.event import Event, record_of
from sentinel.core.ports import Span, Store
from sentinel.core.reached import everything
from sentinel.core.where import AllOf, AnyOf, Exists, Is, Where
from sentinel.detect.again import Again
from sentinel.detect.learnt import stored
from sentinel.parse.packs import Packs
from sentinel.parse.reread import REPAIRED, Reread, reread
from sentinel.repair import journal
from sentinel.repair.judging import Judge
from sentinel.repair.report import Report

EVENTS_MAX = 5_000_000
"""So many events are looked at in one repair; what lies before them is left."""
CHANGES = 500
"""So many records are amended at a time."""
VERSIONS_MAX = 10_000
ASKED = 500
WAIT_MAX = timedelta(minutes=30)
"""So long the process that stores may take over what is to do."""
_POLL_SECONDS = 0.5
_LETTER = Is("event.kind", "pipeline_error")

Talk = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at: what arrived within `span`, of these packs (none: of those that have changed) and source.

    `letters`: dead letters too for which no pack is to blame, or the one of today is.
    """

    span: Span
    packs: tuple[str, ...] = ()
    source: str = ""
    letters: bool = False


@dataclass(frozen=True, slots=True)
class Repair:
    """A repair of what `app` has stored; `talk` is told how it goes. Raises StoreError if the store cannot be used."""

    app: App
    talk: Talk

    def reread(self, scope: Scope, *, apply: bool) -> Report:
        """Read again what packs that have changed since had read, and judge what that changes."""
        report = Report("packs that have changed", scope.span, applied=apply)
        detections = self.app.rules.detections
        with self.app.reading() as store:
            where = self._affected(store, scope, report)
            if not apply:
                with closing(Again(store, detections, lambda _: True)) as again:
                    for one in self._changes(store, where, scope, report):
                        _compare(again, one, report)
                return report
            self.resume()
            folder = journal.begun(self.app.config.repairs_dir, self.app.clock.now())
            report.folder = str(folder)
            mark = {f"{REPAIRED}.at": iso(self.app.clock.now()), f"{REPAIRED}.by": folder.name}
            numbers = count(1)
            changes: list[Reread] = []
            for one in self._changes(store, where, scope, report):
                changes.append(replace(one, new=tuple(replace(new, fields={**new.fields, **mark}) for new in one.new)))
                if len(changes) >= CHANGES:
                    self._write(folder, next(numbers), changes)
                    changes = []
            if changes:
                self._write(folder, next(numbers), changes)
        return self._finish(folder, report)

    def rejudge(self, detections: list[Detection], span: Span, *, apply: bool) -> Report:
        """Have rules judge what happened within `span` again: they are others than those that judged it."""
        report = Report("rules that have changed", span, applied=apply)
        folder = journal.begun(self.app.config.repairs_dir, self.app.clock.now()) if apply else None
        report.folder = str(folder or "")
        with self.app.reading() as store, self.app.book() as desk:
            judge = Judge(store, desk, self.app.clock, report)
            judge.over(detections, span, apply=apply)
        if folder is not None:
            journal.finish(folder, report.as_json())
        return report

    def resume(self) -> None:
        """Finish what was interrupted."""
        for folder in journal.unfinished(self.app.config.repairs_dir):
            self.talk(f"finishing the repair {folder.name}, which was interrupted")
            now = self.app.clock.now()
            self._finish(folder, Report("a repair that was interrupted", Span(now, now), applied=True))

    def _finish(self, folder: Path, report: Report) -> Report:
        self._carry_out()
        report.folder = str(folder)
        with self.app.reading() as store, self.app.book() as desk:
            learnt = Judge(store, desk, self.app.clock, report).changed(self.app.rules.detections, folder)
            if learnt:
                with self.app.past(store) as past:
                    past.forget(learnt)
        journal.finish(folder, report.as_json())
        return report

    def _affected(self, store: Store, scope: Scope, report: Report) -> Where:
        packs = self.app.packs
        wanted = {self._pack(name) for name in scope.packs}
        asked = self._of_source(scope, Exists("sentinel.pack"))
        rows = store.tally(asked, scope.span, ("sentinel.pack", "sentinel.pack_version"), VERSIONS_MAX)
        stale: list[Where] = []
        for (name, version), number in rows:
            if not isinstance(name, str) or (wanted and name not in wanted) or _is_current(packs, name, version):
                continue
            report.versions[name, str(version or "")] += number
            stale.append(AllOf((Is("sentinel.pack", name, cased=True), Is("sentinel.pack_version", _text(version)))))
        if scope.letters:
            stale.append(_LETTER)
        return self._of_source(scope, AnyOf(tuple(stale)))

    def _pack(self, name: str) -> str:
        pack = self.app.packs.hinted(name)
        if pack is None:
            raise UsageError(f"there is no pack {name!r}; see: sentinel packs list")
        return pack.name

    def _of_source(self, scope: Scope, where: Where) -> Where:
        return AllOf((Is("sentinel.source", scope.source), where)) if scope.source else where

    def _changes(self, store: Store, where: Where, scope: Scope, report: Report) -> Iterator[Reread]:
        # what reading each affected record again changes
        reader = replace(self.app.reader, enrich=None)
        for _, page in stored(store, where, scope.span, everything(store), EVENTS_MAX):
            healed = _healed(store, page)
            events = [one for one in page if one.id not in healed]
            report.records += len({record_of(one.seq) for one in events})
            for one in reread(events, reader):
                if one.problem:
                    report.problems[one.problem] += 1
                elif one.new or one.gone:
                    report.count(one.gone, one.new)
                    yield self._enriched(one)

    def _enriched(self, one: Reread) -> Reread:
        if self.app.enricher is not None and one.entry is not None:
            for event in one.new:
                self.app.enricher(one.entry, event)
        return one

    def _write(self, folder: Path, number: int, changes: list[Reread]) -> None:
        journal.write(folder, number, ((one.gone, one.new) for one in changes))

    def _carry_out(self) -> None:
        # by ourselves if nobody else writes, else the process that does has it in its hands already
        folder = self.app.config.repairs_dir
        end = self.app.clock.now() + WAIT_MAX
        while left := journal.waiting(folder):
            try:
                with self.app.writing() as store:
                    for path in left:
                        journal.carry_out(store, path)
            except StoreBusyError as error:
                if self.app.clock.now() > end:
                    raise StoreError(f"{len(left)} files in {folder} still wait for the process that stores") from error
                sleep(_POLL_SECONDS)


def _text(version: object) -> str | None:
    return None if version is None else str(version)


def _is_current(packs: Packs, name: str, version: object) -> bool:
    # a pack that is not there any more cannot read anything better
    pack = packs.by_name.get(name)
    return pack is None or pack.version == version


def _healed(store: Store, events: list[Event]) -> set[str]:
    # dead letters whose events are there already, by a replay
    letters = {str(one.fields.get("sentinel.event_id")): one for one in events if _is_letter(one)}
    found: set[str] = set()
    names = sorted(letters)
    for at in range(0, len(names), ASKED):
        some = names[at : at + ASKED]
        days = [letters[name].ingested for name in some]
        span = Span(min(days) - timedelta(days=1), max(days) + timedelta(days=1), "ingested")
        where = AnyOf(tuple(Is("event.id", name, cased=True) for name in some))
        found |= {letters[one.id].id for one in store.search(where, span, len(some)) if one.id in letters}
    return found


def _is_letter(event: Event) -> bool:
    return event.fields.get("event.kind") == "pipeline_error"


def _compare(again: Again, one: Reread, report: Report) -> None:
    # which rules are about the events as they are read now, and which no longer are
    for event in one.new:
        for rule in again.hits(event):
            report.hit(rule)
    report.lost(again, one.gone, one.new)
