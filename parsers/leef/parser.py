"""LEEF of products that have no pack of their own, by QRadar's predefined names (`sentinel.pack.leef` reads it)."""

from collections.abc import Iterator

from sentinel.pack import Fields, Raw, leef, syslog, text, verdict


def parse(raw: Raw) -> Iterator[Fields]:
    """Read one record; raises ParseError if there is no LEEF in it."""
    line = syslog.read(raw)
    record = leef.read(text.decode(raw.body).rstrip("\r\n\0"))
    found = leef.fields(record, raw.received, raw.zone)
    category = record.attributes.get("cat")
    text.put(found, (("leef.version", record.version), ("leef.category", category)))
    found.pop("leef.attributes.cat", None)
    found = syslog.observed(line) | found
    verdict.about(found, f"{category or ''} {record.event}")
    yield found
