"""Pipelines: what a Sigma rule's log source and field names mean in ECS.

A pipeline is a YAML file of our own, much smaller than pySigma's processing pipelines, so that a person can check it:

    title: Windows event logs
    open: winlog.event_data.            # where a field name goes that no table lists (optional)
    fields:                             # tables of Sigma's names
      common: {EventID: event.code}
    sources:                            # a rule's log source must equal one of these exactly
      - for: {product: windows, category: process_creation}
        any:                            # an event belongs to it if all of one line holds; "*" means: is there
          - {winlog.channel: Microsoft-Windows-Sysmon/Operational, event.code: "1"}
        fields: [common]

A log source that no pipeline lists is refused rather than guessed: its rules could match anything or nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import cast

from sentinel.core.ecs import table, type_of
from sentinel.core.errors import RuleError
from sentinel.core.where import AllOf, AnyOf, Exists, Is, Where
from sentinel.detect.documents import Document, read_documents

LogSource = tuple[str, str, str]
"""product, category, service; an empty text for what the rule does not name."""

_KEYS = {"title", "open", "fields", "sources"}
_SOURCE_KEYS = {"for", "any", "fields"}
_FOR_KEYS = ("product", "category", "service")


@dataclass(frozen=True, slots=True)
class Source:
    """One log source: which events belong to it and how its rules' field names read in ECS."""

    where: Where
    names: Mapping[str, str]
    prefix: str = ""

    def field(self, name: str) -> str | None:
        """Return the ECS name of a rule's field, None if nobody knows it; ECS names pass as they are."""
        listed = self.names.get(name)
        if listed is not None:
            return listed
        if name in table() or ("." in name and type_of(name) is not None):
            return name
        return self.prefix + name if self.prefix else None


@dataclass(frozen=True, slots=True)
class Pipelines:
    """Every log source we know."""

    sources: Mapping[LogSource, Source]

    def find(self, product: str | None, category: str | None, service: str | None) -> Source | None:
        """Return the log source with exactly these parts, None if no pipeline lists it."""
        return self.sources.get(log_source(product, category, service))


def log_source(product: str | None, category: str | None, service: str | None) -> LogSource:
    """Return a log source as it is compared."""
    return (product or "").casefold(), (category or "").casefold(), (service or "").casefold()


def describe(product: str | None, category: str | None, service: str | None) -> str:
    """Return a log source in words, for messages."""
    given = zip(_FOR_KEYS, (product, category, service), strict=True)
    return ", ".join(f"{name} {value}" for name, value in given if value) or "nothing"


def load_pipelines(folders: Iterable[Path]) -> tuple[Pipelines, tuple[RuleError, ...]]:
    """Read every `*.yml` directly in `folders`; a file that cannot be used is left out as a whole and returned.

    A log source listed twice is an error: which of the two a rule meant could not be seen from the rule.
    """
    found: dict[LogSource, Source] = {}
    refused: list[RuleError] = []
    paths = (
        path for folder in dict.fromkeys(one.resolve() for one in folders) for path in sorted(folder.glob("*.yml"))
    )
    for path in paths:
        try:
            found = _with(found, path)
        except RuleError as error:
            refused.append(error)
    return Pipelines(MappingProxyType(found)), tuple(refused)


def _with(found: dict[LogSource, Source], path: Path) -> dict[LogSource, Source]:
    found = dict(found)
    for document in read_documents(path):
        for source, meaning in _pipeline(path, document):
            if source in found:
                raise RuleError(path, f"the log source {describe(*source)} is listed a second time")
            found[source] = meaning
    return found


def _pipeline(path: Path, document: Document) -> list[tuple[LogSource, Source]]:
    _known(path, document, _KEYS, "a pipeline")
    prefix = document.get("open", "")
    if not isinstance(prefix, str) or (prefix and not prefix.endswith(".")):
        raise RuleError(path, "open must be a name space that ends with a dot")
    tables = {name: _table(path, name, names) for name, names in _mapping(path, document, "fields").items()}
    sources = document.get("sources")
    if not isinstance(sources, list):
        raise RuleError(path, "sources must be a list")
    return [_source(path, one, tables, prefix) for one in sources]


def _source(path: Path, entry: object, tables: Mapping[str, dict[str, str]], prefix: str) -> tuple[LogSource, Source]:
    if not isinstance(entry, dict):
        raise RuleError(path, "every source must be a mapping")
    _known(path, entry, _SOURCE_KEYS, "a source")
    named = _mapping(path, entry, "for")
    _known(path, named, set(_FOR_KEYS), "for")
    if not named or not all(isinstance(value, str) and value for value in named.values()):
        raise RuleError(path, "for must name product, category or service")
    key = tuple(str(named.get(part, "")).casefold() for part in _FOR_KEYS)
    names: dict[str, str] = {}
    wanted = entry.get("fields", [])
    if not isinstance(wanted, list):
        raise RuleError(path, "a source's fields must be a list of table names")
    for name in wanted:
        if name not in tables:
            raise RuleError(path, f"no table of fields is called {name!r}")
        names.update(tables[name])
    lines = entry.get("any")
    if not isinstance(lines, list) or not lines:
        raise RuleError(path, f"any must list at least one condition ({describe(*key)})")
    where = AnyOf(tuple(_line(path, line) for line in lines))
    return cast("LogSource", key), Source(where.items[0] if len(lines) == 1 else where, MappingProxyType(names), prefix)


def _line(path: Path, line: object) -> Where:
    if not isinstance(line, dict) or not line:
        raise RuleError(path, "a condition must be a mapping of ECS fields to values")
    leaves: list[Where] = []
    for field, value in line.items():
        _ecs(path, field)
        options = value if isinstance(value, list) else [value]
        if not options or not all(isinstance(one, str | int) for one in options):
            raise RuleError(path, f"the condition on {field} needs a text, a number or a list of them")
        each = tuple(Exists(field) if one == "*" else Is(field, one) for one in options)
        leaves.append(each[0] if len(each) == 1 else AnyOf(each))
    return leaves[0] if len(leaves) == 1 else AllOf(tuple(leaves))


def _table(path: Path, name: str, names: object) -> dict[str, str]:
    if not isinstance(names, dict):
        raise RuleError(path, f"the table {name} must be a mapping")
    for sigma, ecs in names.items():
        if not isinstance(sigma, str):
            raise RuleError(path, f"the name {sigma!r} in the table {name} must be text: put it in quotes")
        _ecs(path, ecs)
    return cast("dict[str, str]", names)


def _ecs(path: Path, field: object) -> None:
    if not isinstance(field, str) or type_of(field) is None:
        raise RuleError(path, f"{field!r} is no field of ECS or of ours")


def _mapping(path: Path, document: Mapping[str, object], key: str) -> dict[str, object]:
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise RuleError(path, f"{key} must be a mapping")
    return cast("dict[str, object]", value)


def _known(path: Path, given: Mapping[str, object], keys: set[str], what: str) -> None:
    unknown = sorted(str(key) for key in given if key not in keys)
    if unknown:
        raise RuleError(path, f"{what} has no {', '.join(unknown)}; it has {', '.join(sorted(keys))}")
