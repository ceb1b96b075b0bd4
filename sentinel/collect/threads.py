"""Work that blocks, done beside the event loop: what has to be waited for, and what may be left alone."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def finished(work: Callable[[], T]) -> T:
    """Do `work` in a thread; a cancellation waits for its end, so that nothing goes on behind our back."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


async def abandonable(work: Callable[[], T]) -> T:
    """Do `work` in a thread of its own; a cancellation leaves it to itself, and so does the end of the process.

    For work without effects here, such as a question to a server that may never answer.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)  # type: ignore[arg-type]  # None only if that is what `work` returned

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except Exception as error:  # noqa: BLE001  handed to whoever waits
            failure = error
        with suppress(RuntimeError):  # the loop may be gone
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, name="asking", daemon=True).start()
    return await answer
