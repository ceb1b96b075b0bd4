"""What the console asks of Sentinel: values and protocols; `sentinel/console.py` says who stands behind them.

Everything here may block as long as a question to a store takes: it is called in a worker's thread (`Page.ask`),
never from the screens' own. A new service is one more field here and its wiring there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from sentinel.core.alert import Desk
from sentinel.core.detection import Detection
from sentinel.core.listing import Listings
from sentinel.core.ports import Clock, Store


@dataclass(frozen=True, slots=True)
class Pulse:
    """How Sentinel fares: events a second (None: not known yet), how full the spool is (0 to 1), how many are silent.

    `problem`: what does not work at all.
    """

    per_second: float | None
    spool: float
    silent: int
    detect_lag: timedelta
    problem: Literal["", "run", "judge", "spool"] = ""


@dataclass(frozen=True, slots=True)
class Services:
    """All that the screens know of the world.

    `who` is at the keyboard, `place` what this Sentinel is called. `desk`, `listings` and `store` open what they return
    when they are first called.
    """

    clock: Clock
    who: str
    place: str
    state_folder: Path
    keys_file: Path
    language: str
    desk: Callable[[], Desk]
    listings: Callable[[], Listings]
    store: Callable[[], Store]
    rule: Callable[[str], Detection | None]
    pulse: Callable[[], Pulse]
