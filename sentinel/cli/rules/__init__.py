"""`sentinel rules`: what is judged, what is refused and why, the proof of each rule, and living with them."""

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

EXAMPLE = """
sentinel rules list
sentinel rules check /etc/sentinel/rules
sentinel rules test /etc/sentinel/rules
sentinel rules prove
sentinel rules learning
sentinel rules starter
sentinel rules on vpn_many_addresses --reason 'second factor comes in spring'
sentinel rules fetch sigma_all_rules.zip
sentinel rules coverage sigma/rules --layer coverage.json
sentinel rules except ssh_bruteforce --from 3f2a --field source.ip --reason 'scan, ticket 4711' --until 14d
sentinel rules backtest draft.yml --last 30d
sentinel rules explain ssh_root_from_outside 4be0643f1d98573b97cdca98a65347dd
sentinel rules new anna_in --from 'event.dataset:sshd.log and user.name:anna last 7d' --attack T1078
sentinel rules diff /etc/sentinel/rules new-rules --last 7d
"""

COMMANDS = {
    "list": "checking.list_",
    "check": "checking.check",
    "test": "checking.prove",
    "prove": "proving.prove",
    "coverage": "coverage.coverage",
    "learning": "learning.learning",
    "except": "exceptions.except_",
    "exceptions": "exceptions.exceptions",
    "stats": "stats.stats",
    "new": "new.new",
    "backtest": "backtest.backtest",
    "explain": "explain.explain",
    "starter": "choosing.starter",
    "on": "choosing.on",
    "off": "choosing.off",
    "fetch": "fetching.fetch_",
    "diff": "diff.diff",
}
"""Every command and the module and function that it is; the module is loaded when it is called."""


class _Commands(TyperGroup):
    def list_commands(self, ctx: object) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: object, cmd_name: str) -> Any:  # noqa: ANN401  typer keeps its click to itself
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _dot, function = COMMANDS[cmd_name].partition(".")
        one = typer.Typer(add_completion=False, rich_markup_mode=None)
        one.command(cmd_name)(getattr(importlib.import_module(f"{__name__}.{module}"), function))
        return typer.main.get_command(one)


verb = typer.Typer(cls=_Commands, add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@verb.callback()
def _root() -> None:
    pass
