"""What stands for the processes that parse, where a test or a bench wants everything in one."""

from sentinel.parse.prepare import Prepared, Preparer, Stretch


class Here:
    """Prepares stretches in this process, one at a time."""

    def __init__(self, preparer: Preparer) -> None:
        self.preparer = preparer
        self._asked: list[Stretch] = []

    @property
    def wants(self) -> bool:
        """Say whether a stretch may be asked for."""
        return not self._asked

    @property
    def ready(self) -> bool:
        """Say that nothing is prepared before it is taken."""
        return False

    def ask(self, stretch: Stretch, /) -> None:
        """Ask for a stretch."""
        self._asked.append(stretch)

    def take(self) -> Prepared | None:
        """Return what was asked for, prepared; None if nothing was."""
        return self.preparer.prepare(self._asked.pop()) if self._asked else None
