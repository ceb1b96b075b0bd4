"""What an Elasticsearch cluster is short of, out of its error objects, in words that say what to do."""

import re
from collections.abc import Mapping

_REASON_MAX = 500
NO_MASTER = (
    "the cluster has no elected master: more than half of its nodes that may be master must run and reach each other, "
    "so start those that are missing"
)
FULL = (
    "a disk of the cluster is full, and the index {index} takes nothing until there is room (flood-stage watermark): "
    "make room there, add a node, or let retention keep fewer days"
)
RED = (
    "the index {index} is red, for no copy of a part of it is there: events of that day can be neither stored nor "
    "searched, so start the node that is missing, or restore that day from a backup"
)
_KNOWN = (
    (re.compile(r"no master|master_not_discovered_exception|not_master_exception"), NO_MASTER),
    (re.compile(r"read-only-allow-delete"), FULL),
    (re.compile(r"unavailable_shards_exception|no_shard_available_action_exception"), RED),
)
_INDEX = re.compile(r"\[([a-z0-9][^\]\[]*-events-[^\]\[]+)\]")


def reason(error: object) -> str:
    """Return what an error object of Elasticsearch says: in our words where we know it, else with what lies behind."""
    said = _said(error)
    for pattern, words in _KNOWN:
        if pattern.search(said):
            index = _INDEX.search(said)
            return words.format(index=index[1] if index else "of that day")
    return said[:_REASON_MAX]


def _said(error: object) -> str:
    said: list[str] = []
    while isinstance(error, Mapping) and len(said) < 4:
        kind, text = error.get("type"), error.get("reason")
        said.append(": ".join(str(part) for part in (kind, text) if part))
        error = error.get("caused_by")
    if isinstance(error, str):
        said.append(error)
    return " <- ".join(part for part in said if part)
