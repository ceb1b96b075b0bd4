"""What the shipped packs can fill, from their golden files, and a city to try rules in."""

from pathlib import Path

import pytest

from sentinel.core.content import content
from sentinel.parse.packs import load
from sentinel.testing.packs import supplied as of
from tests.living import City


@pytest.fixture(scope="session")
def supplied() -> dict[str, frozenset[str]]:
    """Return every field in some golden file, by data set."""
    folder = content("parsers")
    return of(load([folder], shipped=folder))


@pytest.fixture
def town(tmp_path: Path) -> City:
    """Return a city with an empty store."""
    return City(tmp_path)
