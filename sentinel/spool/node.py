"""Which node a spool belongs to, and what tells it from every other spool: a small file that is written once.

The numbers of its records begin behind `before_node(node)`. A folder without the file is node 0's.
"""

from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from sentinel.core.durable import sync_folder, write_file
from sentinel.core.errors import SpoolError
from sentinel.core.event import NODES_MAX, before_node
from sentinel.spool.files import CHECKPOINT, NODE, listing

_BYTES_MAX = 256


class Whose(NamedTuple):
    """The node's number, and 32 hex digits that no other spool has."""

    node: int
    spool: str


def whose(folder: Path) -> Whose | None:
    """Return whose spool it is, None if nothing says so. Raises SpoolError."""
    path = folder / NODE
    try:
        with path.open("rb") as file:
            said = file.read(_BYTES_MAX).decode("ascii", "replace").split()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SpoolError(f"{path} cannot be read ({error.strerror}): which node this is stands in it") from error
    if len(said) != 2 or not said[0].isdecimal() or int(said[0]) >= NODES_MAX:
        raise SpoolError(f"{path} is damaged: write the number of the node and, behind a blank, 32 hex digits into it")
    return Whose(int(said[0]), said[1])


def before(folder: Path) -> int:
    """Return the number behind which the records of this folder begin."""
    known = whose(folder)
    return 0 if known is None else before_node(known.node)


def settle(folder: Path, node: int | None) -> None:
    """Make a new folder that of `node`; raises SpoolError if it is another's. None: whosever it is."""
    known = whose(folder)
    have = 0 if known is None else known.node
    if node is None or node == have:
        return
    if known is None and not listing(folder).sizes and not (folder / CHECKPOINT).exists():
        _write(folder, Whose(node, uuid4().hex))
        return
    raise SpoolError(
        f"the spool {folder} is that of node {have}, not of node {node}: set `node = {have}` again, or name a new "
        "folder as `data`"
    )


def named(folder: Path) -> Whose:
    """Return whose spool it is, having given it a name if it has none."""
    known = whose(folder)
    if known is None:
        known = Whose(0, uuid4().hex)
        _write(folder, known)
    return known


def _write(folder: Path, whose: Whose) -> None:
    write_file(folder / NODE, f"{whose.node} {whose.spool}\n".encode())
    sync_folder(folder)
