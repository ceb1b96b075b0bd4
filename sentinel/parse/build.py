"""Completes what a pack said about a record to whole ECS events, and puts every value right.

Beyond the pack's fields an event carries `@timestamp`, `ecs.version`, `event.{id,sequence,created,ingested,original,
hash,dataset,module,kind}`, `sentinel.source`, where it came from, and `related.*`. What does not fit its field's type
is converted if nothing is lost, else kept as `labels.<name>` and tagged; a value never stops an event.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from math import isfinite
from operator import itemgetter
from typing import cast

from sentinel.core import ecs
from sentinel.core.clock import iso
from sentinel.core.event import Entry, Event, Fields, Scalar, Value, arrival, arrived, event_id
from sentinel.core.where import FIELD, FIELD_MAX
from sentinel.pack import text

ORIGINAL_MAX = 65_536
"""So many characters of the original are kept beside an event; the bytes of a longer one survive in base64."""
BYTES_MAX = 1 << 20
FIELDS_MAX = 1_000
VALUES_MAX = 1_000
AHEAD_MAX = timedelta(days=1)

TYPE_ERROR = "field_type_error"
FUTURE = "future_timestamp"
CUT = "original_cut"
UNDECODED = "decode_error"
"""The bytes are in none of the encodings that the source could have meant."""
VALUE_CUT = "value_cut"
TOO_MANY = "fields_cut"

_OURS = frozenset({"event.id", "event.sequence", "event.created", "event.ingested", "event.original", "event.hash"})
_NAMES_MAX = 8_192
_SPOILT = re.compile(r"[^A-Za-z0-9_@-]")
_HASHES = (".hash.md5", ".hash.sha1", ".hash.sha256", ".hash.sha384", ".hash.sha512", ".hash.ssdeep", ".hash.tlsh")
_HOSTS = frozenset(
    {
        "host.name", "host.hostname", "observer.name", "observer.hostname", "source.domain", "destination.domain",
        "client.domain", "server.domain", "url.domain", "dns.question.name", "tls.client.server_name",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done with a field: its type, whether it holds several values, where else its values belong."""

    kind: ecs.Type
    several: bool
    related: str | None
    shape: int


_OTHER, _TEXT, _LONG, _TEXTS, _IP, _DATE = range(6)
_SHAPES: dict[tuple[ecs.Type, bool], int] = {
    ("keyword", False): _TEXT, ("long", False): _LONG, ("keyword", True): _TEXTS, ("ip", False): _IP,
    ("date", False): _DATE,
}  # fmt: skip
_LONG_MAX = 1 << 63
_address = lru_cache(maxsize=16_384)(text.address)
_iso = lru_cache(maxsize=256)(iso)
_plans: dict[str, _Plan | None] = {}
_layouts: dict[tuple[str, ...], "_Layout"] = {}
_LAYOUTS_MAX = 2_048


def _plan(name: str) -> _Plan | None:
    if not name.isascii() or len(name) > FIELD_MAX or not FIELD.fullmatch(name):
        return None
    kind = ecs.type_of(name)
    plan = None
    if kind is not None and name not in _OURS:
        many = ecs.several(name)
        shape = _OTHER if name.startswith(("related.", "tags")) else _SHAPES.get((kind, many), _OTHER)
        plan = _Plan(kind, many, _related(name, kind), shape)
    if len(_plans) < _NAMES_MAX:
        _plans[name] = plan
    return plan


def _related(name: str, kind: ecs.Type) -> str | None:
    if name.startswith("related."):
        return name
    if kind == "ip":
        return "related.ip"
    if name in _HOSTS:
        return "related.hosts"
    if name == "user.name" or name.endswith((".user.name", "user.effective.name", "user.target.name")):
        return "related.user"
    return "related.hash" if name.endswith(_HASHES) else None


def common(entry: Entry) -> Fields:
    """Return what every event of `entry` carries, whatever a pack makes of it."""
    raw = entry.raw
    origin = raw.origin
    body = raw.body
    plain = body.isascii()
    original, legible = (body.decode("ascii"), True) if plain else text.decoded(body)
    fields: Fields = {
        "ecs.version": ecs.VERSION,
        "event.created": _iso(raw.received),
        "event.ingested": _iso(arrived(entry)),
        "event.hash": sha256(body).hexdigest(),
        "sentinel.source": raw.source,
    }
    cut = len(original) > ORIGINAL_MAX
    exact = not cut and (plain or original.encode("utf-8", "replace") == body)
    if original:
        fields["event.original"] = original[:ORIGINAL_MAX]
    if not exact:
        fields["sentinel.original_b64"] = b64encode(body[:BYTES_MAX]).decode("ascii")
    if origin.note:
        fields["sentinel.origin.note"] = origin.note
        cut |= origin.note.startswith("cut:")
        legible &= "decode_error" not in origin.note
    if cut or not legible:
        fields["tags"] = (CUT,) * cut + (UNDECODED,) * (not legible)
    if origin.identity:
        fields["sentinel.origin.identity"] = _clean(origin.identity)
    if origin.peer:
        if origin.via.startswith("syslog"):
            fields["log.source.address"] = origin.peer
        elif origin.peer.startswith("/"):
            fields["log.file.path"] = _clean(origin.peer)
    return fields


