"""What the sites did on a day, kept small: a Bloom filter of (feature, value, site).

Bloom, "Space/time trade-offs in hash coding with allowable errors" (1970), with two hashes for all its bits (Kirsch
and Mitzenmacher, "Less hashing, same performance", 2006). A million pairs take 1.9 MB; of what was not done one in a
thousand is said to have been.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b

_BITS = 15
_PROBES = 10
_HEARD = "heard"


class Habits:
    """Pairs of what was done and where, for a number of them that is known beforehand."""

    def __init__(self, held: bytes | bytearray) -> None:
        self._bits = bytearray(held)

    @classmethod
    def sized(cls, pairs: int) -> "Habits":
        """Return an empty one with room for so many pairs."""
        return cls(bytearray(max(pairs, 64) * _BITS // 8))

    def add(self, feature: str, value: str, site: str) -> None:
        """Note that a site did it."""
        for at in self._probes(feature, value, site):
            self._bits[at >> 3] |= 1 << (at & 7)

    def has(self, feature: str, value: str, site: str) -> bool:
        """Say whether the site did it: False is sure."""
        return all(self._bits[at >> 3] & 1 << (at & 7) for at in self._probes(feature, value, site))

    def hear(self, sites: Iterable[str]) -> None:
        """Note which sites did anything at all."""
        for one in sites:
            self.add(_HEARD, "", one)

    def heard(self, site: str) -> bool:
        """Say whether the site did anything."""
        return self.has(_HEARD, "", site)

    @property
    def empty(self) -> bool:
        """Whether nothing was done at all."""
        return not any(self._bits)

    def held(self) -> bytes:
        """Return what `Habits` makes it of again."""
        return bytes(self._bits)

    def _probes(self, feature: str, value: str, site: str) -> Iterator[int]:
        named = f"{feature}\0{value}\0{site}".encode("utf-8", "surrogatepass")
        found = int.from_bytes(blake2b(named, digest_size=16).digest(), "big")
        one, other, size = found >> 64, found & 0xFFFFFFFFFFFFFFFF | 1, len(self._bits) * 8
        return ((one + number * other) % size for number in range(_PROBES))
