"""Many rules, one event: which rules' `where` holds for it, with the meaning of `holds`.

Every rule begins with its log source. One field after the other decides of which sources an event is, and which rules
about them are left (`tree`); only those are asked (`lanes`), over items that they share (`conditions`), field by field
(`columns`). What is costly, or looks at two fields, comes last, and only where everything else leaves a rule open.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice

from sentinel.core.detection import Detection
from sentinel.core.event import Event, Value
from sentinel.detect.columns import FaultyError
from sentinel.detect.tree import Tree, deeper

DEPTH_MAX = 200
TOGETHER_MAX = 256
"""So many events are asked about at once: what is remembered may grow by them before it is looked at how much it is."""

Failed = Callable[[Detection, Exception], None]
"""Is told which rule raised instead of answering, and what."""
_Faults = dict[int, list[tuple[int, Exception]]]


class Matcher:
    """The rules; `broken` holds those that could not be prepared, with the reason."""

    def __init__(self, detections: Iterable[Detection]) -> None:
        self.broken: list[tuple[Detection, str]] = []
        self._detections: list[Detection] = []
        for detection in detections:
            if deeper(detection.where, DEPTH_MAX):
                self.broken.append((detection, f"cannot be prepared: nested deeper than {DEPTH_MAX} levels"))
            else:
                self._detections.append(detection)
        self._tree = Tree([one.where for one in self._detections])

    def matching(self, event: Event | Mapping[str, Value], failed: Failed) -> list[Detection]:
        """Return the detections whose `where` holds for the event, each once, in the order they were given.

        A rule that raises does not hold; it is told to `failed` with what it raised, and the others go on.
        """
        return next(self.each([event], failed))

    def each(self, events: Iterable[Event | Mapping[str, Value]], failed: Failed) -> Iterator[list[Detection]]:
        """Yield of one event after the other what `matching` says of it; `failed` is told just before.

        Many events are asked about together, which takes half the time, so some are read ahead.
        """
        given = iter(events)
        while some := [one.fields if isinstance(one, Event) else one for one in islice(given, TOGETHER_MAX)]:
            found, faults = self._judged(some)
            for number, places in enumerate(found):
                for place, error in faults.get(number, ()):
                    failed(self._detections[place], error)
                yield [self._detections[place] for place in places]

    def _judged(self, events: Sequence[Mapping[str, Value]]) -> tuple[list[tuple[int, ...]], _Faults]:
        while True:
            faults: _Faults = {}
            try:
                found = self._tree.judge(events, partial(_note, faults))
            except FaultyError as error:  # from now on those leaves are asked of `holds`, rule by rule
                self._tree = Tree([one.where for one in self._detections], self._tree.odd | {*error.leaves})
            else:
                return found, faults


def _note(faults: _Faults, number: int, place: int, error: Exception) -> None:
    faults.setdefault(number, []).append((place, error))
