"""Rules about single events as data: what pySigma's reading has come to, in JSON, and back.

What does not come back as it was is not written: `packed` says None to it, and its file is read anew each time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, assert_never

import orjson

from sentinel.core.detection import Detection
from sentinel.core.errors import RuleError
from sentinel.core.where import (
    AllOf,
    AnyOf,
    Compare,
    Dated,
    Exists,
    Is,
    Keyword,
    Leaf,
    Like,
    Matches,
    Not,
    Same,
    Where,
    Within,
)
from sentinel.detect.linking import Chain, Filter, Plain
from sentinel.detect.pipelines import Pipelines

Read = Plain | Chain | Filter | RuleError
"""What one document of a rule file is: a rule, or why it is refused."""

Shared = dict[object, Leaf]
"""Leaves that have been made, by what they are made of."""

_LEAVES: Mapping[str, Callable[..., Leaf]] = {
    one.__name__: one for one in (Is, Like, Matches, Within, Compare, Dated, Exists, Same, Keyword)
}
_TUPLES = ("fold_by", "attack", "falsepositives", "references", "blind_spots")
_SAID = tuple(one.name for one in fields(Detection) if one.name not in {"where", "path", "correlation", "history"})


def packed(documents: Sequence[Read], pipelines: Pipelines) -> bytes | None:
    """Return what a file's documents are as one line, None if it cannot hold them exactly."""
    told: list[object] = []
    for one in documents:
        match one:
            case Plain(detection=Detection(where=AllOf((source, *body)), correlation=None, history=None) as detection):
                if source != one.source.where:
                    return None
                own = {name: getattr(detection, name) for name in _SAID}
                told.append([own, [_told(item) for item in body], one.name, one.logsource])
            case RuleError():
                told.append(one.reason)
            case _:
                return None
    try:
        line = orjson.dumps(told)
        same = unpacked(line, _path_of(documents), pipelines, {})
    except (TypeError, ValueError):
        return None
    return line if list(map(_known, same)) == list(map(_known, documents)) else None


def unpacked(line: bytes, path: Path, pipelines: Pipelines, shared: Shared) -> list[Read]:
    """Return what `packed` was given, as of the file `path`; equal leaves are one, kept in `shared`.

    Raises ValueError, KeyError or TypeError for what was not packed by this version with these pipelines.
    """
    found: list[Read] = []
    for one in orjson.loads(line):
        if isinstance(one, str):
            found.append(RuleError(path, one))
            continue
        own, body, name, logsource = one
        source = pipelines.sources[tuple(logsource)]
        where = AllOf((source.where, *(_where(item, shared) for item in body)))
        own.update({key: tuple(own[key]) for key in _TUPLES})
        found.append(Plain(Detection(where=where, path=str(path), **own), name, source, tuple(logsource)))
    return found


def _path_of(documents: Sequence[Read]) -> Path:
    for one in documents:
        if isinstance(one, Plain):
            return Path(one.detection.path)
        if isinstance(one, RuleError):
            return Path(one.path)
    return Path()


def _known(one: Read) -> object:
    return (one.path, one.reason) if isinstance(one, RuleError) else one


def _told(where: Where) -> list[object]:
    match where:
        case AllOf(items):
            return ["AllOf", *map(_told, items)]
        case AnyOf(items):
            return ["AnyOf", *map(_told, items)]
        case Not(item):
            return ["Not", _told(item)]
        case Is() | Like() | Matches() | Within() | Compare() | Dated() | Exists() | Same() | Keyword():
            return [type(where).__name__, *(getattr(where, one.name) for one in fields(where))]
        case _:
            assert_never(where)


def _where(told: Any, shared: Shared) -> Where:  # noqa: ANN401  what JSON holds
    kind, *rest = told
    if kind == "AllOf":
        return AllOf(tuple(_where(one, shared) for one in rest))
    if kind == "AnyOf":
        return AnyOf(tuple(_where(one, shared) for one in rest))
    if kind == "Not":
        (item,) = rest
        return Not(_where(item, shared))
    key = (kind, *rest, *map(type, rest))
    leaf = shared.get(key)
    if leaf is None:
        leaf = shared[key] = _LEAVES[kind](*rest)
    return leaf
