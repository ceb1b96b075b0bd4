"""What the network and a struggling server do to the store: nothing is lost or doubled, nothing waits for ever."""

# ruff: noqa: ANN401  the gate and what passes it are classes of conftest.py, which cannot be imported

import json
import socket
import ssl
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from sentinel.core.errors import StoreError
from sentinel.core.event import Event
from sentinel.core.ports import Span
from sentinel.core.where import ALWAYS
from sentinel.store.elastic import ElasticStore
from sentinel.store.es_bulk import Patience
from sentinel.store.es_client import BoundedNode
from tests.elastic.gate import Gate

pytestmark = pytest.mark.elastic

Make = Callable[..., Event]
EVER = Span(datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))


def stored(store: ElasticStore) -> list[int]:
    return [event.seq for event in store.since(0, 1 << 40, 1 << 20)]


def test_a_busy_server_is_asked_again_after_the_pause_it_wants(
    behind: ElasticStore, gate: Any, pauses: list[float], status: Any, make: Make
) -> None:
    gate.faults = [status(429, {"Retry-After": "7"}), status(503), status(429, {"Retry-After": "9999"})]
    assert behind.append([make(n) for n in range(1, 21)]).stored == 20
    assert gate.happened == 3
    assert pauses[0] == 7
    assert 0 <= pauses[1] <= 0.4
    assert pauses[2] == 20  # no longer than our own patience
    assert stored(behind) == list(range(1, 21))


def test_patience_ends_with_a_clear_word_and_the_batch_may_come_again(
    behind: ElasticStore, gate: Any, status: Any, make: Make
) -> None:
    events = [make(n) for n in range(1, 6)]
    gate.faults = [status(503)] * 4
    with pytest.raises(StoreError, match=r"takes no events after 4 attempts: .*127\.0\.0\.1.*503"):
        behind.append(events)
    assert behind.append(events).stored == 5


def test_only_the_items_refused_for_now_are_sent_again(behind: ElasticStore, gate: Any, make: Make) -> None:
    sent: list[int] = []

    def a_few_rejected(passage: Any) -> None:
        lines = passage.body.split(b"\n")
        keep = b"".join(lines[at] + b"\n" + lines[at + 1] + b"\n" for at in range(0, 20, 2) if at not in {4, 10})
        whole, passage.body = passage.body, keep
        passage.headers.replace_header("Content-Length", str(len(keep)))
        _, body = passage.forward()
        passage.body = whole
        items = json.loads(body)["items"]
        for at in (2, 5):
            items.insert(at, {"create": {"status": 429, "error": {"type": "es_rejected_execution_exception"}}})
        passage.reply(200, json.dumps({"errors": True, "items": items}).encode())

    def counted(passage: Any) -> None:
        sent.append(passage.body.count(b'{"create"'))
        passage.reply(*passage.forward())

    gate.faults = [a_few_rejected, counted]
    assert behind.append([make(n) for n in range(1, 11)]).stored == 10
    assert sent == [2]
    assert stored(behind) == list(range(1, 11))


