"""A question that was asked becomes the draft of a rule, with stored events that must and must not raise it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import orjson

from sentinel.app import App
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

LOOKED_AT_MAX = 500
FIXTURES_MAX = 5
TITLE_MAX = 120
_OWN = ("event.id", "event.sequence", "event.ingested")
"""What says where an event came in, not what it is."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to become a rule: the file's name, the question, who asks; what is empty follows from the question."""

    name: str
    query: str
    who: str
    title: str = ""
    level: str = "medium"
    attack: tuple[str, ...] = ()
    log_source: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A rule's text, the files to write by path, and those beside it for which no stored event fits."""

    text: str
    rule: Path
    files: Mapping[Path, str]
    missing: tuple[Path, ...]

    def write(self) -> None:
        """Write the files; raises UsageError if one is there already, ForbiddenError."""
        _write(self.files)


def draft(app: App, wish: Wish, folder: Path) -> Draft:
    """Return the draft; raises UsageError for what is no question, no name, or nothing that Sigma can say."""
    if not wish.name.replace("_", "").replace("-", "").isalnum():
        raise UsageError(f"{wish.name!r} is no name of a rule: letters, digits, _ and -")
    if wish.level not in LEVELS:
        raise UsageError(f"no level {wish.level!r}: say {', '.join(LEVELS)}")
    now = app.clock.now()
    question = read(wish.query, now, local_zone(now))
    pipelines = _pipelines(app)
    with app.reading() as store:
        hits = store.search(question.where, question.span, LOOKED_AT_MAX)
        source = _source(pipelines, wish.log_source) if wish.log_source else log_source_of(pipelines, hits)
        document: Document = {
            "title": (wish.title or f"Found by: {wish.query}")[:TITLE_MAX],
            "id": str(uuid4()),
            "status": "experimental",
            "description": f"Drafted from the question: {wish.query}",
            "author": wish.who,
            "date": f"{now:%Y-%m-%d}",
            **({"tags": [f"attack.{one.lower()}" for one in wish.attack]} if wish.attack else {}),
            "logsource": written_source(source),
            "detection": said(question.where),
            "level": wish.level,
        }
        text = written([document])
        _proven(app, wish.name, text, AllOf((pipelines.sources[source].where, question.where)))
        misses = _near_misses(store, question, pipelines.sources[source].where)
    rule = folder / f"{wish.name}.yml"
    fires, quiet = neighbours(rule)
    files = {rule: text, **{path: _lines(events) for path, events in ((fires, hits), (quiet, misses)) if events}}
    return Draft(text, rule, files, tuple(path for path in (fires, quiet) if path not in files))


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
