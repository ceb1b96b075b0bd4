"""Shows every record to every detection and tells what they find, each thing once an hour."""

from collections.abc import Iterable, Iterator, Sequence

from sentinel.sense.findings import Detector, Finding, Folding, Learner
from sentinel.sense.records import Record
from sentinel.sense.segments import Segments

__all__ = ["Judge"]


class Judge:
    """The detections over one stream of records.

    While `learning` is set, those that learn do, and nothing is found.
    """

    def __init__(self, detectors: Sequence[Detector], segments: Segments) -> None:
        self.learning = False
        self._detectors = tuple(detectors)
        self._learners = tuple(one for one in detectors if isinstance(one, Learner))
        self._fold = Folding(segments)
        self._now = 0

    def take(self, record: Record) -> Iterable[Finding]:
        """Return the findings to be told now that `record` is known."""
        if self.learning:
            for learner in self._learners:
                learner.learn(record)
            return ()
        self._now = max(self._now, record.time)
        found = [one for detector in self._detectors for one in detector.take(record)]
        return [*(self._fold(found) if found else ()), *self._fold.until(self._now)]

    def close(self) -> Iterator[Finding]:
        """Return what is left to be told."""
        for detector in self._detectors:
            yield from self._fold(detector.close())
        yield from self._fold.close()
