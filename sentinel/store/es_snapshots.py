"""Snapshots of Sentinel's indices in a repository that the server knows, and back from there."""

from collections.abc import Callable
from typing import Any

from elasticsearch import Elasticsearch

from sentinel.core.errors import StoreError
from sentinel.store.es_ground import Ask, found

POLL_SECONDS = 0.5
_ENDED = {"SUCCESS", "PARTIAL", "FAILED"}


def taken(client: Elasticsearch, ask: Ask, prefix: str, where: tuple[str, str], pause: Callable[[float], None]) -> int:
    """Make a snapshot, `where` being repository and name, and return of how many indices; raises StoreError.

    What was stored before this was called is in it, whole days being copied only as far as the repository lacks them.
    """
    repository, name = where
    if ask(lambda: found(lambda: client.snapshot.get_repository(name=repository).body)) is None:
        raise StoreError(
            f"the server knows no snapshot repository {repository!r}: register it (PUT /_snapshot/{repository}), or "
            "name another with store.snapshots"
        )
    wanted = f"{prefix}-events-*"
    ask(lambda: client.indices.flush(index=wanted))
    ask(
        lambda: client.snapshot.create(
            repository=repository, snapshot=name, indices=wanted, include_global_state=False, wait_for_completion=False
        )
    )
    while True:
        told: Any = ask(lambda: client.snapshot.get(repository=repository, snapshot=name).body)
        state = told["snapshots"][0]
        if state["state"] in _ENDED:
            break
        pause(POLL_SECONDS)
    if state["state"] != "SUCCESS":
        raise StoreError(
            f"the snapshot {name} is {state['state']}, not whole: see its failures on the server; try again"
        )
    return len(state["indices"])


def brought_back(
    client: Elasticsearch, ask: Ask, prefix: str, where: tuple[str, str], pause: Callable[[float], None]
) -> int:
    """Bring the indices of a snapshot back into a server that has none of them; returns how many. Raises StoreError."""
    repository, name = where
    there: Any = ask(lambda: client.indices.get(index=f"{prefix}-events-*", features="aliases").body)
    if there:
        raise StoreError(
            f"{len(there)} indices {prefix}-events-* are there already: a backup is restored into an empty cluster, or "
            "under another store.prefix after they were removed"
        )
    told: Any = ask(lambda: client.snapshot.get(repository=repository, snapshot=name).body)
    indices = [str(one) for one in told["snapshots"][0]["indices"]]
    if not indices:
        return 0
    ask(
        lambda: client.snapshot.restore(
            repository=repository, snapshot=name, include_global_state=False, wait_for_completion=False
        )
    )
    while True:
        health: Any = ask(lambda: client.cluster.health(index=f"{prefix}-events-*", level="indices").body)
        back = health["indices"]
        if len(back) == len(indices) and all(one["status"] != "red" for one in back.values()):
            return len(indices)
        pause(POLL_SECONDS)
