"""Where findings and progress are kept, together: what the judging asks of the book of alerts."""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Protocol

from sentinel.core.detection import Finding
from sentinel.core.reached import Reached
from sentinel.detect.ledger import Keeper


class Desk(Keeper, Protocol):
    """The book of alerts, as far as the judging needs it."""

    def judged(self) -> Reached:
        """Return up to where everything has been judged."""

    def record(
        self,
        findings: Iterable[Finding],
        cursor: int,
        *,
        after: Reached | None = None,
        also: Callable[[sqlite3.Connection], None] = ...,
    ) -> tuple[str, ...]:
        """Keep findings, cursor and what `also` writes, all or nothing; returns the ids of alerts newly raised."""
