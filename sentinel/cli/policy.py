"""`sentinel sense policy`: whether the segments file makes sense, and a proposal for one from what was seen."""

from pathlib import Path
from typing import Annotated

import typer

from sentinel.app import App
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, lasting, talk
from sentinel.core.errors import ConfigError, Exit, UsageError
from sentinel.core.ports import Span
from sentinel.sense.policy import Problem, bans, examine, networks_of
from sentinel.sense.proposal import Proposal
from sentinel.sense.segments import parsed, read_document
from sentinel.sense.sightings import captured, stored

policy = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)

_STYLES = {"refused": "red", "wrong": "yellow", "remark": ""}


@policy.command("check")
def check(
    file: Annotated[Path | None, typer.Argument(help="The segments file; [sense] segments if left out.")] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say what is wrong with a segments file; ends with 1 if something is, with 3 if the sensor cannot use it."""
    problems = examine(read_document(_file(file, application(config))))
    for one in problems:
        if json:
            emit({"schema": SCHEMA, "level": one.level, "where": one.where, "what": one.what})
        else:
            _tell(one)
    levels = {one.level for one in problems}
    if "refused" in levels:
        raise typer.Exit(Exit.CONFIG)
    if "wrong" in levels:
        raise typer.Exit(Exit.FINDING)
    talk("nothing is wrong" if not problems else "nothing is wrong; see the remarks")


@policy.command("learn")
def learn(
    pcap: Annotated[list[Path] | None, typer.Option("--pcap", help="A capture file; may be given again.")] = None,
    more: Annotated[list[Path] | None, typer.Argument(help="More capture files.", metavar="FILE")] = None,
    last: Annotated[str, typer.Option("--last", help="How far back in the stored flows: 36h, 7d, 4w.")] = "",
    segments: Annotated[Path | None, typer.Option("--segments", help="Which networks there are.")] = None,
    config: ConfigOption = None,
) -> None:
    """Propose a policy from flows between segments, for a person to read; it is printed, nothing is changed."""
    app = application(config)
    captures = [*(pcap or []), *(more or [])]
    if bool(captures) == bool(last):
        raise UsageError("from what? Give --pcap FILE …, or --last 7d for the flows that the sensor has stored")
    file = _file(segments, app)
    document = read_document(file)
    try:
        networks, notes = networks_of(document)
    except ValueError as error:
        raise ConfigError(f"{file}: {error}") from error
    proposal = Proposal(networks, bans(document, networks.networks), notes)
    problems: list[str] = []
    if captures:
        made_from = f"{len(captures)} captures" if len(captures) > 1 else captures[0].name
        for sight in captured(captures, problems):
            proposal.see(sight)
    else:
        now = app.clock.now()
        made_from = f"the stored flows of the last {last}"
        with app.reading() as store:
            for sight in stored(store, networks, Span(now - lasting(last), now), problems):
                proposal.see(sight)
    text = proposal.text(made_from)
    typer.echo(text, nl=False)
    for problem in problems:
        talk(problem, "yellow")
    for one in examine(parsed(text)):
        _tell(one)
    if problems:
        raise typer.Exit(Exit.PARTIAL)


def _file(given: Path | None, app: App) -> Path:
    found = given or app.config.sense.segments
    if found is None:
        raise UsageError("which networks are there? Give a segments file with a table `segments`, or [sense] segments")
    return found


def _tell(problem: Problem) -> None:
    talk(f"{problem.level}: {problem.where}: {problem.what}", _STYLES[problem.level])