def complete(entry: Entry, part: int, said: Mapping[str, object], base: Fields, dataset: str, module: str) -> Event:
    """Return the whole event: `said` by a pack, over `base` (see `common`), of `dataset` unless `said` names one.

    Raises TypeError for a value that is none of text, number, truth, or several of them.
    """
    tags: list[str] = []
    related: dict[str, dict[str, None]] = {}
    names = tuple(said)
    layout = _layouts.get(names) or _layout(names)
    fields = layout.fill(said, tags, related) if layout.plain else None
    if fields is None:
        fields = {}
        for name, value in said.items() if len(said) <= FIELDS_MAX else _first(said, tags):
            plan = _plans.get(name) or _plan(name)
            if plan is not None:
                _put(fields, name, value, plan, tags, related)
            elif value is not None and name not in _OURS:
                _aside(fields, name, value, tags)
    timestamp = _timestamp(fields, entry, tags)
    fields |= base
    fields["event.id"] = name = event_id(entry, part)
    fields["event.sequence"] = sequence = arrival(entry.seq, part)
    fields.setdefault("event.dataset", dataset)
    fields.setdefault("event.module", module)
    fields.setdefault("event.kind", "event")
    for group, values in related.items():
        fields[group] = tuple(values)[:VALUES_MAX]
    if tags:
        old = fields.get("tags", ())
        fields["tags"] = tuple(dict.fromkeys([*(old if isinstance(old, tuple) else (str(old),)), *tags]))
    return Event(name, sequence, timestamp, arrived(entry), fields)


Getter = Callable[[Mapping[str, object]], tuple[object, ...]]


class _Layout:
    """What is to be done with documents of these field names: nearly all hold just what their fields ask for.

    Their values are then checked together, which costs a tenth of asking each; `_put` says the same of each.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        plans = [(name, plan) for name in names if (plan := _plans.get(name) or _plan(name)) is not None]
        self.plain = len(plans) == len(names) <= FIELDS_MAX
        by_shape: list[list[str]] = [[] for _ in range(6)]
        groups: dict[str, list[str]] = {}
        for name, plan in plans:
            by_shape[plan.shape].append(name)
            if plan.related and plan.shape in {_TEXT, _IP}:
                groups.setdefault(plan.related, []).append(name)
        self._others = [(name, plan) for name, plan in plans if plan.shape == _OTHER]
        _, texts, longs, self._several, self._addresses, self._dates = by_shape
        self._texts, self._longs = _getter(texts), _getter(longs)
        self._groups = [(group, _getter(members)) for group, members in groups.items()]

    def fill(self, said: Mapping[str, object], tags: list[str], related: dict[str, dict[str, None]]) -> Fields | None:
        """Return the document's fields; None, with nothing done, if some value is not what its field asks for."""
        texts = self._texts(said)
        try:
            joined = "".join(texts)  # type: ignore[arg-type]  # what is no text raises, and is rare
            if not joined.isascii():
                joined.encode("utf-8")
        except (TypeError, UnicodeEncodeError):
            return None
        if len(joined) > ORIGINAL_MAX or "" in texts:
            return None
        for number in self._longs(said):
            if type(number) is not int or not -_LONG_MAX <= number < _LONG_MAX:
                return None
        for name in self._dates:
            if not _is_iso(said[name]):
                return None
        fields = dict(said)
        for name in self._several:
            several = fields[name]
            if type(several) is str:
                fields[name] = several = (several,)
            if type(several) is not tuple or not _plain_texts(several):
                return None
        for name in self._addresses:
            written = fields[name]
            if type(written) is not str or (address := _address(written)) is None:
                return None
            fields[name] = address
        for group, members in self._groups:
            related[group] = dict.fromkeys(members(fields))  # type: ignore[arg-type]  # texts, by their shapes
        whole = cast("Fields", fields)
        for name, plan in self._others:
            _put(whole, name, whole.pop(name), plan, tags, related)
        return whole


def _getter(names: Sequence[str]) -> Getter:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda said: tuple([said[name] for name in names])


