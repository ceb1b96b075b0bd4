"""Finds and loads parser packs: a folder with `pack.toml`, `parser.py` and `samples/`.

`pack.toml`:

    title = "OpenSSH server"
    dataset = "sshd.log"                     # event.dataset
    reference = "https://man.openbsd.org/sshd.8"
    event_module = "sshd"                    # optional, else the folder's name
    aliases = ["linux_sshd"]                 # further names by which a source may ask for this pack

    [match]                                  # how a record is recognised; several [[match]] are alternatives
    app = ["sshd", "sshd-*"]                 # syslog program name, `*` at the end for a prefix
    starts = ["devid="]                      # how the message or the whole line begins (any of them)
    contains_all = ["type=", "subtype="]     # texts that must all be in the record
    contains_any = ["logid="]                # texts of which one must be in the record
    via = ["syslog-udp"]                     # entrances (Origin.via) by which it must have come (any of them)
    rest = true                              # alone: every record that no other [match] takes
    priority = 100                           # lower is asked first

Within one [match] everything that is given must hold. A pack without [match] is used only when a source names it.

A pack whose records are parts of one thing has a `join.py` too: `key(fields)`, `ends(fields)`, `whole(parts)`, `QUIET`,
and, if it needs them, `link(fields)` and `MODULES`; see `core.join.Join`.
"""

import importlib.util
import os
import re
import stat
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, MappingProxyType, ModuleType
from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from sentinel.core.errors import PackError
from sentinel.core.event import Fields, Raw
from sentinel.core.join import Join, no_link
from sentinel.core.ports import Parser
from sentinel.parse.versions import version_of

PACK_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")
_loaded: dict[str, bytes] = {}
"""What each module of a pack was made from: unchanged, it is not made again, for compiling expressions is dear."""
_Texts = tuple[Annotated[str, Field(min_length=1)], ...]


class Match(BaseModel):
    """One way of recognising a record; everything given must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    app: _Texts = ()
    starts: _Texts = ()
    contains_all: _Texts = ()
    contains_any: _Texts = ()
    via: _Texts = ()
    rest: bool = False
    priority: int = 100

    @model_validator(mode="after")
    def _says_something(self) -> "Match":
        asks = bool(self.app or self.starts or self.contains_all or self.contains_any or self.via)
        if self.rest and asks:
            raise ValueError("a [match] with `rest` takes what is left, and asks for nothing else")
        if not (self.rest or asks):
            raise ValueError("a [match] that asks for nothing would take every record")
        if "*" in self.app:
            raise ValueError("app `*` would take every record with a program name")
        return self


def _listed(value: object) -> object:
    return [value] if isinstance(value, dict) else value


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field(min_length=1)
    dataset: str = Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$")
    reference: str = Field(pattern=r"^https?://\S+$")
    event_module: str | None = Field(default=None, min_length=1)
    aliases: _Texts = ()
    match: Annotated[tuple[Match, ...], BeforeValidator(_listed)] = ()


@dataclass(frozen=True, slots=True)
class Pack:
    """A parser and what is known about it; `name` is its folder's name, `version` a digest of all that reads records.

    That is the folder's files and the modules of `sentinel.pack` that they use.
    """

    name: str
    folder: Path
    title: str
    dataset: str
    reference: str
    module: str
    aliases: tuple[str, ...]
    match: tuple[Match, ...]
    parse: Parser
    join: Join | None = None
    version: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A folder that could not be loaded, and why."""

    folder: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Packs:
    """Every usable pack by name, and what was refused; a broken pack hurts only itself."""

    by_name: Mapping[str, Pack]
    refused: tuple[Refused, ...] = ()
    _by_hint: dict[str, Pack] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index names and aliases; a name counts more than another pack's alias, a later pack more than an earlier."""
        hints = {plain(alias): pack for pack in self.by_name.values() for alias in pack.aliases}
        hints.update({plain(name): pack for name, pack in self.by_name.items()})
        object.__setattr__(self, "_by_hint", hints)

    def __iter__(self) -> Iterator[Pack]:
        """Go through the packs."""
        return iter(self.by_name.values())

    def hinted(self, hint: str) -> Pack | None:
        """Return the pack called `hint` or known under that alias, None if there is none."""
        return self._by_hint.get(plain(hint))


def plain(hint: str) -> str:
    """Return a hint as it is compared: lower case, `_` for `-` and blanks."""
    return hint.strip().lower().replace("-", "_").replace(" ", "_")


def load(folders: Sequence[Path], shipped: Path | None = None) -> Packs:
    """Load every pack below each of `folders`; of two with one name the later counts (a city may replace ours).

    A folder that does not exist holds no packs. `shipped` (one of `folders`) is exempt from the check of owner and
    mode: whoever can write there can change Sentinel itself.
    """
    found: dict[str, Pack] = {}
    refused: list[Refused] = []
    for parent in folders:
        if not parent.is_dir():
            continue
        for folder in sorted(parent.iterdir()):
            if not folder.is_dir() or folder.name.startswith((".", "_")):
                continue
            try:
                pack = load_one(folder, trusted=parent == shipped)
            except PackError as error:
                refused.append(Refused(folder, str(error)))
            else:
                found.pop(pack.name, None)
                found[pack.name] = pack
    return Packs(MappingProxyType(found), tuple(refused))


