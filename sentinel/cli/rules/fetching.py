"""`sentinel rules fetch`: takes SigmaHQ's rules, offline; what was changed here stays."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from sentinel.app import App
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, recorded, show, talk
from sentinel.core.errors import Exit
from sentinel.detect.fetched import LICENCE, fetch
from sentinel.detect.merging import LOCAL, Merged
from sentinel.ui import tables

WORDS = {
    "changed here": "you changed it: yours stays",
    "changed by both": "you changed it and so did upstream: yours stays, compare them",
    "yours": "is yours alone: it stays",
    "gone upstream": "you changed it, upstream has it no more: yours stays",
    "removed here": "you removed it: it stays away",
}


def fetch_(
    path: Annotated[Path, typer.Argument(help="A checkout of SigmaHQ/sigma, or a release of it as zip or tar.")],
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Take the rules of a SigmaHQ checkout or release into the data folder. Nothing is fetched from the network.

    A second time it updates them: what you changed, added or removed there stays and is told. Which of them are on
    says `sentinel rules starter`. Ends with 1 if upstream changed what you changed too, or an exception lost its rule.
    """
    app = application(config)
    with recorded(app, "rules.fetch", str(path)):
        found = fetch(app.config.fetched_dir, path, app.clock.now())
    lost = _lost(app)
    if json:
        counted = Counter(fate for _, fate in found.fates)
        told = [{"path": one, "fate": fate} for one, fate in found.fates if fate in LOCAL]
        emit({"schema": SCHEMA, "rules": len(found.files), "fates": counted, "here": told, "lost_exceptions": lost})
    else:
        _shown(app, found, lost)
    if lost or any(fate in {"changed by both", "gone upstream"} for _, fate in found.fates):
        raise typer.Exit(Exit.FINDING)


def _shown(app: App, found: Merged, lost: list[str]) -> None:
    counted = Counter(fate for _, fate in found.fates)
    show(tables.plain_table(("rules", "since the last time"), [(n, fate) for fate, n in counted.most_common()]))
    for path, fate in found.fates:
        if fate in LOCAL:
            talk(f"{path}: {WORDS[fate]}", "yellow")
    for one in lost:
        talk(one, "red")
    talk(f"{len(found.files):,} rules lie in {app.config.fetched_dir}; {LICENCE}")
    talk("their authors are named on every alert; which of them are on: sentinel rules starter")


def _lost(app: App) -> list[str]:
    # exceptions to rules that are not there any more
    return [str(one) for one in app.rules.refused if "which is no rule about single events here" in one.reason]