def _is_iso(value: object) -> bool:
    return type(value) is str and len(value) == 27 and _date(value) == value


def _plain_texts(several: tuple[object, ...]) -> bool:
    try:
        joined = "".join(several)  # type: ignore[arg-type]  # what is no text raises, and is rare
    except TypeError:
        return False
    return joined.isascii() and "" not in several and 0 < len(several) <= VALUES_MAX and len(joined) <= ORIGINAL_MAX


def _layout(names: tuple[str, ...]) -> _Layout:
    if len(_layouts) >= _LAYOUTS_MAX:
        _layouts.clear()
    _layouts[names] = layout = _Layout(names)
    return layout


def _first(said: Mapping[str, object], tags: list[str]) -> list[tuple[str, object]]:
    tags.append(TOO_MANY)
    return list(said.items())[:FIELDS_MAX]


def _timestamp(fields: Fields, entry: Entry, tags: list[str]) -> datetime:
    received = entry.raw.received
    written = fields.get("@timestamp")
    if isinstance(written, str):
        moment = datetime.fromisoformat(written)
        if moment - received > AHEAD_MAX:
            tags.append(FUTURE)
        return moment
    fields["@timestamp"] = iso(received)
    return received.astimezone(UTC)


def _put(
    fields: Fields, name: str, value: object, plan: _Plan, tags: list[str], related: dict[str, dict[str, None]]
) -> None:
    good: list[Scalar] = []
    bad: list[Scalar] = []
    convert = _CONVERT[plan.kind]
    for one in value if isinstance(value, tuple | list) else (value,):
        if one is None or one == "":
            continue
        _checked(name, one)
        if isinstance(one, str) and len(one) > ORIGINAL_MAX:
            one = one[:ORIGINAL_MAX]  # noqa: PLW2901  from here on the short text is the value
            tags.append(VALUE_CUT)
        fitting = convert(one)
        if fitting is not None:
            good.append(fitting)
        else:
            bad.append(one)
    if bad:
        _aside(fields, name, tuple(bad), tags)
    if not good:
        return
    del good[VALUES_MAX:]
    if name == "tags":
        tags.extend(map(str, good))
        return
    if plan.related is not None:
        related.setdefault(plan.related, {}).update(dict.fromkeys(map(str, good)))
    if name.startswith("related."):
        return
    fields[name] = tuple(good) if plan.several or len(good) > 1 else good[0]


def _checked(name: str, value: object) -> None:
    if not isinstance(value, str | int | float):
        raise TypeError(f"the value of {name[:80]!r} is a {type(value).__name__}")


def _aside(fields: Fields, name: str, value: object, tags: list[str]) -> None:
    """Keep a value that does not fit its field as a label."""
    tags.append(TYPE_ERROR)
    kept: list[str] = []
    for one in value if isinstance(value, tuple | list) else (value,):
        if one is None or one == "" or (isinstance(one, float) and not isfinite(one)):
            continue
        _checked(name, one)
        found = _keyword(one)
        if found is not None:
            kept.append(found)
    if kept:
        label = _SPOILT.sub("_", str(name)[:200]) or "_"
        fields["labels." + label] = kept[0] if len(kept) == 1 else tuple(kept[:VALUES_MAX])


def _clean(value: str) -> str:
    """Return text that can be written as UTF-8: half a surrogate pair becomes U+FFFD."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _keyword(value: object) -> str | None:
    match value:
        case str():
            return _clean(value)
        case bool():
            return "true" if value else "false"
        case int():
            # the decimal text of a number without bound costs time without bound
            return str(value) if value.bit_length() <= 256 else hex(value)[:ORIGINAL_MAX]
        case float() if isfinite(value):
            return str(value)
    return None


def _long(value: object) -> int | None:
    match value:
        case bool():
            return None
        case int() | str():
            return text.number(value)
        case float() if value.is_integer():
            return text.number(int(value))
    return None


def _float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def _boolean(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None


def _ip(value: object) -> str | None:
    return text.address(value) if isinstance(value, str) else None


def _date(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            return None
        return value if len(value) == 27 and value[26] == "Z" and value[10] == "T" and value[19] == "." else iso(moment)
    except (ValueError, OverflowError):
        return None


_CONVERT: dict[ecs.Type, Callable[[object], Scalar | None]] = {
    "keyword": _keyword, "long": _long, "float": _float, "boolean": _boolean, "ip": _ip, "date": _date,
}  # fmt: skip


def several(value: Value | None) -> tuple[Scalar, ...]:
    """Return a field's values as a tuple."""
    return () if value is None else value if isinstance(value, tuple) else (value,)
