"""What the store asks of its SQL engine; `duck.py` holds the one there is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Row = tuple[Any, ...]


class EngineError(Exception):
    """A statement failed on a file: it has vanished, or it is damaged."""


class Engine(Protocol):
    """Runs SQL over files; every failure that a file may be to blame for is an EngineError, others a StoreError."""

    def rows(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        """Return all rows."""

    def write(self, sql: str) -> None:
        """Run a statement that writes a file; raises StoreError if that needs too much memory."""

    def stream(self, sql: str, parameters: Mapping[str, object]) -> Iterator[Row]:
        """Yield the rows without holding all of them."""

    def regex_ok(self, regex: str) -> bool:
        """Say whether the engine's regular expressions understand this one."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a person should know of: which file, what is the matter, and whether it is a damaged sealed segment."""

    path: str
    reason: str
    damaged: bool = False


def select(what: str, source: str, condition: str = "", rest: str = "") -> str:
    """Return a query; the one place where SQL is put together: names come quoted, values are bound elsewhere."""
    where = f" WHERE {condition}" if condition else ""
    return f"SELECT {what} FROM {source}{where}{rest}"  # noqa: S608  no value is ever part of these texts
