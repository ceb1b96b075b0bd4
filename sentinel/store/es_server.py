"""What an Elasticsearch server can and cannot do, how full it is, and what is wrong with it, in words."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from elastic_transport import TransportError
from elasticsearch import ApiError, AuthenticationException, AuthorizationException, Elasticsearch

from sentinel.core.errors import StoreError
from sentinel.store.es_client import complaint
from sentinel.store.es_ground import Ask
from sentinel.store.es_words import NO_MASTER, RED

_UNITS = {unit: 1 << 10 * power for power, unit in enumerate(("b", "kb", "mb", "gb", "tb", "pb"))}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([kmgtp]?b)")
_RED_TOLD_MAX = 5
_RED_SECONDS = 5.0
_MASTER_SECONDS = "2s"
"""So long the server may look for its master, so that it can say that there is none."""
_DISK = "cluster.routing.allocation.disk."
_MARKS = (
    ("flood_stage", "above the flood stage {mark}: Elasticsearch takes no events for what lies there"),
    ("high", "above the high watermark {mark}: Elasticsearch moves shards away"),
    ("low", "above the low watermark {mark}: no new shard is put there"),
)


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of one node, in bytes; `passed` says which watermark is behind it, nothing if none is."""

    node: str
    total: int
    free: int
    passed: str

    @property
    def percent(self) -> float:
        """How much of it is used."""
        return 100 * (self.total - self.free) / max(self.total, 1)


@dataclass(frozen=True, slots=True)
class Server:
    """What a server is; `red` are the indices of which a part is nowhere, `shards_max` counts all nodes with data."""

    versions: tuple[str, ...]
    nodes: int
    holding: int
    status: str
    unassigned: int
    red: tuple[str, ...]
    shards: int
    shards_max: int
    thresholds: bool
    disks: tuple[Disk, ...]


def looked_at(client: Elasticsearch, ask: Ask, prefix: str) -> Server:
    """Ask what the server is, and how the indices of `prefix` are; raises StoreError."""
    told: Any = ask(lambda: client.nodes.info(filter_path="nodes.*.version,nodes.*.roles").body)
    health: Any = ask(lambda: client.cluster.health(level="cluster").body)
    settings = _settings(client, ask)
    nodes = list(told["nodes"].values())
    return Server(
        versions=tuple(sorted({str(node["version"]) for node in nodes})),
        nodes=len(nodes),
        holding=max(int(health["number_of_data_nodes"]), 1),
        status=str(health["status"]),
        unassigned=int(health["unassigned_shards"]),
        red=tuple(ask(lambda: _red(client, prefix))) if health["status"] == "red" else (),
        shards=int(health["active_shards"]),
        shards_max=int(settings.get("cluster.max_shards_per_node", 1_000))
        * max(int(health["number_of_data_nodes"]), 1),
        thresholds=_thresholds(settings),
        disks=tuple(_disks(client, ask, settings)),
    )


def troubles(server: Server) -> list[str]:
    """Return what somebody has to see to, one sentence each."""
    said = [
        f"the disk of node {one.node} is {one.passed}; make room there, add a node, or let retention keep fewer days"
        for one in server.disks
        if one.passed
    ]
    said += [RED.format(index=name) for name in server.red[:_RED_TOLD_MAX]]
    if len(server.red) > _RED_TOLD_MAX:
        said.append(f"{len(server.red) - _RED_TOLD_MAX:,} more indices are red")
    if server.status == "yellow" and server.nodes > 1:
        said.append(
            "copies of shards are missing (status yellow): nothing is lost, and the loss of "
            "another node would lose something; start the node that is missing"
        )
    if server.shards >= 0.9 * server.shards_max:
        said.append(
            f"nearly all of the {server.shards_max:,} shards allowed are there: soon no new day can begin; let "
            "retention keep fewer days, or raise cluster.max_shards_per_node"
        )
    return said


def secured(client: Elasticsearch, ask: Ask) -> bool:
    """Say whether the server wants to know who asks; raises StoreError if it does not accept who does."""
    try:
        ask(client.security.authenticate)
    except StoreError as error:
        cause = error.__cause__
        # without security the server has no such question: its status differs by version
        if isinstance(cause, ApiError) and not isinstance(cause, AuthenticationException | AuthorizationException):
            return False
        raise
    return True


def has_wildcard(client: Elasticsearch, ask: Ask) -> bool:
    """Say whether the server has the field type `wildcard`; raises StoreError if the key may not try."""
    tried = {"mappings": {"properties": {"any": {"type": "wildcard"}}}}
    try:
        ask(lambda: client.indices.simulate_template(index_patterns=["sentinel-never-*"], template=tried, priority=1))
    except StoreError as error:
        if isinstance(error.__cause__, ApiError) and error.__cause__.meta.status == 400:
            return False
        raise
    return True


def awaited(client: Elasticsearch, prefix: str) -> str:
    """Return in words what a server waits for that has not answered, nothing if it does not say."""
    try:
        lost = _red(client, prefix)
    except ApiError as error:
        return NO_MASTER if complaint(error) == NO_MASTER else ""
    except TransportError:
        return ""
    return RED.format(index=lost[0]) if lost else ""


def _red(client: Elasticsearch, prefix: str) -> tuple[str, ...]:
    # the indices of which a part is nowhere, as far as the server tells at once
    asked = client.options(request_timeout=_RED_SECONDS)
    rows: Any = asked.cat.indices(
        index=f"{prefix}-events-*", health="red", h="index", format="json", master_timeout=_MASTER_SECONDS
    ).body
    return tuple(sorted(str(row["index"]) for row in rows))


def _settings(client: Elasticsearch, ask: Ask) -> dict[str, Any]:
    told: Any = ask(lambda: client.cluster.get_settings(include_defaults=True, flat_settings=True).body)
    return {**told.get("defaults", {}), **told.get("persistent", {}), **told.get("transient", {})}


def _thresholds(settings: Mapping[str, Any]) -> bool:
    return str(settings.get(f"{_DISK}threshold_enabled", "true")) == "true"


def _disks(client: Elasticsearch, ask: Ask, settings: Mapping[str, Any]) -> Iterator[Disk]:
    told: Any = ask(lambda: client.nodes.stats(metric="fs", filter_path="nodes.*.name,nodes.*.fs.total").body)
    for node in told["nodes"].values():
        total, free = (int(node["fs"]["total"][name]) for name in ("total_in_bytes", "available_in_bytes"))
        passed = ""
        for name, said in _MARKS if _thresholds(settings) else ():
            mark = str(settings.get(f"{_DISK}watermark.{name}", ""))
            if free < wanted(mark, str(settings.get(f"{_DISK}watermark.{name}.max_headroom", "")), total):
                passed = said.format(mark=mark)
                break
        yield Disk(str(node["name"]), total, free, passed)


def wanted(mark: str, headroom: str, total: int) -> float:
    """Return how many bytes of a disk must be free by a watermark as Elasticsearch writes it; 0 if it says nothing.

    A share counts what may be used, at most `headroom` bytes being kept free; a size counts what must be free.
    """
    if size := _bytes(mark):
        return size
    share = float(mark[:-1]) / 100 if mark.endswith("%") else float(mark or 1)
    room = total * (1 - share)
    return min(room, _bytes(headroom) or room)


def _bytes(text: str) -> float:
    size = _SIZE.fullmatch(text.lower())
    return float(size[1]) * _UNITS[size[2]] if size else 0
