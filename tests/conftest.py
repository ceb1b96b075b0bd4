"""What every test may use: `--bless`, how many examples hypothesis draws, and a real Elasticsearch node."""

import json
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from tests import shared
from tests.notify.servers import MailServer, WebServer

# examples run beside other work on few cores: only what is wrong may fail, never what is slow
_PATIENT = [HealthCheck.too_slow]
settings.register_profile("dev", deadline=None, max_examples=100, suppress_health_check=_PATIENT)
settings.register_profile("ci", deadline=None, max_examples=100, suppress_health_check=_PATIENT, print_blob=True)
settings.register_profile("long", deadline=None, max_examples=20_000, suppress_health_check=_PATIENT, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

_LONG = ("elastic", "faults", "whole")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--bless`."""
    parser.addoption("--bless", action="store_true", help="write expectations anew; read them afterwards")


def pytest_configure(config: pytest.Config) -> None:
    """Begin what the processes of a run share."""
    if not hasattr(config, "workerinput"):
        shared.begin()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End it."""
    if not hasattr(config, "workerinput"):
        shared.end()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several processes, let the files of few long tests begin first: none is left when all others are through."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.path.parent.name not in _LONG)


@pytest.fixture
def blessing(request: pytest.FixtureRequest) -> bool:
    """Say whether expectations are to be written rather than compared."""
    return bool(request.config.getoption("--bless"))


# -- servers that notifications go to


@pytest.fixture
def mail_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., MailServer]]:
    """Return what makes a mail server; see `tests/notify/servers.py`."""
    monkeypatch.setenv("NO_PROXY", "*")
    made: list[MailServer] = []

    def make(**said: object) -> MailServer:
        made.append(MailServer(**said))  # type: ignore[arg-type]  # the server's own options
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def web_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """Return a web server; see `tests/notify/servers.py`."""
    monkeypatch.setenv("NO_PROXY", "*")
    server = WebServer()
    yield server
    server.close()


# -- Elasticsearch

_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="session")
def elastic_url() -> str:
    """Return the address of an Elasticsearch: the one SENTINEL_TEST_ELASTIC_URL names, else a node of this run's.

    A node that cannot be started fails the tests that want one: they are never skipped.
    """
    try:
        return shared.node()
    except RuntimeError as error:
        pytest.fail(str(error))


@pytest.fixture
def small_disk(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Return a folder on a file system of its own, of 8 MiB or as large as the test's parameter says."""
    size: str = getattr(request, "param", "8m")
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("needs root and mount for a small tmpfs")
    # not among pytest's folders: were this run killed, the next could not clear them away
    folder = Path(tempfile.mkdtemp(prefix="sentinel-small-disk-"))
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False
    )
    try:
        if done.returncode:
            pytest.skip(f"mount of a small tmpfs was refused: {done.stderr.decode().strip()}")
        yield folder
    finally:
        if not done.returncode:
            subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


@pytest.fixture
def elastic_prefix(elastic_url: str) -> Iterator[str]:
    """Return how the names of a test's indices may begin; they are gone when it ends."""
    prefix = f"t{uuid4().hex[:12]}"
    yield prefix
    doomed = []
    for what, column, kind in (("indices", "index", ""), ("templates", "name", "_index_template/")):
        asked = f"{elastic_url}/_cat/{what}/{prefix}*?h={column}&format=json"
        with _NO_PROXY.open(asked, timeout=60) as answer:
            doomed += [f"{kind}{one[column]}" for one in json.load(answer)]
    for path in doomed:
        request = urllib.request.Request(f"{elastic_url}/{path}", method="DELETE")  # noqa: S310  the node's own address
        with suppress(urllib.error.HTTPError):  # nothing was stored: there is no template
            _NO_PROXY.open(request, timeout=60).close()
