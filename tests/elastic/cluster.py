"""Three real Elasticsearch nodes that elect a master; each can be killed, frozen, and run out of disk."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sentinel.beat import alive

_SCRIPTS = Path(__file__).parents[2] / "deploy" / "elasticsearch"
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
HEAP = "320m"
DISK_MIB = 192
"""The disk of the node that has a small one."""
WATERMARKS = {"low": "60mb", "high": "50mb", "flood_stage": "40mb"}
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Node:
    """One node: its folder, its address, and its transport address."""

    folder: Path
    port: int
    transport: int

    @property
    def name(self) -> str:
        """What Elasticsearch calls it."""
        return f"node-{self.port}"

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process."""
        return int((self.folder / "es.pid").read_text())

    @property
    def there(self) -> bool:
        """Whether it runs, or is frozen."""
        return (self.folder / "es.pid").exists() and alive(self.pid)


class Cluster:
    """Three nodes in `folder`, which everybody may pass; `small_disk` is the one with a disk of its own, if any."""

    def __init__(self, folder: Path, *, small_disk: bool = False) -> None:
        ports = _ports(6)
        self.nodes = [Node(folder / f"n{at}", ports[at], ports[3 + at]) for at in range(3)]
        self.small_disk: Node | None = None
        if small_disk and _mounted(self.nodes[2].folder / "data"):
            self.small_disk = self.nodes[2]

    def start(self, nodes: Sequence[Node]) -> None:
        """Start nodes; returns when they know a master."""
        starting = [self._begun(node) for node in nodes]
        for one in starting:
            _, said = one.communicate(timeout=300)
            if one.returncode:
                raise RuntimeError(f"no three nodes to test with: deploy/elasticsearch/start says\n{said}")

    def _begun(self, node: Node) -> "subprocess.Popen[str]":
        others = [one for one in self.nodes if one != node]
        seeds = ",".join(f"127.0.0.1:{one.transport}" for one in (node, *others))
        environment = {"SENTINEL_ELASTICSEARCH_HEAP": HEAP} | os.environ | {"SENTINEL_ELASTICSEARCH_SEEDS": seeds}
        words = [str(_SCRIPTS / "start"), str(node.port), str(node.folder)]
        return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def kill(self, node: Node) -> None:
        """Kill a node as `kill -9` does."""
        subprocess.run([_SCRIPTS / "stop", node.folder, "KILL"], timeout=60, check=True)

    def freeze(self, node: Node) -> None:
        """Stop a node where it is: its connections stay, and nothing answers."""
        os.kill(node.pid, signal.SIGSTOP)

    def thaw(self, node: Node) -> None:
        """Let a node go on."""
        os.kill(node.pid, signal.SIGCONT)

    def ask(self, path: str, body: object = None, *, method: str = "GET", of: Node | None = None) -> Any:  # noqa: ANN401  whatever the server says
        """Return what a node, the first that answers unless one is given, says; raises OSError."""
        data = None if body is None else json.dumps(body).encode()
        error: OSError = ConnectionError("no node was asked")
        for node in [of] if of else self.nodes:
            request = urllib.request.Request(  # noqa: S310  a node of ours
                f"{node.url}/{path}", data, {"Content-Type": "application/json"}, method=method
            )
            try:
                with _NO_PROXY.open(request, timeout=10) as answer:
                    return json.loads(answer.read() or b"null")
            except OSError as failed:
                error = failed
        raise error

    def master(self) -> Node:
        """Return the elected master."""
        (told,) = self.ask("_cat/master?format=json")
        return next(node for node in self.nodes if node.name == told["node"])

    def wait(self, status: str, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Return the health as soon as it is `status`; raises TimeoutError."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with suppress(OSError):
                health: dict[str, Any] = self.ask("_cluster/health")
                if health["status"] == status:
                    return health
            time.sleep(0.3)
        raise TimeoutError(f"the cluster does not become {status}")

    def watch_disks(self) -> None:
        """Let Elasticsearch watch its disks, by marks that the small one passes before it is full."""
        disk = {f"cluster.routing.allocation.disk.watermark.{name}": mark for name, mark in WATERMARKS.items()}
        settings = {"cluster.routing.allocation.disk.threshold_enabled": True, "cluster.info.update.interval": "10s"}
        self.ask("_cluster/settings", {"persistent": {**settings, **disk}}, method="PUT")

    def fill(self, node: Node) -> Path:
        """Fill the small disk of `node`; returns the file to remove again."""
        folder = node.folder / "data"
        free = shutil.disk_usage(folder).free
        filling = folder / "filling"
        with filling.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free - (8 << 20))
        return filling

    def heal(self) -> None:
        """Let all nodes be there again, and all parts of every index with them."""
        for node in self.nodes:
            if node.there:
                self.thaw(node)
        self.start([node for node in self.nodes if not node.there])
        self.wait("green")

    def stop(self) -> None:
        """Stop all nodes, and take the small disk away."""
        for node in self.nodes:
            if node.there:
                self.thaw(node)
            subprocess.run([_SCRIPTS / "stop", node.folder, "KILL"], timeout=60, check=False)
        if self.small_disk:
            subprocess.run(["umount", "--lazy", str(self.small_disk.folder / "data")], check=True)


def _ports(number: int) -> list[int]:
    with ExitStack() as stack:
        return [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(number)]


def _mounted(folder: Path) -> bool:
    # a file system of its own, where that is allowed
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder)]
    there = os.geteuid() == 0 and shutil.which("mount") is not None
    return there and not subprocess.run(command, capture_output=True, check=False).returncode


@contextmanager
def one_node() -> Iterator[str]:
    """Run a node of its own; yields its address."""
    with _folder() as folder:
        words = [str(_SCRIPTS / "start"), str(_ports(1)[0]), str(folder)]
        environment = {"SENTINEL_ELASTICSEARCH_HEAP": HEAP} | os.environ
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600, check=True)
        try:
            yield done.stdout.split()[1]
        finally:
            subprocess.run([_SCRIPTS / "stop", folder, "KILL"], timeout=60, check=False)


@contextmanager
def three_nodes(*, small_disk: bool = False) -> Iterator[Cluster]:
    """Run three nodes; all that they kept is gone afterwards."""
    with _folder() as folder:
        cluster = Cluster(folder, small_disk=small_disk)
        try:
            cluster.start(cluster.nodes)
            yield cluster
        finally:
            cluster.stop()


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sentinel-cluster-"))
    folder.chmod(0o755)  # a node runs as nobody
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
