"""The options of what events are enriched with."""

from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

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

    allow: tuple[str, ...] = ()
    """Addresses, networks and domains that are never taken from this list, beside public resolvers and the domains of
    large providers as a whole, which never are."""

    confidence_min: int = Field(default=0, ge=0, le=100)
    """STIX only: indicators that say a lower confidence (0 to 100) are passed over; those that say none are taken."""

    look_back_days: int = Field(default=7, ge=0, le=365)
    """When the list has changed, what was stored in so many days is compared with it, and what is found raises alerts
    that say so. 0: never."""

    days_valid: int = Field(default=30, ge=1, le=36_500)
    """How many days an indicator that names no end of its own is valid: from its own time, of a plain list from the
    time of the file."""

    @field_validator("allow")
    @classmethod
    def _understood(cls, allow: tuple[str, ...]) -> tuple[str, ...]:
        for one in allow:
            try:
                ip_network(one, strict=False)
            except ValueError:
                if "." not in one or "/" in one or " " in one:
                    msg = f"{one!r} is no address, network or domain"
                    raise ValueError(msg) from None
        return allow
