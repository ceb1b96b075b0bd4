"""What a source of records has, and the options of each kind of entrance."""

from difflib import get_close_matches
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _zone(name: str) -> str:
    if name not in available_timezones():
        near = get_close_matches(name, available_timezones(), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        msg = f"unknown time zone {name!r}{hint}"
        raise ValueError(msg)
    return name


Zone = Annotated[str, AfterValidator(_zone)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Port = Annotated[int, Field(ge=0, le=65535)]


class Section(BaseModel):
    """A table of the configuration: frozen, and what it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Source(Section):
    """What every source of log records has."""

    name: Name
    """The source's name: lower-case letters, digits, `-` and `_`. It stands in `sentinel.source` of every event."""

    pack: str = ""
    """The parser pack that reads this source. Empty: Sentinel recognises each record by itself."""

    zone: Zone = "UTC"
    """The IANA time zone of times that name none (RFC 3164 has no zone), for example "Europe/Berlin"."""


class SyslogSource(Source):
    """A syslog listener; give several `[[syslog]]` tables for several ports."""

    name: Name = "syslog"
    """The source's name: lower-case letters, digits, `-` and `_`. It stands in `sentinel.source` of every event."""

    host: str = "127.0.0.1"
    """The address to listen on. "0.0.0.0" hears the whole network: open the port in the firewall for senders only."""

    port: Port = 5514
    """The port, for UDP and TCP alike. Ports below 1024 need the right to bind them (CAP_NET_BIND_SERVICE)."""

    transports: tuple[Literal["udp", "tcp"], ...] = ("udp", "tcp")
    """Which transports to offer. UDP is best effort and counted; TCP takes both framings of RFC 6587."""


class FileSource(Source):
    """Followed files; give several `[[files]]` tables for several kinds."""

    paths: tuple[str, ...] = Field(min_length=1)
    """Paths or patterns such as "/var/log/auth.log*"; new files that fit are found while Sentinel runs."""

    start: Literal["beginning", "end"] = "beginning"
    """Where to begin in a file that is there when Sentinel sees this source for the first time."""
