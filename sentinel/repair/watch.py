"""Looks back by itself when a list of indicators has changed: a process of its own, so that nothing waits for it."""

import sys
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection
from threading import Event as Flag

import orjson

from sentinel.app import App
from sentinel.config.options import Config
from sentinel.core.errors import SentinelError
from sentinel.core.ports import Span
from sentinel.processes import begun, done, follow

LOOK_SECONDS = 5.0
AGAIN_SECONDS = 600.0
_NICENESS = 10
_AHEAD = timedelta(days=1)
_STATE = "indicators.json"


def changed(config: Config) -> dict[str, list[int]]:
    """Return the lists whose files are others than when what is stored was compared with them, and how they are."""
    try:
        known = orjson.loads((config.data / _STATE).read_bytes())
    except (OSError, ValueError):
        known = {}
    known = known if isinstance(known, dict) else {}
    found: dict[str, list[int]] = {}
    for one in config.indicators:
        try:
            state = one.path.stat()
        except OSError:
            continue  # whoever parses says so
        now = [state.st_ino, state.st_size, state.st_mtime_ns]
        if one.look_back_days and known.get(one.name) != now:
            found[one.name] = now
    return found


def compared(config: Config, lists: dict[str, list[int]]) -> None:
    """Remember that the lists, as they were, have been compared with what is stored."""
    path = config.data / _STATE
    try:
        known = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        known = {}
    aside = path.with_suffix(".tmp")
    aside.write_bytes(orjson.dumps({**(known if isinstance(known, dict) else {}), **lists}))
    aside.rename(path)


def look_back(app: App, lists: dict[str, list[int]]) -> int:
    """Compare what is stored with the lists, each as far back as it asks for; return how many alerts are new."""
    from sentinel.repair.retro import Retro  # noqa: PLC0415  the process that watches need not carry rules

    now, raised = app.clock.now(), 0
    for one in app.config.indicators:
        if one.name in lists:
            span = Span(now - timedelta(days=one.look_back_days), now + _AHEAD, "ingested")
            raised += len(Retro(app).look(span, {one.name}, apply=True).raised)
    compared(app.config, lists)
    return raised


def _work(config: Config, lists: dict[str, list[int]], link: Connection) -> None:
    follow(_NICENESS)
    try:
        raised = look_back(App(config), lists)
    except SentinelError as error:
        link.send(str(error))
        sys.exit(error.exit_code)
    link.send(f"{raised} new alerts")


def watch(config: Config, stop: Flag, talk: Callable[[str], None]) -> None:
    """Look back whenever a list has changed, until `stop`; what is under way then is done again another time."""
    pause = LOOK_SECONDS
    while not stop.wait(pause):
        lists = changed(config)
        pause = LOOK_SECONDS
        if not lists:
            continue
        said, well = done(*begun(_work, "indicators", config, lists), stop)
        if not stop.is_set():
            talk(f"what is stored was compared with {', '.join(sorted(lists))}: {said}")
            pause = LOOK_SECONDS if well else AGAIN_SECONDS
