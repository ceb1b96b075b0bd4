"""Folders and secrets that the configuration names, opened with errors that say what to do."""

import os
import stat
from pathlib import Path

from sentinel.core.errors import ConfigError


def made(folder: Path) -> Path:
    """Return `folder`, made if need be; raises ConfigError if it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    except OSError as error:
        raise ConfigError(
            f"{folder}: cannot be made: {error.strerror}; choose another folder with `data = …` in the configuration"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{folder}: may not be written by this user; choose another with `data = …`, or run as root")
    return folder


def credentials() -> Path | None:
    """Return the folder of the credentials that systemd gave this service, None if it gave none (systemd.exec(5))."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(folder) if folder else None


def secret(path: Path) -> str:
    """Return the secret in `path` without blanks around it; raises ConfigError if others may read it."""
    try:
        mode = path.stat().st_mode
        text = path.read_text("utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    # systemd lets its one reader in by an access list, whose mask looks like rights of the group
    if path.parent != credentials() and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{path}: others may read this key; run chmod 600 {path}")
    return text
