"""A backup: all that Sentinel knows, copied while it works; a Sentinel begun from the copy goes on where it was.

The order makes it whole, without anything standing still. What is known of a record never is older in the copy than
what relies on it: marks of entrances, the checkpoint, what was told, cases, alerts, books, then the store, then the
spool, then the audit log. So a record is in the copy of the store, or will be read again from that of the spool, and
what comes twice by that has the same id. While files are copied the spool is looked after again and again, for what is
stored leaves it; that none of it was missed is proven at the end.

    manifest.json, SHA256SUMS      what it is; a digest of every file
    data/                          the data folder: databases, marks, repairs, audit, spool, store
    content/                       configuration, inventory, calendar, packs and rules with their exceptions
    keys/                          of the audit log and of Elasticsearch, where they lie elsewhere
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from hashlib import file_digest
from pathlib import Path

from sentinel import __version__
from sentinel.app import App
from sentinel.config.options import Config
from sentinel.core.audit import Deed
from sentinel.core.clock import iso
from sentinel.core.database import told
from sentinel.core.durable import sync_file, sync_folder
from sentinel.core.errors import ConfigError, StoreError, UsageError
from sentinel.sources.book import SourceBook
from sentinel.spool.disk import DiskSpool
from sentinel.spool.files import CHECKPOINT, NODE, segment_path
from sentinel.spool.files import listing as spool_listing
from sentinel.spool.node import before
from sentinel.store.segments import listing

MANIFEST, SUMS = "manifest.json", "SHA256SUMS"
_ORDER = ("questions", "notify", "cases", "joins", "history", "state", "sources")
"""Databases in the order in which they are copied; others come last."""
_NOT = {"spool", "store", "audit", "rules.kept", "proven.json", "retention.asked"}
"""What has a place of its own in a backup, or is made anew."""
_NOT_ENDINGS = (".db", ".db-wal", ".db-shm", ".lock", ".beat", ".tmp")


@dataclass(frozen=True, slots=True)
class Made:
    """What a backup is: `through` and `judged` are the records booked and judged, `snapshot` is Elasticsearch's."""

    version: str
    at: str
    store: str
    repository: str
    snapshot: str
    prefix: str
    through: int
    judged: int
    files: int


def make(app: App, to: Path, options: Path | None) -> Made:
    """Write a backup into the new folder `to`; `options` is the configuration's file.

    Raises UsageError if `to` is there, StoreError if the backup cannot be made.
    """
    if to.exists():
        raise UsageError(f"{to} is there already; a backup is never added to another")
    aside = to.with_name(f"{to.name}.{os.getpid()}.tmp")
    try:
        aside.mkdir(mode=0o700, parents=True)
        made = _Copy(app, aside, options).all()
        (aside / MANIFEST).write_text(json.dumps(asdict(made), indent=2) + "\n", "utf-8")
        (aside / SUMS).write_text("".join(f"{_digest(one)}  {name}\n" for name, one in _files(aside)), "utf-8")
        for folder in {one.parent for _, one in _files(aside)}:
            sync_folder(folder)
        aside.rename(to)
        sync_folder(to.parent)
    except OSError as error:
        raise StoreError(f"{to}: the backup cannot be written: {error.strerror}; make room, try again") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return made


def verify(folder: Path) -> tuple[Made, list[str]]:
    """Return what a backup is and what is wrong with it; raises UsageError if it is none."""
    try:
        made = Made(**json.loads((folder / MANIFEST).read_bytes()))
        lines = (folder / SUMS).read_text("utf-8").splitlines()
        wanted = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{folder} is no backup of Sentinel's: {error}") from error
    there = dict(_files(folder))
    there.pop(SUMS, None)
    problems = [f"{name}: is missing" for name in wanted.keys() - there.keys()]
    problems += [f"{name}: not in {SUMS}" for name in there.keys() - wanted.keys()]
    problems += [
        f"{name}: has been changed" for name in wanted.keys() & there.keys() if _digest(there[name]) != wanted[name]
    ]
    return made, sorted(problems)


