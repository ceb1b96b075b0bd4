"""What may happen to a Sentinel in an hour: each kind of trouble as a method, and the choice between them."""

import os
import signal
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random

import trustme

from tests.faults.door import Door
from tests.faults.memory import family, resident
from tests.faults.producer import File
from tests.faults.trial import Trial
from tests.running import eventually

RENEWED_SECONDS_MAX = 30.0


class Certificates:
    """A certificate for the TLS entrance, renewed at will."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self.context = ssl.create_default_context()
        self._authority.configure_trust(self.context)
        self.renew()
        self.table = (
            '[[syslog]]\nname = "tls"\nport = 0\ntransports = ["tls"]\n'
            f'tls_cert = "{folder}/cert.pem"\ntls_key = "{folder}/key.pem"\n'
        )

    def renew(self) -> None:
        """Put another certificate in the place of the one in use."""
        leaf = self._authority.issue_cert("localhost")
        leaf.private_key_pem.write_to_path(str(self._folder / "key.pem"))
        leaf.cert_chain_pems[0].write_to_path(str(self._folder / "cert.pem"))

    def shown(self, port: int) -> str:
        """Return the number of the certificate that the entrance shows."""
        with (
            socket.create_connection(("127.0.0.1", port), 10) as plain,
            self.context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            return str((secure.getpeercert() or {}).get("serialNumber"))


class Troubles:
    """Makes trouble for one trial; each method says by its name what it does, and leaves Sentinel running."""

    def __init__(
        self,
        trial: Trial,
        chance: Random,
        log: File,
        certificates: Certificates,
        door: Door | None,
        disk: Path | None,
    ) -> None:
        self._trial, self._chance, self._log = trial, chance, log
        self._certificates, self._door, self._disk = certificates, door, disk
        self._turns = 0
        self._next: list[str] = []
        self._kinds: dict[str, Callable[[], None]] = {
            "kill -9": self._kill,
            "orderly restart": self._restart,
            "stopped for a while": self._stopped,
            "a process of its family stopped": self._part_stopped,
            "parser killed": self._parser_killed,
            "log rotated": self._rotated,
            "slow and garbage clients": self._clients,
            "certificate renewed": self._renewed,
        }
        if door is not None:
            self._kinds |= {"store shut": lambda: self._away(door.shut), "store mute": lambda: self._away(door.mute)}
        if disk is not None:
            self._kinds["disk full"] = self._full

    def one(self) -> str:
        """Make trouble of one kind, each once before any comes again; returns which.

        Raises AssertionError if Sentinel does not stand it.
        """
        if not self._next:
            self._next = sorted(self._kinds)
            self._chance.shuffle(self._next)
        kind = self._next.pop()
        self._kinds[kind]()
        return kind

    def memory(self) -> int:
        """Return the bytes of memory of all processes."""
        process = self._trial.running.process
        return 0 if process is None else resident(process.pid)

    def _pid(self) -> int:
        process = self._trial.running.process
        assert process is not None, "it is not running"
        return process.pid

    def _kill(self) -> None:
        assert self._trial.running.stop(signal.SIGKILL) == -signal.SIGKILL, "it had ended before it was killed"
        time.sleep(self._chance.uniform(0, 1))
        self._trial.start()

    def _restart(self) -> None:
        assert self._trial.running.stop() == 0, "it did not end in order"
        self._trial.start()

    def _pause(self, pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(self._chance.uniform(0.5, 3))
        os.kill(pid, signal.SIGCONT)

    def _stopped(self) -> None:
        self._pause(self._pid())

    def _part_stopped(self) -> None:
        self._pause(self._chance.choice(self._parts()))

    def _parts(self) -> list[int]:
        """Return the processes that judge (the first) and parse."""
        return [
            pid for pid in list(family(self._pid()))[1:] if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]

    def _parser_killed(self) -> None:
        os.kill(self._chance.choice(self._parts()[1:]), signal.SIGKILL)

    def _rotated(self) -> None:
        self._turns += 1
        log, turn = self._log.path, self._turns
        with self._log.turn:
            if not log.exists():
                return
            if self._chance.random() < 0.5:
                log.rename(f"{log}.{turn}")
                return
            Path(f"{log}.{turn}").write_bytes(log.read_bytes())
            os.truncate(log, 0)

    def _clients(self) -> None:
        ports = [port for kind, port in self._trial.running.ports.items() if kind != "udp"]
        with ExitStack() as stack, suppress(OSError):
            for _ in range(40):
                address = ("127.0.0.1", self._chance.choice(ports))
                one = stack.enter_context(socket.create_connection(address, 5))
                one.sendall(self._chance.choice([b"", b"<", b"9", b"999999999 ", b"2W\0\0\0\x09", self._noise()]))
            time.sleep(self._chance.uniform(0.1, 2))

    def _noise(self) -> bytes:
        return self._chance.randbytes(self._chance.randrange(1, 5000))

    def _renewed(self) -> None:
        port = self._trial.running.ports["tls"]
        before = self._certificates.shown(port)
        self._certificates.renew()
        eventually(lambda: self._certificates.shown(port) != before, RENEWED_SECONDS_MAX)

    def _away(self, how: Callable[[], None]) -> None:
        assert self._door is not None
        how()
        time.sleep(self._chance.uniform(1, 10))
        self._door.open()

    def _full(self) -> None:
        assert self._disk is not None
        junk = self._disk / "junk"
        with suppress(OSError), junk.open("wb", 0) as file:
            while True:
                file.write(bytes(1 << 16))
        time.sleep(self._chance.uniform(0.5, 3))
        junk.unlink()
