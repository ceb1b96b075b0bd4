"""Tier 2: shows the sifted packets to a tshark, and puts what it says back into the order of the capture.

A tshark that ends before it was asked to, by a signal too, is replaced, and what it had not answered is counted as
missed. After so many packets or so much capture time it is replaced anyway, because it remembers every conversation
(1.4 GB after 1.5 million packets). Nothing waits for it: flows are told without it, if need be.
"""

from bisect import insort
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from sentinel.sense import protocols
from sentinel.sense.columns import AT, Cells
from sentinel.sense.flows import Live
from sentinel.sense.records import SECOND, Record
from sentinel.sense.sift import PCAP_HEADER, Shown, Sifter

__all__ = ["BACKLOG_BYTES_MAX", "Dissection", "Runner"]

BACKLOG_BYTES_MAX = 32 << 20
"""As many bytes of packets wait for a tshark that is slow; then those that come are missed."""

_RUNS_MAX = 3
_RUN_PACKETS = 100_000
_RUN_NS = 600 * SECOND
_WAIT_SECONDS = 0.1
_NUMBER = AT["frame.number"]


class Runner(Protocol):
    """A dissector at work: `capture.Dissector`."""

    wrong: int

    def offer(self, data: bytearray, /) -> int:
        """Take some bytes."""
        ...

    def finish(self) -> None:
        """Take no more."""
        ...

    def rows(self, wait_seconds: float = 0.0) -> list[Cells]:
        """Return what is known by now."""
        ...

    @property
    def end(self) -> str | None:
        """How it ended."""
        ...

    def close(self) -> None:
        """End it."""
        ...


@dataclass(slots=True)
class _Run:
    # `first` is the number of the first packet shown to it, `next` of the one whose row is to come
    runner: Runner
    first: int
    begun: int
    waiting: bytearray
    next: int = 0
    last: int = 0
    finished: bool = False


