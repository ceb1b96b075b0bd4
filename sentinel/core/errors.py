"""Every error Sentinel raises on purpose, and the exit code each one ends a command with.

    SentinelError             70  something inside is wrong: please report it
    ├── UsageError             2  the command line or a query cannot be understood
    │   ├── QuerySyntaxError   2  … with the column where it stops making sense
    │   ├── NotThereError      2  … because what it names does not exist
    │   └── ConflictError      2  … because somebody else was faster; nothing was overwritten
    ├── ConfigError            3  sentinel.toml, a pack or a rule cannot be used as it is
    │   ├── PackError          3
    │   ├── RuleError          3
    │   └── TakenError         3  … because another machine has this one's number
    ├── StoreError             4  the store cannot be reached or refuses to work
    │   └── StoreBusyError     4  … because another process is writing to it
    │       ├── OvertakenError 4  … because another machine wrote at the same moment
    │       └── FencedError    4  … because another machine does this work by now
    ├── SpoolError             4  the spool cannot be written or read
    │   └── SpoolFullError     4  … because it has reached its bound
    ├── AuditError             4  what is to be done cannot be written down, so it is not done
    ├── ForbiddenError         5  the operator may not do this
    └── ParseError             –  a record cannot be read: becomes an event of kind pipeline_error, never an exit

Exit codes without an exception: 0 all well, 1 a finding or a negative result, 6 partly done, 130 interrupted.
A message says what is wrong and what the operator should do about it.
"""

from enum import IntEnum
from pathlib import Path


class Exit(IntEnum):
    """The exit codes of every `sentinel` command."""

    OK = 0
    FINDING = 1
    USAGE = 2
    CONFIG = 3
    STORE = 4
    PERMISSION = 5
    PARTIAL = 6
    INTERNAL = 70
    INTERRUPTED = 130


class SentinelError(Exception):
    """The root of the tree; caught once, at the command line."""

    exit_code = Exit.INTERNAL


class UsageError(SentinelError):
    """A command line, a time span or a query that cannot be understood."""

    exit_code = Exit.USAGE


class QuerySyntaxError(UsageError):
    """A query that stops making sense at `column` (0-based, in characters of `query`)."""

    def __init__(self, message: str, query: str, column: int) -> None:
        super().__init__(f"{message}\n  {query}\n  {' ' * column}^")
        self.query = query
        self.column = column


class NotThereError(UsageError):
    """A thing that was named and does not exist."""


class ConflictError(UsageError):
    """A change to something that somebody has changed since it was seen; the message says who, what and when."""


class ConfigError(SentinelError):
    """A configuration that cannot be used."""

    exit_code = Exit.CONFIG


class PackError(ConfigError):
    """A parser pack that cannot be loaded; the message begins with its folder."""


class RuleError(ConfigError):
    """A rule that is refused; the message begins with its path."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason


class TakenError(ConfigError):
    """The number of this machine is another's."""


class StoreError(SentinelError):
    """A store that cannot be reached or is damaged beyond what it may mend by itself."""

    exit_code = Exit.STORE


class StoreBusyError(StoreError):
    """Another process holds the store's writer lock; the message says which."""


class OvertakenError(StoreBusyError):
    """Another machine wrote what all share at the same moment; nothing was changed."""


class FencedError(StoreBusyError):
    """Another machine does by now what this one was to do; nothing was changed."""


class SpoolError(SentinelError):
    """A spool that cannot be written or read."""

    exit_code = Exit.STORE


class SpoolFullError(SpoolError):
    """The spool has reached its bound; the caller waits, or counts a drop. `written` records were still taken."""

    def __init__(self, message: str, written: int = 0) -> None:
        super().__init__(message)
        self.written = written


class AuditError(SentinelError):
    """A deed that cannot be written into the audit log; it was not done."""

    exit_code = Exit.STORE


class ForbiddenError(SentinelError):
    """The operator may not do this."""

    exit_code = Exit.PERMISSION


class ParseError(SentinelError):
    """A record that a pack cannot read; `reason` is short and safe to show."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
