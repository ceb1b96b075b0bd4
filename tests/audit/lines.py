"""Eight entries as lines, always the same."""

from datetime import UTC, datetime, timedelta
from functools import cache

from sentinel.audit import chain
from sentinel.core.audit import Deed, Entry
from tests.audit.conftest import KEY

BEGIN = datetime(2026, 11, 27, 8, tzinfo=UTC)


@cache
def written(who: str = "erika") -> list[tuple[Entry, bytes]]:
    """Return entries with their lines."""
    found: list[tuple[Entry, bytes]] = []
    for number in range(1, 9):
        previous = found[-1][0].hash if found else chain.FIRST
        deed = Deed("alert.close", who, f"{number:032x}", {"verdict": "benign", "of": ("a", "b"), "limit": number})
        found.append(chain.sealed(deed, number, BEGIN + timedelta(minutes=number), previous, KEY))
    return found


LINES = [line for _, line in written()]
