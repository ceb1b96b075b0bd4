"""The options of notifications: to whom what is told, and when not."""

from collections.abc import Iterator
from email.headerregistry import Address
from ipaddress import ip_network
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from sentinel.config.quiet import hours
from sentinel.config.sources import Name, Section
from sentinel.core.detection import Level


class NotifyOptions(Section):
    """Notifications: who is told of new alerts; the channels are `[[channels]]`."""

    language: Literal["de", "en"] = "de"
    """The language of notifications."""

    site: str = Field(default="Sentinel", max_length=60)
    """What this Sentinel is called in notifications, such as "Stadt Musterstadt"."""

    gather_seconds: float = Field(default=30.0, ge=0, le=3600)
    """So long alerts of one rule are gathered before one notification tells of all of them."""

    again_minutes: float = Field(default=60.0, ge=0, le=1440)
    """After a notification about a rule its further alerts are gathered for so long."""

    per_hour: int = Field(default=100, ge=1)
    """So many notifications may be sent within an hour by all channels; what is beyond comes as one digest."""

    give_up_hours: float = Field(default=24.0, gt=0, le=168)
    """So long a notification is tried again; then it has failed for good."""

    alarm_minutes: float = Field(default=30.0, gt=0)
    """A channel that has failed for so long raises an alert."""

    anchor_channel: str = ""
    """The channel that is told the daily anchor of the audit log; nothing: none is."""


class Channel(Section):
    """A way to tell people; give several `[[channels]]` tables for several."""

    name: Name
    """The channel's name: lower-case letters, digits, `-` and `_`."""

    kind: Literal["mail", "webhook", "matrix"]
    """"mail" over SMTP, "webhook" posts JSON, "matrix" writes into a room."""

    server: str = ""
    """"mail": the SMTP server, "host" or "host:port"; without a port 587 with STARTTLS, 465 with TLS, else 25."""

    security: Literal["starttls", "tls", "none"] = "starttls"
    """"mail": how the connection is secured; "none" only without a login."""

    user: str = ""
    """"mail": the login name, if the server wants one."""

    password_file: Path | None = None
    """"mail": a file (mode 0600) that holds the password."""

    sender: str = ""
    """"mail": the address it comes from."""

    to: tuple[str, ...] = ()
    """"mail": the addresses it goes to, at most 50."""

    url: str = ""
    """"webhook": the https address to post to; "matrix": that of the home server. http only to listed networks."""

    token_file: Path | None = None
    """A file (mode 0600) with a token: "webhook" shows it as "Authorization: Bearer", "matrix" needs it."""

    room: str = ""
    """"matrix": the room, "!id:server" or "#name:server"."""

    networks: tuple[str, ...] = ()
    """Networks of your own, such as "10.1.0.0/16", in which the server may be. Without them only public addresses are
    connected to, whatever a name resolves to."""

    level_min: Level = "high"
    """Alerts of a lower level are not told."""

    quiet: tuple[str, ...] = ()
    """Hours (of this machine's zone) in which nothing is told, such as "mon-fri 18:00-07:00"; afterwards one digest."""

    quiet_breaks: Literal["informational", "low", "medium", "high", "critical", "never"] = "critical"
    """Alerts from this level on are told in quiet hours too; "never": none."""

    per_hour: int = Field(default=30, ge=1)
    """So many notifications may be sent within an hour; what is beyond comes as one digest."""

    personal: bool = False
    """Whether notifications may say what an alert is about: accounts, addresses, hosts. Without it they have title,
    level, count, and the alert's number only."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        for text in self.quiet:
            hours(text)
        for one in self.networks:
            try:
                ip_network(one)
            except ValueError as error:
                yield f"networks: {error}"
        if self.kind == "mail":
            yield from self._mail()
            return
        yield from self._address()
        if self.kind == "matrix":
            if not self.room.startswith(("!", "#")) or ":" not in self.room:
                yield 'kind = "matrix" needs room, "!id:server" or "#name:server"'
            if self.token_file is None:
                yield 'kind = "matrix" needs token_file'

    def _mail(self) -> Iterator[str]:
        if not (self.server and self.sender and self.to):
            yield 'kind = "mail" needs server, sender and to'
        if not 0 <= self.port <= 65535:
            yield f"server: no such port in {self.server!r}"
        if len(self.to) > 50:
            yield "to: at most 50 addresses; use a list of your mail server"
        for one in (self.sender, *self.to):
            if not _is_address(one):
                yield f"not a mail address: {one!r}"
        if bool(self.user) != (self.password_file is not None):
            yield "user and password_file belong together: give both or none"
        if self.user and self.security == "none":
            yield 'security = "none" would show the password to everybody on the way'

    def _address(self) -> Iterator[str]:
        try:
            parts = urlsplit(self.url)
            whole = bool(parts.hostname) and parts.username is None and parts.port != 0
        except ValueError:
            yield f"url is no address: {self.url[:100]!r}"
            return
        if not whole or parts.scheme not in {"https", "http"} or parts.fragment:
            yield f"url is no https address: {self.url[:100]!r}"
        elif parts.scheme == "http" and not self.networks:
            yield "url: http only within your own networks; list them in networks"

    @property
    def host(self) -> str:
        """The host to connect to."""
        return (urlsplit(self.url).hostname or "") if self.url else self.server.rpartition(":")[0] or self.server

    @property
    def port(self) -> int:
        """The port to connect to."""
        if self.url:
            parts = urlsplit(self.url)
            return parts.port or (443 if parts.scheme == "https" else 80)
        _, colon, port = self.server.rpartition(":")
        if colon:
            return int(port) if port.isdecimal() else -1
        return {"starttls": 587, "tls": 465, "none": 25}[self.security]


def _is_address(text: str) -> bool:
    try:
        found = Address(addr_spec=text)
    except (ValueError, IndexError):
        return False
    return text.isascii() and text.isprintable() and "@" in text and bool(found.domain)
