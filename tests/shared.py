"""What all tests of a run share, in whichever process they run: made once, by the first that wants it."""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

_FOLDER = "SENTINEL_TEST_SHARED"
_NODE = Path(__file__).parents[1] / "deploy" / "elasticsearch"


def begin() -> None:
    """Make the folder of a run; the processes that the run begins find it in their environment."""
    # a node runs as nobody: what lies above it is open to everybody
    folder = Path(tempfile.mkdtemp(prefix="sentinel-tests-"))
    folder.chmod(0o755)
    os.environ[_FOLDER] = str(folder)


def end() -> None:
    """Stop the node, if there is one, and take the folder away."""
    folder = Path(os.environ.pop(_FOLDER))
    if (folder / "node").exists():
        subprocess.run([_NODE / "stop", folder / "node"], timeout=60, check=False)
    shutil.rmtree(folder, ignore_errors=True)


def _once(name: str, make: Callable[[Path], None]) -> Path:
    # the first who asks makes what is called `name`, the others wait for it
    path = Path(os.environ[_FOLDER]) / name
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            make(path)
    return path


def node() -> str:
    """Return the address of a real Elasticsearch; raises RuntimeError if none can be started."""
    given = os.environ.get("SENTINEL_TEST_ELASTIC_URL")
    return given.rstrip("/") if given else _once("address", _start_node).read_text()


def _start_node(address: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    words = [str(_NODE / "start"), str(port), str(address.parent / "node")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise RuntimeError(f"no Elasticsearch to test with: deploy/elasticsearch/start says\n{done.stderr}")
    address.write_text(done.stdout.split()[1])


def known(data: Path, url: str = "") -> None:
    """Let the Sentinel whose data are to lie in `data` know the shipped rules as read and proven.

    `url` is the Elasticsearch that it stores in, if it does; the proofs count for the node itself, not behind a door.
    """
    elastic = bool(url) and url == node()
    store = f'[store]\nkind = "elasticsearch"\nurl = "{url}"\nprefix = "shared"\n' if elastic else ""

    def prove(made: Path) -> None:
        config, new = made.with_suffix(".toml"), made.with_suffix(".new")
        new.mkdir(mode=0o750)
        config.write_text(f'data = "{new}"\n{store}')
        # what cannot be proven is the matter of tests/detect/test_proof.py
        words = [sys.executable, "-m", "sentinel", "rules", "prove", "--config", str(config)]
        subprocess.run(words, capture_output=True, timeout=600, check=False)
        new.rename(made)

    made = _once("proven-elasticsearch" if elastic else "proven", prove)
    data.mkdir(mode=0o750, parents=True, exist_ok=True)
    for name in ("proven.json", "rules.kept"):
        if not (data / name).exists():
            shutil.copyfile(made / name, data / name)
