"""What a source of records has, and the options of each kind of entrance."""

from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from sentinel.core.regex import compile_regex


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

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Source(Section):
    """What every source of log records has."""

    name: Name
    """The source's name: lower-case letters, digits, `-` and `_`. It stands in `sentinel.source` of every event."""

    pack: str = ""
    """The parser pack that reads this source. Empty: Sentinel recognises each record by itself."""

    zone: Zone = "UTC"
    """The IANA time zone of times that name none (RFC 3164 has no zone), for example "Europe/Berlin"."""

    silence_minutes: float | None = Field(default=None, ge=0)
    """After so many minutes without a word a sender of this source is silent, not after [silence] minutes; 0: never."""


class Listening(Source):
    """A source that senders connect to."""

    tls_cert: Path | None = None
    """TLS: the server's certificate with its chain, PEM. It is read again when it changes; no connection is dropped."""

    tls_key: Path | None = None
    """TLS: the key of the certificate, PEM, readable by Sentinel's user only."""

    tls_client_ca: Path | None = None
    """TLS: the certificates of those who sign clients. Given, every sender has to show a certificate."""

    tls_crl: Path | None = None
    """TLS: a revocation list (PEM) of those who sign clients; a sender whose certificate stands in it is refused."""

    tls_allow: tuple[str, ...] = ()
    """TLS: who may come in, such as "dns:fw1.example.org", "ip:192.0.2.7" or "sha256:…" (the certificate's hash);
    what fits becomes the sender's identity. Empty: everybody whose certificate is well signed."""

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together: give both or none")
        if self.tls_cert is None and (self.tls_client_ca or self.tls_crl or self.tls_allow):
            raise ValueError("tls_client_ca, tls_crl and tls_allow need tls_cert and tls_key")
        if (self.tls_allow or self.tls_crl) and self.tls_client_ca is None:
            raise ValueError("tls_allow and tls_crl need tls_client_ca: without it no sender shows a certificate")
        return self


class SyslogSource(Listening):
    """A syslog listener; give several `[[syslog]]` tables for several ports."""

    name: Name = "syslog"
    """The source's name: lower-case letters, digits, `-` and `_`. It stands in `sentinel.source` of every event."""

    host: str = "127.0.0.1"
    """The address to listen on. "0.0.0.0" hears the whole network: open the port in the firewall for senders only."""

    port: Port = 5514
    """The port, for UDP and TCP alike. Ports below 1024 need the right to bind them (CAP_NET_BIND_SERVICE)."""

    transports: tuple[Literal["udp", "tcp", "tls"], ...] = ("udp", "tcp")
    """Which transports to offer. UDP is best effort and counted; TCP takes both framings of RFC 6587; TLS (RFC 5425)
    needs a port without TCP, as a rule 6514, and tls_cert and tls_key."""

    @model_validator(mode="after")
    def _tls_has_a_certificate(self) -> Self:
        if ("tls" in self.transports) != (self.tls_cert is not None):
            raise ValueError('transports = ["tls"] and tls_cert, tls_key belong together')
        if {"tcp", "tls"} <= set(self.transports):
            raise ValueError("TCP and TLS cannot share a port: give each a [[syslog]] table")
        return self


class RelpSource(Listening):
    """A RELP listener: syslog from rsyslog, acknowledged when it is on disk."""

    host: str = "127.0.0.1"
    """The address to listen on. "0.0.0.0" hears the whole network: open the port in the firewall for senders only."""

    port: Port = 2514
    """The port."""


class BeatsSource(Listening):
    """Filebeat, Winlogbeat and others with `output.logstash`; they are answered when their events are on disk."""

    host: str = "127.0.0.1"
    """The address to listen on. "0.0.0.0" hears the whole network: open the port in the firewall for senders only."""

    port: Port = 5044
    """The port (Lumberjack version 2)."""


def _network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError as error:
        msg = f"{text!r} is no address and no network such as 192.0.2.0/24: {error}"
        raise ValueError(msg) from error
    return text


class NetflowSource(Source):
    """A collector of NetFlow v5, v9 and IPFIX over UDP: routers, firewalls and probes that export flows."""

    name: Name = "netflow"
    """The source's name: lower-case letters, digits, `-` and `_`. It stands in `sentinel.source` of every event."""

    host: str = "127.0.0.1"
    """The address to listen on. "0.0.0.0" hears the whole network: name the exporters then."""

    port: Port = 2055
    """The port, for all three versions (IPFIX has 4739 by standard)."""

    exporters: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    """Who may export: addresses and networks such as "192.0.2.1" or "10.0.0.0/8". Datagrams of others are dropped,
    counted and reported. Empty: everybody."""


class HttpSource(Listening):
    """A sender of JSON, lines or Windows events over HTTP; tables with the same port share it, each with its token."""

    host: str = "127.0.0.1"
    """The address to listen on. "0.0.0.0" hears the whole network; use TLS then, for tokens travel in the clear."""

    port: Port = 8514
    """The port. Senders POST to /v1/events."""

    token_file: Path
    """A file (mode 0600) that holds this source's token, 16 characters at least: openssl rand -hex 32 > FILE."""


class FileSource(Source):
    """Followed files; give several `[[files]]` tables for several kinds. `sentinel import --source` reads as here."""

    paths: tuple[str, ...] = Field(min_length=1)
    """Paths or patterns such as "/var/log/auth.log*"; new files that fit are found while Sentinel runs."""

    start: Literal["beginning", "end"] = "beginning"
    """Where to begin in a file that is there when Sentinel sees this source for the first time."""

    records: Literal["lines", "java", "indented", "csv-quoted", "json", "xml-events"] = "lines"
    """What a record is: a line; "java": a time or level and the stack trace below; "indented": a line and the indented
    ones below; "csv-quoted": to the end of a line outside quotes (Exchange); "json": an object of JSON, on one line or
    many; "xml-events": each <Event> of Windows."""

    record_start: str = ""
    """A record begins with every line in which this regular expression (RE2) is found, for example "^\\d{4}-"."""

    record_end: str = ""
    """A record ends with every line in which this regular expression (RE2) is found, for example ";$"."""

    record_seconds: float = Field(default=5, gt=0, le=3600)
    """After so many seconds without a further line a record of several lines is over."""

    encoding: Literal["auto", "latin-1", "iso-8859-15", "cp1252", "cp850", "utf-16-le", "utf-16-be"] = "auto"
    """What the bytes mean. "auto": UTF-16 by its mark, else UTF-8, and what is none as Windows-1252."""

    @field_validator("record_start", "record_end")
    @classmethod
    def _is_understood(cls, expression: str) -> str:
        compile_regex(expression)
        return expression

    @model_validator(mode="after")
    def _one_way_to_tell_records(self) -> Self:
        if self.records != "lines" and (self.record_start or self.record_end):
            raise ValueError(
                f"records = {self.records!r} knows itself where records begin: leave out record_start, _end"
            )
        return self


class JournaldSource(Source):
    """This machine's systemd journal, or journal files."""

    name: Name = "journald"
    """The source's name: lower-case letters, digits, `-` and `_`. It stands in `sentinel.source` of every event."""

    folder: Path | None = None
    """A folder of journal files, for example those that systemd-journal-remote collects; absent: this machine's."""

    start: Literal["beginning", "end"] = "end"
    """Where to begin when Sentinel sees this journal for the first time."""
