"""Esc by itself: the driver looks soon whether another key has come behind it."""

import selectors
import socket

from textual.drivers import linux_driver

from sentinel.ui.console import escape


def test_behind_a_key_the_driver_does_not_wait_for_the_next_one() -> None:
    escape.heed()
    here, there = socket.socketpair()
    with here, there, linux_driver.selectors.SelectSelector() as selector:  # type: ignore[attr-defined]  # as the driver does
        selector.register(there, selectors.EVENT_READ)
        here.send(b"\x1b")
        assert [key.fileobj for key, _mask in selector.select(60)] == [there]
        there.recv(1)
        assert selector.select(60) == []  # not after a minute
