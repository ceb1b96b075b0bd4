"""`sentinel packs`: what can be read, and the proof of it."""

from pathlib import Path
from typing import Annotated

import typer

from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, show, talk
from sentinel.core.errors import Exit, UsageError
from sentinel.testing import newpack, packdocs
from sentinel.testing import packs as harness
from sentinel.ui import tables

EXAMPLE = """
sentinel packs list
sentinel packs new fachverfahren --from sample.log --into /etc/sentinel/parsers
sentinel packs test /etc/sentinel/parsers/fachverfahren
"""

verb = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@verb.command("list")
def list_(json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the parser packs, and those that were refused with the reason."""
    packs = application(config).packs
    if json:
        emit(
            *(
                {
                    "schema": SCHEMA,
                    "name": pack.name,
                    "title": pack.title,
                    "dataset": pack.dataset,
                    "folder": pack.folder,
                }
                for pack in packs
            )
        )
    else:
        rows = ((pack.name, pack.title, pack.dataset, pack.reference) for pack in packs)
        show(tables.plain_table(("pack", "title", "dataset", "reference"), rows))
    for refused in packs.refused:
        talk(f"refused: {refused.folder}: {refused.reason}", "red")
    if packs.refused:
        raise typer.Exit(Exit.CONFIG)


@verb.command("new")
def new(
    name: Annotated[str, typer.Argument(help="The pack's name: lower case letters, digits and _.")],
    sample: Annotated[Path, typer.Option("--from", help="Lines that the product wrote.")],
    into: Annotated[Path, typer.Option("--into", help="The folder of your packs.")] = Path("parsers"),
) -> None:
    """Begin a pack from a sample: guess how it is written, write a parser that reads it, and show what to do next."""
    folder, guessed = newpack.begin(name, sample, into)
    talk(f"{folder}: {guessed.lines} lines, read as {guessed.family}")
    unplaced = [key for key, place in guessed.places.items() if not place]
    if unplaced:
        talk(f"without a field yet: {', '.join(unplaced[:40])}")
    for path in sorted(harness.samples(folder), key=lambda path: path.name == harness.BROKEN):
        for line in harness.expected(path).read_text("utf-8").splitlines()[:1]:
            talk(f"{path.name} becomes {line}")
    talk(f"now: 1. replace real names and addresses in {folder}/samples")
    talk(f"     2. read and complete {folder}/parser.py and pack.toml")
    talk(f"     3. sentinel packs test --bless {folder}, and read what has changed; then sentinel packs test {folder}")


@verb.command("docs")
def docs(
    names: Annotated[list[str] | None, typer.Argument(help="Packs; nothing documents all that load.")] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say in Markdown what each pack reads and which fields it fills, as its samples prove it."""
    packs = application(config).packs
    unknown = sorted(set(names or ()) - set(packs.by_name))
    if unknown:
        raise UsageError(f"there is no pack {unknown[0]!r}; sentinel packs list names them")
    for pack in packs:
        if names and pack.name not in names:
            continue
        told = packdocs.told(pack)
        if json:
            emit({"schema": SCHEMA, **told.as_json()})
        else:
            typer.echo(packdocs.markdown(told))


@verb.command("test")
def prove(
    folders: Annotated[list[Path] | None, typer.Argument(help="Pack folders; nothing tests all that load.")] = None,
    bless: Annotated[bool, typer.Option("--bless", help="Write what the pack says today as expected.")] = False,
    config: ConfigOption = None,
) -> None:
    """Prove packs on their samples."""
    chosen = folders or [pack.folder for pack in application(config).packs]
    failed = 0
    for folder in chosen:
        if bless:
            for path in harness.bless(folder):
                talk(f"{path}: written; read it before you commit it")
        problems = harness.check(folder)
        for problem in problems:
            talk(str(problem), "red")
        failed += bool(problems)
    talk(f"{len(chosen) - failed} of {len(chosen)} packs keep their promises")
    if failed:
        raise typer.Exit(Exit.FINDING)
