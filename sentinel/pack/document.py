"""Documents that are ECS already, nested or with dotted names, as other shippers send them: to flat fields.

Taken over are the fields that ECS lists and `labels.*`, nothing of Sentinel's own name spaces: a sender may say what
happened, not what Sentinel has made of it. A value that is not of its field's type becomes a label of that name.
"""

import re
from collections.abc import Iterator, Mapping
from math import isfinite

from sentinel.core import ecs
from sentinel.core.errors import ParseError
from sentinel.core.event import Fields, Scalar, Value
from sentinel.pack import text, when

DEPTH_MAX = 32
FIELDS_MAX = 1_000
VALUES_MAX = 100
NAME_MAX = 80
_SPOILT = re.compile(r"[^A-Za-z0-9_@-]")
_KINDS = frozenset({"alert", "asset", "enrichment", "event", "metric", "state"})
_TRUTH = {"true": True, "false": False}


def fields(said: Mapping[str, object]) -> Fields:
    """Return what of a document may be taken over."""
    found: Fields = {}
    for name, value in flat(said).items():
        if name.startswith("labels."):
            found[name] = _texts(value)
        elif name in ecs.table() and name not in ecs.OWN and not name.startswith("ecs."):
            fitting = _fitting(name, value)
            found[name if fitting is not None else f"labels.{name}"] = _texts(value) if fitting is None else fitting
    if found.get("event.kind", "event") not in _KINDS:
        del found["event.kind"]
    for name in ("event.dataset", "event.module"):
        if str(found.get(name, "")).partition(".")[0] == "sentinel":
            del found[name]
    return found


def labels(said: Mapping[str, object]) -> Fields:
    """Return what an operator had a sender add, as `labels.<name>`."""
    return {f"labels.{name}": _texts(value) for name, value in flat(said).items()}


def below(space: str, said: Mapping[str, object]) -> Fields:
    """Return the values of a nested object as texts below a vendor's name space, such as `m365.Item.Subject`.

    A list of objects gives what each of them has under a name: `members[].role` is `space.members.role`, several
    values, equal ones once.
    """
    found: dict[str, list[str]] = {}
    for name, value in _everything(said, space, 0):
        texts = found.get(name)
        if texts is None:
            if len(found) >= FIELDS_MAX:
                break
            texts = found[name] = []
        if len(texts) < VALUES_MAX and value not in texts:
            texts.append(value)
    return {name: texts[0] if len(texts) == 1 else tuple(texts) for name, texts in found.items()}


def _everything(value: object, name: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if depth < DEPTH_MAX:
            for part, inner in value.items():
                yield from _everything(inner, f"{name}.{_SPOILT.sub('_', part[:NAME_MAX]) or '_'}", depth + 1)
    elif isinstance(value, list):
        if depth < DEPTH_MAX:
            for inner in value:
                yield from _everything(inner, name, depth + 1)
    elif isinstance(value, str | int | float) and value != "":
        yield name, _text(value)


def flat(said: Mapping[str, object]) -> Fields:
    """Return the values of a nested object under dotted names; lists of objects are left out."""
    found: Fields = {}
    for name, value in _leaves(said, "", 0):
        found.setdefault(name, value)
        if len(found) >= FIELDS_MAX:
            break
    return found


def _leaves(said: Mapping[str, object], prefix: str, depth: int) -> Iterator[tuple[str, Value]]:
    for name, value in said.items():
        if isinstance(value, dict):
            if depth < DEPTH_MAX:
                yield from _leaves(value, f"{prefix}{name}.", depth + 1)
        elif isinstance(value, list):
            several = tuple(one for one in value if isinstance(one, str | int | float) and one != "")
            if several:
                yield prefix + name, several
        elif isinstance(value, str | int | float) and value != "":
            yield prefix + name, value


def _fitting(name: str, value: Value) -> Value | None:
    """Return the value as its field asks for, None if it cannot be."""
    kind = ecs.type_of(name)
    made: list[Scalar] = []
    for one in value if isinstance(value, tuple) else (value,):
        fitting = None if kind is None else _typed(kind, one)
        if fitting is None:
            return None
        made.append(fitting)
    if ecs.several(name):
        return tuple(made)
    return made[0] if len(made) == 1 else None


def _typed(kind: ecs.Type, value: Scalar) -> Scalar | None:
    plain = None if isinstance(value, bool) else value
    match kind:
        case "keyword":
            return _text(value)
        case "boolean":
            return value if isinstance(value, bool) else _TRUTH.get(str(value).lower())
        case "ip":
            return text.address(value) if isinstance(value, str) else None
        case "date":
            return _moment(value) if isinstance(value, str) else None
        case "float":
            return plain if isinstance(plain, int | float) and abs(plain) < 1e300 and isfinite(plain) else None
        case "long":
            whole = int(plain) if isinstance(plain, float) and plain.is_integer() else plain
            return None if isinstance(whole, float) else text.number(whole)


def _moment(value: str) -> str | None:
    try:
        return when.iso(when.rfc3339(value))
    except ParseError:
        return None


def _texts(value: Value) -> Value:
    return tuple(map(_text, value)) if isinstance(value, tuple) else _text(value)


def _text(value: Scalar) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    # the decimal text of a number without bound costs time without bound
    return hex(value)[:100] if isinstance(value, int) and value.bit_length() > 256 else str(value)
