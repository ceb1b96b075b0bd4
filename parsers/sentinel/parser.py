"""Reads what Sentinel tells about itself: one JSON object each."""

import json
from collections.abc import Iterator, Mapping

from sentinel.pack import Fields, ParseError, Raw, text

_AUTHENTICATION = ("certificate", "peer_did_not_return_a_certificate", "token", "password")


def parse(raw: Raw) -> Iterator[Fields]:
    """Yield the event of one notice."""
    try:
        said = json.loads(raw.body)
    except (ValueError, RecursionError) as error:
        raise ParseError("no JSON object") from error
    match said.get("action") if isinstance(said, dict) else None:
        case "connection_refused":
            yield _refused(said)
        case "spool_problem":
            yield _spool(said)
        case _:
            raise ParseError("a notice of no known kind")


def _spool(said: Mapping[str, object]) -> Fields:
    reason = str(said.get("reason") or "")
    if not reason:
        raise ParseError("a problem without words")
    return {
        "event.action": "spool_problem",
        "event.category": ("host",),
        "event.type": ("error",),
        "event.outcome": "failure",
        "event.reason": reason,
        "message": f"the spool: {reason}",
    }


def _refused(said: Mapping[str, object]) -> Fields:
    reason, peer, entrance = (str(said.get(key) or "") for key in ("reason", "peer", "entrance"))
    if not (reason and peer and entrance):
        raise ParseError("a refusal without a reason, a peer or an entrance")
    count = said.get("count")
    failed = reason.startswith(_AUTHENTICATION)
    times = f" ({count} times)" if isinstance(count, int) and count > 1 else ""
    fields: Fields = {
        "event.action": "authentication_failure" if failed else "connection_refused",
        "event.category": ("authentication", "network") if failed else ("network",),
        "event.type": ("start", "denied") if failed else ("denied",),
        "event.outcome": "failure",
        "event.reason": reason,
        "message": f"{entrance} refused {peer}: {reason}{times}",
        "source.address": peer,
    }
    address = text.address(peer)
    if address is not None:
        fields["source.ip"] = address
    if isinstance(count, int):
        fields["sentinel.notice.count"] = count
    return fields
