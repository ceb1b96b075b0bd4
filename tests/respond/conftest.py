"""Events as the conformance suite makes them."""

from tests.conformance.conftest import make

__all__ = ["make"]
