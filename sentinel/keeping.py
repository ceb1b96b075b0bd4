"""What changes events that are stored, beside the storing of new ones: repairs that wait, and retention."""

import threading
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

from sentinel.app import App
from sentinel.core.errors import SentinelError
from sentinel.core.ports import Archive
from sentinel.detect.schedule import Schedule
from sentinel.judge import Talk
from sentinel.repair import journal
from sentinel.retention import Daily, Report
from sentinel.stores import keeps

_LOOK_SECONDS = 1.0
_DISK_LOOK = timedelta(minutes=1)


class Keeping:
    """Amends `store`, which this process writes, by repairs that wait, and removes what is due, in threads of its own.

    A process without the key for that leaves it to another one.
    """

    def __init__(self, app: App, store: Archive, stack: ExitStack, talk: Talk) -> None:
        self._talk = talk
        self._stop = threading.Event()
        self._daily: Daily | None = None
        if not keeps(app.config):
            talk("there is no key for keeping here: repairs and retention are another process's")
            return
        archive = stack.enter_context(app.keeping(store))
        self._archive = archive
        self._daily = Daily(app, archive, talk)
        self._schedule: Schedule[Report] = Schedule(self._daily, _DISK_LOOK)
        self._looking = threading.Thread(target=self._look, name="keep", args=(archive, app.config.repairs_dir))

    @property
    def troubles(self) -> tuple[str, ...]:
        """What is wrong with where events are kept."""
        return self._daily.troubles if self._daily else ()

    def start(self) -> None:
        """Begin."""
        if self._daily:
            self._schedule.start()
            self._looking.start()

    def end(self) -> None:
        """End; what has begun is finished first."""
        self._stop.set()
        if self._daily:
            self._archive.give_up()
            self._looking.join()
            self._schedule.stop()

    def _look(self, archive: Archive, folder: Path) -> None:
        # a repair and `sentinel retention run` are other processes, and may not write beside this one
        told = ""
        while not self._stop.wait(_LOOK_SECONDS):
            try:
                for path in journal.waiting(folder):
                    journal.carry_out(archive, path)
            except SentinelError as error:
                if str(error) != told:
                    self._talk(f"a repair waits: {error}")
                told = str(error)
            if self._daily and self._daily.asked:
                self._schedule.run_now()
