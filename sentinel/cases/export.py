"""Writes a case out so that others can read it, and check that nobody has changed it since.

An export is a new folder (0700, files 0600) or a zip file of the same. `SHA256SUMS` is as `sha256sum --check` reads it
(https://www.gnu.org/software/coreutils/manual/html_node/sha2-utilities.html) and names every other file;
`manifest.json` says what was asked, what could not be seen, and the SHA-256 of each event and of its raw line.
"""

import csv
import io
import json
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from sentinel.core.case import Case, Evidence
from sentinel.core.errors import StoreError, UsageError
from sentinel.core.slip import Slip

SUMS = "SHA256SUMS"
MANIFEST = "manifest.json"
EVENTS = "evidence.ndjson"
TABLE = "evidence.csv"
FILES_MAX = 64
FILE_BYTES_MAX = 4 << 30
SUMS_BYTES_MAX = 64 << 10
MANIFEST_BYTES_MAX = 64 << 20
PROBLEMS_MAX = 100
COLUMNS = (
    "@timestamp", "event.id", "event.dataset", "event.action", "event.outcome", "host.name", "user.name", "source.ip",
    "destination.ip", "message", "event.original",
)  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file knows; the export says itself when it was made."""


def cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: `'` before `=`, `+`, `-`, `@`, TAB, CR and LF.

    See https://owasp.org/www-community/attacks/CSV_Injection.
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def table(evidence: Iterable[Evidence]) -> bytes:
    """Return evidence as CSV (RFC 4180, UTF-8), one event a line; every value is quoted and none is a formula."""
    out = io.StringIO(newline="")
    rows = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    rows.writerow((*COLUMNS, "sha256", "raw_sha256", "query"))
    for one in evidence:
        fields = json.loads(one.document)
        texts = [_flat(fields.get(name)) for name in COLUMNS]
        rows.writerow([cell(text) for text in (*texts, one.sha256, one.raw_sha256, one.query)])
    return out.getvalue().encode("utf-8")


def manifest(
    case: Case, evidence: Sequence[Evidence], slip: Slip, queries: Iterable[str], made: Mapping[str, str]
) -> bytes:
    """Return `manifest.json`; `made` says when and by whom the export was made."""
    said: dict[str, Any] = {
        "schema": 1,
        "case": case.number,
        "title": case.title,
        **made,
        "queries": sorted({one.query for one in evidence} | set(queries)),
        "complete": slip.complete,
        "slip": slip.as_json(),
        "evidence": [{"event": one.event, "sha256": one.sha256, "raw_sha256": one.raw_sha256} for one in evidence],
    }
    return json.dumps(said, ensure_ascii=False, indent=1).encode("utf-8") + b"\n"


def files_of(evidence: Sequence[Evidence]) -> dict[str, bytes]:
    """Return the evidence as NDJSON and CSV, by the names of the files."""
    return {
        EVENTS: "".join(f"{one.document}\n" for one in evidence).encode("utf-8"),
        TABLE: table(evidence),
    }


def write(target: Path, files: Mapping[str, bytes]) -> str:
    """Write an export, a zip file if `target` ends so, else a folder; returns the SHA-256 of its SHA256SUMS.

    Raises UsageError if there is something of that name already or no folder to put it in, StoreError if it cannot be
    written: then there is nothing of that name.
    """
    for name in files:
        if not _NAME.fullmatch(name) or name == SUMS:
            raise UsageError(f"no name for a file of an export: {name[:100]!r}")
    if target.is_symlink() or target.exists():
        raise UsageError(f"{target} is there already; an export is written into a new folder or zip file")
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent} is no folder; make it first")
    sums = "".join(f"{sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)).encode("ascii")
    whole = {**files, SUMS: sums}
    begun = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        if target.suffix == ".zip":
            _zipped(begun, whole)
        else:
            begun.mkdir(mode=0o700)
            for name, content in whole.items():
                _written(begun / name, content)
        begun.rename(target)
    except OSError as error:
        _removed(begun)
        raise StoreError(f"{target}: {error.strerror}; look at the disk's space and the folder's rights") from error
    return sha256(sums).hexdigest()


def verify(path: Path) -> tuple[str, list[str]]:
    """Return the SHA-256 of an export's SHA256SUMS and what is wrong with it, nothing if it is as it was written.

    Nothing is unpacked, no link is followed. Raises UsageError if it is no export.
    """
    with _opened(path) as (names, read):
        try:
            sums = read(SUMS, SUMS_BYTES_MAX)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise UsageError(f"{path}: no export of a case, there is no {SUMS} that can be read") from error
        said = dict(_sums(sums.decode("ascii", "replace")))
        problems = [f"{name}: not in {SUMS}" for name in sorted(names - said.keys() - {SUMS})]
        for name, wanted in sorted(said.items()):
            try:
                found = read(name, FILE_BYTES_MAX)
            except KeyError:
                problems.append(f"{name}: is missing")
            except (OSError, ValueError, zipfile.BadZipFile) as error:
                problems.append(f"{name}: {error}")
            else:
                if sha256(found).hexdigest() != wanted:
                    problems.append(f"{name}: has been changed")
        if not said:
            problems.append(f"{SUMS}: names no file")
        if not problems:
            problems += _unproven(read(MANIFEST, MANIFEST_BYTES_MAX), read(EVENTS, FILE_BYTES_MAX))
    return sha256(sums).hexdigest(), problems[:PROBLEMS_MAX]


def _unproven(manifest_json: bytes, events: bytes) -> Iterator[str]:
    # the events themselves, each by the digest that it was given when it was taken into the case
    try:
        wanted = [(one["event"], one["sha256"]) for one in json.loads(manifest_json)["evidence"]]
    except (ValueError, KeyError, TypeError):
        yield f"{MANIFEST}: cannot be read"
        return
    lines = events.split(b"\n")[:-1]
    if len(lines) != len(wanted):
        yield f"{EVENTS}: {len(lines)} events, {len(wanted)} were taken into the case"
    for line, (event, digest) in zip(lines, wanted, strict=False):
        if sha256(line).hexdigest() != digest:
            yield f"{EVENTS}: event {event} is not as it was taken into the case"


def _sums(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines()[:FILES_MAX]:
        digest, _, name = line.partition("  ")
        if re.fullmatch(r"[0-9a-f]{64}", digest) and _NAME.fullmatch(name):
            yield name, digest
        else:
            yield f"line {line[:100]!r} of {SUMS}", ""


Read = Callable[[str, int], bytes]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[set[str], Read]]:
    # the names in it, and what reads a file of a name within bounds; KeyError if there is none
    if path.is_dir():
        names = {entry.name for entry in os.scandir(path)}

        def read(name: str, most: int) -> bytes:
            if name not in names:
                raise KeyError(name)
            handle = os.open(path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            with os.fdopen(handle, "rb") as file:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise ValueError("is no file")
                return _bounded(file, most)

        yield names, read
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()

            def unpacked(name: str, most: int) -> bytes:
                if sum(one.filename == name for one in members) > 1:
                    raise ValueError("is there more than once")
                with archive.open(archive.getinfo(name)) as file:
                    return _bounded(file, most)

            yield {one.filename for one in members[: FILES_MAX * 2]}, unpacked
    except (OSError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path}: no export of a case: neither its folder nor its zip file") from error


def _bounded(file: IO[bytes], most: int) -> bytes:
    found = file.read(most + 1)
    if len(found) > most:
        raise ValueError(f"is larger than {most:,} bytes")
    return found


def _written(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)


def _zipped(path: Path, files: Mapping[str, bytes]) -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            member = zipfile.ZipInfo(name, _EARLIEST)
            member.external_attr = (stat.S_IFREG | 0o600) << 16
            archive.writestr(member, content, zipfile.ZIP_DEFLATED)
    _written(path, whole.getvalue())


def _removed(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir():
            for entry in path.iterdir():
                entry.unlink()
            path.rmdir()
        else:
            path.unlink()


def _flat(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
