"""The other machines that share the store, as the one that judges sees them: how far each has stored, who is silent.

Who is silent is known by a clock that nobody sets: a machine's own time may be wrong.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

from sentinel.core.clock import iso
from sentinel.core.detection import Detection, Finding, Key
from sentinel.core.node import Node, Register
from sentinel.core.where import AnyOf
from sentinel.sources.silence import Alarms, close

SILENT_SECONDS = 60.0
"""A machine that has said nothing for so long is silent: it says something every five seconds."""
RULE = Detection(
    id="sentinel-machine-silent",
    title="A machine that collects has fallen silent",
    level="high",
    where=AnyOf(()),  # no event raises it
    version="1",
    path="sentinel/others.py",
    author="Sentinel",
    attack=("T1562",),
    description="A machine that receives events or packets no longer says how far it has stored them: `sentinel run` "
    "has ended there, or does not reach Elasticsearch. What it receives is judged when it is back.",
)


@dataclass
class Others:
    """Every machine in `register` but number `own`; `alarms` is where alerts are. None: there are no others."""

    register: Register | None
    own: int
    alarms: Alarms
    steady: Callable[[], float] = monotonic
    nodes: Sequence[Node] = ()
    _heard: dict[int, tuple[datetime, float]] = field(default_factory=dict)

    def look(self) -> None:
        """Ask how they stand; raises StoreError."""
        if self.register is None:
            return
        self.nodes = [one for one in self.register.nodes() if one.number != self.own]
        now = self.steady()
        for one in self.nodes:
            beat, _ = self._heard.get(one.number, (None, 0.0))
            if beat != one.beat:
                self._heard[one.number] = one.beat, now

    def stored(self) -> list[int]:
        """Return the arrival sequence up to which each has stored everything."""
        return [one.stored for one in self.nodes]

    def through(self, moment: datetime) -> datetime:
        """Return the moment before which all that came is stored, at the latest `moment`; silent ones do not count."""
        return min([moment, *(one.moment for one in self.nodes if not self._silent(one))])

    def tell(self) -> None:
        """Raise an alert about each that is silent, close that about one that is back; raises StoreError."""
        if not self.nodes:
            return
        silent = {_key(one): one for one in self.nodes if self._silent(one)}
        there = {alert.key: alert for alert in self.alarms.open_of(RULE.id)}
        for key, alert in there.items():
            node = next((one for one in self.nodes if _key(one) == key), None)
            if node is not None and key not in silent:
                close(self.alarms, alert, f"said something again at {iso(node.beat)}, by its own clock")
        new = [_finding(one) for key, one in silent.items() if key not in there]
        if new:
            self.alarms.record(new, 0)

    def _silent(self, node: Node) -> bool:
        return self.steady() - self._heard[node.number][1] > SILENT_SECONDS


def _key(node: Node) -> Key:
    return (("sentinel.node", str(node.number)), ("host.name", node.name))


def _finding(node: Node) -> Finding:
    return Finding(
        detection=RULE,
        key=_key(node),
        first_seen=node.beat,
        last_seen=node.beat,
        evidence=(f"node:{node.number}:{iso(node.beat)}",),
        summary=f"{node.name} (node {node.number}: {node.roles}) has been silent since {iso(node.beat)}; look whether "
        "`sentinel run` is at work there and reaches Elasticsearch",
        moments=(node.beat,),
    )
