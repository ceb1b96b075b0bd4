"""The process that proves rules: the memory this takes goes with it, and the judge keeps what its rules need."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from threading import Thread
from time import sleep

from sentinel.app import App
from sentinel.config.options import Config
from sentinel.core.detection import Detection
from sentinel.core.errors import SentinelError, StoreError
from sentinel.processes import begun, follow
from sentinel.stores import hurry

ENDING_SECONDS = 10.0
"""So long a process that nobody listens to any more may finish what it does."""


def proven(config: Config, until: Connection, detections: Sequence[Detection]) -> Iterator[tuple[str, str]]:
    """Yield the id of each of `detections` and why it must not go live, if so, as a process of its own finds it.

    Ends early as soon as `until` has anything to say. A rule whose file has changed meanwhile is left out. Raises
    StoreError if there is no store to prove rules on, or the process dies.
    """
    process, link = begun(prove, "prove", config, {one.id: one.version for one in detections})
    try:
        while until not in wait([link, until]):
            rule_id, reason = json.loads(link.recv_bytes())
            if not rule_id:
                raise StoreError(reason)
            yield rule_id, reason
    except (EOFError, ConnectionResetError):
        process.join()
        if process.exitcode:
            how = f"by signal {-process.exitcode}" if process.exitcode < 0 else f"with exit code {process.exitcode}"
            raise StoreError(f"the process that proves rules ended ({how})") from None
    finally:
        link.close()
        process.join(ENDING_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


def prove(config: Config, wanted: dict[str, str], link: Connection) -> None:
    """Be the process that proves the rules `wanted` (versions by id), until the other end of `link` is closed."""
    follow(0)
    Thread(target=_leave, args=(config, link), daemon=True).start()
    app = App(config)
    rules = app.rules_now()
    asked = [one for one in rules.detections if wanted.get(one.id) == one.version]
    with suppress(BrokenPipeError):
        try:
            for said in app.proving.reasons(asked):
                link.send_bytes(json.dumps(said).encode())
        except SentinelError as error:
            link.send_bytes(json.dumps(("", str(error))).encode())


def _leave(config: Config, link: Connection) -> None:
    # nothing ever comes but the end: whoever asked has died, or has heard enough
    with suppress(OSError):
        link.poll(None)
        hurry(config)
        sleep(ENDING_SECONDS)
        os._exit(1)
