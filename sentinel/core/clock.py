"""The one place where the time of day is read; everything else is handed a `Clock`."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        """Return the present moment, aware, UTC."""
        return datetime.now(UTC)


@dataclass(slots=True)
class ManualClock:
    """A clock that stands still until somebody moves it; for tests and replays."""

    moment: datetime

    def now(self) -> datetime:
        """Return the moment it was last set to."""
        return self.moment

    def advance(self, by: timedelta) -> None:
        """Move on by `by`, which may be negative: real clocks do that too."""
        self.moment += by


def iso(moment: datetime) -> str:
    """Return `moment` as RFC 3339 in UTC with microseconds: `2026-11-23T08:15:00.000000Z` (sorts as text)."""
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None:
            msg = f"a time without a zone: {moment!r}"
            raise ValueError(msg)
        moment = moment.astimezone(UTC)
    # strftime takes ten times as long, and does not pad years below 1000 on glibc
    return moment.isoformat("T", "microseconds")[:-6] + "Z"


def local_zone(moment: datetime) -> tzinfo:
    """Return this machine's own time zone as it was at `moment`."""
    return moment.astimezone().tzinfo or UTC
