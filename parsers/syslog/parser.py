"""Reads lines of programs that no pack knows, with a syslog header (RFC 3164, RFC 5424) or with a time of their own.

Beside the header it says only what `sentinel.pack.prose` reads without guessing: logins, requests, pairs by their
common names. Structured data become labels. A line without any of it is an event all the same, `generic.log`.
"""

from collections.abc import Iterator

from sentinel.pack import Fields, Raw, common, prose, syslog, when


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one line; none is refused."""
    line = prose.header(raw)
    fields = syslog.fields(line)
    for element, parameters in line.data.items():
        common.labels(fields, ((f"{element}.{name}", value) for name, value in parameters.items()))
    headed = line.timestamp is not None or line.priority is not None or line.app is not None
    message = prose.plain(line.message)
    stamp = prose.moment(message, raw.received, raw.zone, alone=line.timestamp is None)
    if stamp is not None:
        fields["@timestamp"] = when.iso(stamp.moment)
    prose.sentence(message, fields, raw.received, raw.zone)
    if not headed:
        fields["event.dataset"] = "generic.log"
    yield fields
