"""Named places where a test may let the process die as if by `kill -9`.

`SENTINEL_KILL_AT=spool.after_write` kills at the first passing of that point, `spool.after_write:7` at the seventh.
"""

import os
import signal

_NAME, _, _COUNT = os.environ.get("SENTINEL_KILL_AT", "").partition(":")
_left = {_NAME: int(_COUNT) if _COUNT.isdecimal() else 1}


def point(name: str) -> None:
    """Die here without any farewell if the environment asked for it; otherwise do nothing."""
    if name == _NAME:
        _left[name] -= 1
        if _left[name] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
