"""Reads what Sendmail writes to syslog (see `sentinel.pack.sendmail`)."""

from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, sendmail, syslog

MESSAGE_MAX = 16_384


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line."""
    line = syslog.read(raw)
    if line.app is None:
        raise ParseError("no program name: not a line of Sendmail")
    fields = syslog.fields(line)
    sendmail.read(line.message[:MESSAGE_MAX], fields, "sendmail.")
    yield fields
