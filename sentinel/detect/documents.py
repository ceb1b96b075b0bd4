"""YAML files of rules and pipelines, read without trusting them.

Bounds (SIZE_MAX, DEPTH_MAX, no aliases) are checked on the stream of parser events, before anything is built: a file
of 300 bytes can otherwise stand for millions of nodes.
"""

import stat
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import yaml

from sentinel.core.errors import RuleError

SIZE_MAX = 512 * 1024
DEPTH_MAX = 32
DOCUMENTS_MAX = 256

Document = dict[str, object]


class _Strict(yaml.CSafeLoader):
    """The safe loader that also refuses a key given twice: of two conditions one would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:  # noqa: FBT001, FBT002  the base class's signature
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise yaml.YAMLError(f"key {key!r} is given twice (line {key_node.start_mark.line + 1})")
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_documents(path: Path) -> list[Document]:
    """Return the mappings of a YAML file, empty documents left out.

    Raises RuleError for what is no plain file of at most SIZE_MAX bytes, is writable by everybody, is no YAML, uses
    aliases, nests deeper than DEPTH_MAX, or holds anything but mappings with text keys.
    """
    return parsed(path, read_text(path))


def parsed(path: Path, text: str) -> list[Document]:
    """Return the mappings of the YAML `text` of the file `path`, as `read_documents` does."""
    try:
        _bounded(path, text)
        loader = _Strict(text)
        try:
            found: list[object] = []
            while loader.check_data():  # type: ignore[no-untyped-call]  # PyYAML's own
                found.append(loader.get_data())
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise RuleError(path, f"not YAML we accept: {_one_line(error)}") from error
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        # numbers of thousands of digits, dates that do not exist, keys that cannot be one
        raise RuleError(path, f"a value that cannot be read: {_one_line(error)}") from error
    documents: list[Document] = []
    for one in found:
        if one is None:
            continue
        if not isinstance(one, dict) or not all(isinstance(key, str) for key in one):
            raise RuleError(path, "every document must be a mapping with text keys")
        documents.append(one)
    return documents


def collected(path: Path, documents: Iterable[Document]) -> list[Document]:
    """Return a file's rules, its `action` documents carried out (an old form of Sigma's rule collections).

    `global` is added to every document until the next `global` or `reset`; `repeat` is the rule before it with some
    of it said anew. Raises RuleError for other actions and where `global` and a rule say different things.
    """
    common: Document = {}
    before: Document = {}
    found: list[Document] = []
    for document in documents:
        own = {key: value for key, value in document.items() if key != "action"}
        match document.get("action"):
            case "global":
                common = own
                continue
            case "reset":
                common = {}
                continue
            case "repeat" if before:
                before = _with(before, own)
            case None if "action" not in document:
                before = own
            case action:
                raise RuleError(path, f"action {action!r} is none of global, reset, or repeat after a rule")
        if _with(common, before) != _with(before, common):
            raise RuleError(path, "'action: global' and a rule after it say different things")
        found.append(_with(common, before))
    return found


def written(documents: Iterable[Document]) -> str:
    """Return documents as the text of a YAML file that `read_documents` reads as the same."""
    return yaml.dump_all(documents, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100)


class _Plain(yaml.SafeDumper):
    """The safe dumper without aliases: what occurs twice is written twice."""

    def ignore_aliases(self, data: object) -> bool:
        """Say that nothing is to be an alias."""
        del data
        return True


def _with(one: Document, other: Document) -> Document:
    both = dict(one)
    for key, value in other.items():
        have = both.get(key)
        nested = isinstance(have, dict) and isinstance(value, dict)
        both[key] = _with(cast("Document", have), cast("Document", value)) if nested else value
    return both


def read_text(path: Path) -> str:
    """Return the text of a plain file of at most SIZE_MAX bytes that not everybody may write; raises RuleError."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise RuleError(path, "not a plain file")
        if about.st_mode & stat.S_IWOTH:
            raise RuleError(path, "writable by everybody on this machine; run chmod o-w on it")
        with path.open("rb") as file:
            body = file.read(SIZE_MAX + 1)
    except OSError as error:
        raise RuleError(path, f"cannot be read: {error.strerror or error}") from error
    if len(body) > SIZE_MAX:
        raise RuleError(path, f"larger than {SIZE_MAX} bytes; split it")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RuleError(path, f"not UTF-8 (byte {error.start})") from error


def _bounded(path: Path, text: str) -> None:
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        match event:
            case yaml.AliasEvent():
                raise RuleError(path, f"uses the alias *{event.anchor}; aliases are not allowed, write it out")
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                depth += 1
                if depth > DEPTH_MAX:
                    raise RuleError(path, f"nested deeper than {DEPTH_MAX} levels")
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                depth -= 1
            case yaml.DocumentStartEvent():
                documents += 1
                if documents > DOCUMENTS_MAX:
                    raise RuleError(path, f"more than {DOCUMENTS_MAX} documents")
            case _:
                pass


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
