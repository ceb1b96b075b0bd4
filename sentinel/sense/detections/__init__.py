"""What is found in records: each module here is a family of detections, loaded because it is there.

A module has `Settings`, a frozen dataclass whose every field is a number (or a tuple of texts) with a default, and
`detectors(settings, scene)`, which makes its detectors. See `sentinel.sense.findings` for what a detector promises.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from sentinel.core.errors import ConfigError
from sentinel.sense.findings import Detector, Scene

__all__ = ["Tuning", "families", "load"]

Tuning = Mapping[str, Mapping[str, object]]
"""The operator's numbers: name of a family to names of settings to values."""


def families() -> dict[str, ModuleType]:
    """Return every family by the name of its module."""
    return {found.name: import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)}


def load(tuning: Tuning, scene: Scene) -> list[Detector]:
    """Return the detectors of all families, set as `tuning` says; raises ConfigError."""
    known = families()
    for name in tuning:
        if name not in known:
            raise ConfigError(f"[sense.detections] there is no family {name!r}{_near(name, known)}")
    return [one for name, module in known.items() for one in _made(name, module, tuning.get(name, {}), scene)]


def _made(name: str, module: ModuleType, given: Mapping[str, object], scene: Scene) -> Sequence[Detector]:
    settings: Any = module.Settings
    known = {one.name: one.default for one in fields(settings)}
    values: dict[str, Any] = {}
    for key, value in given.items():
        where = f"[sense.detections.{name}] {key}"
        if key not in known:
            raise ConfigError(f"{where}: there is no such setting{_near(key, known)}")
        values[key] = _fitting(where, value, known[key])
    made: Sequence[Detector] = module.detectors(settings(**values), scene)
    return made


def _fitting(where: str, value: object, default: object) -> object:
    if isinstance(default, tuple) and isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        return tuple(value)
    if isinstance(default, bool) or isinstance(value, bool):
        if isinstance(default, bool) and isinstance(value, bool):
            return value
    elif isinstance(default, float) and isinstance(value, int | float) and value >= 0:
        return float(value)
    elif isinstance(default, int) and isinstance(value, int) and value >= 0:
        return value
    raise ConfigError(f"{where}: {value!r} does not fit; it has to be like {default!r}, and not negative")


def _near(name: str, known: Mapping[str, object]) -> str:
    near = get_close_matches(name, known, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(sorted(known))}"
