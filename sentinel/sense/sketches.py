"""The door to Apache DataSketches: about how many different things there were, and how great most of many numbers are.

Both are small however much they are shown, and come back from their text as they were.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any, Self

from datasketches import hll_sketch, kll_floats_sketch, tgt_hll_type

__all__ = ["Distinct", "Quantiles"]

_LG_REGISTERS = 10
_K = 128


class Distinct:
    """How many different things it was shown: exact for a few, then by HyperLogLog (Flajolet et al. 2007), 3 % off."""

    __slots__ = ("_sketch",)

    def __init__(self) -> None:
        self._sketch = hll_sketch(_LG_REGISTERS, tgt_hll_type.HLL_4)

    def add(self, thing: str | int) -> None:
        """Take a thing into account."""
        self._sketch.update(thing)

    @property
    def number(self) -> int:
        """About how many there were."""
        return round(float(self._sketch.get_estimate()))

    def text(self) -> str:
        """Return it as text."""
        return b64encode(self._sketch.serialize_compact()).decode()

    @classmethod
    def of(cls, text: object) -> Self:
        """Return what `text` wrote; raises ValueError."""
        made = cls()
        made._sketch = _read(hll_sketch.deserialize, text)
        return made


class Quantiles:
    """How the numbers it was shown are spread: KLL (Karnin, Lang, Liberty 2016), ranks within 2 % of the true ones.

    Beyond some hundred numbers the sketch tosses coins for which of them it keeps.
    """

    __slots__ = ("_sketch",)

    def __init__(self) -> None:
        self._sketch = kll_floats_sketch(_K)

    def add(self, number: float) -> None:
        """Take a number into account."""
        self._sketch.update(number)

    @property
    def count(self) -> int:
        """How many there were."""
        return int(self._sketch.n)

    def at(self, share: float) -> float:
        """Return the number that `share` of them do not exceed; there has to be one."""
        return float(self._sketch.get_quantile(share))

    def text(self) -> str:
        """Return it as text."""
        return b64encode(self._sketch.serialize()).decode()

    @classmethod
    def of(cls, text: object) -> Self:
        """Return what `text` wrote; raises ValueError."""
        made = cls()
        made._sketch = _read(kll_floats_sketch.deserialize, text)
        return made


def _read(read: Callable[[bytes], Any], text: object) -> Any:  # noqa: ANN401  the library has no types
    try:
        return read(b64decode(str(text), validate=True))
    except (ValueError, IndexError, RuntimeError) as error:
        msg = f"a sketch cannot be understood: {error}"
        raise ValueError(msg) from error
