"""The node for tests is fetched once, says what it lacks, and the store outlives its death."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sentinel.core.event import Event
from sentinel.store.elastic import ElasticStore
from sentinel.store.es_bulk import Patience

NODE = Path(__file__).parents[2] / "deploy" / "elasticsearch"


@pytest.fixture
def few_programs(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Return what makes an environment whose PATH holds only what is named."""

    def maker(*names: str) -> dict[str, str]:
        folder = tmp_path / "bin"
        folder.mkdir()
        for name in names:
            found = shutil.which(name)
            assert found is not None
            (folder / name).symlink_to(found)
        return {**os.environ, "PATH": str(folder)}

    return maker


SH = ("sh", "id", "dirname", "readlink", "mkdir", "mktemp", "rm", "cat")


def test_what_has_been_fetched_is_not_fetched_again(few_programs: Callable[..., dict[str, str]]) -> None:
    first = subprocess.run([NODE / "provision"], capture_output=True, text=True, timeout=600, check=True)
    # without Maven and Java there is nothing to fetch it with
    again = subprocess.run(
        [NODE / "provision"], env=few_programs(*SH), capture_output=True, text=True, timeout=60, check=True
    )
    assert again.stdout == first.stdout
    home = Path(first.stdout.strip())
    assert (home / "bin" / "elasticsearch").stat().st_mode & 0o005 == 0o005
    assert not home.is_relative_to(NODE.parents[1])


@pytest.mark.parametrize(("programs", "missing"), [((), "java"), (("java",), "mvn")])
def test_what_is_missing_is_named_with_its_packages(
    few_programs: Callable[..., dict[str, str]], tmp_path: Path, programs: tuple[str, ...], missing: str
) -> None:
    environment = few_programs(*SH, *programs)
    environment["SENTINEL_ELASTICSEARCH_HOME"] = str(tmp_path / "nothing-here-yet")
    done = subprocess.run(
        [NODE / "provision"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3
    assert f"{missing} is missing" in done.stderr
    assert "openjdk-17-jre-headless maven" in done.stderr


@pytest.fixture
def own_node() -> Iterator[tuple[str, Path]]:
    """Start a node that may be killed; return its address and its folder."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="sentinel-elastic-"))
    folder.chmod(0o755)
    try:
        yield start(port, folder / "node"), folder / "node"
    finally:
        subprocess.run([NODE / "stop", folder / "node"], timeout=60, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def start(port: int, folder: Path) -> str:
    done = subprocess.run([NODE / "start", str(port), folder], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    pid, url = done.stdout.split()
    assert Path(f"/proc/{pid}").exists()
    return url


@pytest.mark.elastic
@pytest.mark.kill
def test_a_node_killed_amid_appends_loses_and_doubles_nothing(
    own_node: tuple[str, Path], make: Callable[..., Event]
) -> None:
    url, folder = own_node
    store = ElasticStore(url, timeout_seconds=20, patience=Patience(attempts=1_000, base_seconds=0.1, cap_seconds=0.5))
    acknowledged: list[int] = []
    failures: list[BaseException] = []
    resumed = threading.Event()

    def writer() -> None:
        try:
            number = 0
            after = 0
            while after < 20:
                batch = [make(number + n, {"message": f"line {number + n}"}) for n in range(1, 301)]
                done = store.append(batch)
                assert (done.stored + done.duplicates, done.rejected) == (300, ())
                number += 300
                acknowledged.append(number)
                after += resumed.is_set()
        except BaseException as error:  # noqa: BLE001  shown by the main thread
            failures.append(error)

    thread = threading.Thread(target=writer)
    thread.start()
    while len(acknowledged) < 10 and not failures:
        time.sleep(0.01)
    pid = int((folder / "es.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        time.sleep(0.05)
    before = len(acknowledged)
    assert thread.is_alive()  # it waits for the node to come back
    assert start(int(url.rsplit(":", 1)[1]), folder) == url
    resumed.set()
    thread.join(timeout=120)
    assert not thread.is_alive()
    assert not failures
    assert len(acknowledged) > before
    stored = [event.seq for event in store.since(0, 1 << 40, 1 << 20)]
    assert stored == list(range(1, acknowledged[-1] + 1))
    store.close()


@pytest.mark.elastic
def test_stopping_a_node_twice_is_well_and_starting_it_twice_is_refused(own_node: tuple[str, Path]) -> None:
    url, folder = own_node
    port = url.rsplit(":", 1)[1]
    again = subprocess.run([NODE / "start", port, folder], capture_output=True, text=True, timeout=60, check=False)
    assert again.returncode == 1
    assert "running" in again.stderr
    for _ in range(2):
        subprocess.run([NODE / "stop", folder], timeout=60, check=True)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(port))) != 0
