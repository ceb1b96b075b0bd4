"""Reads one JSON object of a program that no pack knows, with or without a syslog header before it.

An object that is ECS already is taken over; of any other the commonest names are understood (`sentinel.pack.common`)
and the message is read as a sentence (`sentinel.pack.prose`); what has no common meaning is kept as `labels.<name>`.
"""

from collections.abc import Iterator, Mapping

from sentinel.pack import Fields, Raw, common, document, prose, structured, syslog, text

_SIGNS = ("ecs.version", "event.dataset", "event.kind", "event.category", "source.ip")
_DROPPED = ("@version",)
_NAMES = ("event", "action", "eventid")


def parse(raw: Raw) -> Iterator[Fields]:
    """Yield the event of one object; raises ParseError if it is none."""
    line = prose.header(raw)
    said = structured.json_object(line.message.removeprefix("@cee:").strip())
    flat = _whole(said)
    if any(sign in flat for sign in _SIGNS):
        yield document.fields(said)
        return
    fields = syslog.fields(line)
    fields.pop("message", None)
    for name in _DROPPED:
        flat.pop(name, None)
    common.read(flat, fields, raw.received, raw.zone)
    words = [str(flat[name]).replace("_", " ") for name in _NAMES if name in flat]
    words += [str(flat[name]) for name in ("error", "reason", "err") if name in flat]
    if "message" in fields:
        words[:0] = [prose.plain(str(fields["message"]))]
    prose.sentence("; ".join(words), fields, raw.received, raw.zone)
    if "authentication" in str(fields.get("event.category")) and "user.name" not in fields:
        text.put(fields, [("user.name", text.given(str(flat.get("identifier", ""))))])  # authentik
    yield fields


def _whole(said: Mapping[str, object]) -> Fields:
    """Return the object's values under dotted names; of lists of `{"key": k, "value": v}` each pair is one."""
    flat = document.flat(said)
    for name, value in said.items():
        for pair in value[:64] if isinstance(value, list) else ():
            if isinstance(pair, dict) and isinstance(pair.get("key"), str) and "value" in pair:
                below = document.flat({pair["key"]: pair["value"]})
                flat.update({f"{name}.{key}": one for key, one in below.items()})
    return flat
