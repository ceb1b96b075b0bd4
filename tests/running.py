"""A real `sentinel run` in a process of its own, and the command line as an operator types it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests import warm
from tests.shared import known

Found = TypeVar("Found")
LISTENING = re.compile(r"listening: \S+ ([a-z]+) \S+:(\d+)")
PATIENCE_SECONDS = 60.0


@dataclass
class Running:
    """A folder, a configuration, and while it runs a process."""

    folder: Path
    config: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[str] | None" = None
    roles: tuple[str, ...] = ()
    said: list[str] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)

    def prepare(self) -> None:
        """Let it know the shipped rules as proven; a start does so by itself."""
        said = tomllib.loads(self.config.read_text("utf-8"))
        known(Path(said["data"]), said.get("store", {}).get("url", ""))

    def start(self) -> "Running":
        self.prepare()
        ready = threading.Event()
        self.said, self.ports = [], {}
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "sentinel",
                "run",
                *(f"--role={one}" for one in self.roles),
                "--config",
                str(self.config),
            ],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **self.environment},
        )
        self.process = process

        def listen() -> None:
            assert process.stderr is not None
            with process.stderr as lines:
                for line in lines:
                    self.said.append(line)
                    found = LISTENING.match(line)
                    if found:
                        self.ports[found[1]] = int(found[2])
                    if line.strip() == "ready":
                        ready.set()
            ready.set()

        threading.Thread(target=listen, daemon=True).start()
        assert ready.wait(PATIENCE_SECONDS)
        if not any(line.strip() == "ready" for line in self.said):
            process.wait(PATIENCE_SECONDS)  # it says nothing any more, so it is about to end
        assert process.poll() is None, "".join(self.said)
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(number)
        return process.wait(PATIENCE_SECONDS)

    def sentinel(self, *words: str, code: int | None = 0, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        done = warm.sentinel(*words, "--config", str(self.config), given=given, environment=self.environment)
        assert code is None or done.returncode == code, done.stderr.decode()
        return done

    def json(self, *words: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.sentinel(*words, "--json").stdout.splitlines()]

    def udp(self, *lines: str) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for line in lines:
                sender.sendto(line.encode(), ("127.0.0.1", self.ports["udp"]))

    def tcp(self, *lines: str) -> None:
        with socket.create_connection(("127.0.0.1", self.ports["tcp"])) as sender:
            sender.sendall("".join(f"{line}\n" for line in lines).encode())


def eventually(look: Callable[[], Found], seconds: float = PATIENCE_SECONDS) -> Found:
    """Return what `look` finds as soon as it finds something; fails after a while."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.2)
