"""A server is made what Sentinel needs, again and again, upwards only; and no key may more than its role needs."""

import json
import subprocess
import sys
import tomllib
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from sentinel import stores
from sentinel.alert.book import Book
from sentinel.config import parse
from sentinel.config.options import Config
from sentinel.core.clock import SystemClock
from sentinel.core.errors import StoreError
from sentinel.core.event import Event
from sentinel.core.ports import Kept, Span
from sentinel.core.retention import Class, Retention
from sentinel.core.where import ALWAYS, Compare, Exists, Is, Like, Not, Where, holds
from sentinel.store import es_document, es_mapping, es_server
from sentinel.store.elastic import ElasticStore
from sentinel.store.es_journal import ElasticJournal
from tests import shared
from tests.elastic.gate import Gate, Passage

pytestmark = pytest.mark.elastic

Make = Callable[..., Event]
Upgrade = Callable[[set[str]], None]
EVER = Span(datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
TODAY = datetime(2026, 11, 24, 8, tzinfo=UTC)


def sentinel(config: Path, *words: str, code: int = 0) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "sentinel", *words, "--json", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == code, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def states(said: list[dict[str, Any]]) -> dict[str, str]:
    return {one["step"]: one["state"] for one in said}


@pytest.fixture
def before(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upgrade]:
    """Return what makes this Sentinel an older one: one that did not have these places yet."""
    whole = es_mapping.places()

    def older(names: set[str]) -> None:
        kept = {name: place for name, place in whole.items() if name not in names}
        monkeypatch.setattr(es_mapping, "places", lambda: kept)
        es_document._PLACES.clear()

    yield older
    monkeypatch.undo()
    es_document._PLACES.clear()


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> Upgrade:
    """Return what makes this Sentinel a newer one: these fields have their places since its version."""
    whole = es_mapping.places()

    def upgraded(names: set[str]) -> None:
        later = {name: place._replace(since=2) if name in names else place for name, place in whole.items()}
        monkeypatch.setattr(es_mapping, "places", lambda: later)
        monkeypatch.setattr(es_mapping, "VERSION", 2)
        es_document._PLACES.clear()

    return upgraded


GAINED = {"user.name", "source.ip", "source.port"}
ASKED: list[Where] = [
    Is("user.name", "Anna", cased=True),
    Is("user.name", "ANNA"),
    Like("user.name", "a*"),
    Exists("user.name"),
    Not(Exists("user.name")),
    Is("source.ip", "192.0.2.7"),
    Is("source.port", 4711),
    Compare("source.port", "gt", 4000),
    Not(Compare("source.port", "gt", 4000)),
]


def test_a_new_version_rolls_forward_and_finds_what_older_ones_wrote(
    opened: Callable[..., ElasticStore], make: Make, before: Upgrade, newer: Upgrade
) -> None:
    told = {"user.name": "Anna", "source.ip": "192.0.2.7", "source.port": 4711, "event.action": "login"}
    before(GAINED)
    opened().append([make(1, told, ingested=TODAY), make(2, {"event.action": "login"}, ingested=TODAY)])
    newer(GAINED)
    store = opened()
    assert [line for line in store.setup(check=True) if "has version 1 of the mapping" in line]
    store.append([make(3, {**told, "user.name": "Bert"}, ingested=TODAY), make(4, told, ingested=TODAY)])
    assert store.setup(check=True) == [], "the day that was there knows the new fields"
    events = store.search(ALWAYS, EVER, 10)
    assert len(events) == 4
    for where in ASKED:
        assert {one.seq for one in store.search(where, EVER, 10)} == {one.seq for one in events if holds(where, one)}
        assert store.spread(where, Span(TODAY, TODAY.replace(hour=9), "ingested"), TODAY.replace(hour=9) - TODAY) == [
            sum(holds(where, one) for one in events)
        ]
    assert store.tally(ALWAYS, EVER, ["user.name"], 9) == [(("Anna",), 2), (("Bert",), 1), ((None,), 1)]
    assert store.tally(ALWAYS, EVER, ["source.port"], 9) == [((4711,), 3), ((None,), 1)]


def test_what_a_newer_sentinel_wrote_is_left_alone_and_this_is_said(
    opened: Callable[..., ElasticStore], make: Make, newer: Upgrade, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer(set())
    opened().append([make(1)])
    monkeypatch.undo()
    store = opened()
    for asked in (lambda: store.setup(check=True), store.setup, lambda: store.append([make(2)])):
        with pytest.raises(
            StoreError, match=r"written by a newer Sentinel \(version 2 of the mapping; this one knows 1"
        ):
            asked()
    assert [one.seq for one in store.search(ALWAYS, EVER, 10)] == [1], "it may be read"


def test_setting_up_says_what_the_server_can_and_changes_nothing_the_second_time(
    elastic_url: str, elastic_prefix: str, tmp_path: Path
) -> None:
    config = tmp_path / "sentinel.toml"
    config.write_text(
        f'data = "{tmp_path}/data"\n[store]\nkind = "elasticsearch"\n'
        f'url = "{elastic_url}"\nprefix = "{elastic_prefix}"\n'
    )
    assert states(sentinel(config, "store", "setup", "--check", code=1))["template and mappings"] == "fail"
    first = {one["step"]: one for one in sentinel(config, "store", "setup")}
    assert first["template and mappings"]["advice"] == "written"
    assert first["version"]["found"].startswith("8.")
    assert first["field type wildcard"]["found"] == "not there"
    assert first["security"] == {**first["security"], "state": "warn", "found": "off"}
    assert first["disk watermarks"]["found"] == "switched off on the server"
    assert "of 1,000; room for" in first["shards"]["found"]
    assert states(sentinel(config, "store", "setup", "--check"))["template and mappings"] == "ok"
    many = config.read_text() + "shards = 64\n[retention]\ndays = 3650\n"
    config.write_text(many)
    assert states(sentinel(config, "store", "setup", "--check", code=1))["shards"] == "fail"


def test_over_tls_each_role_may_what_it_needs_and_no_more(tmp_path: Path, make: Make) -> None:
    node = shared.secured()
    path = tmp_path / "sentinel.toml"
    path.write_text(
        f'data = "{tmp_path}/data"\n[store]\nkind = "elasticsearch"\nurl = "{node.url}"\nca_cert = "{node.ca}"\n'
        'prefix = "keyed"\n'
    )
    said = {one["step"]: one for one in sentinel(path, "store", "setup", "--admin", str(node.keys / "admin"))}
    assert said["template and mappings"]["advice"] == "written"
    assert said["security"]["found"] == "on, with TLS"
    assert said["keys"]["state"] == "warn"

    config = _config(path.read_text() + f'keys = "{node.keys}"\n')
    writer, reader, keeper = (stores.elastic(config, "keyed", role) for role in ("writer", "reader", "keeper"))
    assert writer.append([make(1), make(2)]).stored == 2
    assert writer.append([make(1)]).duplicates == 1
    assert [one.seq for one in reader.since(0, 9, 9)] == [1, 2], "a reader sees at once what was written"
    day = Kept("standard", date(2026, 11, 23))
    refused = "does not allow this with the API key"
    with pytest.raises(StoreError, match=refused):
        writer.drop(day)
    with pytest.raises(StoreError, match="did not amend all events"):
        writer.amend([make(1)], [])
    other = stores.elastic(config, "other", "writer")
    with pytest.raises(StoreError, match="let an administrator run `sentinel store setup`"):
        other.append([make(1)])
    reader._readonly = False
    with pytest.raises(StoreError):
        reader.append([make(3)])
    assert keeper.drop(day).count == 2
    assert keeper.troubles() == []
    assert writer.append([make(1)]).stored == 1
    with Book(tmp_path / "state.db", SystemClock(), journal=stores.journal(config, "state")) as book:
        book.record([], book.judged().top + 1)
    keys = {role: (node.keys / role).read_text() for role in ("reader", "writer")}
    for key in keys.values():
        journal = ElasticJournal(node.url, "keyed-state", "state", ca_cert=node.ca, api_key=key)
        with pytest.raises(StoreError, match=refused):
            journal.beat(1, 1)
    proof = stores.elastic(config, "keyed-proof-1", "prover")
    assert proof.append([make(1)]).stored == 1
    proof.forget()
    for store in (writer, reader, keeper, other, proof):
        store.close()


def test_keys_are_made_once_given_the_right_role_again_and_made_anew_if_they_are_lost(
    opened: Callable[..., ElasticStore], gate: Gate, tmp_path: Path
) -> None:
    """The keys of the server are this test's: the node at hand can make none (see `shared.Secured`)."""
    known: dict[str, dict[str, Any]] = {}

    def keys(passage: Passage) -> None:
        asked: dict[str, Any] = json.loads(passage.body or b"{}")
        told: dict[str, Any] = {}
        path, _, query = passage.path.partition("?")
        if passage.command == "GET":
            name = parse_qs(query)["name"][0]
            told = {"api_keys": [{"id": one, **key} for one, key in known.items() if key["name"] == name]}
        elif path == "/_security/api_key":
            ident = f"id{len(known)}"
            known[ident] = asked
            told = {"id": ident, "name": asked["name"], "encoded": b64encode(f"{ident}:secret".encode()).decode()}
        else:
            known[path.rpartition("/")[2]] |= asked
        passage.reply(200, json.dumps(told).encode())

    gate.on, gate.always = "_security/api_key", keys
    store, folder = opened(gate.url), tmp_path / "keys"
    store.setup()
    assert all("no such key" in wrong for wrong in store.provide_keys(folder, check=True).values())
    assert not known
    assert not folder.exists()
    store.provide_keys(folder)
    files = {one.name: one.read_text() for one in folder.iterdir()}
    assert files.keys() == {"reader", "writer", "keeper", "prover", "sharer"}
    assert {one.stat().st_mode & 0o777 for one in folder.iterdir()} == {0o600}
    assert set(store.provide_keys(folder, check=True).values()) == {""}

    (folder / "reader").unlink()
    writer = next(key for key in known.values() if key["name"].endswith("-writer"))
    writer["role_descriptors"]["writer"]["indices"][0]["privileges"] = ["all"]
    wrong = store.provide_keys(folder)
    assert "something else than its role needs" in wrong["writer"]
    assert set(store.provide_keys(folder, check=True).values()) == {""}
    again = {one.name: one.read_text() for one in folder.iterdir()}
    assert {name for name in files if again[name] != files[name]} == {"reader"}


def _config(text: str) -> Config:
    return parse(tomllib.loads(text))


def test_a_class_has_indices_of_its_own_from_its_first_day_on(
    elastic_url: str, elastic_prefix: str, make: Make
) -> None:
    flows = Class("flows", 30, ("netflow.*",), date(2026, 11, 24))
    store = ElasticStore(elastic_url, prefix=elastic_prefix, retention=Retention(90, (flows,)))
    netflow = {"event.dataset": "netflow.log"}
    yesterday = TODAY.replace(day=23)
    events = [make(1, netflow, ingested=yesterday), make(2, netflow, ingested=TODAY), make(3, ingested=TODAY)]
    store.append(events)
    assert store.append(events).duplicates == 3
    assert store.kept() == [
        Kept("standard", date(2026, 11, 23)),
        Kept("flows", date(2026, 11, 24)),
        Kept("standard", date(2026, 11, 24)),
    ]
    # mended: the pack says now that it is something else
    store.amend([events[1]], [make(2, {"event.dataset": "ipfix.log"}, ingested=TODAY)])
    assert store.drop(Kept("flows", date(2026, 11, 24))).count == 0
    assert sorted(one.seq for one in store.search(ALWAYS, EVER, 10)) == [1, 2, 3]
    store.close()


@pytest.mark.parametrize(
    ("mark", "headroom", "total", "wanted"),
    [
        ("85%", "", 1_000, 150),
        ("0.9", "", 1_000, 100),
        ("85%", "100b", 1_000, 100),
        ("2kb", "", 10_000, 2_048),
        ("", "", 1_000, 0),
        ("85%", "-1", 1_000, 150),
    ],
)
def test_a_watermark_is_read_as_elasticsearch_means_it(mark: str, headroom: str, total: int, wanted: float) -> None:
    assert es_server.wanted(mark, headroom, total) == pytest.approx(wanted)


def test_what_is_wrong_with_a_server_is_told_with_what_to_do(store: ElasticStore) -> None:
    store.setup()
    server = store.look()
    assert store.troubles() == []
    full = es_server.Disk("es2", 1_000, 10, "above the flood stage 95%: …")
    bad = es_server.Server(
        server.versions,
        3,
        3,
        "red",
        4,
        ("sentinel-events-flows-2026.11.24",),
        990,
        1_000,
        thresholds=True,
        disks=(full,),
    )
    said = es_server.troubles(bad)
    assert [one for one in said if "node es2 is above the flood stage" in one and "make room" in one]
    assert [one for one in said if "sentinel-events-flows-2026.11.24 is red" in one and "start the node" in one]
    assert [one for one in said if "no new day can begin" in one]