def load_one(folder: Path, *, trusted: bool = False) -> Pack:
    """Load one pack; raises PackError. Unless `trusted`, nobody but root and ourselves may be able to write to it.

    A trusted one's code is loaded with its first record: it ships, so it is known to load.
    """
    if not PACK_NAME.fullmatch(folder.name):
        raise PackError(f"{folder}: a pack's folder is named in lower case letters, digits and _")
    manifest_file, parser_file, join_file = folder / "pack.toml", folder / "parser.py", folder / "join.py"
    for path in (manifest_file, parser_file):
        if not path.is_file():
            raise PackError(f"{folder}: there is no {path.name}")
    if not trusted:
        real = folder.resolve()
        for path in (real.parent, real, manifest_file.resolve(), parser_file.resolve(), join_file.resolve()):
            if path.exists():
                _guard(folder, path)
    manifest = _manifest(manifest_file)
    return Pack(
        name=folder.name,
        folder=folder,
        title=manifest.title,
        dataset=manifest.dataset,
        reference=manifest.reference,
        module=manifest.event_module or folder.name,
        aliases=manifest.aliases,
        match=manifest.match,
        parse=_late(folder, parser_file) if trusted else _parser(folder, parser_file),
        join=_join(folder, join_file) if join_file.is_file() else None,
        version=version_of(folder),
    )


def _guard(folder: Path, path: Path) -> None:
    state = path.stat()
    # a sticky directory such as /tmp lets nobody rename what is another's
    loose = stat.S_IWGRP | stat.S_IWOTH
    if state.st_mode & loose and not (stat.S_ISDIR(state.st_mode) and state.st_mode & stat.S_ISVTX):
        raise PackError(f"{folder}: {path} can be written by others; chmod go-w {path}")
    if state.st_uid not in {0, os.geteuid()}:
        raise PackError(
            f"{folder}: {path} belongs to user {state.st_uid}; it must belong to root or to Sentinel's user"
        )


def _manifest(path: Path) -> _Manifest:
    try:
        return _Manifest.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PackError(f"{path.parent}: pack.toml cannot be read: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'pack.toml'}: {one['msg']}" for one in error.errors())
        raise PackError(f"{path.parent}: pack.toml: {faults}") from error


class _SourceOnly(SourceFileLoader):
    """Compiles what stands in parser.py: no byte code is read from or written to a `__pycache__` beside it."""

    def __init__(self, fullname: str, path: str, source: bytes) -> None:
        super().__init__(fullname, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        """Return the compiled module `fullname`."""
        return self.source_to_code(self._source, self.get_filename(fullname))


def _parser(folder: Path, path: Path) -> Parser:
    return cast("Parser", _functions(_module(folder, path), path, "parse")[0])


def _late(folder: Path, path: Path) -> Parser:
    # of seventy packs a process reads records with a few, and all their expressions take a second to compile
    found: Parser | None = None

    def parse(raw: Raw) -> Iterable[Fields]:
        nonlocal found
        if found is None:
            found = _parser(folder, path)
        return found(raw)

    return parse


def _join(folder: Path, path: Path) -> Join:
    module = _module(folder, path)
    key, ends, whole = _functions(module, path, "key", "ends", "whole")
    quiet = getattr(module, "QUIET", None)
    if not isinstance(quiet, timedelta) or quiet <= timedelta(0):
        raise PackError(f"{folder}: join.py has no QUIET, a timedelta: how long a whole waits for its next part")
    modules = frozenset(getattr(module, "MODULES", ())) | {folder.name}
    return Join(key, ends, whole, quiet, modules, getattr(module, "link", no_link))


def _functions(module: ModuleType, path: Path, *names: str) -> list[Callable[..., Any]]:
    found = [getattr(module, name, None) for name in names]
    for name, one in zip(names, found, strict=True):
        if not callable(one):
            _forget(module.__name__)
            raise PackError(f"{path.parent}: {path.name} has no function {name}(…)")
    return cast("list[Callable[..., Any]]", found)


def _module(folder: Path, path: Path) -> ModuleType:
    mark = blake2b(str(folder.resolve()).encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
    name = f"_sentinel_pack_{folder.name}_{path.stem}_{mark}"
    try:
        source = path.read_bytes()
        if _loaded.get(name) == source:
            return sys.modules[name]
        loader = _SourceOnly(name, str(path), source)
        module = ModuleType(name)
        module.__spec__ = importlib.util.spec_from_loader(name, loader, origin=str(path))
        sys.modules[name] = module
        loader.exec_module(module)
        _loaded[name] = source
    except (Exception, SystemExit) as error:  # another's code: whatever it does while loading is its own fault alone
        _forget(name)
        raise PackError(f"{folder}: {path.name} fails while loading: {type(error).__name__}: {error}") from error
    return module


def _forget(name: str) -> None:
    sys.modules.pop(name, None)
    _loaded.pop(name, None)
