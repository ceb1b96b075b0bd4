"""Small files that remember how far an entrance has come: replaced whole, durable before anybody relies on them."""

import os
from contextlib import suppress
from pathlib import Path

from sentinel.core.durable import sync_folder
from sentinel.core.errors import ConfigError
from sentinel.core.kill import point


def remember(path: Path, text: str) -> None:
    """Replace what `path` holds by `text`, durably; raises ConfigError, and the old text stays then."""
    aside = path.with_name(path.name + ".new")
    try:
        with aside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            point("collect.mark_written")
            os.fsync(file.fileno())
        aside.replace(path)
        point("collect.mark_renamed")
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise ConfigError(
            f"{path}: cannot be written: {error.strerror}; what was read since will be read again"
        ) from error


def remembered(path: Path) -> str:
    """Return what `path` holds, empty if it is not there; raises ConfigError."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); move it away to begin anew") from error
