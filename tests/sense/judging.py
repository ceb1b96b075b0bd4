"""What all detections find in some records, each thing as often as it is found."""

from collections.abc import Iterable

from sentinel.sense import detections
from sentinel.sense.findings import Finding, Scene
from sentinel.sense.judge import ByType
from sentinel.sense.records import Record
from sentinel.sense.segments import Segments


def found(
    records: Iterable[Record], tuning: detections.Tuning | None = None, segments: Segments | None = None
) -> list[Finding]:
    """Return the findings in the order in which they are told; `tuning` are the numbers of a family."""
    detectors = detections.load(tuning or {}, Scene(segments or Segments()))
    takers = ByType(one.take for one in detectors)
    told = [one for record in records for take in takers[type(record)] for one in take(record)]
    return told + [one for detector in detectors for one in detector.close()]
