"""JSON and XML that arrive from outside: bounded, without entities, nothing but ParseError raised."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from sentinel.core.errors import ParseError

DEPTH_MAX = 64
NODES_MAX = 20_000

_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")
_LONE = re.compile(r"[\ud800-\udfff]")


def _no_number(name: str) -> None:
    """Read NaN and the infinities, which are no JSON, as nothing."""


_decode = json.JSONDecoder(strict=False, parse_constant=_no_number).decode


def json_object(text: str) -> dict[str, object]:
    """Return the JSON object that `text` is; control characters within strings are let through."""
    try:
        found: object = _decode(text)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"not JSON: {_short(error)}") from error
    if not isinstance(found, dict):
        raise ParseError("JSON, but not an object")
    if "\\ud" in text or "\\uD" in text:
        try:
            return {_LONE.sub("\ufffd", name): _mended(one) for name, one in found.items()}
        except RecursionError as error:
            raise ParseError("JSON nested too deeply") from error
    return found


def _mended(value: object) -> object:
    # half of a surrogate pair is legal in JSON and cannot be written as UTF-8
    if isinstance(value, str):
        return _LONE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_LONE.sub("\ufffd", name): _mended(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_mended(one) for one in value]
    return value


@dataclass(slots=True)
class Node:
    """One XML element: its name without the prefix, its attributes (as written), its text, what is inside."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    inside: list["Node"] = field(default_factory=list)

    def get(self, name: str) -> "Node | None":
        """Return the first element called `name` right inside, None if there is none."""
        for node in self.inside:
            if node.name == name:
                return node
        return None

    def all(self, name: str) -> Iterator["Node"]:
        """Yield every element called `name` at any depth, itself included, in order."""
        stack = [self]
        while stack:
            node = stack.pop()
            if node.name == name:
                yield node
            stack.extend(reversed(node.inside))


def xml_nodes(text: str) -> list[Node]:
    """Return the elements at the top of `text`, which need not be only one; a DTD or an entity is refused."""
    top = Node("", {})
    open_nodes = [top]
    count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > NODES_MAX or len(open_nodes) > DEPTH_MAX:
            raise ParseError("XML with too many elements")
        node = Node(name.rpartition(":")[2], attributes)
        open_nodes[-1].inside.append(node)
        open_nodes.append(node)

    def end(_: str) -> None:
        open_nodes.pop()

    def data(piece: str) -> None:
        open_nodes[-1].text += piece

    def refuse(*_: object) -> None:
        raise ParseError("XML with a document type or entities is refused")

    reader = expat.ParserCreate("utf-8")
    reader.buffer_text = True
    reader.StartElementHandler = start
    reader.EndElementHandler = end
    reader.CharacterDataHandler = data
    reader.StartDoctypeDeclHandler = refuse
    reader.EntityDeclHandler = refuse
    declared = _DECLARATION.match(text)
    body = text[declared.end() :] if declared else text
    try:
        reader.Parse(f"<all>{body}</all>".encode(), True)  # noqa: FBT003  expat takes no keywords
    except (expat.ExpatError, ValueError) as error:
        raise ParseError(f"not XML: {_short(error)}") from error
    return top.inside[0].inside


def _short(error: Exception) -> str:
    return str(error)[:80]
