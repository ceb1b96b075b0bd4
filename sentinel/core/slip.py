"""The completeness slip: what could not be seen in a stretch of time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from sentinel.core.clock import iso

GapKind = Literal["unknown", "silent", "lost", "unparsed", "unjudged"]


class Gap(NamedTuple):
    """Something that could not be seen: of whom, from when until when, how much of it (0: not counted), and why.

    `unknown` is time of which nothing is known, `silent` a sender that was not heard, `lost` records that were dropped,
    `unparsed` records that no pack could read, `unjudged` minutes, counted for each rule, in which it has not judged.
    """

    kind: GapKind
    about: str
    start: datetime
    end: datetime
    many: int
    why: str


@dataclass(frozen=True, slots=True)
class Slip:
    """What could not be seen between two moments; complete if there is no gap."""

    start: datetime
    end: datetime
    gaps: tuple[Gap, ...]

    @property
    def complete(self) -> bool:
        """Say whether everything could be seen."""
        return not self.gaps

    def as_json(self) -> dict[str, object]:
        """Return it as exports and `--json` hold it."""
        gaps = [gap._asdict() | {"start": iso(gap.start), "end": iso(gap.end)} for gap in self.gaps]
        return {"start": iso(self.start), "end": iso(self.end), "gaps": gaps}
