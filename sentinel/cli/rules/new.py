"""`sentinel rules new`: a question that was asked becomes a rule, with events that must and must not raise it."""

from pathlib import Path
from typing import Annotated

import typer

from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, YesOption, agreed, application, emit, stdout, talk
from sentinel.cli.who import operator
from sentinel.core.detection import LEVELS
from sentinel.drafts import Draft, Wish, draft
from sentinel.ui.visible import safe


def new(  # noqa: PLR0913, PLR0917  options of a command
    name: Annotated[str, typer.Argument(help="What the rule's file is to be called: printer_login.")],
    query: Annotated[str, typer.Option("--from", help="The question, as sentinel query takes it.")],
    title: Annotated[str, typer.Option(help="Nothing: the question.")] = "",
    level: Annotated[str, typer.Option(help=", ".join(LEVELS))] = "medium",
    attack: Annotated[list[str] | None, typer.Option(help="A technique of ATT&CK: T1110.001; may be repeated.")] = None,
    logsource: Annotated[str, typer.Option(help="product=linux,service=sshd; nothing: that of the events found.")] = "",
    to: Annotated[Path, typer.Option(help="The folder to write to.")] = Path(),
    yes: YesOption = False,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Write a rule from a question, and beside it events that raise it and near misses, as they are stored.

    The events are real: they belong among your own rules, nowhere else. The rule is not on where it is written.
    """
    app = application(config)
    wish = Wish(name, query, operator(), title, level, tuple(attack or ()), logsource)
    drafted = draft(app, wish, to)
    if not json:
        stdout().print(safe(drafted.text.rstrip("\n")), soft_wrap=True)
    writes = agreed(f"write {', '.join(map(str, drafted.files))}?", yes=yes)
    if writes:
        drafted.write()
    if json:
        said = {"files": list(drafted.files), "without_events": list(drafted.missing)}
        emit({"schema": SCHEMA, "written": writes, "text": drafted.text, **said})
    if not writes:
        talk("nothing is written; --yes writes it", "yellow")
        return
    _next(drafted, tagged=bool(attack))


def _next(drafted: Draft, *, tagged: bool) -> None:
    rule = drafted.rule
    talk(f"{rule} is written; its events are real data: keep them among your own rules")
    for path in drafted.missing:
        talk(f"no stored event fits {path.name}: write one a line, a flat ECS event (sentinel parse --json)", "yellow")
    if not tagged:
        talk("tag it with a technique of ATT&CK (tags: [attack.t1110.001]); rules test asks for one", "yellow")
    talk(f"next: sentinel rules test {rule}; sentinel rules backtest {rule}; then move it into your folder of rules")
