"""`sentinel rules`: what is judged, what is refused and why, the proof of each rule, and living with them."""

import typer

from sentinel.cli.rules import backtest, checking, coverage, diff, exceptions, explain, learning, new, proving, stats

EXAMPLE = """
sentinel rules list
sentinel rules check /etc/sentinel/rules
sentinel rules test /etc/sentinel/rules
sentinel rules prove
sentinel rules learning
sentinel rules coverage sigma/rules --layer coverage.json
sentinel rules except ssh_bruteforce --from 3f2a --field source.ip --reason 'scan, ticket 4711' --until 14d
sentinel rules backtest draft.yml --last 30d
sentinel rules explain ssh_root_from_outside 4be0643f1d98573b97cdca98a65347dd
sentinel rules new anna_in --from 'event.dataset:sshd.log and user.name:anna last 7d' --attack T1078
sentinel rules diff /etc/sentinel/rules new-rules --last 7d
"""

verb = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)
verb.command("list")(checking.list_)
verb.command("check")(checking.check)
verb.command("test")(checking.prove)
verb.command("prove")(proving.prove)
verb.command("coverage")(coverage.coverage)
verb.command("learning")(learning.learning)
verb.command("except")(exceptions.except_)
verb.command("exceptions")(exceptions.exceptions)
verb.command("stats")(stats.stats)
verb.command("new")(new.new)
verb.command("backtest")(backtest.backtest)
verb.command("explain")(explain.explain)
verb.command("diff")(diff.diff)
