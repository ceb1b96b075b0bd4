"""What Sentinel needs of an Elasticsearch server before it writes: its index template, and mappings that came later.

A new version of the mapping only adds fields (see `es_mapping`), so it rolls forward: the template is written, and days
that are there learn the new fields; nothing is indexed again. What a newer Sentinel has written is never taken back.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from elasticsearch import AuthorizationException, Elasticsearch, NotFoundError

from sentinel.core.errors import StoreError
from sentinel.store import es_mapping as es

T = TypeVar("T")


class Ask(Protocol):
    """Asks the server, and again where that may help; raises StoreError."""

    def __call__(self, call: Callable[[], T], /) -> T:
        """Return what `call` returns."""


def found(call: Callable[[], T]) -> T | None:
    """Return what `call` returns, None if the server has no such thing."""
    try:
        return call()
    except NotFoundError:
        return None


def laid(client: Elasticsearch, ask: Ask, prefix: str, template: dict[str, Any], *, check: bool) -> list[str]:
    """See to template and mappings and return how they differed, one line each; with `check`, change nothing.

    Raises StoreError where a newer Sentinel was at work, or the key given may not do this.
    """
    name = f"{prefix}-events"
    told = ask(lambda: found(lambda: client.indices.get_index_template(name=name).body))
    have = told["index_templates"][0]["index_template"] if told else {}
    behind = _behind(client, ask, prefix, int(have.get("version", 0)))
    different = es.differences(have, template)
    lines = [
        *different,
        *(f"{index} has version {version} of the mapping" for index, version in sorted(behind.items())),
    ]
    if not lines or check:
        return lines
    try:
        if different:
            ask(lambda: client.indices.put_index_template(name=name, **template))
        for index, version in behind.items():
            _roll_forward(client, ask, index, version)
    except StoreError as error:
        if not isinstance(error.__cause__, AuthorizationException):
            raise
        raise StoreError(
            f"the indices are not as this Sentinel needs them ({lines[0]}), and this key may not change that: let an "
            "administrator run `sentinel store setup`"
        ) from error
    return lines


def _behind(client: Elasticsearch, ask: Ask, prefix: str, template: int) -> dict[str, int]:
    # days whose mapping is older than ours
    days: Any = ask(
        lambda: client.indices.get_mapping(index=f"{prefix}-events-*", filter_path="*.mappings._meta.sentinel").body
    )
    versions = {index: int(told["mappings"]["_meta"]["sentinel"]) for index, told in days.items()}
    newest = max(template, *versions.values(), 0)
    if newest > es.VERSION:
        raise StoreError(
            f"the indices {prefix}-events-* were written by a newer Sentinel (version {newest} of the mapping; this "
            f"one knows {es.VERSION}): nothing is written; install the newer Sentinel again"
        )
    return {index: version for index, version in versions.items() if version < es.VERSION}


def _roll_forward(client: Elasticsearch, ask: Ask, index: str, version: int) -> None:
    newer: Any = es.mappings(after=version)
    ask(lambda: client.indices.put_mapping(index=index, properties=newer["properties"], meta=newer["_meta"]))
