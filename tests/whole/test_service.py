"""Whoever watches `sentinel run` is told that it is ready, that it moves, and what its store is short of."""

import socket
from pathlib import Path

import pytest

from sentinel import stores
from sentinel.config import load
from sentinel.core.errors import ConfigError
from sentinel.core.folders import secret
from sentinel.service import Service, short_of
from tests.running import Running, eventually


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(str(tmp_path / "notify"))
    heard.settimeout(0)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    return heard


def told(systemd: socket.socket) -> list[bytes]:
    """Return what systemd has heard since it was asked last."""
    found = []
    try:
        while True:
            found.append(systemd.recv(100))
    except BlockingIOError:
        return found


def test_the_watchdog_is_fed_only_when_every_part_has_moved(systemd: socket.socket, tmp_path: Path) -> None:
    parts = [0, 0]
    with systemd:
        service = Service(tmp_path / "word", lambda: parts, list)
        service.tell()
        assert told(systemd) == [b"WATCHDOG=1"]
        parts[0] = 7  # storing goes on, and nobody looks after the others any more
        service.tell()
        assert told(systemd) == []
        parts[1] = 1
        service.tell()
        assert told(systemd) == [b"WATCHDOG=1"]
        service.tell()
        assert told(systemd) == []


def test_what_the_store_is_short_of_is_there_for_who_looks_from_outside_until_it_is_over(tmp_path: Path) -> None:
    short = ["the cluster has no elected master"]
    service = Service(tmp_path / "word", lambda: (), lambda: short)
    assert short_of(tmp_path / "word") == ()
    service.tell()
    assert short_of(tmp_path / "word") == ("the cluster has no elected master",)
    short.clear()
    service.tell()
    assert short_of(tmp_path / "word") == ()


def test_systemd_hears_of_a_start_of_work_and_of_an_orderly_end(systemd: socket.socket, city: Running) -> None:
    with systemd:
        city.start()
        assert b"READY=1" in told(systemd)
        assert eventually(lambda: b"WATCHDOG=1" in told(systemd))
        assert city.stop() == 0
        assert told(systemd)[-1] == b"STOPPING=1"


def test_keys_that_systemd_has_loaded_count_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    config = tmp_path / "sentinel.toml"
    config.write_text('[store]\nkind = "elasticsearch"\n')
    assert stores.keeps(load(config)), "without any key one may do everything"
    (tmp_path / "keys_writer").write_text("key")
    (tmp_path / "keys_writer").chmod(0o440)  # as an access list of systemd's looks
    assert not stores.keeps(load(config))
    stores.elastic(load(config), "sentinel", "writer").close()
    with pytest.raises(ConfigError, match="keys_reader: cannot be read"):
        stores.elastic(load(config), "sentinel", "reader")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(ConfigError, match="others may read this key"):
        secret(tmp_path / "keys_writer")
