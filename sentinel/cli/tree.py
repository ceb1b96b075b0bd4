"""The command line as typer has it: a verb's module is loaded when the verb is called."""

import importlib
import os
from typing import Any

import typer
from typer.core import TyperGroup

from sentinel.cli import VERBS


class _Verbs(TyperGroup):
    def list_commands(self, ctx: object) -> list[str]:
        del ctx
        return list(VERBS)

    def get_command(self, ctx: object, cmd_name: str) -> Any:  # noqa: ANN401  typer keeps its click to itself
        del ctx
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"sentinel.cli.{'import_' if cmd_name == 'import' else cmd_name}")
        verb: typer.Typer = module.verb
        command = typer.main.get_command(verb)
        command.name = cmd_name
        command.help = f"{VERBS[cmd_name]}\n\n{_example(module.EXAMPLE)}"
        command.short_help = VERBS[cmd_name]
        return command

    def format_commands(self, ctx: object, formatter: Any) -> None:  # noqa: ANN401  as above
        # without loading a single verb
        del ctx
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


def _example(text: str) -> str:
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in text.strip().splitlines())


app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Sentinel: a SIEM that a city's own small security team can run.",
    epilog="Exit codes: 0 ok, 1 finding, 2 usage, 3 configuration, 4 store, 5 permission, 6 partial, 70 internal.",
)


@app.callback()
def _root(
    no_color: bool = typer.Option(False, "--no-color", help="No colours; as NO_COLOR=1."),
    version: bool = typer.Option(False, "--version", help="Print the version and end."),
) -> None:
    if no_color:
        os.environ["NO_COLOR"] = "1"
    if version:
        from sentinel import __version__

        typer.echo(__version__)
        raise typer.Exit