def restore(app: App, folder: Path, who: str, admin: Path | None = None) -> Made:
    """Bring a backup back into an empty data folder, and an empty cluster; raises UsageError, StoreError, ConfigError.

    `admin` is who may restore snapshots, see `App.elastic`. Inventory, calendar, packs and rules that are not there are
    put where they were; what is there stays as it is.
    """
    made, problems = verify(folder)
    if problems:
        raise StoreError(
            f"{folder} is not as it was written: {problems[0]}, {len(problems)} problems; nothing was done"
        )
    options, data = app.config.store, app.config.data
    if (made.store, made.prefix) != (options.kind, options.prefix):
        raise UsageError(
            f"the backup is of store.kind {made.store!r} and store.prefix {made.prefix!r}: configure these"
        )
    if data.exists() and any(data.iterdir()):
        raise UsageError(f"{data} is not empty: a backup is restored into an empty one; move it away")
    if made.snapshot:
        with app.elastic(admin) as store:
            store.bring_back(made.repository, made.snapshot)
    aside = data.with_name(f"{data.name}.restoring")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        shutil.copytree(folder / "data", aside)
        aside.chmod(0o750)
        for _, path in _files(aside):
            sync_file(path)
        if data.exists():
            data.rmdir()
        aside.rename(data)
        sync_folder(data.parent)
        for name, path in _content(app.config, None):
            source = folder / name
            if source.exists() and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if source.is_dir() else shutil.copy2)(source, path)
    except OSError as error:
        raise StoreError(f"{data}: the backup cannot be restored: {error}") from error
    app.audit.enter(Deed("backup.restore", who, str(folder), {"made": made.at, "through": made.through}))
    return made


