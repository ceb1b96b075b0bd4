"""One TOML file to one frozen value: every option explains itself, and what is not known is refused.

The text below each option is its documentation: `deploy/sentinel.toml` and `sentinel config explain` are written
from it. The options are in `options`; nothing here loads pydantic, which takes half of the time that a short command
has, before it is needed.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentinel.config import toml

if TYPE_CHECKING:
    from sentinel.config.options import Config

SYSTEM_FILE = Path("/etc/sentinel/sentinel.toml")
INVENTORY, CALENDAR = Path("/etc/sentinel/assets.toml"), Path("/etc/sentinel/calendar.toml")
ENVIRONMENT = "SENTINEL_CONFIG"


def default_data() -> Path:
    """Return the folder for data where the configuration names none."""
    if os.geteuid() == 0:
        return Path("/var/lib/sentinel")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "sentinel"


def find(given: Path | None) -> Path | None:
    """Return the file to read: the one given, $SENTINEL_CONFIG, /etc/sentinel/sentinel.toml, or none at all."""
    if given is not None:
        return given
    named = os.environ.get(ENVIRONMENT)
    if named:
        return Path(named)
    return SYSTEM_FILE if SYSTEM_FILE.exists() else None


def data_folder(given: Path | None = None) -> Path:
    """Return the folder for data and look at no other option, in a hundredth of the time; raises ConfigError.

    For who will `load` all the rest later: what is wrong with it is told there.
    """
    path = find(given)
    named = toml.table(path).get("data") if path is not None else None
    return Path(named) if isinstance(named, str) else default_data()


def state_file(data: Path) -> Path:
    """Return the file of alerts and detection cursors in a folder for data."""
    return data / "state.db"


def load(given: Path | None = None) -> "Config":
    """Read the configuration; without any file every option has its default. Raises ConfigError."""
    from sentinel.config.options import Config  # noqa: PLC0415  pydantic, see above

    path = find(given)
    if path is None:
        return Config()
    return parse(toml.table(path), str(path))


def parse(table: dict[str, Any], where: str = "configuration") -> "Config":
    """Turn a table into a configuration; raises ConfigError that names every wrong option and what to do."""
    from sentinel.config.options import Config  # noqa: PLC0415  pydantic, see above
    from sentinel.config.reading import validated  # noqa: PLC0415  as above

    return validated(Config, table, where)
