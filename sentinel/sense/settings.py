"""What may be chosen of the sensor."""

from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from sentinel.sense.detections import Tuning
from sentinel.sense.findings import CalendarOf, Scene, no_calendar
from sentinel.sense.segments import Segments

__all__ = ["SenseSettings"]


@dataclass(frozen=True, slots=True)
class SenseSettings:
    """What may be chosen. `tshark` None: found on PATH; `stall_seconds`: silence after which tshark is stopped.

    `tuning` are the operator's numbers for the detections, `calendar_of` says when the place of
    an address is open, `learn` is a capture to learn from before anything is found.
    """

    tuning: Tuning = field(default_factory=lambda: MappingProxyType({}))
    segments: Segments = field(default_factory=Segments)
    calendar_of: CalendarOf = no_calendar
    learn: Path | None = None
    flows_max: int = 200_000
    batch: int = 500
    tshark: Path | None = None
    stall_seconds: float = 120.0

    @property
    def scene(self) -> Scene:
        """What detections may know of the place."""
        return Scene(self.segments, self.calendar_of)
