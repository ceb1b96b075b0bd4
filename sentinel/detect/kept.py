"""Rule files that have been read before: what each came to, by a hash of its text, in one file beside the state.

Reading thousands of rules takes seconds, looking them up a fraction of one. What is kept is data, never code; it counts
only for the same Sentinel, pySigma, pipelines and placeholders, and only if nobody else could have written it. It may
be lost at any time: then the files are read again.
"""

import os
import stat
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile

from sentinel import __version__, core, detect
from sentinel.detect.compiled import Read, Shared, packed, unpacked
from sentinel.detect.pipelines import Pipelines
from sentinel.detect.placeholders import Placeholders

BYTES_MAX = 64 << 20
FILES_MAX = 20_000
_DIGEST = 16


class Kept:
    """What rule files came to, in the file `path`; None: nothing is kept."""

    def __init__(self, path: Path | None, pipelines: Pipelines, placeholders: Placeholders) -> None:
        self._path = path
        self._pipelines = pipelines
        self._made_by = _made_by(pipelines, placeholders)
        self._lines = _lines(path, self._made_by) if path is not None else {}
        self._used: dict[bytes, bytes] = {}
        self._shared: Shared = {}
        self._new = False

    def documents(self, path: Path, text: str, read: Callable[[], list[Read]]) -> list[Read]:
        """Return what the rule file `path` with this `text` is, by `read` only if it is not known."""
        key = _hash(text.encode("utf-8", "surrogatepass"))
        line = self._lines.get(key)
        if line is not None:
            try:
                found = unpacked(line, path, self._pipelines, self._shared)
            except (ValueError, KeyError, TypeError):
                pass  # not from us after all: it is read again
            else:
                self._used[key] = line
                return found
        found = read()
        line = None if self._path is None else packed(found, self._pipelines)
        if line is not None:
            self._used[key] = line
            self._new = True
        return found

    def close(self) -> None:
        """Keep what has been read anew, if it can be kept: what was used now first, then what was kept before."""
        if not self._new or self._path is None:
            return
        head = self._made_by + b"\n"
        size = len(head)
        chosen = [head]
        for key, line in {**self._used, **self._lines, **self._used}.items():
            whole = b"%b %b %b\n" % (key, _hash(line), line)
            size += len(whole)
            if size > BYTES_MAX or len(chosen) > FILES_MAX:
                break
            chosen.append(whole)
        _replace(self._path, b"".join(chosen))


def _lines(path: Path, made_by: bytes) -> dict[bytes, bytes]:
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            mine = about.st_uid in {0, os.geteuid()} and not about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            if not mine or not stat.S_ISREG(about.st_mode) or about.st_size > BYTES_MAX:
                return {}
            head, _, rest = file.read(BYTES_MAX).partition(b"\n")
    except OSError:
        return {}
    if head != made_by:
        return {}
    found: dict[bytes, bytes] = {}
    for whole in rest.split(b"\n"):
        key, _, sealed = whole.partition(b" ")
        seal, _, line = sealed.partition(b" ")
        if seal and seal == _hash(line):
            found[key] = line
    return found


def _replace(path: Path, body: bytes) -> None:
    # a reader sees the old file or the new one; who may not write here has nothing kept
    aside: Path | None = None
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.", delete=False) as file:
            aside = Path(file.name)
            file.write(body)
        aside.replace(path)
    except OSError:
        if aside is not None:
            aside.unlink(missing_ok=True)


def _hash(data: bytes) -> bytes:
    return blake2b(data, digest_size=_DIGEST).hexdigest().encode()


def _made_by(pipelines: Pipelines, placeholders: Placeholders) -> bytes:
    sources = sorted((key, repr(source)) for key, source in pipelines.sources.items())
    given = repr((sources, sorted(placeholders.items())))
    return _hash(_code() + given.encode("utf-8", "surrogatepass"))


@lru_cache(maxsize=1)
def _code() -> bytes:
    # the versions, and the text of all that has a part in what a rule comes to: a checkout changes between versions
    digest = blake2b(f"{__version__} {version('pysigma')}".encode(), digest_size=_DIGEST)
    for package in (core, detect):
        for folder in package.__path__:
            for path in sorted(Path(folder).glob("*")):
                if path.is_file():
                    digest.update(path.read_bytes())
    return digest.digest()
