"""A door in front of a server: open, shut (refused, and every connection cut), or mute (taken, and never answered)."""

import socket
import threading
from contextlib import suppress
from typing import Literal, Self


class Door:
    """A port of its own before `node` (host:port), the same for as long as the door stands."""

    def __init__(self, node: str) -> None:
        host, _, port = node.rpartition(":")
        self._node = (host, int(port))
        self._state: Literal["open", "shut", "mute"] = "open"
        self._turn = threading.Lock()
        self._inside: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.port = 0
        self.open()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Take the door away."""
        self.shut()

    @property
    def url(self) -> str:
        """The door's address for clients of HTTP."""
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Let everybody through from now on; who was taken while the door was mute is cut."""
        self._become("open")

    def shut(self) -> None:
        """Refuse everybody, and cut whoever is inside."""
        self._become("shut")

    def mute(self) -> None:
        """Take connections and what they say, and answer nothing any more."""
        self._become("mute")

    def _become(self, state: Literal["open", "shut", "mute"]) -> None:
        with self._turn:
            before, self._state = self._state, state
            if state == "shut" or before == "mute":
                for one in list(self._inside):
                    with suppress(OSError):
                        one.shutdown(socket.SHUT_RDWR)
            if state == "shut":
                if self._listener is not None:
                    self._listener.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept
                    self._listener = None
            elif self._listener is None:
                self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
                self.port = self._listener.getsockname()[1]
                threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with listener, suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._guest, args=(client,), daemon=True).start()

    def _guest(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self._node, 10) as node:
            node.settimeout(None)
            with self._turn:
                if self._state == "shut":
                    return
                self._inside |= {client, node}
            back = threading.Thread(target=self._pass, args=(node, client), daemon=True)
            back.start()
            self._pass(client, node)
            back.join()
            with self._turn:
                self._inside -= {client, node}

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 18):
                if self._state == "open":
                    target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
