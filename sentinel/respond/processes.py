"""The tree of processes of a host, out of the events that tell of their beginning and end; what is missing is a gap.

Sysmon (events 1 and 5) names a process by a GUID of its own, the security log (4688 and 4689) by a number that is used
again: there a parent is the process of that number that began last before its child and had not ended. A parent that no
event tells of is shown as a gap, by what its children say of it; so is one that would have begun after its child. What
both logs tell of is one process. See https://learn.microsoft.com/sysinternals/downloads/sysmon and
https://learn.microsoft.com/previous-versions/windows/it-pro/windows-10/security/threat-protection/auditing/event-4688.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sentinel.core.entity import Entity, concerns
from sentinel.core.event import Event
from sentinel.core.ports import Span, Store
from sentinel.core.where import AllOf, AnyOf, Is, plain, values

SYSMON = "Microsoft-Windows-Sysmon"
SECURITY = "Microsoft-Windows-Security-Auditing"
EVENTS_MAX = 20_000
"""So many events are read, the latest."""
DEPTH_MAX = 200
_SAME = timedelta(seconds=2)


@dataclass(slots=True, eq=False)
class Process:
    """One process; `event` is the id of the event that told of it, empty for a gap: then only children speak of it.

    `provider` is the log of that event.
    """

    event: str
    name: str
    pid: str
    command_line: str = ""
    user: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    provider: str = ""
    children: list["Process"] = field(default_factory=list)

    @property
    def gap(self) -> bool:
        """Say whether no event tells of it."""
        return not self.event


@dataclass(frozen=True, slots=True)
class Tree:
    """The processes without a parent, in order of their beginning; `more`: there are events that were not read."""

    roots: tuple[Process, ...]
    more: bool

    def walk(self) -> Iterator[tuple[int, Process]]:
        """Yield every process with its depth, parents before their children."""
        waiting = [(0, one) for one in reversed(self.roots)]
        while waiting:
            depth, one = waiting.pop()
            yield depth, one
            waiting += [(depth + 1, child) for child in reversed(one.children)]


def processes(store: Store, host: Entity, span: Span) -> Tree:
    """Return the processes of a host that began or ended within `span` (event time); raises StoreError."""
    told = AnyOf(
        tuple(
            AllOf((Is("event.provider", provider), AnyOf((Is("event.code", begin), Is("event.code", end)))))
            for provider, begin, end in ((SYSMON, "1", "5"), (SECURITY, "4688", "4689"))
        )
    )
    found = store.search(AllOf((concerns(host), told)), span, EVENTS_MAX + 1)
    return Tree(tuple(grown(found[:EVENTS_MAX])), more=len(found) > EVENTS_MAX)


def grown(events: Iterable[Event]) -> list[Process]:
    """Return the processes without a parent; the order of the events does not matter."""
    forest = _Forest()
    # of one moment the beginnings first, Sysmon's before the security log's
    for event in sorted(events, key=lambda one: (one.timestamp, _kind(one), one.seq, one.id)):
        forest.take(event)
    return forest.roots


def _kind(event: Event) -> int:
    order = {(SYSMON, "1"): 0, (SECURITY, "4688"): 1}
    return order.get((_text(event, "event.provider"), _text(event, "event.code")), 2)


class _Forest:
    """What has been understood so far of events in order of time."""

    def __init__(self) -> None:
        self.roots: list[Process] = []
        self._by_id: dict[str, Process] = {}
        self._by_pid: defaultdict[str, list[Process]] = defaultdict(list)
        self._gaps: dict[tuple[str, str], Process] = {}

    def take(self, event: Event) -> None:
        """Take the next event."""
        code = _text(event, "event.code")
        if code in {"5", "4689"}:
            ended = self._by_id.get(_text(event, "process.entity_id")) or self._at(_text(event, "process.pid"), event)
            if ended is not None and ended.ended is None:
                ended.ended = event.timestamp
            return
        entity_id, pid = _text(event, "process.entity_id"), _text(event, "process.pid")
        if entity_id and entity_id in self._by_id:
            return
        twin = self._told_before(event, pid)
        if twin is not None:
            if entity_id:
                self._by_id[entity_id] = twin
            return
        made = Process(
            event.id,
            _text(event, "process.executable") or _text(event, "process.name"),
            pid,
            _text(event, "process.command_line"),
            _text(event, "user.name"),
            event.timestamp,
            provider=_text(event, "event.provider"),
        )
        self._parent(event).append(made)
        if entity_id:
            self._by_id[entity_id] = made
        self._by_pid[pid].append(made)

    def _told_before(self, event: Event, pid: str) -> Process | None:
        # the other log has told of it a moment ago
        name = _text(event, "process.executable") or _text(event, "process.name")
        for other in self._by_pid[pid][-1:]:
            soon = other.started is not None and event.timestamp - other.started <= _SAME
            elsewhere = other.provider != _text(event, "event.provider")
            if soon and elsewhere and other.name.casefold() == name.casefold():
                return other
        return None

    def _parent(self, event: Event) -> list[Process]:
        entity_id, pid = _text(event, "process.parent.entity_id"), _text(event, "process.parent.pid")
        if not entity_id and not pid:
            return self.roots
        known = self._by_id.get(entity_id) if entity_id else self._at(pid, event)
        if known is not None:
            return known.children
        name = _text(event, "process.parent.executable") or _text(event, "process.parent.name")
        key = ("id", entity_id) if entity_id else (pid, name)
        if key not in self._gaps:
            self._gaps[key] = Process("", name, pid, _text(event, "process.parent.command_line"))
            self.roots.append(self._gaps[key])
        return self._gaps[key].children

    def _at(self, pid: str, event: Event) -> Process | None:
        # who had this number at the time
        had = self._by_pid[pid]
        place = bisect_right(had, event.timestamp, key=lambda one: one.started or event.timestamp)
        latest = had[place - 1] if place else None
        return latest if latest is not None and (latest.ended is None or latest.ended >= event.timestamp) else None


def _text(event: Event, name: str) -> str:
    return next((plain(one) for one in values(event.fields.get(name))), "")
