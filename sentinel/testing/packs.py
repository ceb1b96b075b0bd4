"""Proves a parser pack on its own samples: what it reads from each record lies beside the sample and is compared.

`samples/<name>.log` (or `.jsonl`) holds one record a line, `samples/<name>.ecs.jsonl` what becomes of them, one line a
record: the pack's own fields with sorted names, a list if a record becomes several events, and
`{"error.message": …, "event.kind": "pipeline_error"}` if the pack refuses it. If the pack joins records,
`samples/<name>.joined.ecs.jsonl` holds what becomes of those of the sample that belong together, as they end. Every
record counts as received at 2026-11-23T12:00:00Z, times without a zone are UTC.
"""

import ast
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import cast

from sentinel.core import ecs
from sentinel.core.errors import PackError, ParseError
from sentinel.core.event import Entry, Fields, Origin, Raw, Scalar, Value
from sentinel.core.join import unpacked
from sentinel.join.assembly import Assembly
from sentinel.pack import text
from sentinel.parse.packs import Pack, Packs, load_one
from sentinel.parse.record import parse_one, whole
from sentinel.parse.route import Router

RECEIVED = datetime(2026, 11, 23, 12, tzinfo=UTC)
EXPECTED = ".ecs.jsonl"
JOINED = ".joined.ecs.jsonl"
BROKEN = "broken.log"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a pack; `line` counts from 1, 0 for the whole file."""

    path: Path
    line: int
    what: str

    def __str__(self) -> str:
        """Return `path:line: what`."""
        return f"{self.path}:{self.line}: {self.what}" if self.line else f"{self.path}: {self.what}"


def check(pack_dir: Path, *, trusted: bool = True) -> list[Problem]:
    """Return everything wrong with the pack in `pack_dir`, nothing if it keeps all its promises."""
    try:
        pack = load_one(pack_dir, trusted=trusted)
    except PackError as error:
        return [Problem(pack_dir, 0, str(error))]
    problems = [problem for path in sorted(pack_dir.glob("*.py")) for problem in _imports(path)]
    inputs = samples(pack_dir)
    names = {path.name for path in inputs}
    if BROKEN not in names:
        problems.append(Problem(pack_dir / "samples" / BROKEN, 0, "is missing: show what unreadable records become"))
    if not names - {BROKEN}:
        problems.append(Problem(pack_dir / "samples", 0, "holds no sample of a good record"))
    wanted: set[Path] = set()
    for path in inputs:
        problems.extend(_fitting(pack, path))
        for beside, now in _sayings(pack, path, problems):
            wanted.add(beside)
            problems.extend(_compared(beside, now))
            if beside == expected(path, JOINED):
                problems.extend(_whole_faults(beside, now))
    orphans = sorted(set((pack_dir / "samples").glob("*" + EXPECTED)) - wanted)
    problems.extend(Problem(path, 0, "lies beside no sample") for path in orphans)
    return problems


def bless(pack_dir: Path, *, trusted: bool = True) -> list[Path]:
    """Write what the pack says today beside each sample; returns the files that changed. Read them afterwards."""
    pack = load_one(pack_dir, trusted=trusted)
    changed = []
    for path in samples(pack_dir):
        for beside, said in _sayings(pack, path, []):
            now = "".join(line + "\n" for line in said)
            if not beside.is_file() or beside.read_text("utf-8") != now:
                beside.write_text(now, "utf-8")
                changed.append(beside)
    return changed


def samples(pack_dir: Path) -> list[Path]:
    """Return the pack's sample files."""
    folder = pack_dir / "samples"
    logs = [*folder.glob("*.log"), *(path for path in folder.glob("*.jsonl") if not path.name.endswith(EXPECTED))]
    return sorted(logs)


def expected(sample: Path, ending: str = EXPECTED) -> Path:
    """Return where the expectation for `sample` lies, or with JOINED the one for what its records are together."""
    return sample.with_name(sample.name.rpartition(".")[0] + ending)


def records(sample: Path) -> list[Raw]:
    """Return the records of a sample file, one a line; empty lines are passed over."""
    origin = Origin("sample", sample.name)
    lines = (line.removesuffix(b"\r") for line in sample.read_bytes().split(b"\n"))
    return [Raw(line, sample.parent.parent.name, RECEIVED, origin) for line in lines if line]


def told(pack: Pack, sample: Path) -> Iterator[str]:
    """Yield what `pack` says to each record of `sample`, as it is written to the expectation."""
    for raw in records(sample):
        said: object
        try:
            documents = list(pack.parse(raw))
        except ParseError as error:
            said = {"error.message": error.reason, "event.kind": "pipeline_error"}
        else:
            said = documents[0] if len(documents) == 1 else documents
        yield json.dumps(said, ensure_ascii=False, sort_keys=True)


def joined(pack: Pack, sample: Path) -> Iterator[str]:
    """Yield what becomes of the records of `sample` that belong together; nothing if the pack joins none."""
    if pack.join is None:
        return
    router = Router(Packs({pack.name: pack}))
    entries = [Entry(seq, raw.received, raw) for seq, raw in enumerate(records(sample), start=1)]
    assembly = Assembly({pack.name: pack.join})
    ended = [*assembly.add(event for entry in entries for event in parse_one(entry, router, pack.name))]
    ended += assembly.quiet(datetime.max.replace(tzinfo=UTC))
    for raw in ended:
        if len(unpacked(raw.body)) > 1:
            yield json.dumps(whole(raw, pack, pack.join, router), ensure_ascii=False, sort_keys=True)