@dataclass(slots=True)
class Dissection:
    """Moves what a sifter has left through tshark; `records` returns, in the order of the capture, what is ready.

    `start` makes a dissector, None if there may be none now (a back-off after failures). One that has packets to
    answer and says nothing for `stall_seconds` of waiting is ended. If `patient` (a file), packets wait until there is
    room for them; else (an interface) those beyond the bound are missed, and a dissector gives way after ten minutes
    of capture time. `problems` says what went wrong.
    """

    sifter: Sifter
    start: Callable[[], Runner | None]
    stall_seconds: float
    patient: bool
    missed: int = 0
    failures: int = 0
    wrong: int = 0
    answered: int = 0
    problems: deque[str] = field(default_factory=deque)
    _runs: deque[_Run] = field(default_factory=deque)
    _voids: list[tuple[int, int]] = field(default_factory=list)
    _quiet_seconds: float = 0.0

    @property
    def unanswered(self) -> int:
        """How many packets have been shown and not been answered."""
        return sum(isinstance(item, Shown) for item in self.sifter.out)

    @property
    def busy(self) -> bool:
        """Whether bytes wait that no tshark has taken."""
        return bool(self.sifter.stream) or (bool(self._runs) and bool(self._runs[-1].waiting))

    @property
    def oldest(self) -> int:
        """The time of the oldest packet that has not been answered, 0 if there is none."""
        for item in self.sifter.out:
            if isinstance(item, Shown):
                return item.time
        return 0

    def records(self, wait_seconds: float = 0.0) -> list[Record]:
        """Hand over what was sifted, fetch what was said, and return the records that are ready.

        Waits for rows no longer than `wait_seconds`, and not at all if packets could be handed over.
        """
        moved = self._hand_over()
        ready: list[Record] = []
        if self._runs:
            self._fetch(0.0 if moved else wait_seconds, ready)
        self._release(-1, ready)
        return ready

    def close(self) -> Iterator[Record]:
        """Yield the rest; then no dissector is left."""
        try:
            while self.sifter.stream or self._runs:
                yield from self.records(_WAIT_SECONDS)
                if self._runs:
                    self._retire(self._runs[-1])
        finally:
            self.stop()
        self._void(self._first(), self.sifter.shown)
        ready: list[Record] = []
        self._release(-1, ready)
        yield from ready

    def stop(self) -> None:
        """End every dissector now."""
        while self._runs:
            self._runs.popleft().runner.close()

    def _hand_over(self) -> bool:
        # to the youngest run; how many packets it has is known by the sifter's numbers
        stream, sifter = self.sifter.stream, self.sifter
        if stream:
            run = self._runs[-1] if self._runs and not self._runs[-1].finished else None
            if run and (sifter.shown - run.first > _RUN_PACKETS or self._is_old(run)):
                self._retire(run)
                run = None
            room = sum(len(one.waiting) for one in self._runs) < BACKLOG_BYTES_MAX
            if run is None:
                room = room and len(self._runs) < _RUNS_MAX
                run = self._begin() if room else None
            if run and room:
                run.waiting += stream
                run.last = sifter.shown
                stream.clear()
            elif room or not self.patient:
                # what came is missed; a later run begins behind it
                self._void(run.last if run else self._first(), sifter.shown)
                stream.clear()
                if run:
                    self._retire(run)
        moved = False
        for one in self._runs:
            while one.waiting and (taken := one.runner.offer(one.waiting)):
                del one.waiting[:taken]
                moved = True
            if one.finished and not one.waiting:
                one.runner.finish()
        return moved

    def _is_old(self, run: _Run) -> bool:
        return not self.patient and not 0 <= self.sifter.last - run.begun < _RUN_NS

    def _begin(self) -> _Run | None:
        first = self._first()
        runner = self.start()
        if runner is None:
            return None
        run = _Run(runner, first, self.sifter.last, bytearray(PCAP_HEADER), next=first)
        self._runs.append(run)
        return run

    def _first(self) -> int:
        # the number of the first packet that no run has been shown and that is not given up
        if self._runs:
            return self._runs[-1].last
        given_up = self._voids[-1][1] if self._voids else 0
        waiting = (item.number for item in self.sifter.out if isinstance(item, Shown) and item.number >= given_up)
        return next(waiting, self.sifter.shown)

    def _retire(self, run: _Run) -> None:
        run.finished = True
        if not run.waiting:
            run.runner.finish()

    def _void(self, first: int, end: int) -> None:
        # packets that nobody will answer any more
        if end > first:
            insort(self._voids, (first, end))

    def _fetch(self, wait_seconds: float, ready: list[Record]) -> None:
        run = self._runs[0]
        rows = run.runner.rows(wait_seconds)
        self._quiet_seconds = 0.0 if rows or run.next >= run.last else self._quiet_seconds + wait_seconds
        for cells in rows:
            number = cells[_NUMBER]
            place = run.first + int(number) - 1 if number.isdecimal() else -1
            if run.next <= place < run.last:
                run.next = place + 1
                self.answered += 1
                self._release(place, ready)
                self._answer(cells, ready)
            else:
                self.wrong += 1
        if self._quiet_seconds > self.stall_seconds:
            self.give_up()
        elif (end := run.runner.end) is not None:
            early = "" if run.finished else "tshark ended before it was asked to"
            self._lose(run, end or early)

    def give_up(self) -> None:
        """End the dissector that is to answer next, because it does not."""
        if self._runs:
            self._lose(self._runs[0], f"tshark said nothing for {self.stall_seconds:.0f} s and was stopped")

    def _lose(self, run: _Run, why: str) -> None:
        self._quiet_seconds = 0.0
        self._runs.remove(run)
        run.runner.close()
        self.wrong += run.runner.wrong
        if why:
            self._report(why, run)
        self._void(run.next, run.last)

    def _report(self, why: str, run: _Run) -> None:
        self.failures += 1
        lost = run.last - run.next
        self.problems.append(f"{why}; {lost} packets it had been shown are without their protocols")

    def _answer(self, cells: Cells, ready: list[Record]) -> None:
        out = self.sifter.out
        if out and isinstance(shown := out[0], Shown):
            out.popleft()
            ready += protocols.read(cells, shown)

    def _release(self, place: int, ready: list[Record]) -> None:
        # everything up to the packet with that number; at -1 up to the first that is still waited for
        out, voids = self.sifter.out, self._voids
        while out:
            item = out[0]
            if isinstance(item, Shown):
                number = item.number
                while voids and voids[0][1] <= number:
                    del voids[0]
                if not (number < place or (voids and voids[0][0] <= number)):
                    return
                self.missed += 1
                out.popleft()
                continue
            out.popleft()
            if isinstance(item, Live):
                ready += protocols.rest(item)
            elif isinstance(item, Record):
                ready.append(item)
