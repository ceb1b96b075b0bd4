"""A city that a test may start, feed and stop."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import Running, eventually


@pytest.fixture
def patiently() -> Callable[..., Any]:
    return eventually


@pytest.fixture
def city(tmp_path: Path) -> Iterator[Running]:
    config = tmp_path / "sentinel.toml"
    config.write_text(
        f'data = "{tmp_path}/data"\n[[syslog]]\nname = "city"\nport = 0\n'
        f'[[files]]\nname = "mailroom"\npaths = ["{tmp_path}/mail.log*"]\n'
        "[spool]\nballast_bytes = 0\n[detect]\nevery_seconds = 0.5\n"
        f'[content]\npacks = ["{tmp_path}/packs"]\nrules = ["{tmp_path}/rules"]\n'
    )
    running = Running(tmp_path, config)
    try:
        yield running
    finally:
        running.stop(signal.SIGKILL)
