"""A table of TOML to a checked value: what is not known is refused, with the nearest known name and where it is."""

import ast
import inspect
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from sentinel.core.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)


def validated(kind: type[Model], given: dict[str, Any], where: str) -> Model:
    """Turn a table into a value; raises ConfigError that names every wrong option and what to do."""
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        lines = [_problem(dict(one), kind, given) for one in error.errors(include_url=False)]
        raise ConfigError("\n".join(f"{where}: {line}" for line in lines)) from error


@cache
def documented(section: type[BaseModel]) -> dict[str, str]:
    """Return the text below each option of a table in its source, which is the option's documentation."""
    # pydantic would read the sources whenever they are imported, which takes as long as all else about it
    found: dict[str, str] = {}
    for kind in reversed(section.__mro__):
        if not issubclass(kind, BaseModel) or kind is BaseModel:
            continue
        body = ast.parse(inspect.getsource(kind)).body[0]
        for option, text in pairwise(cast("ast.ClassDef", body).body):
            match option, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                    found[name] = words
                case _:
                    pass
    return found


def section_of(option: FieldInfo) -> type[BaseModel] | None:
    """Return the table that an option holds, or holds several of; None for a plain value."""
    kind: Any = option.annotation
    for candidate in (kind, *getattr(kind, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _problem(error: dict[str, Any], kind: type[BaseModel], given: Mapping[str, Any]) -> str:
    path = error["loc"]
    within, name = _place(path, given)
    if error["type"] == "extra_forbidden":
        known = list(_known(path[:-1], kind))
        near = get_close_matches(str(path[-1]), known, 1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        return f"{within}unknown option {name!r}; {hint}"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{within}{name}: {message}" if name else f"{within}{message}"


def _place(path: tuple[str | int, ...], given: Mapping[str, Any]) -> tuple[str, str]:
    # `[[network]] 3 ("schule-01"): ` and the option's name inside of it
    if len(path) < 2 or not isinstance(path[1], int):
        return "", ".".join(map(str, path))
    listed = given.get(str(path[0]))
    item = listed[path[1]] if isinstance(listed, list) and path[1] < len(listed) else None
    if not isinstance(item, dict):
        return "", ".".join(map(str, path))
    called = f' ("{item["name"]}")' if isinstance(item.get("name"), str) else ""
    return f"[[{path[0]}]] {path[1] + 1}{called}: ", ".".join(map(str, path[2:]))


def _known(path: tuple[str | int, ...], kind: type[BaseModel]) -> Iterator[str]:
    section = kind
    for part in path:
        if isinstance(part, str):
            inner = section_of(section.model_fields[part]) if part in section.model_fields else None
            if inner is None:
                return
            section = inner
    yield from section.model_fields
