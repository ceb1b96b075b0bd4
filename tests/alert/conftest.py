"""A city to raise alerts in."""

from pathlib import Path

import pytest

from tests.living import City


@pytest.fixture
def town(tmp_path: Path) -> City:
    """Return a city with an empty store."""
    return City(tmp_path)
