"""Which ids a day has already: exact, and cheap for the usual id, which is new.

Ids become 128-bit keys (32 lower-case hex digits are their own key, any other text is hashed). Keys of hot segments
are a set in memory; a sealed segment has them in an `.ids` file: a magic, then the sorted upper halves, then the lower
halves in the same order, 8 bytes each, little-endian. A Bloom filter per day says at once that a key is new; only
when it cannot are the files asked.
"""

import mmap
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

MAGIC = b"SNTLIDS1"
_BITS = 26  # of the Bloom filter's addresses: 8 MiB a day, one false alarm in 140 at three million ids
_MASK = (1 << _BITS) - 1
_HALF = (1 << 64) - 1


def key_of(ident: str) -> int:
    """Return the 128-bit key of an id."""
    if len(ident) == 32:
        try:
            key = int(ident, 16)
        except ValueError:
            pass
        else:
            if f"{key:032x}" == ident:
                return key
    return int.from_bytes(blake2b(ident.encode("utf-8", "surrogatepass"), digest_size=16).digest(), "big")


def pack(keys: Iterable[int]) -> bytes:
    """Return the content of an `.ids` file."""
    ordered = sorted(keys)
    upper = array("Q", [key >> 64 for key in ordered])
    lower = array("Q", [key & _HALF for key in ordered])
    if sys.byteorder == "big":
        upper.byteswap()
        lower.byteswap()
    return MAGIC + upper.tobytes() + lower.tobytes()


class Sidecar:
    """The keys of one sealed segment, on disk; raises ValueError if the file is not whole."""

    def __init__(self, path: Path, count: int) -> None:
        if sys.byteorder == "big":
            raise ValueError("ids files are little-endian")
        if path.stat().st_size != len(MAGIC) + 16 * count:
            raise ValueError(f"{path.name} has not the length of {count} ids")
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self._map[: len(MAGIC)] != MAGIC:
            raise ValueError(f"{path.name} does not begin as an ids file")
        whole = memoryview(self._map)[len(MAGIC) :].cast("Q")
        self._upper, self._lower = whole[:count], whole[count:]
        self._count = count

    def __contains__(self, key: int) -> bool:
        """Say whether the key is in the segment."""
        half, rest = key >> 64, key & _HALF
        at = bisect_left(self._upper, half)
        while at < self._count and self._upper[at] == half:
            if self._lower[at] == rest:
                return True
            at += 1
        return False

    def lower_halves(self) -> memoryview:
        """Return the lower halves of all keys."""
        return self._lower


class DayIds:
    """All ids of a day's sealed segments."""

    def __init__(self) -> None:
        self._bloom = bytearray()
        self._sidecars: list[Sidecar] = []

    def add(self, sidecar: Sidecar) -> None:
        """Know the ids of one more segment."""
        bloom = self._bloom or bytearray(1 << (_BITS - 3))
        for half in sidecar.lower_halves():
            one, two = half & _MASK, (half >> _BITS) & _MASK
            bloom[one >> 3] |= 1 << (one & 7)
            bloom[two >> 3] |= 1 << (two & 7)
        self._sidecars.append(sidecar)
        self._bloom = bloom

    def __contains__(self, key: int) -> bool:
        """Say whether a segment holds the key."""
        bloom = self._bloom
        if not bloom:
            return False
        one, two = key & _MASK, (key >> _BITS) & _MASK
        if not (bloom[one >> 3] >> (one & 7)) & 1 or not (bloom[two >> 3] >> (two & 7)) & 1:
            return False
        return any(key in sidecar for sidecar in self._sidecars)
