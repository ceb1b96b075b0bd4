"""What all readers share: the ends of a record, bounds on text, and what is told when its flow ends at the latest."""

from typing import TypedDict

from sentinel.sense.flows import Live
from sentinel.sense.records import Record
from sentinel.sense.sift import Shown

__all__ = ["LIST_MAX", "TEXT_MAX", "Ends", "Pending", "cut", "ends", "ends_of", "is_answer", "plain"]

TEXT_MAX = 1024
LIST_MAX = 32


class Ends(TypedDict):
    """What every record of a packet shares."""

    time: int
    frame: int
    src: str
    dst: str
    sport: int
    dport: int
    proto: int
    vlan: int


class Pending:
    """A note on a flow that becomes one record, `told` or not yet."""

    __slots__ = ()

    told: bool

    def record(self, flow: Live) -> Record | None:
        """Return the record of what is known, None if that is nothing."""
        raise NotImplementedError


def ends_of(flow: Live, time: int, frame: int) -> Ends:
    """Return the ends of a record of `flow`."""
    return {
        "time": time,
        "frame": frame,
        "src": flow.src,
        "dst": flow.dst,
        "sport": flow.sport,
        "dport": flow.dport,
        "proto": flow.proto,
        "vlan": flow.vlan,
    }


def ends(shown: Shown) -> Ends:
    """Return the ends of a record of the packet `shown`."""
    return ends_of(shown.side.flow, shown.time, shown.frame)


def is_answer(shown: Shown) -> bool:
    """Say whether the packet was sent by who did not begin the flow."""
    return shown.side is shown.side.flow.back


def cut(text: str) -> str:
    """Return the text, bounded."""
    return text[:TEXT_MAX]


def plain(text: str) -> str:
    """Return the text without what cannot be printed, for what did not come through tshark, which escapes it."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
