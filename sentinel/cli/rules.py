"""`sentinel rules`: what is judged, what is refused and why, and the proof of each rule."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import orjson
import typer

from sentinel.app import App
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, show, talk
from sentinel.core.content import content
from sentinel.core.errors import Exit, StoreError
from sentinel.core.ports import Span
from sentinel.core.where import Exists
from sentinel.detect.coverage import Reach, layer
from sentinel.detect.coverage import coverage as reached
from sentinel.testing import rules as harness
from sentinel.ui import tables

EXAMPLE = """
sentinel rules list
sentinel rules check /etc/sentinel/rules
sentinel rules test /etc/sentinel/rules
sentinel rules coverage sigma/rules --layer coverage.json
"""
ACTIVE = timedelta(days=1)
DATASETS_MAX = 10_000
REASONS_SHOWN = 40

verb = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@verb.command("list")
def list_(json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the rules that are on."""
    rules = application(config).rules
    if json:
        emit(
            *(
                {
                    "schema": SCHEMA,
                    "id": one.id,
                    "title": one.title,
                    "level": one.level,
                    "attack": one.attack,
                    "author": one.author,
                    "path": one.path,
                    "version": one.version,
                }
                for one in rules.detections
            )
        )
    else:
        show(tables.rules_table(rules.detections))
    if rules.refused:
        talk(f"{len(rules.refused)} rules are refused: sentinel rules check says why", "yellow")


@verb.command()
def check(
    paths: Annotated[list[Path] | None, typer.Argument(help="Rule files or folders; nothing: all configured.")] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say which rules load and which are refused, with path and reason. Ends with 1 if any is."""
    app = application(config)
    rules = app.rules_in(paths) if paths else app.rules
    if json:
        emit(*({"schema": SCHEMA, "path": one.path, "reason": one.reason} for one in rules.refused))
    for one in rules.refused:
        talk(f"{one.path}: {one.reason}", "red")
    reasons = Counter(one.reason.split(":")[0] for one in rules.refused)
    if len(reasons) > 1 and not json:
        show(tables.plain_table(("rules", "refused because"), [(n, reason) for reason, n in reasons.most_common()]))
    talk(f"{len(rules.detections)} rules load, {len(rules.refused)} are refused")
    if rules.refused:
        raise typer.Exit(Exit.FINDING)


@verb.command("test")
def prove(
    paths: Annotated[list[Path] | None, typer.Argument(help="Rule files or folders; nothing: all shipped.")] = None,
    config: ConfigOption = None,
) -> None:
    """Prove rules on the events beside them: x.fires.jsonl must raise the rule, x.quiet.jsonl must not."""
    app = application(config)
    files = sorted(harness.rule_files(paths or [content("rules")]))
    failed = 0
    for path in files:
        problems = harness.check(path, app.supplied)
        for problem in problems:
            talk(str(problem), "red")
        failed += bool(problems)
    talk(f"{len(files) - failed} of {len(files)} rules keep their promises")
    if failed:
        raise typer.Exit(Exit.FINDING)


@verb.command()
def coverage(
    paths: Annotated[list[Path] | None, typer.Argument(help="Rule files or folders; nothing: all configured.")] = None,
    json: JsonOption = False,
    layer_file: Annotated[Path | None, typer.Option("--layer", help="Write a layer for ATT&CK Navigator.")] = None,
    config: ConfigOption = None,
) -> None:
    """Say which rules can fire on what is being sent, and what the others lack.

    A log counts as sent if a source is configured with its pack, or an event of it was stored within a day.
    """
    app = application(config)
    rules = app.rules_in(paths) if paths else app.rules
    found = reached(rules.detections, app.supplied, _active(app))
    if layer_file is not None:
        name = f"Sentinel: {', '.join(map(str, paths or ())) or 'all rules'}"
        layer_file.write_bytes(orjson.dumps(layer(found, name), option=orjson.OPT_INDENT_2))
    if json:
        emit(
            *(_reach(one) for one in found),
            *({"schema": SCHEMA, "state": "refused", "path": one.path, "reason": one.reason} for one in rules.refused),
        )
    else:
        _reasons("refused because", (one.reason for one in rules.refused))
        _reasons("can never fire here because", (one.lacks for one in found if not one.by))
        _reasons("can fire on", (name for one in found for name in one.by))
    able = sum(bool(one.by) for one in found)
    talk(
        f"{len(found)} rules load, {len(rules.refused)} are refused; "
        f"{able} can fire on what is being sent, {len(found) - able} cannot"
    )


def _active(app: App) -> frozenset[str]:
    """Return the data sets that are being sent; what the store cannot tell is told and left out."""
    from sentinel.testing.packs import supplied

    packs = (app.packs.hinted(source.pack) for source in app.config.sources if source.pack)
    active = set(supplied(pack for pack in packs if pack is not None))
    now = app.clock.now()
    try:
        with app.reading() as store:
            rows = store.tally(
                Exists("event.dataset"), Span(now - ACTIVE, now, "ingested"), ["event.dataset"], DATASETS_MAX
            )
    except StoreError as error:
        talk(f"what has been stored cannot be seen, only configured packs count: {error}", "yellow")
    else:
        active.update(str(name) for (name,), _ in rows)
    return frozenset(active)


def _reach(one: Reach) -> dict[str, object]:
    detection = one.detection
    said = {"schema": SCHEMA, "state": "fires" if one.by else "never", "path": detection.path, "id": detection.id}
    return {**said, "title": detection.title, "attack": detection.attack, "by": one.by, "reason": one.lacks}


def _reasons(title: str, reasons: Iterable[str]) -> None:
    counted = Counter(reasons)
    if not counted:
        return
    rows = [(str(number), reason) for reason, number in counted.most_common(REASONS_SHOWN)]
    if len(counted) > REASONS_SHOWN:
        rest = counted.total() - sum(int(number) for number, _ in rows)
        rows.append((str(rest), f"{len(counted) - REASONS_SHOWN} other reasons: --json lists each"))
    show(tables.plain_table(("rules", title), rows))
