"""An outbox, and alerts to tell."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sentinel.core.alert import Alert
from sentinel.core.detection import Key, Level
from sentinel.notify.outbox import Outbox

NOW = datetime(2026, 11, 27, 8, tzinfo=UTC)


def alert(name: str, level: Level = "high", rule: str = "rule-1", count: int = 1, key: Key = ()) -> Alert:
    """Return an alert whose id begins with `name` in hexadecimal."""
    found = name.encode().hex().ljust(32, "0")
    return Alert(found, rule, "1", f"Title of {rule}", level, key, NOW, NOW, NOW, count, ("e",))


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "notify.db") as found:
        yield found
