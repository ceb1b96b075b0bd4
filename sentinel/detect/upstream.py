"""The rules of a SigmaHQ checkout or release archive, read without trusting it.

What is no rule (YAML below `rules` or `rules-…`) is passed over. An archive that holds a hostile path, a link among the
rules, or more than the bounds allow is refused as a whole: it is not what it seems.
"""

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Protocol, cast

from sentinel.core.errors import UsageError
from sentinel.detect.documents import SIZE_MAX

ENTRIES_MAX = 100_000
BYTES_MAX = 256 << 20
"""So many bytes an archive may come to, unpacked."""
ARCHIVE_MAX = 512 << 20
NAME_MAX = 1_000
PART_MAX = 240
_OPENERS: dict[bytes, Callable[[IO[bytes]], "_Reads"]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
)

Files = dict[str, bytes]
"""By path, beginning with the folder of rules: what the file holds."""


def rules_of(path: Path) -> Files:
    """Return the rules of a checkout (a folder) or archive (zip, tar, also packed by gzip, bzip2 or xz).

    Raises UsageError, with what is wrong with it, if it is none, holds no rules, or is refused.
    """
    found = below(path) if path.is_dir() else _of_archive(path)
    if not found:
        raise UsageError(f"{path}: holds no rules below a folder rules; give a checkout or a release of SigmaHQ/sigma")
    return found


def below(path: Path) -> Files:
    """Return the rules of a folder, none if it is not there; raises UsageError, OSError."""
    return _kept(path, _of_folder(path)) if path.is_dir() else {}


def _of_archive(path: Path) -> Files:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > ARCHIVE_MAX:
                raise UsageError(f"{path}: larger than {ARCHIVE_MAX >> 20} MiB, which no release of rules is")
            head = file.read(8)
            file.seek(0)
            entries = _of_zip(file) if head.startswith(b"PK") else _of_tar(file, head)
            return _kept(path, entries)
    except _BROKEN as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UsageError(f"{path}: neither a checkout nor a zip or tar archive that can be read: {reason}") from error


def _kept(path: Path, entries: Iterator[tuple[str, bytes | None]]) -> Files:
    # what is None is no plain file, but stands where a rule would
    found: Files = {}
    names: set[str] = set()
    try:
        for name, body in entries:
            rule = _rule(name)
            if rule is None:
                continue
            if body is None:
                raise UsageError(f"{path}: {name!r} is a link or a device")
            if rule.casefold() in names:
                raise UsageError(f"{path}: holds {rule!r} twice")
            if len(body) > SIZE_MAX:
                raise UsageError(f"{path}: {rule!r} is larger than {SIZE_MAX} bytes")
            names.add(rule.casefold())
            found[rule] = body
    except _Hostile as error:
        raise UsageError(f"{path}: is refused: {error}") from error
    return found


class _Hostile(Exception):  # noqa: N818  no error of the program: what was given is one
    """Why an archive is refused."""


def _of_folder(path: Path) -> Iterator[tuple[str, bytes | None]]:
    total = count = 0
    top = path.parent if _is_rules(path.name) else path
    for folder in [path] if top != path else sorted(one for one in path.iterdir() if _is_rules(one.name)):
        for where, _, names in os.walk(folder):
            for name in sorted(names):
                file = Path(where) / name
                count += 1
                about = file.lstat()
                total += about.st_size
                _bounded(total, count)
                yield file.relative_to(top).as_posix(), file.read_bytes() if stat.S_ISREG(about.st_mode) else None


def _of_zip(file: IO[bytes]) -> Iterator[tuple[str, bytes | None]]:
    total = 0
    with zipfile.ZipFile(file) as archive:
        for count, info in enumerate(archive.infolist(), start=1):
            _bounded(total, count)
            _harmless(info.filename)
            if info.is_dir() or _rule(info.filename) is None:
                continue
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in {0, stat.S_IFREG}:
                yield info.filename, None
                continue
            if info.flag_bits & 1:
                raise _Hostile(f"{info.filename!r} is encrypted")
            with archive.open(info) as member:  # what the header says of the size is not believed
                body = member.read(SIZE_MAX + 1)
            total += len(body)
            yield info.filename, body


def _of_tar(file: IO[bytes], head: bytes) -> Iterator[tuple[str, bytes | None]]:
    opener = next((made for magic, made in _OPENERS.items() if head.startswith(magic)), None)
    plain = file if opener is None else opener(file)
    count = 0
    with tarfile.open(fileobj=cast("IO[bytes]", _Bounded(plain)), mode="r|") as archive:
        for member in archive:
            count += 1
            _bounded(0, count)
            _harmless(member.name)
            if member.isdir() or _rule(member.name) is None:
                continue
            taken = archive.extractfile(member) if member.isreg() else None
            yield member.name, None if taken is None else taken.read(SIZE_MAX + 1)


class _Reads(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Bounded:
    """Reads on until BYTES_MAX: a stream may unpack to anything, whatever the headers in it say."""

    def __init__(self, file: "_Reads") -> None:
        self._file = file
        self._left = BYTES_MAX

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes."""
        body = self._file.read(size)
        self._left -= len(body)
        if self._left < 0:
            _bounded(BYTES_MAX + 1, 0)
        return body


def _bounded(total: int, count: int) -> None:
    if total > BYTES_MAX:
        raise _Hostile(f"it unpacks to more than {BYTES_MAX >> 20} MiB")
    if count > ENTRIES_MAX:
        raise _Hostile(f"it holds more than {ENTRIES_MAX:,} files")


def _harmless(name: str) -> None:
    parts = name.rstrip("/").split("/")
    wrong = (
        len(name) > NAME_MAX
        or "\\" in name
        or not name.isprintable()
        or any(one in {"", ".."} or len(one.encode("utf-8", "surrogateescape")) > PART_MAX for one in parts)
        or parts[0].endswith(":")
    )
    if wrong:
        raise _Hostile(f"it holds the path {name[:NAME_MAX]!r}")


def _rule(name: str) -> str | None:
    # the path from the folder of rules on; a release has it on top, a checkout's archive below the checkout's name
    parts = [one for one in name.split("/") if one not in {"", "."}]
    if not name.endswith((".yml", ".yaml")):
        return None
    for begin in range(min(2, len(parts) - 1)):
        if _is_rules(parts[begin]):
            return "/".join(parts[begin:])
    return None


def _is_rules(name: str) -> bool:
    return name == "rules" or name.startswith("rules-")
