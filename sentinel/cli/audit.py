"""`sentinel audit`: who did what, and whether the log of it is what it was."""

import re
from collections import deque
from typing import Annotated

import typer

from sentinel.audit.chain import Anchor
from sentinel.cli.common import (
    SCHEMA,
    ConfigOption,
    JsonOption,
    LimitOption,
    application,
    emit,
    lasting,
    show,
    talk,
)
from sentinel.cli.who import operator
from sentinel.core.clock import iso
from sentinel.core.errors import Exit, UsageError
from sentinel.ui import tables

EXAMPLE = """
sentinel audit list --last 7d --who erika
sentinel audit list --what query --json
sentinel audit verify
sentinel audit anchor | mail -s 'Sentinel anchor' isb@city.example
sentinel audit verify --anchor 4711:9f2c…
"""

verb = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@verb.command("list")
def list_(  # noqa: PLR0913, PLR0917  an option each
    who: Annotated[str, typer.Option(help="Only this person's.")] = "",
    what: Annotated[str, typer.Option(help="Only such entries: query, alert, alert.close …")] = "",
    about: Annotated[
        str, typer.Option(help="Only those about this: an alert's id or the beginning of it, a path.")
    ] = "",
    last: Annotated[str, typer.Option(help="How far back: 36h, 30d, 8w; nothing: all.")] = "",
    limit: LimitOption = 200,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List who did what, latest first."""
    app = application(config)
    since = iso(app.clock.now() - lasting(last)) if last else ""
    wanted = (
        one
        for one in app.audit.entries()
        if (not who or one["who"] == who)
        and (not what or f"{one['what']}.".startswith(f"{what}."))
        and str(one["about"]).startswith(about)
        and str(one["at"]) >= since
    )
    found = list(deque(wanted, maxlen=limit))[::-1]
    if json:
        emit(*({"schema": SCHEMA, **one} for one in found))
    elif found:
        rows = (
            (one["number"], str(one["at"])[:19], one["who"], one["what"], one["about"], _details(one["details"]))
            for one in found
        )
        show(tables.plain_table(("entry", "at (UTC)", "who", "what", "about", "details"), rows))
    else:
        talk("no entries")


@verb.command()
def verify(
    anchor: Annotated[list[str] | None, typer.Option(help="An anchor kept elsewhere, NUMBER:HASH; repeatable.")] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say whether every entry is as it was written and none is missing. Ends with 1 if not, and names the first."""
    found = application(config).audit.examine(tuple(_anchor(one) for one in anchor or ()))
    if json:
        emit(
            {
                "schema": SCHEMA,
                "well": found.well,
                "entries": found.entries,
                "head": {"number": found.head.number, "hash": found.head.hash},
                "anchors": found.anchors,
                "torn_lines": found.torn,
                "problems": [{"line": one.line, "text": one.text} for one in found.problems],
            }
        )
    for line in found.torn:
        talk(f"line {line} was never finished; the entry behind it tells of it, and what it was for was not done")
    for problem in found.problems:
        talk(f"line {problem.line}: {problem.text}" if problem.line else problem.text, "red")
    verdict = "all as they were" if found.well else "NOT as they were"
    talk(f"{found.entries:,} entries, {found.anchors:,} anchors: {verdict}")
    if not found.well:
        raise typer.Exit(Exit.FINDING)


@verb.command()
def anchor(json: JsonOption = False, config: ConfigOption = None) -> None:
    """Keep how far the log has come, and print it: for a mail, a printer or a second host."""
    made = application(config).audit.anchor(operator())
    if json:
        emit({"schema": SCHEMA, "number": made.number, "hash": made.hash, "at": made.at})
    else:
        typer.echo(f"{made.number}:{made.hash} {made.at}")
        talk("keep this line elsewhere; later: sentinel audit verify --anchor NUMBER:HASH")


def _anchor(text: str) -> Anchor:
    found = re.fullmatch(r"([1-9]\d{0,15}):([0-9a-f]{64})(?: (\S+))?", text.strip())
    if not found:
        raise UsageError(f"no anchor: {text[:100]!r}; say NUMBER:HASH as `sentinel audit anchor` printed it")
    return Anchor(int(found[1]), found[2], found[3] or "elsewhere")


def _details(details: object) -> str:
    if not isinstance(details, dict):
        return ""
    return " ".join(
        f"{name}={', '.join(value) if isinstance(value, list) else value}" for name, value in details.items()
    )
