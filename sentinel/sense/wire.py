"""One interface: its dumpcap and the next one, its flow table, its tshark, and how all of them fare."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sentinel.sense.capture import Dissector
from sentinel.sense.columns import COLUMNS
from sentinel.sense.dissect import Dissection
from sentinel.sense.records import SECOND, Health, Record
from sentinel.sense.select import DEPTHS
from sentinel.sense.sift import Sifter
from sentinel.sense.tap import Ended, Tap

__all__ = ["Pace", "Tools", "Wire"]

_SYSTEM = Path("/sys/class/net")
_LAST_WORDS_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things may take, in seconds.

    `lag`: tshark is behind by so much, and less is shown to it; `recovered` that it has been well for so long, and more
    is. `fresh`: a new dumpcap takes over, so that drops are known. `report`: a report is due. `back_off` doubles from
    the first to the last.
    """

    lag: float = 5.0
    recovered: float = 30.0
    fresh: float = 300.0
    report: float = 60.0
    back_off: tuple[float, float] = (1.0, 30.0)


@dataclass(frozen=True, slots=True)
class Tools:
    """What captures and what dissects."""

    dumpcap: Path
    tshark: Path
    bpf: str = ""
    stall_seconds: float = 120.0


class Wire:
    """The sensor on one interface. `turn` has to be called often; nothing in it waits. Times in ns since 1970."""

    def __init__(self, interface: str, tools: Tools, pace: Pace, flows_max: int, now: int) -> None:
        self.interface = interface
        self.dropped = self.restarts = 0
        self.up = False
        self.sifter = Sifter(flows_max)
        self.lag_seconds = 0.0
        self._tools = tools
        self._pace = pace
        self._dissection = Dissection(self.sifter, self._dissector, tools.stall_seconds, patient=False)
        self._tap: Tap | None = None
        self._next: Tap | None = None
        self._tap_at = self._report_at = self._fresh_at = now
        self._failed_at = self._dissector_at = 0
        self._failures = self._dissector_failures = 0
        self._depth = 0
        self._narrowed_at = self._well_since = now
        self._reported = self._answered = 0
        self._answered_at = now
        self._heard = now
        self._link = True
        self._now = now

    @property
    def fds(self) -> list[int]:
        """What becomes readable when packets have come."""
        return [tap.fd for tap in (self._tap, self._next) if tap is not None]

    @property
    def missed(self) -> int:
        """How many packets were shown to tshark and got no answer."""
        return self._dissection.missed

    @property
    def failures(self) -> int:
        """How often tshark ended without being asked to."""
        return self._dissection.failures

    @property
    def busy(self) -> bool:
        """Whether tshark has still to answer."""
        return self._dissection.oldest > 0

    @property
    def per_flow(self) -> int:
        """How many packets of each direction are shown to tshark."""
        return DEPTHS[self._depth].first

    def turn(self, now: int) -> Iterator[Record]:
        """Do what is to be done at `now`, and yield the records that are ready."""
        self._now = now
        yield from self._capture(now)
        if now - self._heard > SECOND:
            # nobody speaks: flows end by the clock
            self._heard = now
            self.sifter.table.sweep(now)
        yield from self._dissection.records()
        yield from self._watch(now)

    def close(self) -> Iterator[Record]:
        """Stop capturing and yield the rest."""
        if self._next is not None and not self._next.waiting:
            self._next.stop()
            self._next = None
        for tap in (self._tap, self._next):
            if tap is not None:
                for batch in tap.rest():
                    self.sifter.feed(batch)
                self.dropped += max(0, tap.ended.dropped if tap.ended else 0)
        self._tap = self._next = None
        self.sifter.table.close()
        self._dissection.stall_seconds = _LAST_WORDS_SECONDS
        yield from self._dissection.close()
        yield self._health("report", f"{self.interface}: stopped")

    def stop(self) -> None:
        """Leave no process behind."""
        for tap in (self._tap, self._next):
            if tap is not None:
                tap.stop()
        self._dissection.stop()

    def _capture(self, now: int) -> Iterator[Record]:
        if self._tap is None:
            if now < self._tap_at:
                return
            self._tap = self._begin()
            self._fresh_at = now + int(self._pace.fresh * SECOND)
        for batch in self._tap.read():
            self._heard = now
            self.sifter.feed(batch)
            if not self.up:
                self.up, self._failures = True, 0
                yield self._health("interface_up", f"packets come from {self.interface}")
        if self._tap.ended is not None:
            yield from self._over(self._tap.ended, now)
        elif self._next is not None:
            self._hand_over()
        elif now >= self._fresh_at and self.up:
            self._next = self._begin()

    def _begin(self) -> Tap:
        return Tap(self.interface, self._tools.dumpcap, self._tools.bpf)

    def _hand_over(self) -> None:
        # the next one is there: what it saw first is where this one's share ends
        following = self._next
        if following is None or self._tap is None or following.waiting:
            return
        following.look()
        if following.first:
            self._tap.give_way(following, self.sifter.last)
        elif following.ended is not None:
            self._next = None
            self._fresh_at = self._now + int(self._pace.fresh * SECOND)

    def _over(self, ended: Ended, now: int) -> Iterator[Record]:
        if ended.dropped > 0:
            self.dropped += ended.dropped
            share = ended.dropped / (ended.dropped + max(1, ended.received))
            yield self._health(
                "drops", f"{self.interface}: the kernel dropped {ended.dropped} packets, {share:.2%}: too many for us"
            )
        if self._next is not None and self._next.waiting:
            self._tap, self._next = self._next, None
            self._fresh_at = now + int(self._pace.fresh * SECOND)
            return
        if self._next is not None:
            self._next.stop()
        self._tap = self._next = None
        self.restarts += 1
        first, last = self._pace.back_off
        wait = min(last, first * 2**self._failures)
        self._failures = min(self._failures + 1, 16)
        self._tap_at = now + int(wait * SECOND)
        # one event a fault, not one an attempt
        if self.up or self._failures == 1:
            self.up = False
            yield self._health("interface_down", f"{self.interface}: {ended.why}; it is tried again in {wait:.0f} s")

    def _watch(self, now: int) -> Iterator[Record]:
        while self._dissection.problems:
            self._dissector_failures = min(self._dissector_failures + 1, 16)
            first, last = self._pace.back_off
            wait = min(last, first * 2 ** (self._dissector_failures - 1)) if self._dissector_failures > 1 else 0
            self._dissector_at = now + int(wait * SECOND)
            self._failed_at = now
            yield self._health("dissector_restarted", self._dissection.problems.popleft())
        if self._dissector_failures and now - self._failed_at > 300 * SECOND:
            self._dissector_failures = 0
        oldest = self._dissection.oldest
        if not oldest or self._dissection.answered != self._answered:
            self._answered, self._answered_at = self._dissection.answered, now
        elif now - self._answered_at > self._tools.stall_seconds * SECOND:
            self._answered_at = now
            self._dissection.give_up()
        self.lag_seconds = max(0, self.sifter.last - oldest) / SECOND if oldest else 0.0
        yield from self._keep_pace(now)
        yield from self._link_state()
        if now - self._report_at >= self._pace.report * SECOND:
            self._report_at = now
            new, self._reported = self.sifter.packets - self._reported, self.sifter.packets
            yield self._health("report", f"{self.interface}: {new} packets, {len(self.sifter.table)} flows go on")

    def _keep_pace(self, now: int) -> Iterator[Record]:
        if self.lag_seconds <= self._pace.lag / 5:
            if self._depth and now - self._well_since > self._pace.recovered * SECOND:
                self._depth -= 1
                self._well_since = now
                yield self._deepened("widened", "tshark keeps pace again")
            return
        self._well_since = now
        late = self.lag_seconds > self._pace.lag and now - self._narrowed_at > self._pace.lag * SECOND
        if late and self._depth < len(DEPTHS) - 1:
            self._depth += 1
            self._narrowed_at = now
            yield self._deepened("narrowed", f"tshark is {self.lag_seconds:.1f} s behind")

    def _deepened(self, event: str, why: str) -> Health:
        self.sifter.depth = DEPTHS[self._depth]
        return self._health(
            event, f"{self.interface}: {why}: {self.per_flow} packets of each direction are shown to it from now on"
        )

    def _link_state(self) -> Iterator[Record]:
        link = _carrier(self.interface)
        if link != self._link:
            self._link = link
            event = "interface_up" if link else "interface_down"
            yield self._health(event, f"{self.interface} is {'up' if link else 'down'}")

    def _dissector(self) -> Dissector | None:
        if self._now < self._dissector_at:
            return None
        return Dissector(COLUMNS, self._tools.tshark, live=True)

    def _health(self, event: str, message: str) -> Health:
        return Health(
            time=self._now,
            event=event,
            message=message,
            interface=self.interface,
            packets=self.sifter.packets,
            not_ip=self.sifter.not_ip,
            flows=len(self.sifter.table),
            evicted=self.sifter.table.evicted,
            selected=self.sifter.shown,
            missed=self.missed,
            dropped=self.dropped,
            lag_seconds=round(self.lag_seconds, 3),
            per_flow=self.per_flow,
            restarts=self.restarts,
        )


def _carrier(interface: str, root: Path = _SYSTEM) -> bool:
    # an interface that is not there at all is dumpcap's to report
    try:
        return (root / interface / "operstate").read_text().strip() != "down"
    except OSError:
        return True
