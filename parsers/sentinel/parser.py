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

_TRAITS_MAX = 5
_SCORE_MAX = 100


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
        case "spool_problem" | "store_problem" as action:
            yield _problem(said, action)
        case "rule_tripped":
            yield _tripped(said)
        case "pull_failed" | "pull_recovered" | "pull_lost" as action:
            yield _pulled(said, action)
        case "site_odd":
            yield _odd(said)
        case _:
            raise ParseError("a notice of no known kind")


def _problem(said: Mapping[str, object], action: str) -> Fields:
    reason = str(said.get("reason") or "")
    if not reason:
        raise ParseError("a problem without words")
    return {
        "event.action": action,
        "event.category": ("host",),
        "event.type": ("error",),
        "event.outcome": "failure",
        "event.reason": reason,
        "message": f"the {action.partition('_')[0]}: {reason}",
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


def _odd(said: Mapping[str, object]) -> Fields:
    told = {key: str(said.get(key) or "") for key in ("kind", "day", "site", "feature", "value", "device", "event")}
    numbers = {key: said.get(key) for key in ("sites", "peers", "hours", "closed_hours", "devices")}
    score, traits, device = said.get("score"), said.get("traits"), told.pop("device")
    if (
        not (told["site"] and told["value"] and isinstance(score, int | float) and isinstance(traits, list))
        or not 0 <= score <= _SCORE_MAX
    ):
        raise ParseError("an odd site without its name, a value, a score or traits")
    fields: Fields = {
        "event.action": "site_odd",
        "event.category": ("network", "intrusion_detection"),
        "event.type": ("info",),
        "event.risk_score": float(score),
        "message": (
            f"{told['site']}, {told['day']}: {told['feature']} {told['value']}, in {numbers['hours']} hours, "
            f"by {numbers['devices']} devices, most by {device or 'one that is not known'}; {numbers['sites']} of "
            f"{numbers['peers']} sites ({told['kind']}) do it"
        ),
        "sentinel.odd.traits": tuple(map(str, traits[:_TRAITS_MAX])),
    }
    for name, key in (("event.start", "first"), ("event.end", "last")):
        fields[name] = when.iso(when.rfc3339(str(said.get(key) or "")))
    text.put(fields, [(f"sentinel.odd.{key}", value) for key, value in told.items()])
    counts = {key: value for key, value in numbers.items() if isinstance(value, int)}
    text.put(fields, [(f"sentinel.odd.{key}", value) for key, value in counts.items()])
    match told["feature"]:
        case "process":
            return text.put(fields, [("host.name", device), ("process.name", told["value"])])
        case "name":
            fields["destination.domain"] = told["value"]
        case "address":
            text.put(fields, [("destination.ip", text.address(told["value"]))])
        case _:
            pass
    return text.put(fields, [("source.address", device), ("source.ip", text.address(device))])


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
