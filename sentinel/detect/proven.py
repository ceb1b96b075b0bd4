"""Which rules have been proven, remembered by what they are, so that a start proves only what is new.

A proof holds for a rule's version, the events beside it, and everything that takes part: our own code that reads,
matches and asks, and the libraries below it. Any of them changed, and the proof is made anew.
"""

import os
from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from unicodedata import unidata_version

import orjson

from sentinel.core.detection import Detection

ENTRIES_MAX = 50_000
_LIBRARIES = ("duckdb", "google-re2", "elasticsearch")


@cache
def engines() -> str:
    """Return a hash over all that judges events: code of ours, libraries, the edition of Unicode."""
    digest = blake2b(digest_size=16)
    for part in ("core", "detect", "store"):
        folder = files("sentinel") / part
        for file in sorted(folder.iterdir(), key=lambda one: one.name):
            if file.name.endswith((".py", ".tsv")):
                digest.update(file.read_bytes())
    for name in _LIBRARIES:
        digest.update(f"{name} {version(name)}".encode())
    digest.update(unidata_version.encode())
    return digest.hexdigest()


def key(detection: Detection, fixtures: Iterable[bytes], store: str) -> str:
    """Return what one proof is known by; `store` says on which store it was made."""
    digest = blake2b(f"{engines()} {store} {detection.id} {detection.version}".encode(), digest_size=12)
    for one in fixtures:
        digest.update(b"%d " % len(one) + one)
    return digest.hexdigest()


class Proofs:
    """The proofs in the file `path`: one that is not there, or cannot be read, holds none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, None] = {}
        try:
            said = orjson.loads(path.read_bytes())
        except (OSError, ValueError):
            said = []
        if isinstance(said, list):
            self._known = {one: None for one in said[-ENTRIES_MAX:] if isinstance(one, str)}

    def __contains__(self, one: str) -> bool:
        """Say whether a proof is known."""
        return one in self._known

    def keep(self, keys: Iterable[str]) -> None:
        """Remember proofs, the oldest forgotten beyond ENTRIES_MAX; raises OSError."""
        for one in keys:
            self._known.pop(one, None)
            self._known[one] = None
        aside = self._path.with_suffix(f".{os.getpid()}.tmp")
        aside.write_bytes(orjson.dumps(list(self._known)[-ENTRIES_MAX:]))
        aside.replace(self._path)
