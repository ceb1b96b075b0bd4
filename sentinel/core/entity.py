"""What events and alerts are about: hosts, users, addresses, mail addresses, files; and in which fields they stand."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Literal, NamedTuple

from sentinel.core.event import Scalar, Value
from sentinel.core.where import AnyOf, Is, Where, plain, values
from sentinel.core.wildcard import fold

EntityKind = Literal["host", "user", "address", "mail", "file"]

FIELDS: Mapping[EntityKind, tuple[str, ...]] = {
    "host": (
        "host.name", "host.hostname",
        "sentinel.host_asset.name", "sentinel.source_asset.name", "sentinel.destination_asset.name",
    ),
    "user": (
        "user.name", "user.target.name", "user.effective.name", "source.user.name", "destination.user.name",
    ),
    "address": ("source.ip", "destination.ip", "client.ip", "server.ip", "host.ip", "source.nat.ip"),
    "mail": (
        "email.from.address", "email.sender.address", "email.to.address", "email.cc.address",
        "user.email", "user.target.email",
    ),
    "file": tuple(
        f"{thing}.hash.{kind}"
        for thing in ("file", "process", "dll", "email.attachments.file") for kind in ("sha256", "sha1", "md5")
    ),
}  # fmt: skip
"""The fields (ECS) in which each kind stands; a file is known by its hash."""
ACTING = frozenset({"source.ip", "client.ip", "source.user.name", "email.from.address", "email.sender.address"}) | {
    *FIELDS["file"]
}
"""The fields that name who does something, or what is spread; the others name what it is done to, or where."""
_KINDS: Mapping[str, EntityKind] = {field: kind for kind, fields in FIELDS.items() for field in fields}


class Entity(NamedTuple):
    """One of them, its value as it is compared (`SRV-01` and `srv-01` are one host)."""

    kind: EntityKind
    value: str


def entity_of(field: str, value: Scalar) -> Entity | None:
    """Return what a field with this value names; None if it names nothing, or nobody in particular."""
    kind = _KINDS.get(field)
    text = fold(plain(value)).strip()
    return None if kind is None or not text or _anybody(kind, text) else Entity(kind, text)


def entities(fields: Mapping[str, Value]) -> Iterator[tuple[Entity, bool]]:
    """Yield what a document names, and whether it acts there; an entity in two fields comes twice."""
    for field in _KINDS.keys() & fields.keys():
        for value in values(fields[field]):
            found = entity_of(field, value)
            if found is not None:
                yield found, field in ACTING


def concerns(entity: Entity) -> Where:
    """Return what holds for every event that names the entity."""
    return AnyOf(tuple(Is(field, entity.value) for field in FIELDS[entity.kind]))


_ACCOUNTS = frozenset({
    "-", "root", "administrator", "admin", "system", "local service", "network service", "anonymous logon", "nobody",
    "lokaler dienst", "netzwerkdienst", "daemon", "www-data", "guest", "gast",
})  # fmt: skip
_EMPTY = frozenset({
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "d41d8cd98f00b204e9800998ecf8427e",
})  # fmt: skip


def _anybody(kind: EntityKind, text: str) -> bool:
    # accounts that every machine has, addresses that every machine is, the file without a byte
    match kind:
        case "user":
            return text in _ACCOUNTS or text.endswith("$")
        case "address":
            try:
                address = ip_address(text)
            except ValueError:
                return True
            return address.is_loopback or address.is_multicast or address.is_unspecified or address.is_link_local
        case "file":
            return text in _EMPTY
        case "host":
            return text in {"localhost", "-"}
        case "mail":
            return "@" not in text
