"""Commands as an operator types them, each a process of its own, without the half second that importing takes.

The first command of a pytest process begins another that imports all of Sentinel once. For every command that one forks
a process which takes the command's words, environment, folder and streams, and goes on as `python -m sentinel` would.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO, Any


def sentinel(
    *words: str, given: bytes = b"", environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[bytes]":
    """Run `sentinel` with these words and this input; `environment` is added to that of the tests."""
    added = environment or {}
    if any(name.startswith(("SENTINEL_KILL_AT", "PYTHON")) for name in added):  # it may be read while importing
        command = [sys.executable, "-m", "sentinel", *words]
        return subprocess.run(command, input=given, capture_output=True, check=False, env={**os.environ, **added})
    request = json.dumps([words, {**os.environ, **added}, str(Path.cwd())]).encode()
    with _file(given) as taken, _file() as said, _file() as told, socket.socket(socket.AF_UNIX) as link:
        link.connect(_server())
        socket.send_fds(link, [len(request).to_bytes(4, "big")], [one.fileno() for one in (taken, said, told)])
        link.sendall(request)
        with link.makefile() as answer:
            code = int(answer.read())
        return subprocess.CompletedProcess(["sentinel", *words], code, _whole(said), _whole(told))


def texts(
    *words: str, given: bytes = b"", environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Do as `sentinel` does, and return what was printed as text."""
    done = sentinel(*words, given=given, environment=environment)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def _file(content: bytes = b"") -> IO[bytes]:
    file = os.fdopen(os.memfd_create("stream"), "w+b")
    file.write(content)
    file.seek(0)
    return file


def _whole(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


@cache
def _server() -> str:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.warm"],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # threads would not survive a fork
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout as lines:
        address = lines.readline().decode().strip()

    def end(held: IO[bytes] = process.stdin) -> None:
        held.close()
        process.wait()

    atexit.register(end)
    return f"\0{address}"


def _import_all() -> None:
    package = importlib.import_module("sentinel")
    for found in pkgutil.walk_packages(package.__path__, "sentinel."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    # what a process of Sentinel's own looks for when it begins another
    sys.modules["__main__"] = importlib.import_module("sentinel.__main__")
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a module begins a thread when it is imported"
    gc.collect()
    gc.freeze()


def _serve() -> bool:
    """Serve until the tests have ended; True in a process that is to do a command."""
    address = f"sentinel-tests-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{address}")
        listener.listen()
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            ready, _, _ = select.select([listener.fileno(), 0], [], [])
            if 0 in ready:
                return False
            link, _ = listener.accept()
            with link:
                if os.fork() == 0:
                    listener.close()
                    return _take(link)


def _take(link: socket.socket) -> bool:
    # the command's process, and between it and the server one that waits for its end and tells it
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, streams, _, _ = socket.recv_fds(link, 4, 3)
    request: Any = b""
    while len(request) < int.from_bytes(length, "big"):
        request += link.recv(1 << 20)
    words, environment, folder = json.loads(request)
    command = os.fork()
    if command:
        link.sendall(str(os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])).encode())
        os._exit(0)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["sentinel", *words]
    return True


if __name__ == "__main__":
    _import_all()
    if _serve():
        sys.modules["__main__"].main()
