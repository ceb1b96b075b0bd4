"""Records and findings as the spool gets them: one JSON object each, no payload, what is not known left out.

Every object has `type` and `time` (RFC 3339 in UTC) and, where there are two ends, `src`, `dst`, `sport`, `dport`
(`icmp_type`, `icmp_code`), `proto` (a number), `vlan` and `cid` (Community ID); else the names of the record's own
fields. Fields marked `PASSING` are never written.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import compress
from operator import attrgetter, ne
from typing import cast, get_type_hints

import orjson

from sentinel.core.clock import iso
from sentinel.sense.applications import Certificate, Tls
from sentinel.sense.findings import Finding
from sentinel.sense.records import ICMP, ICMPV6, TCP, Flow, Icmp, Record

__all__ = ["LIST_MAX", "TEXT_MAX", "encode", "is_written", "shown", "when"]

TEXT_MAX = 1024
LIST_MAX = 32

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FLAGS = "FSRPAUEC"
_ECHOES = frozenset({0, 8, 128, 129})
_ICMPS = frozenset({ICMP, ICMPV6})
_NAMES = {"community_id": "cid"}
_ALWAYS = frozenset(
    {"time", "kind", "service", "version", "packets_out", "packets_in", "bytes_out", "bytes_in", "not_ip", "packets",
     "flows", "evicted", "established", "problems", "state", "ending", "event"}
)  # fmt: skip


def is_written(record: Record | Finding) -> bool:
    """Say whether a record is written at all: an echo's flow tells enough of it."""
    return not (isinstance(record, Icmp) and record.kind in _ECHOES)


def encode(record: Record | Finding) -> bytes | None:
    """Return one line of JSON without the line's end; None if the record is not written at all."""
    return orjson.dumps(shown(record)) if is_written(record) else None


def shown(record: Record | Finding) -> dict[str, object]:
    """Return what is written of it, as JSON has it."""
    if isinstance(record, Finding):
        return _finding(record)
    plan = _plans.get(type(record)) or _planned(type(record))
    values = plan.values(record)
    found: dict[str, object] = dict(compress(zip(plan.keys, values, strict=True), map(ne, values, plan.unseen)))
    for key in plan.times:
        found[key] = when(cast("int", found[key]))
    for key in plan.long:
        if key in found:
            found[key] = _bounded(found[key])
    proto = record.proto
    if proto in _ICMPS:
        found.pop("sport", None)
        found.pop("dport", None)
        found.update(icmp_type=record.sport, icmp_code=record.dport)
    if isinstance(record, Flow):
        found["ns"] = record.end - record.time
        if proto == TCP:
            found.update(
                data_out=record.data_out,
                data_in=record.data_in,
                flags_out=_letters(record.flags_out),
                flags_in=_letters(record.flags_in),
                syn=record.syn,
                rst=record.rst,
            )
    elif isinstance(record, Tls):
        _certificates(record.certificates, found)
    return found


@dataclass(frozen=True, slots=True)
class _Plan:
    # of one type of record: its keys, how their values are got, those that are left out; which of them are times, and
    # which may be longer than is written
    keys: tuple[str, ...]
    values: Callable[[Record], tuple[object, ...]]
    unseen: tuple[object, ...]
    times: tuple[str, ...]
    long: tuple[str, ...]


_plans: dict[type[Record], _Plan] = {}


def _planned(kind: type[Record]) -> _Plan:
    written = [one for one in fields(kind) if "passing" not in one.metadata and one.name != "certificates"]
    ends = {one.name for one in fields(Record)}
    hints = get_type_hints(kind)
    unseen = {one.name: None if one.name in _ALWAYS else one.default for one in written}
    names = list(unseen)
    # a line's identity is a hash of it: what is in it keeps its place
    names.insert(names.index("vlan") + 1, "community_id")
    plan = _plans[kind] = _Plan(
        keys=("type", *(_NAMES.get(name, name) for name in names)),
        values=attrgetter("type", *names),
        unseen=(None, *(unseen.get(name, "") for name in names)),
        times=tuple(one.name for one in written if "time" in one.metadata),
        long=tuple(
            one.name
            for one in written
            if one.name not in ends and (hints[one.name] is str or isinstance(one.default, tuple))
        ),
    )
    return plan


def _bounded(value: object) -> object:
    if isinstance(value, str):
        return value if len(value) <= TEXT_MAX else value[:TEXT_MAX]
    if isinstance(value, tuple):
        return [_bounded(one) for one in value[:LIST_MAX]]
    return value


def _certificates(given: tuple[Certificate, ...], found: dict[str, object]) -> None:
    # the server's own stands flat in the record, as ECS has it
    if not given:
        return
    first = given[0]
    for name in ("subject", "issuer", "serial", "signature"):
        if getattr(first, name):
            found[name] = getattr(first, name)[:TEXT_MAX]
    for name in ("not_before", "not_after"):
        if getattr(first, name):
            found[name] = when(getattr(first, name))
    if first.names:
        found["names"] = _bounded(first.names)
    if first.key_bits:
        found["key_bits"] = first.key_bits
    found["self_signed"] = first.self_signed
    found["certificates"] = len(given)


def _finding(found: Finding) -> dict[str, object]:
    shown: dict[str, object] = {
        "type": "finding",
        "kind": found.kind,
        "time": when(found.start),
        "end": when(found.end),
        "severity": found.severity,
        "technique": found.technique,
        "message": found.explanation,
        "src": found.src,
        "dst": found.dst,
        "dport": found.dport,
        "proto": found.proto,
        "vlan": found.vlan,
        "name": found.name[:TEXT_MAX],
        "cid": found.community_id,
        "src_segment": found.src_segment,
        "dst_segment": found.dst_segment,
        "examples": [one[:TEXT_MAX] for one in found.examples[:LIST_MAX]],
    }
    shown = {name: value for name, value in shown.items() if value not in ("", 0, [])}
    shown["count"] = found.count
    shown["numbers"] = dict(found.numbers)
    return shown


def when(time: int) -> str:
    """Return ns since 1970 as RFC 3339 in UTC, to the microsecond."""
    second, rest = divmod(time, 1_000_000_000)
    return f"{_second(second)}.{rest // 1000:06d}Z"


@lru_cache(maxsize=1024)
def _second(second: int) -> str:
    return iso(_EPOCH + timedelta(seconds=second)).partition(".")[0]


@lru_cache(maxsize=512)
def _letters(flags: int) -> str:
    return "".join(letter for bit, letter in enumerate(_FLAGS) if flags >> bit & 1)
