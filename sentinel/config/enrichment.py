"""The options of what events are enriched with."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from sentinel.config.sources import Name, Section

Kind = Literal["ip", "domain", "hash", "email", "url"]
"""What an indicator can be."""

KINDS: tuple[Kind, ...] = ("ip", "domain", "hash", "email", "url")


class IndicatorList(Section):
    """A list of indicators (addresses, domains, digests …); give several `[[indicators]]` tables for several lists."""

    name: Name
    """The list's name: lower-case letters, digits, `-` and `_`. It stands in `threat.feed.name` of what matches."""

    path: Path
    """The file. It is read again when it changes; a version that cannot be read leaves the one before in use."""

    format: Literal["auto", "plain", "misp", "stix"] = "auto"
    """"plain" is one indicator a line, "misp" a JSON export of MISP events, "stix" a STIX 2.1 bundle; "auto" looks."""

    types: tuple[Kind, ...] = KINDS
    """Which kinds of indicators to take from the list."""

    days_valid: int = Field(default=30, ge=1, le=36_500)
    """How many days an indicator that names no end of its own is valid: from its own time, of a plain list from the
    time of the file."""
