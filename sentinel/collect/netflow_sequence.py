"""How much of what an exporter numbered never came: gaps in sequence numbers that nothing late has filled."""

from dataclasses import dataclass, field

GAP_MAX = 1_000_000
"""A larger jump is another count, not a loss."""

LATE_SECONDS = 2.0
"""So long a datagram may be overtaken by later ones."""

HOLES_MAX = 32
_MODULUS = 1 << 32


@dataclass(slots=True)
class Hole:
    """Numbers that have not come: the first, how many, and when they were missed (seconds)."""

    first: int
    count: int
    missed: float


@dataclass(slots=True)
class Sequence:
    """The numbers of one exporter and domain; `expected` is the next to come, None if it is not known.

    A number behind the expected one is late (or came twice) if the exporter's clock has not moved on since; otherwise
    the exporter has begun to count anew. The standards number what came before a datagram; softflowd's IPFIX counts
    the datagram in. `inclusive` is which of both fitted last.
    """

    expected: int | None = None
    exported: int = 0
    inclusive: bool = False
    holes: list[Hole] = field(default_factory=list)
    _last: tuple[int, int] | None = None

    def arrived(self, number: int, units: int | None, exported: int, now: float) -> int:
        """Note `units` numbers from `number` on (None: not known how many); return how many are lost by now."""
        lost = self._ripe(now)
        self._learn(number, units)
        self._last, number = (number, units or 0), self._first(number, units)
        if self.expected is not None:
            ahead = (number - self.expected) % _MODULUS
            if ahead >= _MODULUS // 2:
                if exported <= self.exported:
                    self._fill(number, units or 0)
                    return lost
                lost += self.close()
            elif 0 < ahead <= GAP_MAX:
                self.holes.append(Hole(self.expected, ahead, now))
                if len(self.holes) > HOLES_MAX:
                    lost += self.holes.pop(0).count
        self.expected = None if units is None else (number + units) % _MODULUS
        self.exported = max(exported, self.exported)
        return lost

    def _learn(self, number: int, units: int | None) -> None:
        """Find out whether numbers count their own datagram: if only the other way fits, it is the right one."""
        if self._last is None or not units:
            return
        step = (number - self._last[0]) % _MODULUS
        if step in {units, self._last[1]} and units != self._last[1]:
            inclusive = step == units
            if inclusive != self.inclusive and self.expected is not None:
                self.expected = (self._last[0] + (0 if inclusive else self._last[1])) % _MODULUS
            self.inclusive = inclusive

    def _first(self, number: int, units: int | None) -> int:
        return (number - (units or 0)) % _MODULUS if self.inclusive else number

    def close(self) -> int:
        """Wait for nothing any more; return how many are lost."""
        lost = sum(hole.count for hole in self.holes)
        self.holes.clear()
        return lost

    def _ripe(self, now: float) -> int:
        lost = 0
        while self.holes and not 0 <= now - self.holes[0].missed < LATE_SECONDS:
            lost += self.holes.pop(0).count
        return lost

    def _fill(self, number: int, units: int) -> None:
        for at, hole in enumerate(self.holes):
            offset = (number - hole.first) % _MODULUS
            if offset < hole.count:
                rest = hole.count - offset - units
                parts = [Hole(hole.first, offset, hole.missed)] if offset else []
                if rest > 0:
                    parts.append(Hole((number + units) % _MODULUS, rest, hole.missed))
                self.holes[at : at + 1] = parts
                return
