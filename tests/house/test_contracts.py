"""Every import contract bites: broken on purpose in a copy, it fails by its name."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
BREAKS = {
    "stages are layers and siblings never meet": ("sentinel/parse/route.py", "import sentinel.store"),
    "core and pack know no third party but RE2": ("sentinel/core/clock.py", "import orjson"),
    "RE2 has one door": ("sentinel/respond/language.py", "import re2"),
    "Elasticsearch has one door": ("sentinel/respond/search.py", "import elasticsearch"),
    "Sigma has one door": ("sentinel/detect/runner.py", "import sigma"),
    "pyshark has one door": ("sentinel/sense/sensor.py", "import pyshark"),
    "APScheduler has one door": ("sentinel/detect/runner.py", "import apscheduler"),
    "DuckDB has one door": ("sentinel/respond/search.py", "import duckdb"),
    "Aho-Corasick has one door": ("sentinel/parse/indicators.py", "import ahocorasick_rs"),
    "MaxMind has one door": ("sentinel/parse/enrich.py", "import maxminddb"),
    "DataSketches has one door": ("sentinel/sense/judge.py", "import datasketches"),
    "the Public Suffix List has one door": ("sentinel/sense/sensor.py", "import publicsuffixlist"),
    "Textual has one door": ("sentinel/ui/live.py", "import textual"),
    "apprise has one door": ("sentinel/notify/sender.py", "import apprise"),
    "packs are loaded, never imported": ("sentinel/app.py", "import parsers"),
    "the screens reach stored things only through respond": ("sentinel/ui/live.py", "import sentinel.store"),
}


def lint(folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env={"PYTHONPATH": "."})


def copied(folder: Path) -> Path:
    shutil.copytree(ROOT / "sentinel", folder / "sentinel", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "parsers").mkdir()
    (folder / "parsers/__init__.py").write_text('"""A stand-in."""\n')
    return folder


def test_every_contract_is_broken_once_below() -> None:
    assert {contract["name"] for contract in CONTRACTS} == set(BREAKS)


def test_every_contract_bites(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    for module, line in BREAKS.values():
        path = folder / module
        path.write_text(f"{path.read_text('utf-8')}\n{line}\n", "utf-8")
    done = lint(folder)
    assert done.returncode == 1, done.stdout + done.stderr
    _, *said = re.split(r"^(.+)\n-+$", done.stdout.partition("Broken contracts")[2], flags=re.MULTILINE)
    found = dict(zip(said[::2], said[1::2], strict=True))
    assert found.keys() == BREAKS.keys()
    for name, (module, line) in BREAKS.items():
        importer = module.removesuffix(".py").replace("/", ".")
        assert f"{importer} -> {line.removeprefix('import ')} (" in found[name]


def test_a_folder_without_a_place_fails(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "sentinel/misc").mkdir()
    (folder / "sentinel/misc/__init__.py").write_text('"""Nowhere."""\n')
    assert lint(folder).returncode == 1
