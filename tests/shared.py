"""What all tests of a run share, in whichever process they run: made once, by the first that wants it."""

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import pbkdf2_hmac
from pathlib import Path
from secrets import token_bytes, token_hex

import trustme

from sentinel.store import es_keys

_FOLDER = "SENTINEL_TEST_SHARED"
_PROVING_MAX = 3
"""A store on a busy machine may not answer a proof in time."""
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
    for one in (folder / "node", folder / "secured/node"):
        if one.exists():
            subprocess.run([_NODE / "stop", one], timeout=60, check=False)
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


@dataclass(frozen=True)
class Secured:
    """A node with TLS and security: its address, its authority's file, and a folder with `user:password` files.

    There is an `admin`, and for each role of Sentinel's a user who may what its key may with the prefix `keyed`: the
    smallest server can make no API keys, for the index that it would keep them in wants analysers that it lacks.
    """

    url: str
    ca: Path
    keys: Path


def secured() -> Secured:
    """Return a second node, which wants to know who asks; started by the first test that wants one."""
    made = _once("secured", _start_secured)
    return Secured((made / "address").read_text(), made / "ca.crt", made / "keys")


def _start_secured(made: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    new = made.with_suffix(".new")
    folder, password = new / "node", token_hex(16)
    (folder / "config").mkdir(parents=True)
    new.chmod(0o755)
    (new / "keys").mkdir(mode=0o700)
    users = {"admin": "superuser", **{role: role for role in es_keys.ROLES}}
    for name in users:
        (new / "keys" / name).write_text(f"{name}:{password}")
        (new / "keys" / name).chmod(0o600)
    authority = trustme.CA()
    shown = authority.issue_cert("127.0.0.1")
    for path in (new / "ca.crt", folder / "config/ca.crt"):
        authority.cert_pem.write_to_path(str(path))
    shown.private_key_pem.write_to_path(str(folder / "config/http.key"))
    for part in shown.cert_chain_pems:
        part.write_to_path(str(folder / "config/http.crt"), append=True)
    # the form in which Elasticsearch keeps passwords: PBKDF2 with HMAC-SHA-512
    salt = token_bytes(32)
    derived = pbkdf2_hmac("sha512", password.encode(), salt, 10_000, 32)
    told = "$".join(("{PBKDF2}10000", *(b64encode(one).decode() for one in (salt, derived))))
    (folder / "config/users").write_text("".join(f"{name}:{told}\n" for name in users))
    (folder / "config/users_roles").write_text("".join(f"{role}:{name}\n" for name, role in users.items()))
    roles = (json.dumps(es_keys.wanted("keyed", role))[1:-1] for role in es_keys.ROLES)  # a line of JSON is YAML
    (folder / "config/roles.yml").write_text("".join(f"{one}\n" for one in roles))
    new.rename(made)
    words = [str(_NODE / "start"), str(port), str(made / "node")]
    environment = {**os.environ, "SENTINEL_ELASTICSEARCH_ADMIN": f"admin:{password}"}
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False, env=environment)
    if done.returncode:
        shutil.rmtree(made)
        raise RuntimeError(f"no secured Elasticsearch to test with: deploy/elasticsearch/start says\n{done.stderr}")
    (made / "address").write_text(done.stdout.split()[1])


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
        said = ""
        for _ in range(_PROVING_MAX):
            said = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False).stderr
            if (new / "proven.json").exists():
                new.rename(made)
                return
        raise RuntimeError(f"the shipped rules cannot be proven: {said}")

    made = _once("proven-elasticsearch" if elastic else "proven", prove)
    data.mkdir(mode=0o750, parents=True, exist_ok=True)
    for name in ("proven.json", "rules.kept"):
        if not (data / name).exists():
            shutil.copyfile(made / name, data / name)
