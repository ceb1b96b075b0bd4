"""Shows every record to the detections that take its type and tells what they find, each thing once an hour."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar, get_args, get_type_hints

from sentinel.sense.findings import Detector, Finding, Folding, Learner
from sentinel.sense.records import Record
from sentinel.sense.segments import Segments

__all__ = ["ByType", "Judge"]

_Answer = TypeVar("_Answer")


class ByType(dict[type[Record], tuple[Callable[[Any], _Answer], ...]], Generic[_Answer]):
    """Of some methods those that take records of a type, in their order: the type is in the annotation of the record.

    Types count as they are named, but for `Record`, which takes all.
    """

    def __init__(self, methods: Iterable[Callable[[Any], _Answer]]) -> None:
        super().__init__()
        self._methods = tuple((method, _named(method)) for method in methods)

    def __missing__(self, kind: type[Record]) -> tuple[Callable[[Any], _Answer], ...]:
        """Look through all methods, once for each type."""
        found = tuple(method for method, kinds in self._methods if kind in kinds or Record in kinds)
        self[kind] = found
        return found


def _named(method: Callable[[Any], object]) -> frozenset[object]:
    (named,) = (kind for name, kind in get_type_hints(method).items() if name != "return")
    return frozenset(get_args(named) or (named,))


class Judge:
    """The detections over one stream of records.

    While `learning` is set, those that learn do so instead of finding anything, but for those that find all the same
    (`finds_while_learning`).
    """

    def __init__(self, detectors: Sequence[Detector], segments: Segments) -> None:
        self.learning = False
        self._detectors = tuple(detectors)
        self._learners = tuple(one for one in detectors if isinstance(one, Learner))
        finding = [
            one for one in detectors if not isinstance(one, Learner) or getattr(one, "finds_while_learning", False)
        ]
        self._take = ByType(one.take for one in detectors)
        self._learn = ByType(one.learn for one in self._learners)
        self._take_meanwhile = ByType(one.take for one in finding)
        self._learn_meanwhile = ByType(one.learn for one in self._learners if one not in finding)
        self._fold = Folding(segments)
        self._now = 0

    def learn(self, record: Record) -> None:
        """Take a record for normal; nothing is found."""
        for learn in self._learn[type(record)]:
            learn(record)

    def take(self, record: Record) -> list[Finding]:
        """Return the findings to be told now that `record` is known."""
        kind = type(record)
        takers = self._take[kind]
        if self.learning:
            takers = self._take_meanwhile[kind]
            for learn in self._learn_meanwhile[kind]:
                learn(record)
        found: list[Finding] = []
        for take in takers:
            # most say nothing
            if told := take(record):
                found += told
        self._now = max(self._now, record.time)
        fresh = list(self._fold(found)) if found else []
        return fresh + self._fold.until(self._now)

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
