"""CEF of products that have no pack of their own, by ArcSight's dictionary (`sentinel.pack.cef` reads it)."""

from collections.abc import Iterator

from sentinel.pack import Fields, Raw, cef, syslog, text, verdict


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one record; raises ParseError if there is no CEF in it."""
    line = syslog.read(raw)
    record = cef.read(text.decode(raw.body).rstrip("\r\n\0"))
    found = cef.fields(record, raw.received, raw.zone)
    text.put(
        found,
        (
            ("cef.version", record.version),
            ("cef.name", record.name),
            ("cef.severity", record.severity),
            ("cef.category", record.extension.get("cat")),
        ),
    )
    found.pop("cef.extensions.cat", None)
    found = syslog.observed(line) | found
    verdict.about(found, f"{record.extension.get('cat', '')} {record.name}")
    yield found
