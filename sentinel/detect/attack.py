"""MITRE ATT&CK as a file: which techniques and tactics there are, by id and name. Nothing is ever fetched for it.

`attack.tsv` beside this module says its version, source and terms. What an earlier version had and this one has not is
listed as withdrawn, so that a rule that still names it can be told so.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

VERSION = "19"


@dataclass(frozen=True, slots=True)
class Technique:
    """A technique or one of its parts (`T1110.001`), the tactics it serves, and the version that withdrew it."""

    id: str
    name: str
    tactics: tuple[str, ...]
    withdrawn: str = ""


@cache
def techniques() -> dict[str, Technique]:
    """Return every technique by its id, withdrawn ones too."""
    rows = (row for row in _rows() if not row[0].startswith("TA"))
    return {id_: Technique(id_, name, tuple(served.split(",")), gone) for id_, name, served, gone in rows}


@cache
def tactics() -> dict[str, str]:
    """Return the name of every tactic by how Sigma's tags write it (`credential-access`)."""
    return {short: name for id_, name, short, _ in _rows() if id_.startswith("TA")}


def _rows() -> Iterator[tuple[str, str, str, str]]:
    for line in (files("sentinel.detect") / "attack.tsv").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            id_, name, third, gone = line.split("\t")
            yield id_, name, third, gone


def standing(ids: Iterable[str]) -> Iterator[Technique]:
    """Yield those of the techniques that ATT&CK has, each once."""
    for one in dict.fromkeys(each.upper() for each in ids):
        known = techniques().get(one)
        if known is not None and not known.withdrawn:
            yield known


def doubts(ids: Iterable[str]) -> Iterator[str]:
    """Yield, for each of the technique ids that cannot stand as it is, what is the matter with it."""
    for one in ids:
        known = techniques().get(one.upper())
        if known is None:
            yield f"ATT&CK {VERSION} has no technique {one.upper()}"
        elif known.withdrawn:
            page = f"https://attack.mitre.org/techniques/{known.id.replace('.', '/')}"
            yield f"ATT&CK {known.withdrawn} has withdrawn {known.id} ({known.name}); {page} says what it became"
