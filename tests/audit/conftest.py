"""An audit log with entries, by a clock that a test sets."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sentinel.audit.log import AuditLog
from sentinel.core.audit import Deed
from sentinel.core.clock import ManualClock

KEY = b"k" * 40


def filled(folder: Path, number: int) -> AuditLog:
    folder.mkdir(exist_ok=True)
    key = folder / "key"
    if not key.exists():
        key.touch(0o600)
        key.write_bytes(KEY)
    clock = ManualClock(datetime(2026, 11, 27, 8, tzinfo=UTC))
    log = AuditLog(folder, clock)
    for at in range(number):
        clock.advance(timedelta(minutes=1))
        log.enter(Deed("alert.close", f"erika{at % 3}", f"{at:032x}", {"verdict": "benign", "limit": at}))
    return log


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return filled(tmp_path / "audit", 8)
