"""What the shipped packs can fill, from their golden files."""

import pytest

from sentinel.core.content import content
from sentinel.parse.packs import load
from sentinel.testing.packs import supplied as of


@pytest.fixture(scope="session")
def supplied() -> dict[str, frozenset[str]]:
    """Return every field in some golden file, by data set."""
    folder = content("parsers")
    return of(load([folder], shipped=folder))
