"""What was seen of each of many things within a stretch of capture time."""

from collections import OrderedDict

from sentinel.sense.findings import bounded
from sentinel.sense.records import SECOND

__all__ = ["Window"]


class _Seen(OrderedDict[object, int]):
    # `oldest`: nothing in it is older than that, so nothing has to be looked for before that is too old
    oldest: int


class Window:
    """The distinct targets of each key within so many seconds of capture time."""

    def __init__(self, seconds: int, keys_max: int, targets_max: int) -> None:
        self._span = seconds * SECOND
        self._keys_max, self._targets_max = keys_max, targets_max
        self._seen: OrderedDict[tuple[object, ...], _Seen] = OrderedDict()

    def note(self, key: tuple[object, ...], target: object, time: int) -> OrderedDict[object, int]:
        """Note a target; return all that lie within the span before `time`, with when each was seen last.

        Times may come a little out of order: what is later than `time` by no more than the span counts.
        """
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = _Seen()
            seen.oldest = time
            bounded(self._seen, self._keys_max)
        else:
            self._seen.move_to_end(key)
            seen.oldest = min(seen.oldest, time)
        seen[target] = max(time, seen.get(target, time))
        seen.move_to_end(target)
        while len(seen) > self._targets_max:
            seen.popitem(last=False)
        limit = max(time, next(reversed(seen.values()))) - self._span
        if seen.oldest < limit:
            for old in [one for one, at in seen.items() if at < limit]:
                del seen[old]
            seen.oldest = min(seen.values())
        return seen

    def held(self, key: tuple[object, ...], time: int) -> OrderedDict[object, int]:
        """Return what was noted of a key within the span before `time`."""
        seen = self._seen.get(key) or OrderedDict[object, int]()
        return OrderedDict((one, at) for one, at in seen.items() if at >= time - self._span)
