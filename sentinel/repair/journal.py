"""The folder of a repair: what goes and what comes, on disk before anything is done, and kept as evidence after.

    repairs/20261127T134500-3f2a/0001.todo     one change a line: {"gone": [events], "new": [events]}
    repairs/20261127T134500-3f2a/0001.done     the same, once the store has it
    repairs/20261127T134500-3f2a/report.json   once all has been judged

Whoever may write to the store amends it by what is to do: the repair itself, or the process that stores. A repair
without a report was interrupted, and is finished by the next.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from shutil import rmtree
from typing import Any

import orjson

from sentinel.core.durable import sync_folder, write_file
from sentinel.core.errors import StoreError
from sentinel.core.event import Event, Value
from sentinel.core.ports import Store

REPORT = "report.json"
KEPT_MAX = 200
"""So many finished repairs are kept; then the oldest go."""

Change = tuple[Sequence[Event], Sequence[Event]]
"""Events that go, and those that are there instead."""


def begun(folder: Path, now: datetime) -> Path:
    """Make and return the folder of a new repair below `folder`, named by its beginning."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    for old in finished(folder)[:-KEPT_MAX]:
        rmtree(old, ignore_errors=True)
    number = 0
    while True:
        path = folder / f"{now:%Y%m%dT%H%M%S}-{number:02d}"
        with suppress(FileExistsError):
            path.mkdir(mode=0o750)
            return path
        number += 1


def finished(folder: Path) -> list[Path]:
    """Return the repairs that are over, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if (path / REPORT).exists())


def unfinished(folder: Path) -> list[Path]:
    """Return the repairs that were interrupted, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not (path / REPORT).exists())


def write(repair: Path, number: int, changes: Iterable[Change]) -> None:
    """Write changes down, durably, to be done."""
    lines = (orjson.dumps({"gone": list(map(_plain, gone)), "new": list(map(_plain, new))}) for gone, new in changes)
    _whole(repair / f"{number:04d}.todo", b"\n".join(lines) + b"\n")


def read(path: Path) -> list[Change]:
    """Return the changes of a file; raises StoreError if it is damaged."""
    try:
        said = [orjson.loads(line) for line in path.read_bytes().splitlines() if line]
        return [(list(map(_event, one["gone"])), list(map(_event, one["new"]))) for one in said]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: not a file of changes ({error}); remove it and begin the repair anew") from error


def waiting(folder: Path) -> list[Path]:
    """Return the files of changes that nobody has done yet, in order."""
    return sorted(folder.glob("*/*.todo"))


def done(repair: Path) -> Iterator[list[Change]]:
    """Yield the changes of each file of a repair that are done."""
    for path in sorted(repair.glob("*.done")):
        yield read(path)


def carry_out(store: Store, path: Path) -> None:
    """Amend the store by a file of changes; done again it changes nothing. Raises StoreError."""
    changes = read(path)
    store.amend([one for gone, _ in changes for one in gone], [one for _, new in changes for one in new])
    with suppress(FileNotFoundError):  # another process has done the same
        path.rename(path.with_suffix(".done"))


def finish(repair: Path, report: dict[str, object]) -> None:
    """Write the report: the repair is over."""
    _whole(repair / REPORT, orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")


def _whole(path: Path, content: bytes) -> None:
    try:
        write_file(path, content)
        sync_folder(path.parent)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error}; nothing of it has been done") from error


def _plain(event: Event) -> dict[str, object]:
    fields = {name: list(value) if isinstance(value, tuple) else value for name, value in event.fields.items()}
    return {"id": event.id, "seq": event.seq, "at": event.timestamp, "in": event.ingested, "fields": fields}


def _event(said: dict[str, Any]) -> Event:
    fields: dict[str, Value] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in said["fields"].items()
    }
    return Event(
        str(said["id"]),
        int(said["seq"]),
        datetime.fromisoformat(said["at"]),
        datetime.fromisoformat(said["in"]),
        fields,
    )
