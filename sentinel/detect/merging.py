"""Rules of others, ours by now: what upstream had, what it has, and what was made of it here become one set.

A rule is told by its id, so that one that moved is the same; a file without an id by its path. What was changed here
stays as it is here, whatever upstream does, and is told.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import PurePosixPath
from typing import Literal

from sentinel.detect.upstream import Files

Fate = Literal["added", "updated", "removed", "unchanged", "changed here", "changed by both", "yours", "gone upstream",
               "removed here"]  # fmt: skip
"""What became of a rule. The last five are the operator's doing, and stay."""
LOCAL: tuple[Fate, ...] = ("changed here", "changed by both", "yours", "gone upstream", "removed here")
_ID = re.compile(rb"^id:[ \t]*['\"]?([0-9a-fA-F-]{36})\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Merged:
    """The set as it is to be, and of each path what became of it."""

    files: Files
    fates: tuple[tuple[str, Fate], ...]


def rule_id(body: bytes) -> str:
    """Return the id that a rule's file bears, empty if none."""
    found = _ID.search(body)
    return found[1].decode().lower() if found else ""


def merged(before: Files, now: Files, here: Files) -> Merged:
    """Return what becomes of the rules `here` that came of `before` when upstream has `now`."""
    old, new, own = _named(before), _named(now), _named(here)
    files: Files = {}
    fates: list[tuple[str, Fate]] = []
    waiting: list[tuple[str, bytes]] = []
    for key in sorted({*old, *new, *own}):
        fate = _fate(old.get(key), new.get(key), own.get(key))
        mine = own.get(key) if fate in LOCAL else None
        path, body = mine or new.get(key) or old.get(key) or ("", b"")
        fates.append((path, fate))
        if mine is not None:
            files[path] = body
        elif fate not in {"removed", "removed here"}:
            waiting.append((path, body))
    for path, body in waiting:
        if files.get(path) != body:
            files[_free(path, body, files)] = body
    return Merged(files, tuple(sorted(fates)))


_Held = tuple[str, bytes] | None


def _fate(old: _Held, new: _Held, own: _Held) -> Fate:
    if own is None:
        if old is None:
            return "added"
        return "removed here" if new is not None else "removed"
    if new is not None and new[1] == own[1]:
        return "unchanged"
    if old is None:
        return "yours" if new is None else "changed by both"
    if own[1] == old[1]:
        return "removed" if new is None else "updated"
    if new is None:
        return "gone upstream"
    return "changed here" if new[1] == old[1] else "changed by both"


def _named(files: Files) -> dict[str, tuple[str, bytes]]:
    found: dict[str, tuple[str, bytes]] = {}
    for path, body in sorted(files.items()):
        name = rule_id(body)
        found[name if name and name not in found else path] = path, body
    return found


def _free(path: str, body: bytes, taken: Iterable[str]) -> str:
    # where another rule was kept under this name
    there = {one.casefold() for one in taken}
    whole, name = PurePosixPath(path), path
    for number in count(1):
        if name.casefold() not in there:
            break
        beside = f"{whole.stem}_{rule_id(body)[:8] or 'upstream'}{'' if number == 1 else number}{whole.suffix}"
        name = str(whole.with_name(beside))
    return name
