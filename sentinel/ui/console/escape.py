"""Esc by itself is taken as soon as it can begin no other key; Textual's driver looks for that every 100 ms only."""

import selectors
import time
from types import SimpleNamespace

from textual.drivers import linux_driver

LOOK_SECONDS = 0.005
"""So often is looked after a key, for as long as `SOON_SECONDS`; else as rarely as the driver wants."""
SOON_SECONDS = 0.3


class _Attentive(selectors.SelectSelector):
    """Returns soon, with nothing, while something has just been read."""

    _heard = float("-inf")

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait at most so long, less if a key was just there; return what can be read."""
        soon = time.monotonic() - self._heard < SOON_SECONDS
        found = super().select(LOOK_SECONDS if soon else timeout)
        if found:
            self._heard = time.monotonic()
        return found


def heed() -> None:
    """Let the driver of this process look soon after each key."""
    quick = SimpleNamespace(SelectSelector=_Attentive, EVENT_READ=selectors.EVENT_READ)
    linux_driver.selectors = quick  # type: ignore[attr-defined, assignment]  # the driver has no better place for it
