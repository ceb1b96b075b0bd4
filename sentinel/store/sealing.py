"""Turning a hot segment into a sealed one: what a sealed segment holds, and the order of steps that survives a crash.

A sealed segment is a Parquet file sorted by sequence. `#seq`, `#ts`, `#ing`, `#id` and `#doc` (the whole line) are
there always; fields that many events have are columns of their own, by name: raw text (see `codec`), and `<field>#f`
with the folded text where folding is more than `lower`. All other fields are reached through `#doc`. Which is which,
and what kinds of values occur, stands in the file's own metadata under `sentinel`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from sentinel.core.where import FIELD, FIELD_MAX
from sentinel.store.codec import ASSORTED, EVERY_KIND, FLOAT, FOREIGN, ODDITY, SEVERAL
from sentinel.store.engine import select
from sentinel.store.where_sql import ABSENT, Column

COLUMNS_MAX = 300
COLUMN_SHARE = 200  # a field becomes a column if one event in so many has it
NAMES_MAX = 20_000
ROW_GROUP = 4_096  # a group is put together in memory, for every column
SAID_APART = SEVERAL | FLOAT | ODDITY | ASSORTED
"""Kinds whose raw text may stand in `r`."""
LINES_OPTIONS = "maximum_object_size=4259840, ignore_errors=true"


@dataclass(frozen=True, slots=True)
class Schema:
    """Where a segment's fields are: as columns or in `#doc`, each with its kinds; `open`: others may be in `#doc`."""

    columns: Mapping[str, int]
    rest: Mapping[str, int]
    open: bool = False

    def kinds(self, name: str) -> int | None:
        """Return the kinds of values the field has in the segment, None if it does not occur."""
        found = self.columns.get(name, self.rest.get(name))
        return EVERY_KIND if found is None and self.open else found

    def dump(self) -> str:
        """Return the text kept in the file."""
        return orjson.dumps({"columns": self.columns, "rest": self.rest, "open": self.open}).decode()


HOT = Schema({}, {}, open=True)


def load_schema(text: str | bytes) -> Schema:
    """Read what `dump` wrote; raises ValueError or KeyError."""
    whole: dict[str, Any] = orjson.loads(text)
    return Schema(whole["columns"], whole["rest"], bool(whole["open"]))


def plan(fields: Mapping[str, tuple[int, int]], events: int) -> Schema:
    """Decide which of a segment's fields become columns."""
    columns: dict[str, int] = {}
    rest: dict[str, int] = {}
    taken: set[str] = set()
    for name, (count, kinds) in sorted(fields.items(), key=lambda item: (-item[1][0], item[0])):
        if len(name) > FIELD_MAX or not FIELD.fullmatch(name):
            continue  # no condition can ask for it
        # DuckDB's column names do not know case
        if len(columns) < COLUMNS_MAX and count * COLUMN_SHARE >= events and name.lower() not in taken:
            columns[name] = kinds
            taken.add(name.lower())
        else:
            rest[name] = kinds
    if len(rest) > NAMES_MAX:
        return Schema(columns, {}, open=True)
    return Schema(columns, rest)


