"""The console on this terminal. Nothing here loads typer or pydantic: that takes longer than the first rows."""

import gc
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from sentinel.cli.who import operator
from sentinel.config import data_folder, load
from sentinel.core.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from sentinel.app import App

SWITCH_SECONDS = 0.001
"""So long a thread that asks a store may keep Python from a key (Python's own: 5 ms)."""

ESCAPE_MILLISECONDS = "25"
"""So long Esc may turn out to begin another key, unless the operator's ESCDELAY says otherwise (Textual's own: 100)."""

_LATER = ("sentinel.scene", "sentinel.detect.choosing", "sentinel.detect.sigma", "sentinel.testing.packs")
"""What an alert needs that is opened."""


def opened(screen: str = "", subject: str = "", config: Path | None = None) -> None:
    """Open the console and come back when it ends; raises UsageError, ConfigError."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("the console needs a terminal; for programs there is --json: sentinel alerts list --json")
    os.environ.setdefault("ESCDELAY", ESCAPE_MILLISECONDS)
    gc.disable()
    sys.setswitchinterval(SWITCH_SECONDS)
    from sentinel.console import services
    from sentinel.core.clock import SystemClock
    from sentinel.ui.console.app import Console
    from sentinel.ui.console.screens import NAMES

    if screen and screen not in NAMES:
        raise UsageError(f"there is no screen {screen!r}; there are {', '.join(NAMES)}")
    with services(lambda: _application(config), data_folder(config), SystemClock(), operator()) as given:
        console = Console(given, screen, subject)
        console.run()
    if console.refused:
        raise ConfigError(console.refused)


def _application(given: Path | None) -> "App":
    from sentinel.app import App

    made = App(load(given))
    # while the list is still being read; imported with the first alert, all this would keep the next keys waiting
    store = "embedded" if made.config.store.kind == "embedded" else "elastic"
    for name in (*_LATER, f"sentinel.store.{store}"):
        import_module(name)
    # what is loaded stays; the console looks through the rest while nobody presses a key
    gc.freeze()
    return made
