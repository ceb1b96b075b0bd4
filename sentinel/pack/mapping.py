"""Tables of `name a vendor gives = ECS field`, compiled once into functions that set the field with its right type."""

import re
from collections.abc import Callable, Mapping

from sentinel.core import ecs
from sentinel.core.errors import ParseError
from sentinel.core.event import Fields, Scalar
from sentinel.pack import names, text, when

Setter = Callable[[Fields, str], None]

TRANSPORTS = {
    "1": "icmp", "2": "igmp", "4": "ipip", "6": "tcp", "17": "udp", "41": "ipv6", "47": "gre", "50": "esp", "51": "ah",
    "58": "ipv6-icmp", "88": "eigrp", "89": "ospf", "103": "pim", "112": "vrrp", "132": "sctp", "136": "udplite",
}  # fmt: skip
"""https://www.iana.org/assignments/protocol-numbers"""

_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")
_ALONE = frozenset({"protocol", "nothing"})
_NUMBERS = {name: number for number, name in TRANSPORTS.items()}


def setters(table: Mapping[str, str]) -> dict[str, Setter]:
    r"""Return a function for each row of `table`; each sets its field unless the value means nothing or it is set.

    A target is an ECS field, whose type decides how the value is read, or two words: `account X` (`DOMAIN\user` to
    `X.name`, `X.domain`), `digests X` (`MD5=…,SHA256=…` to `X.hash.*`), `list X` (several values, set apart by `;` or
    `,`), `text X` (the whole as the one value of a field of several), `protocol` (an IP protocol's number or name to
    `network.transport` and `network.iana_number`); `nothing` sets nothing.
    """
    return {name: setter(target) for name, target in table.items()}


def split(table: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Setter]]:
    """Return the rows whose value is copied as it is, and setters for the others: for packs that count microseconds."""
    copied = {
        name: target
        for name, target in table.items()
        if target not in _ALONE and " " not in target and not _reader(target)
    }
    return copied, setters({name: target for name, target in table.items() if name not in copied})


def setter(target: str) -> Setter:
    """Return the function for one target of `setters`."""
    kind, _, below = target.partition(" ")
    match kind:
        case "account":
            return lambda fields, value: names.account(fields, below, value)
        case "digests":
            return lambda fields, value: names.digests(fields, below, value)
        case "protocol":
            return protocol
        case "list":
            return _several(below)
        case "text":
            return lambda fields, value: fields.update({below: (value,)})
        case "nothing":
            return _ignored
        case _:
            return _single(target)


def fill(fields: Fields, said: Mapping[str, str], by: Mapping[str, Setter], below: str) -> None:
    """Set what `said` says by the setters; what has none is kept as `<below><name>`, what means nothing is left out."""
    for name, value in said.items():
        if value in text.NOTHING:
            continue
        if (setter := by.get(name)) is not None:
            setter(fields, value)
        elif kept := _UNFIT.sub("_", name).strip("_")[:64]:
            fields.setdefault(below + kept, value)


def _ignored(_fields: Fields, _value: str) -> None:
    pass


def _single(target: str) -> Setter:
    read = _reader(target)
    if read is None:

        def plain(fields: Fields, value: str) -> None:
            if value and target not in fields:
                fields[target] = value

        return plain

    def typed(fields: Fields, value: str) -> None:
        found = read(value)
        if found is not None and target not in fields:
            fields[target] = found

    return typed


def protocol(fields: Fields, value: str) -> None:
    """Set `network.transport` and `network.iana_number` from an IP protocol's number or name."""
    name = TRANSPORTS.get(value)
    if name is not None:
        fields["network.transport"] = name
        fields["network.iana_number"] = value
    elif value.isdecimal():
        fields["network.iana_number"] = value
    elif value:
        name = {"icmp6": "ipv6-icmp", "icmpv6": "ipv6-icmp"}.get(value.lower(), value.lower())
        fields["network.transport"] = name
        if name in _NUMBERS:
            fields["network.iana_number"] = _NUMBERS[name]


def _reader(target: str) -> Callable[[str], Scalar | None] | None:
    kind = ecs.type_of(target)
    if kind == "long" and target.endswith((".port", ".pid")):
        return _between(1, 65535 if target.endswith("port") else (1 << 32) - 1)
    if kind == "long" and target.endswith((".bytes", ".packets", ".size")):
        return _between(0, (1 << 63) - 1)
    if target.endswith(".mac"):
        return text.mac
    if target.endswith(".entity_id"):  # the same GUID comes with and without braces, in either case
        return lambda value: value.strip("{}").lower() or None
    match kind:
        case "ip":
            return text.address
        case "long":
            return text.number
        case "float":
            return _decimal
        case "date":
            return _date
        case "boolean":
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get
        case _:
            return None


def _between(least: int, most: int) -> Callable[[str], int | None]:
    def read(value: str) -> int | None:
        found = int(value) if len(value) <= 18 and value.isdecimal() else text.number(value)
        return found if found is not None and least <= found <= most else None

    return read


def _several(target: str) -> Setter:
    read = text.address if ecs.type_of(target) == "ip" else text.mac if target.endswith(".mac") else None

    def several(fields: Fields, value: str) -> None:
        parts = [part.strip() for part in value.replace(";", ",").split(",")[:256]]
        found = [read(part) for part in parts] if read is not None else parts
        kept = tuple(dict.fromkeys(one for one in found if one))
        if kept and target not in fields:
            fields[target] = kept

    return several


def _decimal(value: str) -> float | None:
    try:
        found = float(value.replace(",", "."))
    except ValueError:
        return None
    return found if abs(found) < 1e18 else None


def _date(value: str) -> str | None:
    try:
        return when.iso(when.rfc3339(value))
    except ParseError:
        return None
