"""When Python looks for garbage: while nobody presses a key, for it keeps a key waiting as long as ten others take."""

import gc
import time
from collections.abc import Callable

from textual import events

QUIET_SECONDS = 2.0
LEFT_SECONDS = 20.0
AWAY_SECONDS = 60.0
OBJECTS_MIN = 20_000
"""Fewer new objects are not worth looking through."""
OBJECTS_MAX = 500_000
"""So many are looked through even while keys are pressed: memory is bounded too."""


class Tidying:
    """What `cli.terminal` has switched off is done when there is time for it. `clock` returns monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pressed = clock()
        self._all_done = False

    def heard(self, event: events.Event) -> None:
        """Take note of keys and of the mouse among all events."""
        if isinstance(event, events.InputEvent):
            self._pressed = self._clock()
            self._all_done = False

    @property
    def quiet(self) -> bool:
        """Whether nobody has pressed a key for a while."""
        return self._clock() - self._pressed > QUIET_SECONDS

    @property
    def left(self) -> bool:
        """Whether nobody has pressed a key for so long that there is time for what takes a second or two."""
        return self._clock() - self._pressed > LEFT_SECONDS

    def tidy(self) -> bool:
        """Look for garbage if there is time: among what is new, and once nobody is there any more among all of it."""
        if gc.isenabled():
            return False
        made = gc.get_count()[0]
        if self._clock() - self._pressed > AWAY_SECONDS and not self._all_done:
            self._all_done = True
            gc.collect()
        elif made > (OBJECTS_MIN if self.quiet else OBJECTS_MAX):
            gc.collect(1)
        else:
            return False
        return True
