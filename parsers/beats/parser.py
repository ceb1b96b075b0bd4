"""Documents of Filebeat and other Beats: what is ECS in them is taken over, what the operator added becomes labels.

What ECS does not know (`input.type`, `log.offset`, `cloud.*` extras …) stays in `event.original` only. The line that
Filebeat read is `message`: who reads lines of that kind is not asked here.
"""

from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, document, text, when
from sentinel.pack.structured import json_object


def parse(raw: Raw) -> Iterator[Fields]:
    """Yield the event of one document."""
    said = json_object(text.decode(raw.body))
    if "@timestamp" not in said and "message" not in said:
        raise ParseError("a document with neither @timestamp nor message")
    found = document.fields(said)
    added = said.get("fields")
    if isinstance(added, dict):  # `fields:` in filebeat.yml
        found.update(document.labels(added))
    moment = said.get("@timestamp")
    if isinstance(moment, str):
        found["@timestamp"] = when.iso(when.rfc3339(moment))
    yield found
