"""How large bulk requests are: larger while that brings more bytes a second, smaller as soon as the server is pressed.

Additive steps towards what brings more ("perturb and observe"), a half at once where the server refuses, as TCP finds
its window (AIMD, Chiu and Jain 1989). A fixed size is too small for a large cluster, or too large for a small one that
does something else just now.
"""

from dataclasses import dataclass, field
from threading import Lock

LEAST = 64 << 10
STEP = 256 << 10
_FIRST = 1 << 20
_PART_MIN = 256 << 10
"""Smaller parts cost the server more than working at them side by side gains."""
_LOOKS = 8
"""So many full requests are taken together: one alone says more about the server's moment than about its size."""
_GAIN = 1.02
_FULL = 0.75


@dataclass(slots=True)
class Pace:
    """Finds how many bytes a request should have, at most `most`; usable by several threads at once."""

    most: int
    size: int = field(init=False)
    _step: int = STEP
    _rate: float = 0.0
    _bytes: int = 0
    _seconds: float = 0.0
    _looked: int = 0
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        """Begin in the middle."""
        self.size = min(_FIRST, self.most)

    def part(self, whole: int, senders: int) -> int:
        """Return how many bytes a request may have if `whole` are sent by so many at once, so that all have some."""
        return min(self.size, max(_PART_MIN, -(-whole // senders)))

    def answered(self, sent: int, seconds: float) -> None:
        """Learn from a request that was answered; one that was not full says nothing about larger ones."""
        with self._lock:
            if sent < _FULL * self.size:
                return
            self._bytes, self._seconds, self._looked = self._bytes + sent, self._seconds + seconds, self._looked + 1
            if self._looked < _LOOKS:
                return
            rate = self._bytes / max(self._seconds, 1e-6)
            if rate < _GAIN * self._rate:
                self._step = -self._step
            self.size = min(max(self.size + self._step, min(LEAST, self.most)), self.most)
            self._rate = rate
            self._bytes, self._seconds, self._looked = 0, 0.0, 0

    def refused(self) -> None:
        """Learn that a request was too much: half is tried next, and from there on more again."""
        with self._lock:
            self.size = max(self.size // 2, min(LEAST, self.most))
            self._step, self._rate = STEP, 0.0
            self._bytes, self._seconds, self._looked = 0, 0.0, 0
