"""`sentinel replay`: records that were written down come in again, as themselves."""

import base64
import binascii
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer

from sentinel.cli.common import ConfigOption, application, recorded, talk
from sentinel.core.errors import Exit, UsageError
from sentinel.core.event import Origin, Raw

EXAMPLE = """
sentinel spool cat --json > records.jsonl
sentinel replay records.jsonl
"""
BATCH = 1000

verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="Files that `sentinel spool cat --json` or `tap --json` wrote.")],
    config: ConfigOption = None,
) -> None:
    """Bring records in again; those that are stored already stay stored once."""
    total = 0
    unusable = 0
    app = application(config)
    with recorded(app, "replay", files=tuple(map(str, files))), app.spool() as spool:
        for path in files:
            batch: list[Raw] = []
            for number, found in _records(path):
                if isinstance(found, str):
                    talk(f"{path}:{number}: {found}", "red")
                    unusable += 1
                    continue
                batch.append(found)
                if len(batch) >= BATCH:
                    spool.put(batch)
                    total += len(batch)
                    batch = []
            if batch:
                spool.put(batch)
                total += len(batch)
    talk(f"{total:,} records are in the spool again" + (f"; {unusable} lines could not be used" if unusable else ""))
    if unusable:
        raise typer.Exit(Exit.PARTIAL)


def _records(path: Path) -> Iterator[tuple[int, Raw | str]]:
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, _record(line)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def _record(line: bytes) -> Raw | str:
    try:
        shape = orjson.loads(line)
        return Raw(
            body=base64.b64decode(shape["body_base64"], validate=True),
            source=str(shape["source"]),
            received=datetime.fromisoformat(shape["received"]),
            origin=Origin(**{name: str(value) for name, value in shape["origin"].items()}),
        )
    except (KeyError, TypeError, AttributeError, ValueError, binascii.Error) as error:
        return f"not a record that `sentinel spool cat --json` wrote ({type(error).__name__}: {error})"
