"""Where the shipped content lies: inside the installed package, or beside it in a checkout."""

from pathlib import Path
from typing import Literal

from sentinel.core.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parents[1]


def content(kind: Literal["parsers", "rules"], package: Path = _PACKAGE) -> Path:
    """Return the folder of the shipped packs or rules; raises ConfigError if this installation has none."""
    installed = package / "_content" / kind
    if installed.is_dir():
        return installed
    checkout = package.parent / kind
    if checkout.is_dir() and (package.parent / "pyproject.toml").is_file():
        return checkout
    raise ConfigError(f"no shipped {kind}: neither {installed} nor {checkout} is there; install Sentinel again")