def faults(fields: Fields) -> Iterator[str]:
    """Yield what is wrong with a pack's document: names ECS does not know, values of another type."""
    for name, value in fields.items():
        kind = ecs.type_of(name)
        if kind is None:
            yield f"{name} is no field of ECS nor of {', '.join(ecs.OWN_PREFIXES)}"
            continue
        if isinstance(value, tuple):
            if name in ecs.table() and not ecs.several(name):
                yield f"{name} holds one value, not several"
            if not value:
                yield f"{name} is empty: leave it out"
        for one in value if isinstance(value, tuple) else (value,):
            if not _fits(kind, one):
                yield f"{name} is of type {kind}, not {one!r}"


def _value(told: object) -> Value:
    """Return a value as a pack made it: JSON knows no tuples."""
    return tuple(told) if isinstance(told, list) else cast("Scalar", told)


def _fits(kind: ecs.Type, value: Scalar) -> bool:
    match kind:
        case "keyword":
            return isinstance(value, str) and value != ""
        case "long":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        case "boolean":
            return isinstance(value, bool)
        case "ip":
            return isinstance(value, str) and text.address(value) == value
        case "date":
            return isinstance(value, str) and _is_utc(value)


def _is_utc(value: str) -> bool:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return value.endswith("Z") and "T" in value


def _sayings(pack: Pack, sample: Path, problems: list[Problem]) -> Iterator[tuple[Path, list[str]]]:
    """Yield each expectation of a sample with what the pack says today; what it may not raise becomes a problem."""
    for ending, say in ((EXPECTED, told), (JOINED, joined)):
        try:
            said = list(say(pack, sample))
        except Exception as error:  # noqa: BLE001  another's code: anything but ParseError is what we are looking for
            what = f"the pack raises {type(error).__name__}: {error}; only ParseError is allowed"
            problems.append(Problem(sample, 0, what))
            continue
        if said or ending == EXPECTED:
            yield expected(sample, ending), said


def _compared(beside: Path, now: list[str]) -> Iterator[Problem]:
    if not beside.is_file():
        yield Problem(beside, 0, "is missing: write it with --bless and read it")
        return
    before = beside.read_text("utf-8").splitlines()
    if len(before) != len(now):
        yield Problem(beside, 0, f"has {len(before)} lines for {len(now)} records")
    for at, (old, new) in enumerate(zip(before, now, strict=False), start=1):
        if old != new:
            yield Problem(beside, at, _difference(old, new))


def _fitting(pack: Pack, sample: Path) -> Iterator[Problem]:
    for at, raw in enumerate(records(sample), start=1):
        try:
            documents = list(pack.parse(raw))
        except Exception:  # noqa: BLE001, S112  what may not be raised is told where the expectation is compared
            continue
        for document in documents:
            for fault in faults(document):
                yield Problem(sample, at, fault)


def _whole_faults(beside: Path, now: list[str]) -> Iterator[Problem]:
    for at, line in enumerate(now, start=1):
        for fault in faults({name: _value(value) for name, value in json.loads(line).items()}):
            yield Problem(beside, at, fault)


def _difference(old: str, new: str) -> str:
    try:
        was, now = json.loads(old), json.loads(new)
    except ValueError:
        return "is no JSON"
    if not isinstance(was, dict) or not isinstance(now, dict):
        return f"expected {old}, got {new}"
    parts = [
        f"{name}: expected {was.get(name)!r}, got {now.get(name)!r}"
        for name in sorted(was.keys() | now.keys())
        if was.get(name) != now.get(name)
    ]
    return "; ".join(parts) or "same fields in another spelling: write it with --bless"


def _imports(path: Path) -> Iterator[Problem]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.Import(names=names):
                modules = [name.name for name in names]
            case ast.ImportFrom(module=module, level=level):
                modules = [module or ""] if level == 0 else ["." * level]
            case _:
                continue
        for module in modules:
            own = module == "sentinel.pack" or module.startswith("sentinel.pack.")
            if not own and module.partition(".")[0] not in sys.stdlib_module_names:
                yield Problem(path, node.lineno, f"imports {module}: a pack imports sentinel.pack and nothing else")


def supplied(packs: Iterable[Pack]) -> dict[str, frozenset[str]]:
    """Return, by data set, every field that the packs' expected samples hold: what a rule may be answered by.

    What cannot be parsed bears its pack's name too, but says nothing a rule could ask for.
    """
    found: dict[str, set[str]] = {}
    for pack in packs:
        for path in (pack.folder / "samples").glob("*" + EXPECTED):
            for line in path.read_text("utf-8").splitlines():
                told = json.loads(line)
                for event in told if isinstance(told, list) else [told]:
                    found.setdefault(event.get("event.dataset", pack.dataset), set()).update(event)
    return {name: frozenset(fields) for name, fields in found.items()}
