"""A file that is read again when it has changed; a version that cannot be read leaves the one before in use."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from sentinel.core.errors import SentinelError

Held = TypeVar("Held")
_Signature = tuple[int, int, int, int]
_UNSEEN: _Signature = (-1, -1, -1, -1)


@dataclass(eq=False, slots=True)
class Watched(Generic[Held]):
    """The file at `path` as `read` understands it; `read` raises OSError, ValueError or SentinelError.

    With `optional` a file that was never there is no problem.
    """

    path: Path
    read: Callable[[Path], Held]
    optional: bool = False
    held: Held | None = None
    """What the file held when it could last be read."""
    problem: str = ""
    """Why the file as it is now is not in use; empty while all is well."""
    _seen: _Signature | None = field(default=_UNSEEN)

    def look(self) -> bool:
        """Read the file if it has changed since the last look; return whether it was read or a problem is new."""
        try:
            state = self.path.stat()
            now = (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        except OSError as error:
            return self._gone(error)
        if now == self._seen:
            return False
        self._seen = now
        try:
            self.held = self.read(self.path)
        except OSError as error:
            self._refuse(f"cannot be read: {error.strerror or error}")
        except (ValueError, SentinelError) as error:
            self._refuse(str(error))
        else:
            self.problem = ""
        return True

    def _gone(self, error: OSError) -> bool:
        if self._seen is None:
            return False
        known = self._seen != _UNSEEN
        self._seen = None
        if self.optional and not known and isinstance(error, FileNotFoundError | NotADirectoryError):
            return False
        self._refuse(f"cannot be read: {error.strerror}")
        return True

    def _refuse(self, why: str) -> None:
        why = why.removeprefix(f"{self.path}: ").replace(f"\n{self.path}: ", "; ")
        rest = "; what was read before stays in use" if self.held is not None else ""
        self.problem = f"{self.path}: {why}{rest}"
