"""What starts Sentinel as a service (systemd, compose) keeps what it promises, and begins what there is to begin."""

import os
import re
import shlex
import shutil
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from sentinel.config import load

DEPLOY = Path(__file__).parents[2] / "deploy"
ROLES = ("all", "collect", "detect", "sensor")
EXPOSURE_MAX = 20
"""Tenths: 2.0 or better."""
_ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(_ANALYZE is None, reason="systemd-analyze is not here: apt-get install systemd")


def begun(command: list[str]) -> None:
    """Have our own command line read a command without doing it; raises what it would be refused with."""
    name, *words = command
    get_command(import_module(f"sentinel.cli.{name}").verb).make_context(name, words)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Return a root with the units, each beginning a program that is there."""
    folder = tmp_path / "etc/systemd/system"
    shutil.copytree(DEPLOY / "systemd", folder)
    for unit in folder.glob("*.service"):
        unit.write_text(unit.read_text().replace("/opt/sentinel/bin/sentinel", "/bin/true"))
    return tmp_path


def analyzed(*words: str, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, **({"SYSTEMD_UNIT_PATH": f"{folder}:"} if folder else {})}
    return subprocess.run([str(_ANALYZE), *words], capture_output=True, text=True, env=environment, check=False)


@needs_systemd
@pytest.mark.parametrize("role", ROLES)
def test_a_service_is_exposed_no_more_than_it_must(units: Path, role: str) -> None:
    words = ("--offline=true", f"--threshold={EXPOSURE_MAX}", f"--root={units}", f"sentinel-{role}.service")
    done = analyzed("security", "--no-pager", *words)
    assert done.returncode == 0, done.stdout
    assert f"sentinel-{role}.service" in done.stdout


@needs_systemd
def test_systemd_understands_every_line_of_the_units(units: Path) -> None:
    folder = units / "etc/systemd/system"
    done = analyzed("verify", "--man=no", *map(str, folder.glob("*.service")), folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    (folder / "sentinel-.service.d/walls.conf").write_text("[Service]\nNoSuchWall=yes\n")
    assert "NoSuchWall" in analyzed("verify", "--man=no", str(folder / "sentinel-all.service"), folder=folder).stderr


@pytest.mark.parametrize("role", ROLES)
def test_a_unit_begins_its_role_as_a_user_of_its_own_that_is_made(role: str) -> None:
    unit = (DEPLOY / f"systemd/sentinel-{role}.service").read_text()
    (command,) = re.findall(r"^ExecStart=/opt/sentinel/bin/sentinel (.+)$", unit, re.MULTILINE)
    words = shlex.split(command)
    assert words[:3] == ["run", "--role", role]
    begun(words)
    assert f"User=sentinel-{role}\n" in unit
    assert f"\nu sentinel-{role} " in (DEPLOY / "sysusers.d/sentinel.conf").read_text()


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yml").read_text())
    return found


def test_every_container_of_sentinels_may_write_nothing_but_its_data_and_has_no_rights(compose: dict[str, Any]) -> None:
    ours = {name: one for name, one in compose["services"].items() if one["image"].startswith("sentinel:")}
    assert set(ours) == {"keys", "collector", "detector"}
    for name, one in ours.items():
        assert one["read_only"] is True, name
        assert one["user"] == "1000:1000", name
        assert len(one["tmpfs"]) == 1, name
    for name, one in compose["services"].items():
        assert one["cap_drop"] == ["ALL"], name
        assert "cap_add" not in one, name
        assert "privileged" not in one, name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert re.search(r":\d+\.\d+\.\d+$", one["image"]), name


def test_every_container_waits_for_what_it_needs_and_says_how_it_fares(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, one in services.items():
        for needed, how in one.get("depends_on", {}).items():
            once = "restart" not in services[needed]
            assert how["condition"] == ("service_completed_successfully" if once else "service_healthy"), (name, needed)
        assert ("healthcheck" in one) == ("restart" in one), name
    assert {one["command"][-1] for one in services.values() if "command" in one} == {"collect", "detect"}
    for name in ("collector", "detector"):
        begun(services[name]["command"])
        assert services[name]["healthcheck"]["test"] == ["CMD", "sentinel", "health"]
    begun(["health"])


def test_what_a_container_mounts_is_declared_and_its_configuration_is_right(compose: dict[str, Any]) -> None:
    for one in compose["services"].values():
        for mount in one.get("volumes", []):
            assert mount.partition(":")[0] in compose["volumes"], mount
        assert set(one.get("secrets", [])) <= set(compose["secrets"])
        assert set(one.get("networks", [])) <= set(compose["networks"])
    for config in compose["configs"].values():
        path = DEPLOY / config["file"]
        assert load(path).store.kind == "elasticsearch"
        urls = [tomllib.loads(path.read_text())["store"]["url"], *load(path).store.other_urls]
        assert urls == [f"https://{name}:9200" for name in compose["services"] if name.startswith("es")]
