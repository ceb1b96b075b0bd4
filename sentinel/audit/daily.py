"""What Sentinel enters by itself: an anchor a day, and which rules have been switched on, off or changed.

It goes on if that cannot be written, and says so: nobody would be helped if nothing were received or judged.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from sentinel.audit.log import AuditLog
from sentinel.core.audit import SENTINEL, Deed, Detail
from sentinel.core.errors import AuditError
from sentinel.core.ports import Clock

Talk = Callable[[str], None]


class Flag(Protocol):
    """A `threading.Event`, or what stands for one."""

    def wait(self, timeout: float, /) -> bool:
        """Wait; True if it was set."""


LOOK_SECONDS = 60.0
NAMED_MAX = 200
"""So many rules of a kind are named in one entry; of the others their number."""


def anchor_daily(log: AuditLog, clock: Clock, stop: Flag, talk: Talk) -> None:
    """Anchor the log once on each day (UTC) until `stop`."""
    told = ""
    while True:
        try:
            last = log.last_anchor()
            if last is None or last.at[:10] != clock.now().date().isoformat():
                log.anchor(SENTINEL)
            told = ""
        except AuditError as error:
            if str(error) != told:
                talk(f"no anchor of the audit log: {error}")
            told = str(error)
        if stop.wait(LOOK_SECONDS):
            return


def entered_by_itself(log: AuditLog, deed: Deed, talk: Talk) -> None:
    """Enter what Sentinel does by itself; if that cannot be, say so."""
    try:
        log.enter(deed)
    except AuditError as error:
        talk(f"this goes on all the same: {error}")


class KnownRules:
    """Remembers in a file which rules were on, so that the next reading can say what has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self, log: AuditLog, on: Mapping[str, str], talk: Talk) -> None:
        """Enter how the rules that are `on`, by id with their version, differ from those that were."""
        before = self._before()
        if before == on:
            return
        said: dict[str, Detail] = {"rules": len(on)}
        if before is not None:
            for what, found in (
                ("enabled", on.keys() - before.keys()),
                ("disabled", before.keys() - on.keys()),
                ("changed", {one for one in on.keys() & before.keys() if on[one] != before[one]}),
            ):
                if found:
                    said |= {what: tuple(sorted(found)[:NAMED_MAX]), f"{what}_number": len(found)}
        entered_by_itself(log, Deed("rules.change", SENTINEL, "", said), talk)
        try:
            aside = self._path.with_suffix(".tmp")
            aside.write_text(json.dumps(on), "utf-8")
            aside.rename(self._path)
        except OSError as error:
            talk(f"{self._path}: {error.strerror}; the rules will be entered as changed once more")

    def _before(self) -> dict[str, str] | None:
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None
