"""A TOML file to a table, with errors that say what is wrong with it."""

import tomllib
from pathlib import Path
from typing import Any

from sentinel.core.errors import ConfigError

FILE_BYTES_MAX = 8 << 20


def table(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds; raises ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise ConfigError(f"{path}: larger than {FILE_BYTES_MAX >> 20} MiB: this is not meant to be read as TOML")
        return tomllib.loads(data.decode("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text at byte {error.start}") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error


def table_if_there(path: Path) -> dict[str, Any] | None:
    """Return what a TOML file holds, None if there is no such file; raises ConfigError."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    return table(path)