def test_an_answer_lost_after_the_work_was_done_leaves_each_event_once(
    behind: ElasticStore, gate: Any, pauses: list[float], make: Make
) -> None:
    def swallowed(passage: Any) -> None:
        passage.forward()
        passage.close_connection = True
        passage.connection.shutdown(socket.SHUT_RDWR)

    def cut_short(passage: Any) -> None:
        code, body = passage.forward()
        passage.reply(code, body[: len(body) // 2])

    def cut_in_transfer(passage: Any) -> None:
        code, body = passage.forward()
        passage.reply(code, body[: len(body) // 2], {"Content-Length": str(len(body))})
        passage.close_connection = True

    for turn, fault in enumerate([swallowed, cut_short, cut_in_transfer]):
        gate.faults = [fault]
        events = [make(100 * turn + n) for n in range(1, 11)]
        done = behind.append(events)
        assert (done.stored, done.duplicates, done.rejected) == (0, 10, ())
    assert gate.happened == len(pauses) == 3
    assert len(stored(behind)) == len(set(stored(behind))) == 30


def test_no_answer_in_time_counts_as_lost(opened: Any, gate: Any, pauses: list[float], make: Make) -> None:
    store = opened(gate.url, pause=pauses.append, timeout_seconds=3)

    def asleep(passage: Any) -> None:
        passage.forward()
        time.sleep(5)
        passage.close_connection = True

    store.append([make(1)])  # the day's index is there
    gate.faults = [asleep]
    done = store.append([make(n) for n in range(1, 11)])
    assert gate.happened == 1
    assert (done.stored, done.duplicates) == (0, 10)
    assert stored(store) == list(range(1, 11))


def test_an_answer_that_trickles_is_given_up(opened: Any, gate: Any, make: Make) -> None:
    store = opened(gate.url, patience=Patience(attempts=1), timeout_seconds=3)

    def trickle(passage: Any) -> None:
        passage.reply(200, b"{", {"Content-Length": "100000"})
        for _ in range(50):
            passage.wfile.write(b" ")
            time.sleep(0.1)

    gate.faults = [trickle]
    with pytest.raises(StoreError, match=r"does not answer within 3 seconds"):
        store.append([make(1)])


def test_an_answer_of_200_megabytes_is_not_swallowed(behind: ElasticStore, gate: Any, make: Make) -> None:
    sent: list[int] = []

    def flood(passage: Any) -> None:
        passage.reply(200, b"{", {"Content-Length": str(200 << 20)})
        for _ in range(200):
            passage.wfile.write(b" " * (1 << 20))
            sent.append(1 << 20)

    behind.append([make(1)])
    gate.faults = [flood]
    tracemalloc.start()
    try:
        with pytest.raises(StoreError, match=f"answers with more than {BoundedNode.ANSWER_BYTES_MAX} bytes"):
            behind.append([make(2)])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert BoundedNode.ANSWER_BYTES_MAX < sum(sent) < 200 << 20, "it did not begin to flood, or was heard to the end"
    assert peak < 100 << 20
    assert behind.append([make(2)]).stored == 1


def test_a_certificate_that_has_expired_or_is_a_strangers_is_not_trusted(
    elastic_url: str, opened: Any, make: Make, tmp_path: Path
) -> None:
    ours, theirs = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    yesterday = datetime.now(UTC) - timedelta(days=1)
    bad = {
        "expired": ours.issue_cert("127.0.0.1", not_after=yesterday),
        "issuer": theirs.issue_cert("127.0.0.1"),
        "match": ours.issue_cert("192.0.2.1"),
    }
    for word, shown in {**bad, "": ours.issue_cert("127.0.0.1")}.items():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        shown.configure_cert(context)
        gate = Gate(elastic_url.removeprefix("http://"), context=context)
        pauses: list[float] = []
        try:
            store = opened(gate.url, ca_cert=tmp_path / "ca.pem", pause=pauses.append)
            if word:
                with pytest.raises(StoreError, match=f"cannot be trusted: .*{word}.*; is ca_cert the authority"):
                    store.append([make(1)])
            else:
                assert store.append([make(1)]).stored == 1
            assert pauses == [], "what cannot pass is not tried again"
        finally:
            gate.close()


def test_events_too_many_for_one_answer_are_read_in_smaller_pieces(
    behind: ElasticStore, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind.append([make(n, {"event.original": f"{n} " * 5_000}) for n in range(1, 51)])
    monkeypatch.setattr(BoundedNode, "ANSWER_BYTES_MAX", 100_000)
    assert stored(behind) == list(range(1, 51))
    assert len(behind.search(ALWAYS, EVER, 100)) == 50


def test_garbage_is_no_success(behind: ElasticStore, gate: Any, make: Make) -> None:
    answers = [b"", b"<html>proxy</html>", b'{"items":[]}', b'{"items":[{"index":{"status":201}}]}', b"[]", b"null"]
    for number, answer in enumerate(answers, 1):
        gate.faults = [lambda passage, body=answer: passage.reply(200, body)]
        assert behind.append([make(number)]).stored == 1
    assert gate.happened == len(answers)
    assert stored(behind) == [1, 2, 3, 4, 5, 6]


def test_a_request_too_large_for_something_on_the_way_is_divided(behind: ElasticStore, gate: Any, make: Make) -> None:
    def narrow(passage: Any) -> None:
        gate.faults.insert(0, narrow)
        if len(passage.body) > 2_000:
            passage.reply(413, b"<html>413 Request Entity Too Large</html>", {"Content-Type": "text/html"})
        else:
            passage.reply(*passage.forward())

    gate.faults = [narrow]
    done = behind.append([*(make(n) for n in range(1, 31)), make(31, {"message": "x" * 3_000})])
    assert done.stored == 30
    assert [(one.seq, one.reason) for one in done.rejected] == [(31, done.rejected[0].reason)]


def test_a_server_that_is_pressed_gets_smaller_requests_until_it_takes_more(
    opened: Any, gate: Any, pauses: list[float], status: Any, make: Make
) -> None:
    store = opened(gate.url, pause=pauses.append, request_bytes_max=400_000)
    sizes: list[int] = []

    def measured(passage: Any) -> None:
        sizes.append(len(passage.body))
        passage.reply(*passage.forward())

    events = [make(n, {"message": "x" * 1_000}) for n in range(1, 701)]
    gate.always, gate.faults = measured, [status(429)] * 2  # both that are under way
    assert store.append(events[:500]).stored == 500
    assert max(sizes) <= 200_000, "what was refused came again as large"
    sizes.clear()
    assert store.append(events[500:]).stored == 200
    assert max(sizes) <= 200_000
    assert stored(store) == list(range(1, 701))


def test_a_request_that_is_not_answered_in_time_comes_again_in_halves(
    opened: Any, gate: Any, pauses: list[float], make: Make
) -> None:
    store = opened(gate.url, pause=pauses.append, timeout_seconds=2, request_bytes_max=400_000)
    store.append([make(1)])

    def slow_with_large_ones(passage: Any) -> None:
        if len(passage.body) > 150_000:
            time.sleep(3)
            passage.close_connection = True
        else:
            passage.reply(*passage.forward())

    gate.always = slow_with_large_ones
    assert store.append([make(n, {"message": "x" * 1_000}) for n in range(2, 202)]).stored == 200
    assert pauses
    assert stored(store) == list(range(1, 202))


def test_a_refusal_that_is_no_events_fault_rejects_no_event(behind: ElasticStore, gate: Any, make: Make) -> None:
    def full(passage: Any) -> None:
        error = {"type": "validation_exception", "reason": "this action would add [2] shards"}
        passage.reply(
            200, json.dumps({"errors": True, "items": [{"create": {"status": 400, "error": error}}]}).encode()
        )

    gate.faults = [full]
    with pytest.raises(StoreError, match="would add"):
        behind.append([make(1)])
    assert behind.append([make(1)]).stored == 1


def test_a_key_that_is_refused_is_not_tried_again(
    behind: ElasticStore, gate: Any, pauses: list[float], status: Any, make: Make
) -> None:
    gate.faults = [status(401)]
    with pytest.raises(StoreError, match="does not accept the API key"):
        behind.append([make(1)])
    gate.faults = [status(403, kind="security_exception")]
    with pytest.raises(StoreError, match="does not allow this with the API key given: security_exception: as told"):
        behind.append([make(1)])
    assert pauses == []


def test_a_reader_without_the_right_to_refresh_reads_all_the_same(
    behind: ElasticStore, gate: Any, status: Any, make: Make
) -> None:
    behind.append([make(1)])
    assert behind.newest() == 1
    gate.on, gate.faults = "_refresh", [status(403)] * 3
    assert behind.newest() == 1
    assert stored(behind) == [1]
    assert gate.happened == 2


def test_half_an_answer_of_the_shards_is_no_answer(behind: ElasticStore, gate: Any, make: Make) -> None:
    behind.append([make(1)])
    partial = {
        "timed_out": False,
        "_shards": {"total": 2, "failed": 1, "failures": [{"reason": {"type": "io", "reason": "disk gone"}}]},
        "hits": {"hits": []},
    }
    gate.on, gate.faults = "_search", [lambda passage: passage.reply(200, json.dumps(partial).encode())]
    with pytest.raises(StoreError, match="only a part of the events: io: disk gone"):
        behind.search(ALWAYS, EVER, 10)


def test_another_product_is_named_as_such(gate: Any) -> None:
    gate.on = ""
    gate.faults = [lambda passage: passage.reply(200, b"{}", {"X-Elastic-Product": "OpenSearch"})] * 9
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:\d+ is not Elasticsearch 8 or 9 \(OpenSearch"):
        ElasticStore(gate.url, readonly=True).newest()


def test_a_server_that_is_not_there_is_named_with_what_to_look_at() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    pauses: list[float] = []
    url = f"http://somebody:secret@127.0.0.1:{port}"
    with pytest.raises(StoreError, match=f"127.0.0.1:{port} cannot be reached.*is it running") as failed:
        ElasticStore(url, pause=pauses.append).newest()
    assert len(pauses) == 2
    assert "secret" not in str(failed.value)


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(StoreError, match="address of Elasticsearch cannot be used"):
        ElasticStore("127.0.0.1:9200")


def test_a_store_for_reading_takes_nothing(opened: Any, store: ElasticStore, make: Make) -> None:
    store.append([make(1)])
    reader = opened(readonly=True)
    assert stored(reader) == [1]
    with pytest.raises(StoreError, match="reading only"):
        reader.append([make(2)])
