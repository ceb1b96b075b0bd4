"""What the spool's tests share: records, and a folder that is a spool."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sentinel.core.event import Origin, Raw
from sentinel.spool.disk import DiskSpool

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
Opener = Callable[..., DiskSpool]


def make(number: int, size: int = 40) -> Raw:
    """Return the record number `number`; its body says so and is `size` bytes long at least."""
    body = b"<34>Nov 23 08:00:00 rathaus sshd[%d]: M\xc3\xbcller " % number
    return Raw(body.ljust(size, b"."), "sshd", START + timedelta(seconds=number), Origin("syslog-tcp", "192.0.2.7:514"))


@pytest.fixture
def raw() -> Callable[..., Raw]:
    """Make record number n."""
    return make


@pytest.fixture
def raws() -> Callable[..., Sequence[Raw]]:
    """Make records a to b - 1."""
    return lambda start, end, size=40: [make(number, size) for number in range(start, end)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the path of a spool that is not there yet."""
    return tmp_path / "spool"


@pytest.fixture
def opened(folder: Path) -> Iterator[Opener]:
    """Open the spool (again); whatever is still open is closed in the end."""
    with ExitStack() as stack:

        def opening(**options: Any) -> DiskSpool:  # noqa: ANN401  whatever DiskSpool takes
            return stack.enter_context(DiskSpool(folder, **{"ballast_bytes": 0, "segment_bytes": 16 << 10} | options))

        yield opening
