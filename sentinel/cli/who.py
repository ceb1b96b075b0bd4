"""Who is at the keyboard."""

import getpass
import os


def operator() -> str:
    """Return who is at the keyboard, for the history of an alert."""
    return os.environ.get("SUDO_USER") or getpass.getuser()
