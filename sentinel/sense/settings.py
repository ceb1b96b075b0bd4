"""What may be chosen of the sensor."""

from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from sentinel.sense.detections import Tuning
from sentinel.sense.segments import Segments

__all__ = ["SenseSettings"]


@dataclass(frozen=True, slots=True)
class SenseSettings:
    """What may be chosen. `tshark` None: found on PATH; `stall_seconds`: silence after which tshark is stopped.

    `tuning` are the operator's numbers for the detections, `learn` a capture to learn from before anything is found.
    """

    tuning: Tuning = field(default_factory=lambda: MappingProxyType({}))
    segments: Segments = field(default_factory=Segments)
    learn: Path | None = None
    flows_max: int = 200_000
    batch: int = 500
    tshark: Path | None = None
    stall_seconds: float = 120.0
