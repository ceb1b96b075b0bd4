"""Shows every record to every detection and tells what they find, each thing once an hour."""

from collections.abc import Iterable, Iterator, Sequence

from sentinel.sense.findings import Detector, Finding, Folding, Learner
from sentinel.sense.records import Record
from sentinel.sense.segments import Segments

__all__ = ["Judge"]


class Judge:
    """The detections over one stream of records.

    While `learning` is set, those that learn do so instead of finding anything, but for those that find all the same
    (`finds_while_learning`).
    """

    def __init__(self, detectors: Sequence[Detector], segments: Segments) -> None:
        self.learning = False
        self._detectors = tuple(detectors)
        self._learners = tuple(one for one in detectors if isinstance(one, Learner))
        self._finding = tuple(
            one for one in detectors if not isinstance(one, Learner) or getattr(one, "finds_while_learning", False)
        )
        self._only_learning = tuple(one for one in self._learners if one not in self._finding)
        self._fold = Folding(segments)
        self._now = 0

    def learn(self, record: Record) -> None:
        """Take a record for normal; nothing is found."""
        for learner in self._learners:
            learner.learn(record)

    def take(self, record: Record) -> Iterable[Finding]:
        """Return the findings to be told now that `record` is known."""
        at_work = self._detectors
        if self.learning:
            at_work = self._finding
            for learner in self._only_learning:
                learner.learn(record)
        self._now = max(self._now, record.time)
        found = [one for detector in at_work for one in detector.take(record)]
        return [*(self._fold(found) if found else ()), *self._fold.until(self._now)]

    def close(self) -> Iterator[Finding]:
        """Return what is left to be told."""
        for detector in self._detectors:
            yield from self._fold(detector.close())
        yield from self._fold.close()

    def memory(self) -> dict[str, object]:
        """Return what every detection has learned, by its name, as JSON has it."""
        return {_name(learner): learner.memory() for learner in self._learners}

    def recall(self, memory: object) -> list[str]:
        """Take up what `memory` returned once; returns what could not be understood."""
        if not isinstance(memory, dict):
            return ["it is no table of what detections learned"]
        wrong = []
        for learner in self._learners:
            if _name(learner) in memory:
                try:
                    learner.recall(memory[_name(learner)])
                except ValueError as error:
                    wrong.append(f"{_name(learner)}: {error}")
        return wrong


def _name(learner: Learner) -> str:
    return f"{type(learner).__module__.rpartition('.')[2]}.{type(learner).__name__}"
