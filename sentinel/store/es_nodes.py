"""The machines that share this store, in `<prefix>-nodes`: one document for each, which only its owner may change.

A number is claimed by making its document, which the server allows once; every change names the state that it changes.
So two machines with one number, or a copied spool at work twice, are noticed by the one that comes later, or at once.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from elasticsearch import BadRequestError, ConflictError, Elasticsearch, NotFoundError

from sentinel.core.clock import iso
from sentinel.core.errors import StoreError, TakenError
from sentinel.core.event import NODES_MAX
from sentinel.core.node import Node
from sentinel.store.es_ground import Ask, found

_INDEX: dict[str, Any] = {
    "settings": {"index": {"number_of_shards": 1, "auto_expand_replicas": "0-1"}},
    "mappings": {"dynamic": False},
}


class Nodes:
    """The register of machines; see `core.node.Register`. One for each process: it remembers what it has written."""

    def __init__(self, client: Elasticsearch, ask: Ask, prefix: str) -> None:
        self._client, self._ask, self._index = client, ask, f"{prefix}-nodes"
        self._place: dict[str, int] = {}

    def tell(self, node: Node) -> None:
        """Enter how it stands with a node; see `Register.tell`."""
        written = bool(self._place) and self._write(node, **self._place)
        if not written:
            self._claim(node)

    def nodes(self) -> list[Node]:
        """Return every machine that is entered, by number."""
        if self._ask(lambda: found(lambda: self._client.indices.refresh(index=self._index).body)) is None:
            return []
        answer: Any = self._ask(lambda: self._client.search(index=self._index, size=NODES_MAX).body)
        if answer["_shards"]["failed"]:
            raise StoreError("Elasticsearch could tell only a part of the machines: is a shard away?")
        return sorted((_node(hit["_source"]) for hit in answer["hits"]["hits"]), key=lambda one: one.number)

    def _claim(self, node: Node) -> None:
        if self._write(node, op_type="create"):
            return
        answer: Any = self._ask(lambda: self._client.get(index=self._index, id=_id(node)).body)
        there = _node(answer["_source"])
        if there.spool != node.spool:
            taken = ", ".join(str(one.number) for one in self.nodes())
            raise TakenError(
                f"node {node.number} is {there.name} (since {iso(there.beat)}, with another data folder); nothing is "
                f"stored under its number: give this machine a `node` that nobody has, or ever had ({taken} are "
                "taken), and a new folder as `data`"
            )
        if self._place and there.session != node.session:
            raise TakenError(
                f"another process stores as node {node.number} by now, on {there.name}: a copy of this data folder is "
                "at work there; end one of the two"
            )
        place = {"if_seq_no": answer["_seq_no"], "if_primary_term": answer["_primary_term"]}
        if not self._write(node, **place):
            raise TakenError(f"two processes begin to store as node {node.number} at once: end one of the two")

    def _write(self, node: Node, **condition: Any) -> bool:  # noqa: ANN401  handed on to the client
        """Write the document; False if it is not as `condition` says."""
        document = {key: iso(value) if isinstance(value, datetime) else value for key, value in asdict(node).items()}
        try:
            if "op_type" in condition:
                self._ask(self._made)
            answer: Any = self._ask(
                lambda: self._client.index(index=self._index, id=_id(node), document=document, **condition).body
            )
        except StoreError as error:
            if isinstance(error.__cause__, ConflictError | NotFoundError):
                return False
            raise
        self._place = {"if_seq_no": answer["_seq_no"], "if_primary_term": answer["_primary_term"]}
        return True

    def _made(self) -> None:
        if found(lambda: self._client.indices.get(index=self._index, filter_path="*.aliases").body) is None:
            try:
                self._client.indices.create(index=self._index, **_INDEX)
            except BadRequestError as error:
                if "resource_already_exists" not in str(error):
                    raise


def _id(node: Node) -> str:
    return f"node-{node.number}"


def _node(source: dict[str, Any]) -> Node:
    times = {name: datetime.fromisoformat(source[name]) for name in ("moment", "beat")}
    return Node(**{**source, **times})
