"""What rules with a history have learnt: kept in a file, moved on with the judging, learnt anew from the store if lost.

The file says up to which arrival it is complete. Whoever begins further on (it was lost, or a rule is new or changed)
has the rule read its past from the store first; whoever begins before (the alerts of the last batch were not kept)
judges those events again and takes nothing in twice. So neither a restart nor a lost file makes anything new or old.

`begin`, then `findings` of each rule that has new events, then `keep`: one transaction of the file for each batch.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import assert_never

from sentinel.core.database import Shape, micros, moment, open_database, set_aside_if_damaged, told, writing
from sentinel.core.detection import Baseline, Detection, Finding, History, NewTerms
from sentinel.core.event import Event
from sentinel.core.ports import Span, Store
from sentinel.core.reached import Reached, beginning_of, keep, load
from sentinel.detect.learnt import Learnt, beginning, source_of, stored
from sentinel.detect.terms import Terms
from sentinel.detect.usual import Usual

IN_MEMORY = Path(":memory:")
_AHEAD = timedelta(days=1)
_SHAPE = Shape(
    0x5E_17_1E_05,
    1,
    (
        """CREATE TABLE progress (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID""",
        # `begun`: when the rule's log began, as far as it is known; `since`: before it nothing is known
        """CREATE TABLE rules (
            number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, version TEXT NOT NULL, begun INTEGER NOT NULL,
            since INTEGER NOT NULL, held INTEGER NOT NULL, remark TEXT NOT NULL)""",
        # sightings of a combination, none further from the next than the rule's history: from the first to the last
        """CREATE TABLE runs (
            rule INTEGER NOT NULL, term BLOB NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
            PRIMARY KEY (rule, term, first)) WITHOUT ROWID""",
        # which arrivals were the first of a combination, until their alerts are kept
        """CREATE TABLE opened (
            rule INTEGER NOT NULL, term BLOB NOT NULL, seq INTEGER NOT NULL,
            PRIMARY KEY (rule, term, seq)) WITHOUT ROWID""",
        # what a group came to in the window that begins at `at`
        """CREATE TABLE windows (
            rule INTEGER NOT NULL, name BLOB NOT NULL, at INTEGER NOT NULL, value REAL NOT NULL,
            PRIMARY KEY (rule, name, at)) WITHOUT ROWID""",
    ),
)
_TABLES = ("runs", "opened", "windows")


@dataclass(frozen=True, slots=True)
class Lesson:
    """How far one rule's learning has come: its log began at `begun`, it tells from `ready` on; None: not met yet."""

    rule_id: str
    begun: datetime | None
    ready: datetime | None
    held: int
    remark: str


class Past:
    """The histories of rules in the file `path`; raises StoreError if it cannot be used.

    A file that is damaged is set aside (`set_aside`) and its rules learn anew. With `anew` events are judged that were
    judged before: those it holds for are not learnt from, but judged as if they came last.
    """

    def __init__(self, path: Path, store: Store, anew: Callable[[Event], bool] | None = None) -> None:
        self.set_aside = set_aside_if_damaged(path)
        self._path = path
        self._store = store
        self._anew = anew
        self._after = self._through = Reached()
        self._learnt: dict[str, Learnt] = {}
        self._fresh: set[str] = set()
        self._db = open_database(path, _SHAPE)

    def follow(self, detections: Iterable[Detection]) -> None:
        """Say which rules are judged from now on: one that was away or another has missed events and learns anew."""
        versions = {one.id: one.version for one in detections if one.history is not None}
        with told(self._path):
            self._undo()
            with writing(self._db):
                for rule_id, learnt in self._known().items():
                    if versions.get(rule_id) != learnt.version:
                        self._forget(rule_id)

    def shut(self) -> None:
        """Let go of the file; what has not been kept is not there."""
        self._db.close()

    def forget(self, rule_ids: Iterable[str]) -> None:
        """Have rules learn anew, from the stored events as they are now; another process may be judging meanwhile."""
        with told(self._path):
            self._undo()
            with writing(self._db):
                for rule_id in rule_ids:
                    self._forget(rule_id)

    def begin(self, after: Reached) -> None:
        """Say that what arrived after `after` is judged next; what an earlier batch did not keep is undone."""
        with told(self._path):
            self._undo()
            self._db.execute("BEGIN IMMEDIATE")
            self._after, self._through = after, load(self._db, "through")
            if not self._through.covers(after):
                for rule_id in self._known():
                    self._forget(rule_id)
                self._through = self._through.to(*after.by_node.values())
            ranges = [(beginning_of(node), seq) for node, seq in after.by_node.items()]
            self._db.executemany("DELETE FROM opened WHERE seq > ? AND seq <= ?", ranges)

    def findings(self, detection: Detection, until: Reached, events: Sequence[Event]) -> tuple[list[Finding], str]:
        """Return what `events` (new, in order of arrival, the rule's `where` holds) make the rule find.

        The text says what it could not do, if anything. Raises StoreError if the store or the file cannot be used.
        """
        with told(self._path), self._whole():
            learnt = self._ready(detection, events)
            learner = self._learner(detection, learnt)
            through = self._after if detection.id in self._fresh else self._through
            through = through if self._anew is None else Reached()
            if isinstance(learner, Terms):
                found, learnt.remark = learner.judge(events, self._after, through)
            else:
                found, learnt.remark = learner.judge(events, until, through)
            learner.forget(micros(events[-1].ingested))
            self._note(learnt)
        return found, learnt.remark

    def keep(self, through: Reached, incomplete: Iterable[str] = ()) -> None:
        """Make what was learnt up to `through` last; the rules `incomplete`, which missed events, learn anew."""
        with told(self._path):
            for rule_id in incomplete:
                self._forget(rule_id)
            keep(self._db, "through", self._through.to(*through.by_node.values()))
            self._db.execute("COMMIT")

    def _ready(self, detection: Detection, events: Sequence[Event]) -> Learnt:
        learnt = self._learnt.get(detection.id) or self._known().get(detection.id)
        if learnt is None or learnt.version != detection.version:
            learnt = self._relearnt(detection, events)
        self._learnt[detection.id] = learnt
        return learnt

    def _relearnt(self, detection: Detection, events: Sequence[Event]) -> Learnt:
        history = detection.history
        assert history is not None  # noqa: S101  who has none is not asked
        self._forget(detection.id)
        arrived = [one.ingested for one in events]
        span = Span(min(arrived) - _reach_of(history), max(arrived) + _AHEAD)
        begun = beginning(self._store, source_of(detection.where), span, self._after.to(events[-1].seq))
        first = min(one.timestamp for one in events) if begun is None else begun
        row = self._db.execute(
            "INSERT INTO rules (id, version, begun, since, held, remark) VALUES (?, ?, ?, ?, 0, '')",
            (detection.id, detection.version, micros(first), micros(span.start)),
        )
        learnt = Learnt(int(row.lastrowid or 0), detection.version, micros(first), micros(span.start))
        learner = self._learner(detection, learnt)
        read = span.end
        for begin, page in stored(self._store, detection.where, span, self._after):
            learner.learn(page if self._anew is None else [one for one in page if not self._anew(one)])
            read = begin
        if read > span.start:  # there was too much: what was not read has not been learnt
            learnt.begun = max(learnt.begun, micros(read))
        self._fresh.add(detection.id)
        return learnt

    def _learner(self, detection: Detection, learnt: Learnt) -> Terms | Usual:
        match detection.history:
            case NewTerms() as rule:
                return Terms(self._db, self._store, detection, rule, learnt)
            case Baseline() as rule:
                return Usual(self._db, self._store, detection, rule, learnt)
            case None:
                raise ValueError(f"{detection.id} has no history")
            case _:
                assert_never(detection.history)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        self._db.execute("SAVEPOINT rule")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK TO rule")
                self._db.execute("RELEASE rule")
            self._learnt.clear()
            raise
        self._db.execute("RELEASE rule")

    def _undo(self) -> None:
        self._learnt.clear()
        self._fresh.clear()
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _known(self) -> dict[str, Learnt]:
        return _known(self._db)

    def _note(self, one: Learnt) -> None:
        self._db.execute(
            "UPDATE rules SET begun = ?, since = ?, held = ?, remark = ? WHERE number = ?",
            (one.begun, one.since, one.held, one.remark, one.number),
        )

    def _forget(self, rule_id: str) -> None:
        self._learnt.pop(rule_id, None)
        row = self._db.execute("SELECT number FROM rules WHERE id = ?", (rule_id,)).fetchone()
        for table in _TABLES if row is not None else ():
            self._db.execute(f"DELETE FROM {table} WHERE rule = ?", row)  # noqa: S608  names of our own tables
        self._db.execute("DELETE FROM rules WHERE id = ?", (rule_id,))


def learnt(path: Path, detections: Iterable[Detection]) -> list[Lesson]:
    """Return how far the learning of those of `detections` that learn has come, as the file `path` says it."""
    known: dict[str, Learnt] = {}
    if path.exists():
        with told(path), closing(open_database(path, _SHAPE)) as db:
            known = _known(db)
    found: list[Lesson] = []
    for one in detections:
        own = known.get(one.id)
        if one.history is None:
            continue
        if own is None or own.version != one.version:
            found.append(Lesson(one.id, None, None, 0, ""))
        else:
            begun = moment(own.begun)
            found.append(Lesson(one.id, begun, begun + one.history.learning, own.held, own.remark))
    return found


def _known(db: sqlite3.Connection) -> dict[str, Learnt]:
    rows = db.execute("SELECT id, number, version, begun, since, held, remark FROM rules")
    return {rule_id: Learnt(*row) for rule_id, *row in rows}


def _reach_of(history: History) -> timedelta:
    # how far back what an event is judged by may lie: an event may be as late as a history is long
    match history:
        case NewTerms():
            return 2 * history.history
        case Baseline():
            return history.against + 3 * history.window
        case _:
            assert_never(history)
