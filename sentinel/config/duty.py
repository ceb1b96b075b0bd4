"""The duty roster, `duty.toml`: who is on call when, for whoever looks at the console.

[[duty]]
who = "mh"
reach = "0170 0000000"            # how, if it is to be said
hours = ["mon-fri 18:00-07:00"]   # each week, in this machine's time

[[duty]]                          # once, before what holds each week
who = "eva"
begin = 2026-12-24T07:00:00
end = 2026-12-27T07:00:00
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from sentinel.config import reading, toml
from sentinel.config.inventory import Text
from sentinel.config.quiet import hours, quiet_until
from sentinel.config.sources import Section

DUTIES_MAX = 1_000


def _checked(text: str) -> str:
    hours(text)
    return text


def _here(at: datetime) -> datetime:
    # a time without a zone is this machine's
    return at.astimezone()


class Duty(Section):
    """When somebody is on call."""

    who: Text = Field(min_length=1)
    """Who: the name under which he works on alerts."""

    reach: Text = ""
    """How he is reached."""

    hours: tuple[Annotated[str, AfterValidator(_checked)], ...] = ()
    """Each week: "mon-fri 18:00-07:00", in this machine's time."""

    begin: Annotated[datetime, AfterValidator(_here)] | None = None
    """Once, from this time on."""

    end: Annotated[datetime, AfterValidator(_here)] | None = None
    """Until this time."""

    @model_validator(mode="after")
    def _is_either(self) -> Self:
        if self.hours:
            if self.begin is not None or self.end is not None:
                raise ValueError(f"{self.who}: say hours, or begin and end, in tables of their own")
        elif self.begin is None or self.end is None or self.end <= self.begin:
            raise ValueError(f"{self.who}: say hours, or begin and a later end")
        return self

    def until(self, now: datetime) -> datetime | None:
        """Return when it ends, if it holds at `now`."""
        if self.begin is not None and self.end is not None:
            return self.end if self.begin <= now < self.end else None
        return quiet_until(tuple(hours(one) for one in self.hours), now)


class Roster(Section):
    """Who is on call when."""

    duty: tuple[Duty, ...] = Field(default=(), max_length=DUTIES_MAX)
    """All of it."""

    def at(self, now: datetime) -> tuple[Duty, datetime] | None:
        """Return who is on call and until when, None if nobody is; what holds once comes first."""
        for one in sorted(self.duty, key=lambda each: bool(each.hours)):
            until = one.until(now)
            if until is not None:
                return one, until
        return None


def load(path: Path) -> Roster | None:
    """Return what a file says, None if there is none; raises ConfigError."""
    given = toml.table_if_there(path)
    return None if given is None else reading.validated(Roster, given, str(path))
