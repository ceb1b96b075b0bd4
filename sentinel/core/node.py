"""What machines that share a store know of each other."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Node:
    """One machine, as it says it itself.

    `number` is in what it stores (`core.event.node_of`), `spool` tells its spool from every other, `session` this run
    from every other; `name` and `roles` are for people. Every event of it up to the arrival sequence `stored` is in
    the store, which is all that came before `moment`; `beat` is when it said so, by its own clock.
    """

    number: int
    spool: str
    session: str
    name: str
    roles: str
    stored: int
    moment: datetime
    beat: datetime


class Register(Protocol):
    """Where the machines are entered."""

    def tell(self, node: Node, /) -> None:
        """Enter how it stands with a node; the first time claim its number.

        Raises TakenError if another spool, or another process with this one, has the number; StoreError if the store
        cannot say.
        """

    def nodes(self) -> list[Node]:
        """Return every machine that is entered, by number; raises StoreError."""
