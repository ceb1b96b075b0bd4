"""What was seen of each of many things within a stretch of capture time."""

from collections import OrderedDict

from sentinel.sense.findings import bounded
from sentinel.sense.records import SECOND

__all__ = ["Window"]


class Window:
    """The distinct targets of each key within so many seconds of capture time."""

    def __init__(self, seconds: int, keys_max: int, targets_max: int) -> None:
        self._span = seconds * SECOND
        self._keys_max, self._targets_max = keys_max, targets_max
        self._seen: OrderedDict[tuple[object, ...], OrderedDict[object, int]] = OrderedDict()

    def note(self, key: tuple[object, ...], target: object, time: int) -> OrderedDict[object, int]:
        """Note a target; return all that lie within the span before `time`, with when each was seen last.

        Times may come a little out of order: what is later than `time` by no more than the span counts.
        """
        seen = self._seen.setdefault(key, OrderedDict())
        self._seen.move_to_end(key)
        bounded(self._seen, self._keys_max)
        seen[target] = max(time, seen.get(target, time))
        seen.move_to_end(target)
        while len(seen) > self._targets_max:
            seen.popitem(last=False)
        newest = max(time, next(reversed(seen.values())))
        for old in [one for one, at in seen.items() if at < newest - self._span]:
            del seen[old]
        return seen

    def held(self, key: tuple[object, ...], time: int) -> OrderedDict[object, int]:
        """Return what was noted of a key within the span before `time`."""
        seen = self._seen.get(key, OrderedDict())
        return OrderedDict((one, at) for one, at in seen.items() if at >= time - self._span)
