"""API keys, one a role, none of which may more than its role needs.

    reader   what judges, searches and shows: reads, and lets the server show what was just written
    writer   what stores: adds events and reads them; can change none and remove none; enters its machine
    keeper   what amends, removes old days and makes snapshots
    prover   what tries rules, in indices of its own that are gone afterwards
    sharer   what reads and changes alerts, cases and messages, which machines share; no events

A key is a file of its name (mode 0600) in a folder; `id` before the colon of its decoded text finds it on the server.
"""

import os
from base64 import b64decode
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from elasticsearch import Elasticsearch

from sentinel.core.durable import sync_folder
from sentinel.core.errors import ConfigError
from sentinel.store.es_ground import Ask

_LOOK = ["read", "maintenance", "view_index_metadata"]


class _May(NamedTuple):
    """What a role may do with the cluster, with the indices that are called so, and with the register of machines."""

    cluster: list[str]
    indices: str
    privileges: list[str]
    nodes: tuple[str, ...] = ()


_MAY = {
    "reader": _May(["monitor"], "{prefix}-events-*", _LOOK, tuple(_LOOK)),
    "writer": _May(
        ["monitor"], "{prefix}-events-*", [*_LOOK, "create_doc", "auto_configure"], (*_LOOK, "index", "create_index")
    ),
    "keeper": _May(
        ["monitor", "create_snapshot", "monitor_snapshot"], "{prefix}-events-*", [*_LOOK, "write", "manage"]
    ),
    "prover": _May(["monitor", "manage_index_templates"], "{prefix}-proof-*", ["all"]),
    "sharer": _May([], "{prefix}-state", ["read", "write", "view_index_metadata"]),
}
ROLES = tuple(_MAY)


def name_of(prefix: str, role: str) -> str:
    """Return the name under which the server knows a key."""
    return f"{prefix}-{role}"


def wanted(prefix: str, role: str) -> dict[str, Any]:
    """Return what a role may, as Elasticsearch describes roles."""
    may = _MAY[role]
    indices = [{"names": [may.indices.format(prefix=prefix)], "privileges": may.privileges}]
    if may.nodes:
        indices.append({"names": [f"{prefix}-nodes"], "privileges": list(may.nodes)})
    return {role: {"cluster": may.cluster, "indices": indices}}


def provided(client: Elasticsearch, ask: Ask, prefix: str, folder: Path, *, check: bool) -> dict[str, str]:
    """See to the keys in `folder` and return what was wrong with each, nothing if it was well; raises ConfigError.

    A key that may something else is given the right role again; one that the server does not know is made anew.
    """
    return {role: _provided(client, ask, prefix, folder / role, check=check) for role in ROLES}


def _provided(client: Elasticsearch, ask: Ask, prefix: str, path: Path, *, check: bool) -> str:
    role, may = path.name, wanted(prefix, path.name)
    ident = _ident(path)
    there: Any = ask(lambda: client.security.get_api_key(name=name_of(prefix, role), active_only=True).body)
    known = next((one for one in there["api_keys"] if one["id"] == ident), None)
    if known is None:
        if not check:
            made: Any = ask(
                lambda: client.security.create_api_key(name=name_of(prefix, role), role_descriptors=may).body
            )
            _write(path, str(made["encoded"]))
        return f"{path}: no such key" if not ident else f"{path}: the server does not know this key (any more)"
    if _privileges(known.get("role_descriptors", {}), role) != _privileges(may, role):
        if not check:
            ask(lambda: client.security.update_api_key(id=ident, role_descriptors=may))
        return f"{path}: the key may do something else than its role needs"
    return ""


def _privileges(roles: Any, role: str) -> object:  # noqa: ANN401  what JSON gives
    told = roles.get(role, {})
    indices = [(sorted(one["names"]), sorted(one["privileges"])) for one in told.get("indices", ())]
    return roles.keys(), sorted(told.get("cluster", ())), indices


def _ident(path: Path) -> str:
    with suppress(OSError, ValueError):
        return b64decode(path.read_bytes(), validate=True).decode().partition(":")[0]
    return ""


def _write(path: Path, key: str) -> None:
    aside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, key.encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        aside.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(f"{path}: the key cannot be kept: {error.strerror}; choose another folder") from error
