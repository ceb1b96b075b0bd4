"""Packs written to a folder of the test's own, and entries to feed them with."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sentinel.core.event import Entry, Origin, Raw

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MANIFEST = """
title = "A pack of the test"
dataset = "{name}.log"
reference = "https://example.org/{name}"
"""
MakePack = Callable[..., Path]
MakeEntry = Callable[..., Entry]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "packs"
    path.mkdir(mode=0o755)
    return path


@pytest.fixture
def make_pack(folder: Path) -> MakePack:
    def make(name: str, body: str = "yield {'message': 'read'}", toml: str = "", manifest: str | None = None) -> Path:
        pack = folder / name
        pack.mkdir(mode=0o755)
        text = MANIFEST.format(name=name) if manifest is None else manifest
        (pack / "pack.toml").write_text(text + toml, "utf-8")
        lines = "\n".join("    " + line for line in body.splitlines())
        code = f"from sentinel.pack import Fields, ParseError, Raw, syslog\n\ndef parse(raw):\n{lines}\n"
        (pack / "parser.py").write_text(code, "utf-8")
        for path in (pack / "pack.toml", pack / "parser.py"):
            path.chmod(0o644)
        return pack

    return make


@pytest.fixture
def make_entry() -> MakeEntry:
    def make(body: bytes | str, seq: int = 1, source: str = "test", origin: Origin | None = None) -> Entry:
        data = body.encode() if isinstance(body, str) else body
        return Entry(seq, NOW, Raw(data, source, NOW, origin or Origin("syslog-udp", "192.0.2.7:514")))

    return make
