"""`sentinel packs`: what can be read, and the proof of it."""

from pathlib import Path
from typing import Annotated

import typer

from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, show, talk
from sentinel.core.errors import Exit
from sentinel.testing import packs as harness
from sentinel.ui import tables

EXAMPLE = """
sentinel packs list
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
