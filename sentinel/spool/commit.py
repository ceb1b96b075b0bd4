"""Group commit: what many callers hand in while one write is under way becomes the next write.

Nobody waits for company: a batch is begun as soon as the last one is durable, so a lone record goes out at once and
under load batches grow by themselves, each at most as old as one write and its fdatasync.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import chain
from time import monotonic

from sentinel.core.errors import SpoolError, SpoolFullError
from sentinel.spool.tail import AT_ONCE_MAX, Tail

_BATCH_BYTES_MAX = 4 << 20
_FULL_PAUSE_SECONDS = 0.1
_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Order:
    """Payloads of one caller, how many of them are durable, and who is told in the end."""

    payloads: Sequence[bytes]
    waiter: "Future[int] | asyncio.Future[int]"
    patient: bool
    done: int = 0


@dataclass(slots=True)
class _Outcomes:
    """What the waiters are told; those of an event loop together, because waking a loop costs a system call."""

    by_loop: dict[asyncio.AbstractEventLoop, list[tuple["asyncio.Future[int]", int | SpoolError]]] = field(
        default_factory=dict
    )

    def settle(self, order: _Order, outcome: int | SpoolError) -> None:
        if isinstance(order.waiter, Future):
            _tell(order.waiter, outcome)
        else:
            self.by_loop.setdefault(order.waiter.get_loop(), []).append((order.waiter, outcome))

    def send(self) -> None:
        for loop, told in self.by_loop.items():
            if not loop.is_closed():
                try:
                    loop.call_soon_threadsafe(_tell_all, told)
                except RuntimeError:  # closed in between: nobody waits any more
                    continue


def _tell(waiter: "Future[int] | asyncio.Future[int]", outcome: int | SpoolError) -> None:
    if waiter.done():  # cancelled; the records are kept nevertheless
        return
    if isinstance(outcome, int):
        waiter.set_result(outcome)
    else:
        waiter.set_exception(outcome)


def _tell_all(told: "list[tuple[asyncio.Future[int], int | SpoolError]]") -> None:
    for waiter, outcome in told:
        _tell(waiter, outcome)


class Committer:
    """The one thread of a process that appends; it starts with the first order."""

    def __init__(self, tail: Tail, flush: Callable[[], None]) -> None:
        self._tail = tail
        self._flush = flush
        self._orders: deque[_Order] = deque()
        self._changed = threading.Condition()
        self._full_since: float | None = None
        self._closing = self.hurried = False
        self._broken: SpoolError | None = None
        self._thread: threading.Thread | None = None

    @property
    def full(self) -> bool:
        """Say whether the spool takes nothing at present."""
        return self._full_since is not None

    async def write(self, payloads: Sequence[bytes]) -> int:
        """Return the last sequence once all are durable; waits while the spool is full."""
        waiter: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._hand_in(_Order(payloads, waiter, patient=True))
        return await waiter

    def put(self, payloads: Sequence[bytes], *, patient: bool = True) -> int:
        """Do as `write` does, from a thread; if not patient, raise SpoolFullError where `write` would wait."""
        waiter: Future[int] = Future()
        self._hand_in(_Order(payloads, waiter, patient))
        return waiter.result()

    def _hand_in(self, order: _Order) -> None:
        with self._changed:
            if self._broken is not None:
                raise self._broken
            if self._closing:
                raise SpoolError("the spool is closed: nothing more can be written")
            if self.full and (self.hurried or not order.patient):
                raise SpoolFullError("the spool is full")
            self._orders.append(order)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="spool-commit", daemon=True)
                self._thread.start()
            elif len(self._orders) == 1:
                self._changed.notify()

    def hurry(self) -> None:
        """From now on let nobody wait for room: what a full spool does not take ends with SpoolFullError."""
        with self._changed:
            self.hurried = True
            self._changed.notify()

    def close(self) -> None:
        """Write what was handed in; what a full spool does not take ends with SpoolFullError."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._orders and not self._closing:
                    self._changed.wait()
                batch = self._next_batch()
            if not batch:
                return
            try:
                self._append_or_relieve(batch)
            except SpoolFullError as error:
                self._wait_for_room(error)
            except SpoolError as error:
                self._stop(error)
                return
            except OSError as error:  # the folder itself went away or may not be entered any more
                self._stop(SpoolError(f"the spool cannot be written: {error}"))
                return

    def _next_batch(self) -> list[_Order]:
        batch: list[_Order] = []
        records = size = 0
        for order in self._orders:
            if batch and (not order.patient or not batch[0].patient):
                break
            batch.append(order)
            records += len(order.payloads) - order.done
            size += sum(map(len, order.payloads))
            if records >= AT_ONCE_MAX or size >= _BATCH_BYTES_MAX:
                break
        return batch

    def _append_or_relieve(self, batch: list[_Order]) -> None:
        try:
            self._append(batch)
        except SpoolFullError:
            if batch[0].patient or not self._relieve():
                raise
            self._append(batch)  # who does not wait is refused only for what has not been dealt with

    def _append(self, batch: list[_Order]) -> None:
        whole = not batch[0].patient
        payloads: Sequence[bytes]
        if len(batch) == 1 and not batch[0].done:
            payloads = batch[0].payloads
        else:
            payloads = list(chain.from_iterable(order.payloads[order.done :] for order in batch))
        first, taken = self._tail.append(payloads, whole=whole)
        outcomes = _Outcomes()
        with self._changed:
            if self._full_since is not None:
                _log.warning("records are accepted again after %.0f s", monotonic() - self._full_since)
            self._full_since = None
            for order in batch:
                count = min(taken, len(order.payloads) - order.done)
                order.done += count
                taken -= count
                first += count
                if order.done < len(order.payloads):
                    break
                self._orders.popleft()
                outcomes.settle(order, first - 1)
        outcomes.send()

    def _wait_for_room(self, error: SpoolFullError) -> None:
        outcomes = _Outcomes()
        with self._changed:
            if self._full_since is None:
                _log.warning("senders wait: %s", error)
                self._full_since = monotonic()
            hurried = self._closing or self.hurried
            refused = [order for order in self._orders if hurried or not order.patient]
            for order in refused:
                self._orders.remove(order)
                outcomes.settle(order, SpoolFullError(str(error), order.done))
            waiting = bool(self._orders)
            if not waiting:
                self._full_since = None
        outcomes.send()
        if waiting:
            with self._changed:
                if not self._closing:
                    self._changed.wait(_FULL_PAUSE_SECONDS)
            self._relieve()

    def _relieve(self) -> bool:
        try:
            self._flush()
            self._tail.relieve()
        except (SpoolError, OSError):  # told by whoever writes next
            return False
        return True

    def _stop(self, error: SpoolError) -> None:
        outcomes = _Outcomes()
        with self._changed:
            self._broken = error
            for order in self._orders:
                outcomes.settle(order, error)
            self._orders.clear()
        outcomes.send()
