"""The documentation of every option, from the text below it in its source; the example file is written from it."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sentinel.config.examples import EXAMPLES
from sentinel.config.options import Config
from sentinel.config.reading import documented, section_of
from sentinel.core.errors import ConfigError


def explain(key: str) -> str:
    """Return the documentation of one option (`store.url`, `syslog.port`); raises ConfigError with a suggestion."""
    everything = dict(options())
    if key not in everything:
        near = get_close_matches(key, everything, 1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(everything)}"
        raise ConfigError(f"there is no option {key!r}; {hint}")
    return everything[key]


def options() -> Iterator[tuple[str, str]]:
    """Yield the dotted name and the documentation of every option."""
    for name, option in Config.model_fields.items():
        section = section_of(option)
        if section is None:
            yield name, _words(Config, name)
            continue
        for inner, detail in section.model_fields.items():
            yield f"{name}.{inner}", f"{_words(section, inner)}\nDefault: {_toml(detail)}"


def _words(section: type[BaseModel], option: str) -> str:
    return " ".join(documented(section).get(option, "").split())


def _toml(option: FieldInfo) -> str:
    if option.is_required():
        return "none: has to be given"
    if option.default is None:
        return "none"
    return toml_value(option.default)


def toml_value(value: object) -> str:
    """Return a plain value as TOML writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case tuple() | list():
            return "[" + ", ".join(toml_value(item) for item in value) + "]"
        case dict():
            return "{" + ", ".join(f"{name} = {toml_value(item)}" for name, item in value.items()) + "}"
        case str() | Path():
            return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
        case _:
            return str(value)


def example() -> str:
    """Return a whole configuration file with every option at its default, explained and commented out."""
    lines = [
        "# Sentinel's configuration. Every option is listed with its default, commented out;",
        "# `sentinel check` says whether the file is right, `sentinel config explain KEY` what an option means.",
        "# This file is written from sentinel/config: `sentinel config example`.",
        "",
    ]
    for name, option in Config.model_fields.items():
        section = section_of(option)
        if section is None:
            lines += [*_comment(_words(Config, name)), f"# {name} = {EXAMPLES.get(name) or _toml(option)}", ""]
            continue
        many = str(option.annotation).startswith("tuple")
        head = f"[[{name}]]" if many else f"[{name}]"
        lines += [*_comment(" ".join((section.__doc__ or "").split())), f"# {head}", ""]
        for inner, detail in section.model_fields.items():
            value = EXAMPLES.get(inner) or _toml(detail)
            lines += [*_comment(_words(section, inner)), f"# {inner} = {value}", ""]
    return "\n".join(lines)


def _comment(text: str) -> list[str]:
    lines: list[str] = []
    line = "#"
    for word in text.split():
        if len(line) + len(word) > 110:
            lines.append(line)
            line = "#"
        line += " " + word
    return [*lines, line]
