"""`sentinel rules coverage`: which rules can fire on what is being sent."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import orjson
import typer

from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, show, talk
from sentinel.detect.attack import VERSION, standing
from sentinel.detect.coverage import Reach, layer
from sentinel.detect.coverage import coverage as reached
from sentinel.surveys import active
from sentinel.ui import tables

REASONS_SHOWN = 40


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
    arriving, problem = active(app)
    if problem:
        talk(f"what has been stored cannot be seen, only configured packs count: {problem}", "yellow")
    found = reached(rules.detections, app.supplied, arriving)
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
    covered = {technique.id for one in found if one.by for technique in standing(one.detection.attack)}
    talk(
        f"{len(found)} rules load, {len(rules.refused)} are refused; "
        f"{able} can fire on what is being sent, {len(found) - able} cannot; "
        f"they raise {len(covered)} techniques of ATT&CK {VERSION}"
    )


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
