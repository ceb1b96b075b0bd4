"""Which segments there are, what is known of each, and what to do when one vanishes or is damaged.

Nothing is remembered between questions but what cannot change: each begins with the list of files there are. If one
of them vanishes on the way (sealed, or dropped by retention) the question is asked anew.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sentinel.core.errors import StoreError
from sentinel.core.event import Event
from sentinel.store.codec import decode
from sentinel.store.engine import Engine, EngineError, Problem, Row, select
from sentinel.store.sealing import HOT, Schema, Source, literal, load_schema, source_sql
from sentinel.store.segments import Segment, checksum, listing

ATTEMPTS_MAX = 50
SCHEMAS_MAX = 20_000
_PARAMETER = re.compile(r"\$([a-z]\w*)")
_Answer = TypeVar("_Answer")


class _VanishedError(Exception):
    """A segment is no longer where the list said."""


@dataclass(frozen=True, slots=True)
class Group:
    """Segments in which the fields asked for are stored alike."""

    segments: list[Segment]
    schema: Schema
    source: Source


class Catalogue:
    """The segments below `folder`; damage is handed to `report`, and the damaged file left out from then on."""

    def __init__(self, folder: Path, engine: Engine, report: Callable[[Problem], None]) -> None:
        self.folder = folder
        self.engine = engine
        self._report = report
        self._schemas: OrderedDict[str, Schema] = OrderedDict()
        self._broken: set[str] = set()

    def asked(self, question: Callable[[list[Segment]], _Answer]) -> _Answer:
        """Return the answer to `question`, which is asked again if files vanish while it is being answered."""
        for _ in range(ATTEMPTS_MAX):
            segments = [one for one in listing(self.folder) if one.name not in self._broken]
            try:
                return question(segments)
            except (FileNotFoundError, _VanishedError):
                continue
        raise StoreError(f"segments in {self.folder} vanish faster than they can be read; is retention too short?")

    def path(self, segment: Segment) -> str:
        """Return where a segment lies."""
        return str(self.folder / segment.name)

    def groups(self, segments: Sequence[Segment], fields: Iterable[str]) -> Iterator[Group]:
        """Yield the segments in groups that one query can ask for `fields`."""
        names = sorted(set(fields))
        sealed = [one for one in segments if one.extent is not None]
        self._load_schemas(sealed)
        alike: dict[tuple[object, ...], list[Segment]] = {}
        for one in sealed:
            schema = self._schemas.get(one.name)
            if schema is not None:
                signature = tuple((name in schema.columns, schema.kinds(name)) for name in names)
                alike.setdefault(signature, []).append(one)
        for members in alike.values():
            schema = self._schemas[members[0].name]
            yield Group(members, schema, source_sql([self.path(one) for one in members], schema, names, hot=False))
        hot = [one for one in segments if one.extent is None and (self.folder / one.name).stat().st_size]
        if hot:
            yield Group(hot, HOT, source_sql([self.path(one) for one in hot], HOT, names, hot=True))

    def lines(self, segments: list[Segment]) -> Group:
        """Return sealed segments as one group in which no field is asked for."""
        schema = Schema({}, {})
        return Group(segments, schema, source_sql([self.path(one) for one in segments], schema, [], hot=False))

    def _load_schemas(self, segments: list[Segment]) -> None:
        new = [one for one in segments if one.name not in self._schemas]
        for at in range(0, len(new), 200):
            some = new[at : at + 200]
            listed = "[" + ", ".join(literal(str(self.folder / one.name)) for one in some) + "]"
            group = Group(some, HOT, Source("", {}))
            sql = select("file_name, value", f"parquet_kv_metadata({listed})", "key = 'sentinel'::BLOB")
            for file, text in self.rows(group, sql, {}):
                self._schemas[Path(file).name] = load_schema(text)
        while len(self._schemas) > max(SCHEMAS_MAX, len(segments)):
            self._schemas.popitem(last=False)

    def rows(self, group: Group, sql: str, parameters: dict[str, object]) -> list[Row]:
        """Return all rows of a query on the group's files."""
        return list(self.stream(group, sql, parameters))

    def stream(self, group: Group, sql: str, parameters: dict[str, object]) -> Iterator[Row]:
        """Yield the rows of a query on the group's files; parameters that do not occur are left out."""
        asked = set(_PARAMETER.findall(sql))  # whole names: w3 is not asked for where w31 is
        used = {name: value for name, value in parameters.items() if name in asked}
        try:
            yield from self.engine.stream(sql, used)
        except EngineError as error:
            gone = [one for one in group.segments if not (self.folder / one.name).exists()]
            if not gone and not self._set_apart(group):
                raise StoreError(f"the store cannot answer: {error}") from error
            raise _VanishedError from error

    def decoded(self, group: Group, line: str) -> Event | None:
        """Return the event in a line of the group; None for a damaged line of a hot segment.

        The writer sets such lines apart when it opens the store; a sealed segment with one is damaged as a whole.
        """
        try:
            return decode(line)
        except (ValueError, KeyError, TypeError) as error:
            if group.schema is HOT:
                return None
            if not self._set_apart(group):
                raise StoreError(f"a line in the store cannot be read: {error}") from error
            raise _VanishedError from error

    def verify(self) -> None:
        """Compare every sealed segment with its checksum, report the damaged ones and leave them out."""
        for one in listing(self.folder):
            if one.extent is not None and one.name not in self._broken:
                try:
                    intact = checksum(self.folder / one.name) == one.crc
                except FileNotFoundError:
                    continue
                if not intact:
                    self._broken.add(one.name)
                    self._report(Problem(one.name, "its content has changed since it was sealed", damaged=True))

    def _set_apart(self, group: Group) -> bool:
        """Find the damaged ones among the group's sealed segments, leave them out from now on, report them."""
        found = False
        for one in group.segments:
            if one.extent is None:
                continue
            try:
                reason = self.damage(one)
            except FileNotFoundError:
                return True
            if reason:
                found = True
                self._broken.add(one.name)
                self._report(Problem(one.name, reason, damaged=True))
        return found

    def damage(self, segment: Segment) -> str:
        """Read a sealed segment from end to end; return what is wrong with it, empty if nothing is."""
        path = self.folder / segment.name
        if checksum(path) != segment.crc:
            return "its content has changed since it was sealed"
        try:
            self.engine.rows(select("max(hash(COLUMNS(*)))", f"read_parquet([{literal(str(path))}])"))
            known = select("value", f"parquet_kv_metadata([{literal(str(path))}])", "key = 'sentinel'::BLOB")
            load_schema(self.engine.rows(known)[0][0])
        except EngineError as error:
            if not path.exists():
                raise FileNotFoundError(path) from error
            return str(error).splitlines()[0][:300]
        except (IndexError, KeyError, ValueError) as error:
            return f"not a segment of this store: {error!r}"[:300]
        return ""
