"""How Sentinel fares: whether the books balance, how far each stage has come, who is silent."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sentinel.app import App
from sentinel.beat import Beat, alive, last_beat
from sentinel.core.ports import Spool
from sentinel.core.source import ENDS, UNSPOOLED, Account, Lost, Tally, hour_of
from sentinel.detect.exceptions import Exemption
from sentinel.detect.exempting import expired
from sentinel.notify.outbox import Health
from sentinel.roles import Roles, remembered
from sentinel.service import short_of
from sentinel.sources.book import Progress, Sender
from sentinel.spool.node import before
from sentinel.spool.survey import SpoolStats

WAITING_READ_MAX = 100_000
"""So many waiting records are looked at to say whose they are."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Received + split against what became of it, since the books began; `waiting` records are in the spool.

    `skipped` records were dealt with while the books could not be written. `problems` is empty if all agrees.
    """

    received: int
    split: int
    ends: Mapping[str, int]
    waiting: int
    skipped: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """What there is to say; lags are those of the oldest record that is not stored, and not judged, yet.

    `notifications` are counted by channel and state; `mute` channels have sent nothing since then, and why.
    `short` is what the store is short of, a sentence each.
    `judging` says what is wrong with the process that judges, if anything; `still`: it is there and does not move on;
    `beat` is its last sign of life.
    """

    running: bool
    roles: Roles
    progress: Progress
    tally: Tally
    balance: Balance
    spool: SpoolStats
    short: tuple[str, ...]
    store_lag: timedelta
    detect_lag: timedelta
    silent: tuple[Sender, ...]
    senders: tuple[Sender, ...]
    turned_away: Mapping[tuple[str, Lost], int]
    beat: Beat | None
    judging: str
    still: bool
    expired: tuple[Exemption, ...]
    notifications: Mapping[tuple[str, str], int]
    mute: Mapping[str, Health]

    @property
    def well(self) -> bool:
        """Say whether the books balance, nobody is silent, and the rules do not stand still."""
        return not self.balance.problems and not self.silent and not self.still


def look(app: App) -> Status:
    """Look, from any process, whether Sentinel runs or not; raises StoreError, SpoolError."""
    now = app.clock.now()
    with app.spool() as spool, app.books() as books, app.outbox() as outbox:
        progress, tally = books.accounts()
        # in this order: what enters meanwhile is waiting, and nothing is booked that was not there
        stats = spool.stats()
        waiting = max(0, spool.last - max(progress.through, before(app.config.spool_dir)))
        unjudged = books.written_after(progress.judged)
        beat, running, roles = last_beat(app.config.beat_file), books.at_work(), remembered(app.config)
        return Status(
            running=running,
            roles=roles,
            progress=progress,
            tally=tally,
            balance=balance(progress, tally, waiting),
            spool=stats,
            short=short_of(app.config.store_word) if running else (),
            store_lag=_since(stats.oldest if waiting else None, now),
            detect_lag=_since(unjudged or (stats.oldest if waiting else None), now) if roles.detect else timedelta(0),
            silent=tuple(books.silent()),
            senders=tuple(books.senders()),
            turned_away=_turned_away(tally),
            beat=beat,
            judging=_judging(beat, app.config.stuck_after) if running and roles.detect else "",
            still=running
            and roles.detect
            and beat is not None
            and alive(beat.pid)
            and beat.age() > app.config.stuck_after,
            expired=tuple(expired(app.config.content.rules, now)),
            notifications=outbox.counts(),
            mute={
                one.name: health
                for one in app.config.channels
                if (health := outbox.health(one.name)).failing is not None
            },
        )


def _judging(beat: Beat | None, patience: float) -> str:
    if beat is None or not alive(beat.pid):
        return "nothing judges: the process of the rules is gone, or has yet to begin"
    if beat.age() <= patience:
        return ""
    over = f" over the rule {beat.doing}" if beat.doing else ""
    return f"the rules stand still since {beat.age():,.0f} s{over}"


def _since(moment: datetime | None, now: datetime) -> timedelta:
    return timedelta(0) if moment is None else max(now - moment, timedelta(0))


def _turned_away(tally: Tally) -> dict[tuple[str, Lost], int]:
    away: Counter[tuple[str, Lost]] = Counter()
    for account, number in tally.items():
        if account.outcome in {"refused", "closed"}:
            away[account.source, (account.outcome, account.reason)] += number
    return dict(away)


def balance(progress: Progress, tally: Tally, waiting: int) -> Balance:
    """Compare the two sides of every source and hour, and the records booked with the sequences of the spool."""
    sums: Counter[str] = Counter()
    unspooled = 0
    for account, number in tally.items():
        sums[account.outcome] += number
        unspooled += number if account.outcome == "received" and account.reason == UNSPOOLED else 0
    problems = list(_unequal(tally))
    spooled = sums["received"] - unspooled
    if spooled != progress.booked:
        problems.append(f"{spooled:,} records are booked, the spool has given out {progress.booked:,}")
    ends = {str(name): sums[name] for name in ENDS}
    return Balance(sums["received"] + waiting, sums["split"], ends, waiting, progress.skipped, tuple(problems))


def _unequal(tally: Tally) -> Iterator[str]:
    sides: Counter[tuple[str, int]] = Counter()
    for (hour, source, outcome, _), number in tally.items():
        if outcome in {"received", "split"}:
            sides[source, hour] += number
        elif outcome in ENDS:
            sides[source, hour] -= number
    for (source, hour), difference in sides.items():
        if difference:
            yield f"source {source or '(unknown)'}, hour {hour}: {difference:+,} more received than accounted for"


def waiting(spool: Spool, through: int) -> Tally:
    """Say whose the records above `through` are; beyond WAITING_READ_MAX nobody's."""
    tally: Tally = Counter()
    after = through
    while (seen := sum(tally.values())) < WAITING_READ_MAX and (entries := spool.read(after, 2_000)):
        after = entries[-1].seq
        tally.update(Account(hour_of(entry.written), entry.raw.source, "received") for entry in entries)
    if seen >= WAITING_READ_MAX and spool.last > after:
        tally[Account(0, "", "received")] += spool.last - after
    return tally
