"""Reads what Sentinel tells about itself: one JSON object each."""

import json
from collections.abc import Iterator, Mapping

from sentinel.pack import Fields, ParseError, Raw, text, when

_AUTHENTICATION = ("certificate", "peer_did_not_return_a_certificate", "token", "password")
_PULL = {
    "pull_failed": "cannot be read",
    "pull_recovered": "is read again",
    "pull_lost": "has lost something for good",
}


def parse(raw: Raw) -> Iterator[Fields]:
    """Yield the event of one notice."""
    try:
        said = json.loads(raw.body)
    except (ValueError, RecursionError) as error:
        raise ParseError("no JSON object") from error
    match said.get("action") if isinstance(said, dict) else None:
        case "connection_refused":
            yield _refused(said)
        case "records_lost":
            yield _lost(said)
        case "spool_problem":
            yield _spool(said)
        case "rule_tripped":
            yield _tripped(said)
        case "pull_failed" | "pull_recovered" | "pull_lost" as action:
            yield _pulled(said, action)
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


def _tripped(said: Mapping[str, object]) -> Fields:
    rule, reason = (str(said.get(key) or "") for key in ("rule", "reason"))
    if not (rule and reason):
        raise ParseError("a rule that was set aside, without its id or a reason")
    return {
        "event.action": "rule_tripped",
        "event.category": ("configuration",),
        "event.type": ("error",),
        "event.outcome": "failure",
        "event.reason": reason,
        "rule.id": rule,
        "message": f"the rule {rule} was set aside for a while: {reason}",
    }


def _pulled(said: Mapping[str, object], action: str) -> Fields:
    reason, peer, entrance, times = _told(said)
    feed = said.get("feed")
    fields: Fields = {
        "event.action": action,
        "event.category": ("network",),
        "event.type": ("connection",),
        "event.outcome": "success" if action == "pull_recovered" else "failure",
        "event.reason": reason,
        "message": f"{entrance}{f', {feed},' if feed else ''} {_PULL[action]}: {reason}{times}",
        "destination.address": peer,
    }
    address = text.address(peer)
    fields["destination.domain" if address is None else "destination.ip"] = address or peer
    since = said.get("since")
    if isinstance(since, str):
        fields["event.start"] = when.iso(when.rfc3339(since))
    return fields | _counted(said)


def _told(said: Mapping[str, object]) -> tuple[str, str, str, str]:
    reason, peer, entrance = (str(said.get(key) or "") for key in ("reason", "peer", "entrance"))
    if not (reason and peer and entrance):
        raise ParseError("a notice without a reason, a peer or an entrance")
    count = said.get("count")
    return reason, peer, entrance, f" ({count} times)" if isinstance(count, int) and count > 1 else ""


def _counted(said: Mapping[str, object]) -> Fields:
    count = said.get("count")
    return {"sentinel.notice.count": count} if isinstance(count, int) else {}


def _refused(said: Mapping[str, object]) -> Fields:
    reason, peer, entrance, times = _told(said)
    failed = reason.startswith(_AUTHENTICATION)
    fields: Fields = {
        "event.action": "authentication_failure" if failed else "connection_refused",
        "event.category": ("authentication", "network") if failed else ("network",),
        "event.type": ("start", "denied") if failed else ("denied",),
        "event.outcome": "failure",
        "event.reason": reason,
        "message": f"{entrance} refused {peer}: {reason}{times}",
    }
    return fields | _sender(peer) | _counted(said)


def _lost(said: Mapping[str, object]) -> Fields:
    reason, peer, entrance, times = _told(said)
    fields: Fields = {
        "event.action": "records_lost",
        "event.category": ("network",),
        "event.type": ("error",),
        "event.outcome": "failure",
        "event.reason": reason,
        "message": f"{entrance} lost what {peer} sent: {reason}{times}",
    }
    return fields | _sender(peer) | _counted(said)


def _sender(peer: str) -> Fields:
    address = text.address(peer)
    return {"source.address": peer} if address is None else {"source.address": peer, "source.ip": address}
