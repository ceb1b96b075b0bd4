"""`pip install .` into an empty place gives a working sentinel with its packs and rules."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINE = b"Nov 23 09:00:00 srv sshd[7]: Failed password for root from 203.0.113.66 port 40000 ssh2\n"


def test_the_wheel_carries_packs_and_rules_and_works(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    (site,) = (tmp_path / "venv/lib").glob("python*/site-packages")
    with zipfile.ZipFile(wheel) as package:
        package.extractall(site)
    # the locked libraries are taken from this environment: what is tried is our wheel, not the network
    (libraries,) = {path for path in sys.path if path.endswith("site-packages")}
    (site / "libraries.pth").write_text("\n".join(str(path) for path in [libraries]) + "\n", "utf-8")
    # as an installed one it keeps its modules compiled
    left_out = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    python = tmp_path / "venv/bin/python"

    def sentinel(*words: str, given: bytes = b"") -> bytes:
        command = [str(python), "-m", "sentinel", *words]
        return subprocess.run(
            command, input=given, check=True, capture_output=True, cwd=tmp_path, env=environment
        ).stdout

    where = subprocess.run(
        [str(python), "-c", "import sentinel; print(sentinel.__file__)"],
        check=True, capture_output=True, text=True, cwd=tmp_path, env=environment,
    ).stdout  # fmt: skip
    assert str(tmp_path) in where
    event = json.loads(sentinel("parse", "--json", given=LINE))
    assert event["event.dataset"] == "sshd.log"
    assert event["source.ip"] == "203.0.113.66"
    packs = [json.loads(line) for line in sentinel("packs", "list", "--json").splitlines()]
    assert {pack["name"] for pack in packs} >= {"sshd", "fortigate", "pfsense", "postfix", "windows", "sensor"}
    assert all(str(tmp_path) in pack["folder"] for pack in packs)
    rules = [json.loads(line) for line in sentinel("rules", "list", "--json").splitlines()]
    assert len(rules) >= 12
