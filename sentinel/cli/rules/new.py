"""`sentinel rules new`: a question that was asked becomes a rule, with events that must and must not raise it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated
from uuid import uuid4

import orjson
import typer

from sentinel.app import App
from sentinel.cli.common import ConfigOption, YesOption, agreed, application, operator, stdout, talk
from sentinel.core.clock import local_zone
from sentinel.core.content import content
from sentinel.core.detection import LEVELS
from sentinel.core.errors import ForbiddenError, UsageError
from sentinel.core.event import Event
from sentinel.core.explain import explained, leaves_of
from sentinel.core.ports import Store
from sentinel.core.where import AllOf, Not, Where
from sentinel.detect.documents import Document, written
from sentinel.detect.drafting import alike, log_source_of, said, written_source
from sentinel.detect.pipelines import LogSource, Pipelines, load_pipelines, log_source
from sentinel.detect.rules import PIPELINES
from sentinel.respond.language import Question, read
from sentinel.testing.rules import neighbours
from sentinel.ui.visible import safe

LOOKED_AT_MAX = 500
FIXTURES_MAX = 5
TITLE_MAX = 120
_OWN = ("event.id", "event.sequence", "event.ingested")
"""What says where an event came in, not what it is."""


def new(  # noqa: PLR0913, PLR0917  options of a command
    name: Annotated[str, typer.Argument(help="What the rule's file is to be called: printer_login.")],
    query: Annotated[str, typer.Option("--from", help="The question, as sentinel query takes it.")],
    title: Annotated[str, typer.Option(help="Nothing: the question.")] = "",
    level: Annotated[str, typer.Option(help=", ".join(LEVELS))] = "medium",
    attack: Annotated[list[str] | None, typer.Option(help="A technique of ATT&CK: T1110.001; may be repeated.")] = None,
    logsource: Annotated[str, typer.Option(help="product=linux,service=sshd; nothing: that of the events found.")] = "",
    to: Annotated[Path, typer.Option(help="The folder to write to.")] = Path(),
    yes: YesOption = False,
    config: ConfigOption = None,
) -> None:
    """Write a rule from a question, and beside it events that raise it and near misses, as they are stored.

    The events are real: they belong among your own rules, nowhere else. The rule is not on where it is written.
    """
    app = application(config)
    if not name.replace("_", "").replace("-", "").isalnum():
        raise UsageError(f"{name!r} is no name of a rule: letters, digits, _ and -")
    if level not in LEVELS:
        raise UsageError(f"no level {level!r}: say {', '.join(LEVELS)}")
    now = app.clock.now()
    question = read(query, now, local_zone(now))
    pipelines = _pipelines(app)
    with app.reading() as store:
        hits = store.search(question.where, question.span, LOOKED_AT_MAX)
        source = _source(pipelines, logsource) if logsource else log_source_of(pipelines, hits)
        document: Document = {
            "title": (title or f"Found by: {query}")[:TITLE_MAX],
            "id": str(uuid4()),
            "status": "experimental",
            "description": f"Drafted from the question: {query}",
            "author": operator(),
            "date": f"{now:%Y-%m-%d}",
            **({"tags": [f"attack.{one.lower()}" for one in attack]} if attack else {}),
            "logsource": written_source(source),
            "detection": said(question.where),
            "level": level,
        }
        text = written([document])
        _proven(app, name, text, AllOf((pipelines.sources[source].where, question.where)))
        misses = _near_misses(store, question, pipelines.sources[source].where)
    stdout().print(safe(text.rstrip("\n")), soft_wrap=True)
    rule = to / f"{name}.yml"
    fires, quiet = neighbours(rule)
    files = {rule: text, **{path: _lines(events) for path, events in ((fires, hits), (quiet, misses)) if events}}
    if not agreed(f"write {', '.join(map(str, files))}?", yes=yes):
        talk("nothing is written; --yes writes it", "yellow")
        return
    _write(files)
    _next(rule, [path for path in (fires, quiet) if path not in files], tagged=bool(attack))


def _pipelines(app: App) -> Pipelines:
    folders = [content("rules"), *(path for path in app.config.content.rules if path.is_dir())]
    return load_pipelines(folder / PIPELINES for folder in folders)[0]


def _source(pipelines: Pipelines, given: str) -> LogSource:
    parts = dict(one.partition("=")[::2] for one in given.replace(" ", "").split(","))
    if set(parts) - {"product", "category", "service"}:
        raise UsageError("--logsource takes product=…, category=… and service=…, with commas between them")
    source = log_source(parts.get("product"), parts.get("category"), parts.get("service"))
    if source not in pipelines.sources:
        raise UsageError(f"no pipeline knows the log source {given}; rules/pipelines lists them")
    return source


def _proven(app: App, name: str, text: str, meant: Where) -> None:
    """Raise UsageError unless the text is a rule that asks exactly what was meant."""
    with TemporaryDirectory(prefix="sentinel-rule-") as folder:
        path = Path(folder) / f"{name}.yml"
        path.write_text(text, "utf-8")
        rules = app.rules_in([path])
    if rules.refused:
        raise UsageError(f"as a rule it would be refused: {rules.refused[0].reason}")
    if not alike(rules.detections[0].where, meant):
        raise UsageError("Sigma cannot say exactly this question; say it in simpler words")


def _near_misses(store: Store, question: Question, source: Where) -> list[Event]:
    """Return events of the same log that do not meet the question, those first that meet most of it."""
    there = store.search(AllOf((source, Not(question.where))), question.span, LOOKED_AT_MAX)
    return sorted(there, key=lambda event: -sum(one.held for one in leaves_of(explained(question.where, event))))


def _lines(events: Sequence[Event]) -> str:
    fields = ({name: value for name, value in one.fields.items() if name not in _OWN} for one in events[:FIXTURES_MAX])
    return "".join(orjson.dumps(one).decode() + "\n" for one in fields)


def _write(files: Mapping[Path, str]) -> None:
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError as error:
            raise UsageError(f"{path} is there already; choose another name") from error
        except OSError as error:
            raise ForbiddenError(f"{path}: cannot be written: {error.strerror}") from error


def _next(rule: Path, missing: Sequence[Path], *, tagged: bool) -> None:
    talk(f"{rule} is written; its events are real data: keep them among your own rules")
    for path in missing:
        talk(f"no stored event fits {path.name}: write one a line, a flat ECS event (sentinel parse --json)", "yellow")
    if not tagged:
        talk("tag it with a technique of ATT&CK (tags: [attack.t1110.001]); rules test asks for one", "yellow")
    talk(f"next: sentinel rules test {rule}; sentinel rules backtest {rule}; then move it into your folder of rules")
