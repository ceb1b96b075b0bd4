"""The sensor on interfaces: packets become records as they come, until somebody says stop."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from select import select

from sentinel.core.errors import SpoolFullError
from sentinel.core.event import Origin, Raw
from sentinel.core.ports import Clock
from sentinel.sense import detections
from sentinel.sense.collector import calm
from sentinel.sense.findings import Finding, Watching
from sentinel.sense.judge import Judge
from sentinel.sense.memory import Memory, read_memory, write_memory
from sentinel.sense.records import SECOND, Health, Record
from sentinel.sense.ring import Ring, require_ring
from sentinel.sense.sandbox import find_tool, walls
from sentinel.sense.settings import SenseSettings
from sentinel.sense.wire import Pace, Tools, Wire
from sentinel.sense.writing import encode

__all__ = ["Live", "LiveSettings"]

Put = Callable[[Sequence[Raw]], object]

WAITING_MAX = 100_000
"""As many records wait for a spool that is full; then the oldest are lost, and said to be."""

_TURN_SECONDS = 0.1
_FLUSH_NS = SECOND // 2
_REMEMBER_NS = 600 * SECOND


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """What may be chosen beside what a capture file knows too.

    `memory` is the file of what was learned (None: nothing is kept), `learn_days` how long everything is taken for
    normal at first. `ring` is a folder for capture files of `ring_megabytes` an interface (None: none are written).
    """

    sense: SenseSettings = field(default_factory=SenseSettings)
    pace: Pace = field(default_factory=Pace)
    dumpcap: Path | None = None
    bpf: str = ""
    memory: Path | None = None
    learn_days: float = 7.0
    ring: Path | None = None
    ring_megabytes: int = 256


class Live:
    """The sensor on some interfaces. `run` blocks until `stopped` says so; `wires` may be looked at by other threads.

    Raises ToolMissingError and ConfigError before anything is captured.
    """

    def __init__(
        self, interfaces: Sequence[str], settings: LiveSettings, put: Put, clock: Clock, source: str = "sensor",
        told: Callable[[Finding], object] = lambda _: None,
    ) -> None:  # fmt: skip
        sense = settings.sense
        self._settings = settings
        self._put = put
        self._clock = clock
        self._source = source
        self._told = told
        self._waiting: list[Raw] = []
        self._lost = 0
        tools = Tools(
            find_tool("dumpcap", settings.dumpcap), find_tool("tshark", sense.tshark), settings.bpf, sense.stall_seconds
        )
        self._detectors = detections.load(sense.tuning, sense.scene)
        self._judge = Judge(self._detectors, sense.segments)
        now = clock.now()
        self._memory = read_memory(settings.memory, now) if settings.memory else Memory(now, {})
        self._wrong = self._judge.recall(self._memory.learned)
        moment = self._ns()
        self._flushed = self._remembered = moment
        self._rings: list[Ring] = []
        if settings.ring:
            require_ring(settings.ring)
        self.wires = tuple(Wire(one, tools, settings.pace, sense.flows_max, moment) for one in interfaces)

    def run(self, stopped: Callable[[], bool]) -> None:
        """Capture until `stopped`; leaves no process behind, whatever happens."""
        try:
            with calm():
                self._sense(stopped)
        finally:
            for wire in self.wires:
                wire.stop()
            for ring in self._rings:
                ring.stop()

    def _sense(self, stopped: Callable[[], bool]) -> None:
        self._take(self._beginning())
        self._begin_rings()
        while not stopped():
            for wire in self.wires:
                self._take(wire.turn(self._ns()), wire.interface)
            self._keep()
            self._rest()
        for wire in self.wires:
            self._take(wire.close(), wire.interface)
        self._note(self._judge.close())
        self._remember()
        self._flush()

    @property
    def learning(self) -> bool:
        """Whether everything is still taken for normal."""
        return self._clock.now() < self._memory.learning_until(self._settings.learn_days)

    @property
    def standing(self) -> Mapping[str, int]:
        """How many `hosts` are watched, and `known` for a week."""
        return next((one.standing() for one in self._detectors if isinstance(one, Watching)), {})

    @property
    def lost(self) -> int:
        """How many records had no room in the spool."""
        return self._lost

    def _beginning(self) -> Iterator[Record]:
        now = self._ns()
        problems = [one for one in (self._memory.problem, *self._wrong) if one]
        if problems:
            yield Health(time=now, event="learning", message="; ".join(problems), problems=tuple(problems))
        missing = walls(root=os.geteuid() == 0).missing
        if missing:
            words = f"this machine gives tshark not all of its walls; missing: {', '.join(missing)}"
            yield Health(time=now, event="walls", message=words, problems=(words,))
        words = self._memory.standing(self._settings.learn_days, self._clock.now())
        yield Health(time=now, event="learning", message=words)

    def _begin_rings(self) -> None:
        where, dumpcap = self._settings.ring, find_tool("dumpcap", self._settings.dumpcap)
        if where is not None:
            size, bpf = self._settings.ring_megabytes, self._settings.bpf
            self._rings = [Ring(where, wire.interface, size, dumpcap, bpf) for wire in self.wires]

    def _take(self, records: Iterable[Record], interface: str = "") -> None:
        judge, add = self._judge, self._add
        judge.learning = self.learning
        for record in records:
            add(record, interface)
            self._note(judge.take(record), interface)

    def _note(self, findings: Iterable[Finding], interface: str = "") -> None:
        for found in findings:
            self._add(found, interface)
            self._told(found)

    def _add(self, record: Record | Finding, interface: str) -> None:
        body = encode(record)
        if body is not None:
            self._waiting.append(Raw(body, self._source, self._clock.now(), Origin("sensor", interface)))

    def _keep(self) -> None:
        now = self._ns()
        if self._waiting and (len(self._waiting) >= self._settings.sense.batch or now - self._flushed > _FLUSH_NS):
            self._flush()
            self._flushed = now
        if not 0 <= now - self._remembered < _REMEMBER_NS:
            self._remembered = now
            self._remember()

    def _flush(self) -> None:
        try:
            self._put(self._waiting)
            self._waiting = []
        except SpoolFullError as full:
            del self._waiting[: full.written]
            over = len(self._waiting) - WAITING_MAX
            if over > 0:
                if not self._lost:
                    words = "the spool is full: records of the sensor are lost until there is room again"
                    self._add(Health(time=self._ns(), event="spool_full", message=words), "")
                self._lost += over
                del self._waiting[:over]

    def _remember(self) -> None:
        if self._settings.memory:
            try:
                write_memory(self._settings.memory, self._memory.begun, self._judge.memory(), self.standing)
            except OSError as error:
                words = f"what was learned could not be kept: {error.strerror or error}"
                self._add(Health(time=self._ns(), event="learning", message=words, problems=(words,)), "")

    def _rest(self) -> None:
        # until packets come, but no longer than a turn: rows of tshark may come too
        fds = [fd for wire in self.wires for fd in wire.fds]
        busy = any(wire.busy for wire in self.wires)
        select(fds, [], [], 0.01 if busy else _TURN_SECONDS)

    def _ns(self) -> int:
        return int(self._clock.now().timestamp() * 1_000_000) * 1000
