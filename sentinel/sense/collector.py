"""Python's collector of cycles, told to come more rarely: records are many, and hold none."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["calm"]

_SELDOM = (100_000, 50, 100)


@contextmanager
def calm() -> Iterator[None]:
    """Have the collector look after 100,000 new objects instead of 700, for as long as packets are read.

    Measured on the mix of tests/bench/sense.py: an eighth of our own CPU time.
    """
    usual = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
