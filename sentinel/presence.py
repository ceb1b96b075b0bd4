"""Tells the other machines, through the store, that this one is there and up to where all of it is stored."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol
from uuid import uuid4

from sentinel.core.errors import SpoolError, StoreError, TakenError
from sentinel.core.event import arrival
from sentinel.core.node import Node, Register
from sentinel.core.ports import Clock, Spool
from sentinel.spool.node import Whose
from sentinel.spool.survey import settled_before

LOOK_SECONDS = 1.0
BEAT_SECONDS = 5.0
"""So often it is said that nothing has changed."""


class NamedSpool(Spool, Protocol):
    """A spool that knows whose it is."""

    @property
    def whose(self) -> Whose:
        """Whose it is."""


@dataclass
class Presence:
    """Keeps the entry of one machine, called `name` and at work as `roles`, in `register`.

    Nothing may be stored before its number is claimed, for the events of two machines with one number would be taken
    for each other's.
    """

    register: Register
    spool: NamedSpool
    clock: Clock
    name: str
    roles: str
    claimed: bool = False
    _session: str = field(default_factory=lambda: uuid4().hex)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _told: int = -1
    _beaten: float = float("-inf")

    def must(self) -> None:
        """Return once the number is claimed; raises TakenError, and StoreError if it cannot be claimed now."""
        if not self.claimed:
            self.tell()

    def tell(self) -> None:
        """Say how far this machine is, if that is news or the time has come; raises as `Register.tell`."""
        with self._lock:
            # in this order: what came before `now` and does not wait is stored
            now = self.clock.now()
            committed = self.spool.committed
            if committed == self._told and monotonic() - self._beaten < BEAT_SECONDS:
                return
            whose = self.spool.whose
            self.register.tell(
                Node(
                    number=whose.node,
                    spool=whose.spool,
                    session=self._session,
                    name=self.name,
                    roles=self.roles,
                    stored=arrival(committed + 1, 0) - 1,
                    moment=settled_before(self.spool, committed, now),
                    beat=now,
                )
            )
            self.claimed = True
            self._told, self._beaten = committed, monotonic()

    def keep(self, stop: threading.Event, failed: Callable[[TakenError], None]) -> None:
        """Tell until `stop` is set; `failed` is told that the number is another's by now."""
        while not stop.wait(LOOK_SECONDS):
            try:
                self.tell()
            except TakenError as error:
                failed(error)
                return
            except (StoreError, SpoolError):  # the storing says so; whoever waits for this machine will notice
                continue
