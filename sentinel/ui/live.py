"""Alerts as they come, drawn again whenever something changed."""

import threading
import time

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from sentinel.core.alert import Alert, Desk
from sentinel.core.detection import LEVELS
from sentinel.ui.tables import LEVEL_WORDS, alerts_table, level_text

REFRESH_SECONDS = 0.5


def watch(desk: Desk, title: str, *, seconds: float | None = None, stop: threading.Event | None = None) -> None:
    """Draw the desk's alerts on the terminal until Ctrl+C, `stop`, or `seconds` have passed."""
    ended = stop or threading.Event()
    deadline = None if seconds is None else time.monotonic() + seconds
    console = Console(highlight=False, emoji=False)
    with Live(console=console, auto_refresh=False, screen=console.is_terminal) as screen:
        try:
            while not ended.is_set() and (deadline is None or time.monotonic() < deadline):
                screen.update(_page(desk, title, console.height), refresh=True)
                ended.wait(REFRESH_SECONDS)
        except KeyboardInterrupt:
            return


def _page(desk: Desk, title: str, height: int) -> Group:
    found = desk.alerts()
    room = max(height - 8, 1)
    hidden = len(found) - room
    rest = [Text(f"… and {hidden} more: sentinel alerts list", style="dim")] if hidden > 0 else []
    return Group(Text(title, style="bold"), _summary(found), alerts_table(found[:room]), *rest)


def _summary(alerts: list[Alert]) -> Text:
    line = Text("open: ")
    opened = [alert for alert in alerts if alert.state != "closed"]
    for level in reversed(LEVELS):
        number = sum(alert.level == level for alert in opened)
        if number:
            line.append_text(level_text(level)).append(f" {number}  ")
    return line if opened else Text(f"no open alerts ({', '.join(LEVEL_WORDS.values())} would show here)", style="dim")
