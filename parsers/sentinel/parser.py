"""Reads what Sentinel tells about itself: one JSON object each."""

import json
from collections.abc import Iterator

from sentinel.pack import Fields, ParseError, Raw, text

_AUTHENTICATION = ("certificate", "peer_did_not_return_a_certificate", "token", "password")


def parse(raw: Raw) -> Iterator[Fields]:
    """Yield the event of one notice."""
    try:
        said = json.loads(raw.body)
    except (ValueError, RecursionError) as error:
        raise ParseError("no JSON object") from error
    if not isinstance(said, dict) or said.get("action") != "connection_refused":
        raise ParseError("a notice of no known kind")
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
    yield fields
