"""Days in simulated time with everything that happens to a judge, compared with one offline pass over the same events.

Restarts, deaths at every step, pauses, delays of events up to days, clocks set back and forward, a rule whose file is
broken for a while, rules that take too long for a while. At the end no minute may be unaccounted for, no alert missing,
none there twice or with another count.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from heapq import heappop, heappush
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from sentinel.core.clock import ManualClock
from sentinel.core.event import Event, Value
from sentinel.core.ports import Store
from sentinel.store.embedded import EmbeddedStore
from sentinel.testing.mortal import PLACES, START, Judge, event, event_again, offline, rules

ADDRESSES = 40
USERS = 6
_MINUTE = timedelta(minutes=1)
_ACTIONS = ("failure", "scan", "login", "exploit", "look")
_LATE = (
    (0.80, timedelta(seconds=30)),
    (0.92, timedelta(minutes=20)),
    (0.97, timedelta(hours=6)),
    (0.99, timedelta(days=3)),
)
"""So large a part of the events comes at most so late; the others are dated ahead, by up to a day."""
_OFTEN = {"restart": 0.02, "death": 0.04, "pause": 0.01, "clock": 0.004, "broken": 0.004, "slow": 0.004}
"""With which probability something happens at a step."""
_CALM_HOURS = 60


@dataclass(frozen=True, slots=True)
class Week:
    """What was simulated and what came of it.

    `unaccounted` counts windows (rule times minute), `open` those that were skipped and not made up for; `missing` and
    `more` alerts of one offline pass that are not there, and alerts beyond it, each as it says when, what and how many.
    """

    days: float
    seed: int
    steps: int
    events: int
    happened: Counter[str]
    windows: Counter[str]
    alerts: int
    unaccounted: int
    open: int
    missing: int
    more: int
    rows: int
    seconds: float

    @property
    def well(self) -> bool:
        """Say whether nothing was forgotten, missed or doubled."""
        return not (self.unaccounted or self.open or self.missing or self.more)


class _Slow:
    """How long work seems to take: nothing, or while `slow` half a minute for each look."""

    def __init__(self) -> None:
        self.slow = False
        self._seconds = 0.0

    def __call__(self) -> float:
        """Return the seconds so far."""
        self._seconds += 16.0 if self.slow else 0.0
        return self._seconds


def simulate(days: float = 7, *, seed: int = 1, step: timedelta = 5 * _MINUTE, per_hour: int = 40) -> Week:
    """Simulate so many days, the rules run every `step` or so, `per_hour` events happening an hour."""
    with TemporaryDirectory(prefix="sentinel-week-") as folder:
        store, whole = EmbeddedStore(Path(folder) / "store"), EmbeddedStore(Path(folder) / "whole")
        try:
            return simulated(store, whole, Path(folder), days, seed=seed, step=step, per_hour=per_hour)
        finally:
            store.close()
            whole.close()


def simulated(  # noqa: PLR0913  what is simulated
    store: Store, whole: Store, folder: Path, days: float, *, seed: int, step: timedelta, per_hour: int
) -> Week:
    """Do as `simulate` does, over given stores (empty), with files in `folder`."""
    begun = perf_counter()
    chance = random.Random(seed)  # noqa: S311  a simulation that can be repeated
    clock, slow = ManualClock(START), _Slow()
    judge = Judge(store, folder / "state.db", clock, rules(), timer=slow)
    judge.run()
    waiting: list[tuple[float, int, Event]] = []
    for number, one in enumerate(_happening(chance, days, per_hour)):
        heappush(waiting, (one.ingested.timestamp(), number, one))
    work = _Work(judge, chance, slow, waiting)
    end = START + timedelta(days=days)
    while clock.now() < end or work.waiting:
        work.step(step)
    work.calm()
    now = clock.now()
    account = judge.ledger.account(START - timedelta(days=1), now)
    told = judge.told()
    wanted = offline(whole, folder / "whole.db", ManualClock(now), work.arrived)
    skipped = sum((one.end - one.start) // _MINUTE for one in judge.ledger.gaps())
    with judge.book.looking() as db:
        rows = db.execute("SELECT count(*) FROM ledger_windows").fetchone()[0]
    judge.book.shut()
    return Week(
        days,
        seed,
        work.steps,
        len(work.arrived),
        work.happened,
        account.windows,
        len(wanted),
        account.missing,
        skipped,
        len(wanted - told),
        len(told - wanted),
        rows,
        perf_counter() - begun,
    )


def _happening(chance: random.Random, days: float, per_hour: int) -> Iterator[Event]:
    # what happens, and when it will arrive (`ingested`); it comes in bursts, or no correlation would ever fire
    number = 0
    while number < days * 24 * per_hour:
        at = START + timedelta(days=days) * chance.random()
        ip, size = f"192.0.2.{chance.randrange(ADDRESSES)}", chance.choice((1, 1, 2, 3, 4, 6))
        for _ in range(size):
            moment = at + timedelta(minutes=4) * chance.random()
            fields: dict[str, Value] = {
                "event.action": chance.choice(_ACTIONS),
                "source.ip": ip,
                "user.name": f"user{chance.randrange(USERS)}",
            }
            yield event(number, 0, moment, moment + _delay(chance), fields)
            number += 1


def _delay(chance: random.Random) -> timedelta:
    drawn = chance.random()
    for share, most in _LATE:
        if drawn < share:
            return most * chance.random()
    return -timedelta(days=1) * chance.random()


class _Work:
    """What goes on: time, events that arrive, and what happens to the judge."""

    def __init__(
        self, judge: Judge, chance: random.Random, slow: _Slow, waiting: list[tuple[float, int, Event]]
    ) -> None:
        self.judge, self.chance, self.slow, self.waiting = judge, chance, slow, waiting
        self.arrived: list[Event] = []
        self.happened: Counter[str] = Counter()
        self.steps = 0
        self._elapsed = START

    def step(self, usual: timedelta) -> None:
        """Let some time pass, events arrive, perhaps something happen, and the rules run."""
        self.steps += 1
        self._pass(usual * self.chance.uniform(0.2, 1.8))
        happens = [what for what, often in _OFTEN.items() if self.chance.random() < often]
        self.happened.update(happens)
        for what in happens:
            self._happen(what)
        self.judge.run(self.chance.choice(PLACES) if "death" in happens else "")

    def _happen(self, what: str) -> None:
        match what:
            case "restart":
                self.judge.again()
            case "pause":
                self._pass(timedelta(hours=5) * self.chance.random())
            case "clock":
                self.judge.clock.advance(timedelta(hours=self.chance.choice((-3, -1, 1, 2))))
            case "broken":
                chosen = self.chance.choice([one.path for one in self.judge.detections])
                self.judge.refused = {} if self.judge.refused else {chosen: "no such modifier"}
                self.judge.again()
            case "slow":
                self.slow.slow = not self.slow.slow
            case _:
                pass

    def _pass(self, span: timedelta) -> None:
        self.judge.clock.advance(span)
        self._elapsed += span
        new: list[Event] = []
        while self.waiting and self.waiting[0][0] <= self._elapsed.timestamp():
            new.append(event_again(heappop(self.waiting)[2], len(self.arrived) + len(new) + 1))
        if new:
            self.judge.store.append(new)
            self.arrived += new

    def calm(self) -> None:
        """Let all be well again for long enough: what was set aside is tried again, what was missed made up for."""
        self.slow.slow, self.judge.refused = False, {}
        self.judge.again()
        for _ in range(_CALM_HOURS):
            self._pass(timedelta(hours=1))
            self.judge.run()
