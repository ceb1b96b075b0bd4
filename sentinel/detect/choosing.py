"""Which rules are on: the starter set, whatever was switched on or off here, and all of one's own.

`starter.toml` in the shipped folder of rules lists the set, each rule with the reason why it is in it. What an operator
decides differently stands in `switches.toml` in a folder of his own, with who, when and why.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from sentinel.core.detection import Detection
from sentinel.core.durable import sync_folder, write_file
from sentinel.core.errors import ConfigError, ForbiddenError, RuleError, UsageError
from sentinel.detect.fetched import LICENCE
from sentinel.detect.merging import rule_id
from sentinel.detect.rules import Off, Rules

STARTER = "starter.toml"
_ITSELF = "sentinel"
"""The folder of shipped rules by which Sentinel tells about itself: always on, for nobody misses their silence."""
SWITCHES = "switches.toml"
SWITCHES_MAX = 10_000
REASON_MAX = 300


@dataclass(frozen=True, slots=True)
class Switch:
    """What was decided about one rule: `on` or off, why, by whom, and when (a day, ISO 8601)."""

    rule: str
    on: bool
    reason: str
    who: str
    at: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What decides: ids of the starter set with their reasons, switches by id, where rules of others lie.

    `everything`: rules of others are on unless switched off, in the starter set or not.
    """

    starter: Mapping[str, str]
    switches: Mapping[str, Switch]
    shipped: Path
    fetched: Path
    everything: bool = False


def choose(rules: Rules, choice: Choice) -> Rules:
    """Return the rules with those among `off` that are not on; of fetched ones that are refused, those wanted stay."""
    on: list[Detection] = []
    off: list[Off] = []
    for found in rules.detections:
        folders = Path(found.path).parents
        fetched = choice.fetched in folders
        others = fetched or (choice.shipped in folders and choice.shipped / _ITSELF not in folders)
        one = replace(found, license=found.license or LICENCE) if fetched else found
        why = _off(one, choice, others=others)
        if why:
            off.append(Off(one, why))
        else:
            on.append(one)
    wrong = tuple(one for one in rules.refused if _told(one, choice))
    return replace(rules, detections=tuple(on), refused=wrong, off=tuple(off))


def _off(one: Detection, choice: Choice, *, others: bool) -> str:
    switch = choice.switches.get(one.id)
    if switch is not None:
        return "" if switch.on else f"switched off by {switch.who}, {switch.at}: {switch.reason}"
    return "not in the starter set" if others and not choice.everything and one.id not in choice.starter else ""


def _told(error: RuleError, choice: Choice) -> bool:
    path = Path(error.path)
    if choice.everything or choice.fetched not in path.parents:
        return True
    try:
        named = rule_id(path.read_bytes())
    except OSError:
        return True
    switch = choice.switches.get(named)
    return switch.on if switch is not None else named in choice.starter


def starter(path: Path) -> dict[str, str]:
    """Return the ids of the starter set, each with why it is in it; raises ConfigError."""
    found: dict[str, str] = {}
    for one in _listed(path):
        rule, why = one.get("id"), one.get("why")
        if not isinstance(rule, str) or not isinstance(why, str) or rule in found:
            raise ConfigError(f"{path}: every rule has an id of its own and a why, not {one}")
        found[rule] = why
    return found


def switches(path: Path) -> dict[str, Switch]:
    """Return what was decided about rules, nothing if there is no such file; raises ConfigError."""
    found: dict[str, Switch] = {}
    for one in _listed(path) if path.exists() else ():
        try:
            switch = Switch(**cast("dict[str, Any]", one))
        except TypeError as error:
            raise ConfigError(f"{path}: a switch says rule, on, reason, who and at: {error}") from error
        texts = (switch.rule, switch.reason, switch.who, switch.at)
        if not all(isinstance(text, str) for text in texts) or not isinstance(switch.on, bool):
            raise ConfigError(f"{path}: rule, reason, who and at are texts, on is true or false: {one}")
        found[switch.rule] = switch
    return found


def _listed(path: Path) -> list[dict[str, object]]:
    try:
        said = tomllib.loads(path.read_text("utf-8")).get("rule", [])
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    if not isinstance(said, list) or not all(isinstance(one, dict) for one in said) or len(said) > SWITCHES_MAX:
        raise ConfigError(f"{path}: holds tables [[rule]], at most {SWITCHES_MAX:,}")
    return said


def switch(path: Path, new: Mapping[str, Switch]) -> None:
    """Write these decisions into the file `path`, over what it said of the same rules.

    Raises UsageError for a reason that is none, ConfigError if the file cannot be read, ForbiddenError.
    """
    for one in new.values():
        if not one.reason.strip() or len(one.reason) > REASON_MAX or not one.reason.isprintable():
            raise UsageError(f"say in one line of at most {REASON_MAX} characters why")
    lines = ["# Written by `sentinel rules on` and `off`; may be changed by hand."]
    for one in (switches(path) | dict(new)).values():
        told = (f"{name} = {json.dumps(getattr(one, name), ensure_ascii=False)}" for name in Switch.__slots__)
        lines += ["", "[[rule]]", *told]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, ("\n".join(lines) + "\n").encode())
        sync_folder(path.parent)
    except OSError as error:
        raise ForbiddenError(
            f"{path}: cannot be written: {error.strerror}; run as a user who may change rules"
        ) from error
