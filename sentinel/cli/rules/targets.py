"""What the words of a command mean: rules that are on, or a file or folder of rules that are not on yet."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from sentinel.app import App
from sentinel.core.detection import Detection
from sentinel.core.errors import ConfigError
from sentinel.detect.exempting import FOLDER
from sentinel.detect.linking import Plain
from sentinel.detect.rules import Rules, chosen
from sentinel.testing.backtest import Options

RuleOrFile = Annotated[
    str,
    typer.Argument(help="A rule's id or a beginning of it, its file's name or its title; or a file that is not on."),
]


def meant(app: App, said: str) -> list[Detection]:
    """Return the rules of a file or folder, or the rule of that name, on or off; raises UsageError, ConfigError.

    The exceptions that hold are made to a file, too; what a correlation counts may lie among the rules that are on.
    """
    path = Path(said)
    if not path.exists():
        return [chosen((*app.rules.detections, *(one.detection for one in app.rules.off)), said)]
    rules = beside(app, path)
    if wrong := [one for one in rules.refused if _below(one.path, path)]:
        raise ConfigError(str(wrong[0]))
    found = [one for one in rules.detections if _below(one.path, path)]
    if not found:
        raise ConfigError(f"{path}: holds no rule that would be on")
    return found


def meant_with(app: App, said: str) -> list[tuple[Detection, tuple[Plain, ...]]]:
    """Return what `meant` does, each with the rules about single events that it is made of."""
    path = Path(said)
    origins = beside(app, path).origins if path.exists() else app.rules.origins
    return [(one, origins[one.id]) for one in meant(app, said)]


def beside(app: App, path: Path) -> Rules:
    """Return the rules of a file or folder by themselves, or if they need others among those that are on."""
    own = [folder / FOLDER for folder in app.config.content.rules if (folder / FOLDER).is_dir()]
    rules = app.rules_in([path, *own])
    if any(_below(one.path, path) and "which is no rule here" in one.reason for one in rules.refused):
        return app.rules_in([path, *app.rule_folders])
    return rules


def folding(app: App) -> Options:
    """Return how alerts are folded here, and what has been suppressed."""
    options = app.config.detect
    with app.desk() as desk:
        held = desk.suppressions(ended=True)
    return Options(timedelta(hours=options.quiet_hours), options.budget_per_hour, held)


def _below(found: str, path: Path) -> bool:
    return Path(found) == path or path in Path(found).parents
