"""The pages of deploy/docs stay true: their configuration is accepted, their links lead somewhere, none is hidden."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from sentinel import config

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "deploy/docs").glob("*.md"))
README = ROOT / "README.md"
FENCED = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(block, id=f"{page.name} {number}")
    for page in (README, *PAGES)
    for number, block in enumerate(FENCED.findall(page.read_text("utf-8")), start=1)
]
ENTRANCES = [page for page in PAGES if FENCED.search(page.read_text("utf-8"))]


RSYSLOG = [
    pytest.param(block, id=f"{page.name} {number}")
    for page in PAGES
    for number, block in enumerate(
        re.findall(r"(?:^    .*\n|^\n(?=    ))+", page.read_text("utf-8"), re.MULTILINE), start=1
    )
    if re.search(r"^ +(module|action|global)\(", block, re.MULTILINE)
]


def named(page: Path) -> str:
    return page.name


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("block", BLOCKS)
def test_configuration_in_the_pages_is_accepted(block: str) -> None:
    assert config.parse(tomllib.loads(block)).sources


@pytest.mark.parametrize("block", RSYSLOG)
def test_rsyslog_understands_what_the_pages_tell_it(block: str, tmp_path: Path) -> None:
    rsyslogd = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin")
    if rsyslogd is None:
        pytest.skip("rsyslog is not installed")
    (tmp_path / "any.pem").touch()  # only that it is there is looked at
    config = tmp_path / "page.conf"
    told = re.sub(r'"/etc/[^"]*"', f'"{tmp_path}/any.pem"', block)
    config.write_text(f'{told}\naction(type="omfile" file="/dev/null")\n')
    done = subprocess.run([rsyslogd, "-N1", "-f", str(config)], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr, done.stderr


@pytest.mark.parametrize("page", [README, *PAGES], ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        to = (page.parent / path) if path else page
        assert to.exists(), target
        assert not anchor or anchor in anchors(to), target


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_page_is_found_from_the_readme(page: Path) -> None:
    assert f"deploy/docs/{page.name}" in README.read_text("utf-8")


@pytest.mark.parametrize("page", ENTRANCES, ids=named)
def test_a_page_says_what_may_be_relied_on_and_what_doctor_looks_at(page: Path) -> None:
    text = page.read_text("utf-8")
    assert re.search(r"^\*\*What ((a sender|a source) may rely|may be relied) on\.\*\* ", text, re.MULTILINE)
    assert "`sentinel doctor`" in " ".join(text.split())
