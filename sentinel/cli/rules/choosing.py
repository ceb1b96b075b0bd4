"""`sentinel rules starter`, `on`, `off`: which rules are on, and what an operator decides differently."""

from collections.abc import Iterator
from typing import Annotated

import typer

from sentinel.app import App
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, recorded, show, talk
from sentinel.cli.who import operator
from sentinel.detect.choosing import Switch, switch
from sentinel.detect.coverage import coverage
from sentinel.detect.rules import chosen
from sentinel.surveys import active
from sentinel.ui import tables

Rules = Annotated[list[str], typer.Argument(help="Ids of rules or beginnings of them, their files' names or titles.")]
Reason = Annotated[str, typer.Option(help="Why.")]


def starter(json: JsonOption = False, config: ConfigOption = None) -> None:
    """Show the starter set: which of its rules can fire here, what the others wait for, and why each is in it."""
    app = application(config)
    rows = list(_standing(app))
    if json:
        emit(*({"schema": SCHEMA, "id": rule, "state": state, "title": title, "why": why, "lacks": lacks}
               for rule, state, title, why, lacks in rows))  # fmt: skip
    else:
        show(tables.plain_table(("state", "rule", "in it because", "lacks"), [row[1:] for row in rows]))
    able = sum(state == "on" for _, state, *_ in rows)
    if app.config.detect.rules == "all":
        talk("every rule is on unless switched off: detect.rules = all")
    talk(f"{able} of the {len(rows)} rules of the starter set are on and can fire on what is being sent")


def _standing(app: App) -> Iterator[tuple[str, str, str, str, str]]:
    rules, choice = app.rules, app.choice
    arriving, problem = active(app)
    if problem:
        talk(f"what has been stored cannot be seen, only configured packs count: {problem}", "yellow")
    reach = {one.detection.id: one for one in coverage(rules.detections, app.supplied, arriving)}
    off = {one.detection.id: one for one in rules.off}
    for rule, why in choice.starter.items():
        if rule in reach:
            found = reach[rule]
            yield rule, "on" if found.by else "waits", found.detection.title, why, found.lacks
        elif rule in off:
            yield rule, "off", off[rule].detection.title, why, off[rule].why
        else:
            yield rule, "not here", "–", why, "sentinel rules fetch brings it, or it is refused: sentinel rules check"


def on(rules: Rules, reason: Reason, config: ConfigOption = None) -> None:
    """Switch rules on that are off."""
    _switch(application(config), rules, reason, on=True)


def off(rules: Rules, reason: Reason, config: ConfigOption = None) -> None:
    """Switch rules off. For a single machine or account an exception is better: sentinel rules except."""
    _switch(application(config), rules, reason, on=False)


def _switch(app: App, said: list[str], reason: str, *, on: bool) -> None:
    every = (*app.rules.detections, *(one.detection for one in app.rules.off))
    meant = [chosen(every, one) for one in said]
    at = app.clock.now().date().isoformat()
    new = {one.id: Switch(one.id, on, reason, operator(), at) for one in meant}
    with recorded(app, "rules.on" if on else "rules.off", ", ".join(new), reason=reason):
        switch(app.switches_file, new)
    for one in meant:
        talk(f"{'on' if on else 'off'}: {one.title}")
    talk(f"{app.switches_file}: a Sentinel at work reads it within {2 * app.config.detect.every_seconds:g} seconds")
