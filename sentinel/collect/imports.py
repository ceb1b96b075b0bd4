"""Remembers when a file was imported first, so that importing it again stores nothing twice.

Events are kept by the day on which they arrived, and an id is unique within its day. A file that is imported again
next week must therefore count as arriving when it first did; what it holds is told by its content, not its name.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from sentinel.core.errors import ConfigError
from sentinel.core.event import Raw, arriving
from sentinel.core.ports import Clock, Sink


@dataclass(frozen=True, slots=True)
class _Dated:
    """Hands records on, each with the time at which its file first arrived."""

    sink: Sink
    first: datetime

    @property
    def full(self) -> bool:
        return self.sink.full

    async def write(self, raws: Sequence[Raw], /) -> int:
        return await self.sink.write([arriving(raw, self.first) for raw in raws])


@dataclass(frozen=True, slots=True)
class Ledger:
    """The file at `path`: content hash and source to the time of the first import (RFC 3339, UTC)."""

    path: Path
    clock: Clock

    def sink(self, file: Path, source: str, sink: Sink) -> Sink:
        """Return a sink for the records of `file`; raises ConfigError if the ledger cannot be read or written."""
        return _Dated(sink, self._first(file, source))

    def _first(self, file: Path, source: str) -> datetime:
        digest = sha256(source.encode() + b"\0")
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
        key = digest.hexdigest()
        known = self._known()
        if key not in known:
            known[key] = self.clock.now().isoformat()
            self._keep(known)
        return datetime.fromisoformat(known[key])

    def _known(self) -> dict[str, str]:
        try:
            return {str(key): str(when) for key, when in json.loads(self.path.read_text("utf-8")).items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError) as error:
            raise ConfigError(
                f"{self.path}: cannot be read ({error}); move it away, then files imported before may be stored twice"
            ) from error

    def _keep(self, known: dict[str, str]) -> None:
        aside = self.path.with_suffix(".new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with aside.open("w", encoding="utf-8") as out:
                json.dump(known, out)
                out.flush()
                os.fsync(out.fileno())
            aside.replace(self.path)
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be written: {error.strerror}") from error
