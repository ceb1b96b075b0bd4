"""Processes of Sentinel's own: how one begins, and what it does not do by itself."""

import gc
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from threading import Event as Flag

_COLLECTED_AFTER = 50_000
"""So many new containers start the garbage collector: some batches of events, which leave no cycles."""


def follow(niceness: int) -> None:
    """Leave the end to the first process: Ctrl+C and a service manager's SIGTERM reach every one of the group."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(niceness)


def settled() -> None:
    """Say that what is loaded by now stays; looking through it again and again costs a tenth of the time."""
    gc.freeze()
    gc.set_threshold(_COLLECTED_AFTER)


def begun(work: Callable[..., None], name: str, *arguments: object) -> tuple[BaseProcess, Connection]:
    """Begin a process that does `work` with `arguments` and, last, the other end of the connection returned.

    It is forked from one without threads that has `sentinel.loaded`, ends with all who came from it, and is begun by
    the first who wants a process.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["sentinel.loaded"])
    near, far = context.Pipe()
    process = context.Process(target=work, args=(*arguments, far), name=name)
    process.start()
    far.close()
    return process, near


def ready(link: Connection) -> bool:
    """Wait until a process that was begun says that it is ready; False if it is gone."""
    try:
        return bool(link.recv_bytes())
    except (EOFError, OSError):
        return False


def done(process: BaseProcess, link: Connection, stop: Flag) -> tuple[str, bool]:
    """Wait for a process that was begun and tells how it went; return that, and whether it went well.

    With `stop` it is killed.
    """
    while process.is_alive() and not stop.is_set():
        process.join(1.0)
    if process.is_alive():
        process.kill()
    process.join()
    said = f"it ended with {process.exitcode}"
    with link, suppress(EOFError):
        if link.poll():
            said = str(link.recv())
    return said, process.exitcode == 0
