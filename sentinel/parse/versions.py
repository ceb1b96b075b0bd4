"""Which version of a pack read a record: a digest of the pack's own files and of the tools that they use.

A pack that was mended, and one whose tool was, have another version than before; a release of Sentinel alone changes
none.
"""

import ast
import re
from functools import cache
from hashlib import blake2b
from pathlib import Path

import sentinel.pack

_TOOLS = "sentinel.pack"
_TOOLS_FOLDER = Path(sentinel.pack.__path__[0])
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+sentinel\.pack\b[.\w]*[ \t]+import[ \t]+(?:\([^()]*\)|\w[^\\\n]*)"
    r"|import[ \t]+sentinel\.pack\.\w+)[ \t]*$",
    re.MULTILINE,
)
_NAMED = re.compile(r"(?<!`)\bsentinel[\s\\]*\.[\s\\]*pack\b")
"""What every import of a tool has in it; what is said of one in a docstring stands in backticks."""


def version_of(folder: Path) -> str:
    """Return the version (8 hexadecimal digits) of the pack in `folder`; its files can be read."""
    digest = blake2b(digest_size=4)
    sources = sorted(folder.glob("*.py"))
    for path in (folder / "pack.toml", *sources):
        digest.update(path.name.encode() + path.read_bytes())
    for name in sorted(_all_tools(set().union(*(_tools(_text(path)) for path in sources)))):
        digest.update(name.encode() + _tool(name)[0])
    return digest.hexdigest()


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace")


def _all_tools(names: set[str]) -> set[str]:
    found: set[str] = set()
    while names:
        found |= names
        names = set().union(*(_tool(name)[1] for name in names)) - found
    return found


@cache
def _tool(name: str) -> tuple[bytes, frozenset[str]]:
    # what is in a module of `sentinel.pack`, and which others it uses
    path = _TOOLS_FOLDER / f"{name}.py"
    if not path.is_file():
        return b"", frozenset()
    return path.read_bytes(), _tools(_text(path))


@cache
def _tools(source: str) -> frozenset[str]:
    # the modules of `sentinel.pack` that a source imports
    found: set[str] = set()
    imports = [one.strip() for one in _IMPORT.findall(source)]
    # every process that loads packs comes here: only a source that names us elsewhere too is taken apart as a whole
    plain = sum(len(_NAMED.findall(one)) for one in imports) == len(_NAMED.findall(source))
    for node in ast.walk(ast.parse("\n".join(imports) if plain else source)):
        if isinstance(node, ast.ImportFrom) and node.module == _TOOLS:
            found.update(one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(_TOOLS + "."):
            found.add(node.module.removeprefix(_TOOLS + "."))
        elif isinstance(node, ast.Import):
            found.update(one.name.removeprefix(_TOOLS + ".") for one in node.names if one.name.startswith(_TOOLS + "."))
    return frozenset(found)