def quoted(name: str) -> str:
    """Return a name as SQL's identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text of ours (a path, a field name that has been checked) as SQL's literal."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(slots=True)
class Paths:
    """Collects what is to be taken out of a line in one go; `v` is the list of what was found."""

    paths: list[str]

    def at(self, part: str, name: str) -> str:
        """Return SQL for the text of `name` in the part `f`, `r` or `c` of the line."""
        path = f'$.{part}."{name}"'
        if path not in self.paths:
            self.paths.append(path)
        return f"v[{self.paths.index(path) + 1}]"

    def column(self, name: str, kinds: int) -> Column:
        """Return how to reach a field inside the line."""
        raw = self.at("f", name)
        if kinds & SAID_APART:
            raw = f"coalesce({self.at('r', name)}, {raw})"
        folded = f"lower({raw})"
        if kinds & FOREIGN:
            folded = f"coalesce({self.at('c', name)}, {folded})"
        return Column(raw, folded, kinds)

    def sql(self) -> str:
        """Return the list of paths."""
        return "[" + ", ".join(literal(path) for path in self.paths) + "]"


def copy_sql(source: str, target: str, schema: Schema, *, sorted_already: bool) -> str:
    """Return the statement that writes the lines of `source` to the Parquet file `target`.

    A line is taken apart once, into a struct of all columns: asked path by path it would be searched for each.
    """
    parts: dict[str, Any] = {"seq": "BIGINT", "ts": "BIGINT", "ing": "BIGINT", "id": "VARCHAR"}
    chosen = [f't.{name} AS "#{name}"' for name in parts]
    chosen.append('json::VARCHAR AS "#doc"')
    for name, kinds in schema.columns.items():
        raw = _part(parts, "f", name)
        if kinds & SAID_APART:
            raw = f"coalesce({_part(parts, 'r', name)}, {raw})"
        chosen.append(f"{raw} AS {quoted(name)}")
        if kinds & FOREIGN:
            chosen.append(f"{_part(parts, 'c', name)} AS {quoted(name + '#f')}")
    order = "" if sorted_already else ' ORDER BY "#seq"'
    lines = f"read_ndjson_objects({literal(source)}, {LINES_OPTIONS})"
    shape = literal(orjson.dumps(parts).decode())
    taken = select(f"json, json_transform(json, {shape}) AS t", lines, "json IS NOT NULL")
    return (
        f"COPY ({select(', '.join(chosen), f'({taken})', '', order)}) TO {literal(target)} (FORMAT parquet, "
        f"COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {ROW_GROUP}, "
        f"KV_METADATA {{sentinel: {literal(schema.dump())}}})"
    )


def _part(parts: dict[str, Any], part: str, name: str) -> str:
    # the struct's field for `name` in the part `f`, `r` or `c` of a line
    parts.setdefault(part, {})[name] = "VARCHAR"
    return f"t.{part}.{quoted(name)}"


@dataclass(frozen=True, slots=True)
class Source:
    """A FROM clause over segments of one kind, with columns seq, ts, ing, doc, and how to reach the fields."""

    sql: str
    columns: Mapping[str, Column]


def source_sql(files: list[str], schema: Schema, names: list[str], *, hot: bool) -> Source:
    """Return the source over `files`, which all agree with `schema` as far as the fields `names` go."""
    paths = Paths(["$.seq", "$.ts", "$.ing"] if hot else [])
    chosen: list[str] = []
    columns: dict[str, Column] = {}
    for at, name in enumerate(names):
        kinds = schema.kinds(name)
        if kinds is None:
            columns[name] = ABSENT
            continue
        if name in schema.columns:
            raw = quoted(name)
            folded = f"coalesce({quoted(name + '#f')}, lower({raw}))" if kinds & FOREIGN else f"lower({raw})"
        else:
            inside = paths.column(name, kinds)
            raw, folded = inside.raw, inside.folded
        chosen += [f"{raw} AS r{at}", f"{folded} AS c{at}"]
        columns[name] = Column(f"r{at}", f"c{at}", kinds)
    listed = "[" + ", ".join(literal(file) for file in files) + "]"
    if hot:
        lines = f"read_ndjson_objects({listed}, {LINES_OPTIONS})"
        base = select(f"json::VARCHAR AS doc, json_extract_string(json, {paths.sql()}) AS v", lines, "json IS NOT NULL")
        # a damaged line has NULL here, and no span holds NULL
        fixed = [f"TRY_CAST(v[{at}] AS BIGINT) AS {name}" for at, name in enumerate(("seq", "ts", "ing"), 1)] + ["doc"]
    else:
        inside_doc = f', json_extract_string("#doc", {paths.sql()}) AS v' if paths.paths else ""
        base = select(f"*{inside_doc}", f"read_parquet({listed}, union_by_name=true)")
        fixed = ['"#seq" AS seq', '"#ts" AS ts', '"#ing" AS ing', '"#doc" AS doc']
    return Source(f"({select(', '.join(fixed + chosen), f'({base})')})", columns)
