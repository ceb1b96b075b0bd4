"""What `sentinel doctor` says of one thing it looked at."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; `advice` says what to do where it is not ok."""

    name: str
    state: State
    found: str
    advice: str = ""
