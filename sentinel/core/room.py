"""Whether something failed because a disk has no room: then it is well again by itself, once there is some."""

import errno
import sqlite3

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FULL_SQLITE = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})


def no_room(error: BaseException | None) -> bool:
    """Say whether `error` is a full disk's, or was raised from one that is."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        if isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", None) in _FULL_SQLITE:
            return True
        error = error.__cause__
    return False
