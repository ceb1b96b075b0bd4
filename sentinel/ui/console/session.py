"""What the console remembers of an operator: the screen, filter, order and cursor of last time, language and theme."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

BYTES_MAX = 256 << 10
Remembered = dict[str, str | int | bool]


@dataclass
class Session:
    """One operator's session: settings of the console, and by screen what that screen left."""

    console: Remembered = field(default_factory=dict)
    screens: dict[str, Remembered] = field(default_factory=dict)


def load(path: Path) -> tuple[Session, str]:
    """Return the session kept in a file, and what was wrong with it; a damaged one is as if there were none."""
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
        if len(data) > BYTES_MAX:
            return Session(), f"{path}: too large"
        given = json.loads(data)
        console, screens = given["console"], given["screens"]
        return Session(_plain(console), {str(name): _plain(one) for name, one in screens.items()}), ""
    except FileNotFoundError:
        return Session(), ""
    except OSError as error:
        return Session(), f"{path}: {error.strerror}"
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Session(), f"{path}: damaged"


def _plain(given: Mapping[str, object]) -> Remembered:
    return {str(name): value for name, value in given.items() if isinstance(value, str | int | bool)}


def save(path: Path, session: Session) -> None:
    """Keep a session, for its owner's eyes only; raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}.new")
    number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(number, "w", encoding="utf-8") as file:  # noqa: PTH123  a descriptor with its rights
        json.dump({"console": session.console, "screens": session.screens}, file)
    new.replace(path)