class _Copy:
    """One backup being written into `to`."""

    def __init__(self, app: App, to: Path, options: Path | None) -> None:
        self._app = app
        self._to = to
        self._options = options
        self._data = to / "data"
        self._segments = self._data / "spool"

    def all(self) -> Made:
        app, config = self._app, self._app.config
        self._segments.mkdir(mode=0o700, parents=True)
        for name in (CHECKPOINT, NODE):
            _copied_if_there(config.spool_dir / name, self._segments / name)
        self._look_after_spool()
        self._marks()
        for path in sorted(config.data.glob("*.db"), key=_place):
            _database(path, self._data / path.name)
        snapshot = self._store()
        self._look_after_spool(last=True)
        _audit(config.audit_dir, self._data / "audit")
        for name, path in _content(config, self._options):
            if path.is_dir():
                shutil.copytree(path, self._to / name)
            else:
                _copied_if_there(path, self._to / name)
        through, judged = self._booked()
        self._prove_spool(through)
        return Made(
            version=__version__,
            at=iso(app.clock.now()),
            store=config.store.kind,
            repository=config.store.snapshots if snapshot else "",
            snapshot=snapshot,
            prefix=config.store.prefix,
            through=through,
            judged=judged,
            files=sum(1 for _ in _files(self._to)),
        )

    def _marks(self) -> None:
        # everything else in the data folder: marks, repairs, what is known of rules
        data = self._app.config.data
        for path in sorted(data.rglob("*")):
            name = path.relative_to(data)
            if path.is_file() and name.parts[0] not in _NOT and not path.name.endswith(_NOT_ENDINGS):
                _copied_if_there(path, self._data / name)
        for path in sorted((data / "collect").glob("*.db")):
            _database(path, self._data / "collect" / path.name)

    def _store(self) -> str:
        config = self._app.config
        if config.store.kind == "elasticsearch":
            if not config.store.snapshots:
                raise ConfigError("store.snapshots names no snapshot repository: a backup of Elasticsearch needs one")
            name = f"{config.store.prefix}-{self._app.clock.now():%Y%m%dt%H%M%S}"
            with self._app.elastic() as store:
                store.snapshot(config.store.snapshots, name, self._look_after_spool)
            return name
        self._segments_of_store(config.store_dir, self._data / "store")
        return ""

    def _segments_of_store(self, folder: Path, to: Path) -> None:
        # what vanishes was sealed, amended or removed: another list says what is there instead
        to.mkdir(mode=0o750)
        while True:
            there = [one.name for one in listing(folder)] if folder.is_dir() else []
            for path in to.iterdir():
                if path.name not in there:
                    path.unlink()
            missing = [name for name in there if name.endswith(".ndjson") or not (to / name).exists()]
            if all(self._carried(folder / name, to / name) for name in missing):
                return

    def _carried(self, path: Path, to: Path) -> bool:
        self._look_after_spool()
        return _copied_if_there(path, to)

    def _look_after_spool(self, *, last: bool = False) -> None:
        # a segment that is full never changes; the one that grows is copied at the end
        numbers = spool_listing(self._app.config.spool_dir).numbers
        for number in numbers if last else numbers[:-1]:
            to = segment_path(self._segments, number)
            if last or not to.exists():
                _copied_if_there(segment_path(self._app.config.spool_dir, number), to)

    def _booked(self) -> tuple[int, int]:
        path = self._data / "sources.db"
        if not path.exists():
            return 0, 0
        with SourceBook(path, self._app.clock) as books:
            known = books.progress()
        return known.through, known.judged

    def _prove_spool(self, through: int) -> None:
        """Raise StoreError unless every record above `through` that was there is in the copy."""
        through = max(through, before(self._segments))
        numbers = spool_listing(self._segments).numbers
        with DiskSpool(self._segments, self._app.clock, ballast_bytes=0, disk_percent_max=100) as spool:
            after = max(numbers[0] - 1, through) if numbers else through
            first = spool.read(after, 1)
            whole = after == through and (not first or first[0].seq == through + 1)
            while whole and (entries := spool.read(after, 2_000)):
                whole = entries[-1].seq - after == len(entries)
                after = entries[-1].seq
        for name in ("head", "spool.lock"):
            (self._segments / name).unlink(missing_ok=True)
        if not whole:
            raise StoreError("more came in than could be copied meanwhile, or the spool is damaged: try again")


def _place(path: Path) -> int:
    return _ORDER.index(path.stem) if path.stem in _ORDER else len(_ORDER)


def _database(path: Path, to: Path) -> None:
    with told(path), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source:
        to.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        with closing(sqlite3.connect(to)) as target:
            source.backup(target)
    to.chmod(path.stat().st_mode & 0o777)


def _audit(folder: Path, to: Path) -> None:
    # anchors first: what they hold is in the log that is copied after them; of that whole lines
    for name in ("key", "anchors.jsonl"):
        _copied_if_there(folder / name, to / name)
    if _copied_if_there(folder / "chain.jsonl", to / "chain.jsonl"):
        with (to / "chain.jsonl").open("rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)


def _content(config: Config, options: Path | None) -> Iterator[tuple[str, Path]]:
    # by its name in a backup, what lies elsewhere
    if options is not None:
        yield "content/sentinel.toml", options
    yield from (("content/assets.toml", config.inventory), ("content/calendar.toml", config.calendar))
    for kind in ("packs", "rules"):
        yield from ((f"content/{kind}-{at}", path) for at, path in enumerate(getattr(config.content, kind)))
    if config.audit.key_file is not None:
        yield "keys/audit", config.audit.key_file
    if config.audit.anchors is not None:
        yield "keys/anchors.jsonl", config.audit.anchors
    if config.store.keys is not None:
        yield "keys/elasticsearch", config.store.keys


def _copied_if_there(path: Path, to: Path) -> bool:
    to.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    try:
        shutil.copy2(path, to)
    except FileNotFoundError:
        to.unlink(missing_ok=True)
        return False
    sync_file(to)
    return True


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(folder).as_posix(), path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
