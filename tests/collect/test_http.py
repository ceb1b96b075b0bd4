"""Records over HTTP: whole or not at all, 200 when they are on disk, and no request disturbs another."""

import asyncio
import gzip
import json
import socket
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import orjson
import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.collect.http import HttpEntrance
from sentinel.collect.http_requests import BODY_MAX, BadRequestError, Request, Requests, lines_of
from sentinel.collect.listening import Limits
from sentinel.collect.tls import Tls, TlsFiles
from sentinel.core.clock import SystemClock
from sentinel.spool.disk import DiskSpool

TOKEN, OTHER = "token-of-the-first-source", "token-of-the-second-source"
Scenario = Callable[[HttpEntrance, DiskSpool], Awaitable[None]]


@pytest.fixture
def spool(tmp_path: Path) -> DiskSpool:
    return DiskSpool(tmp_path / "spool", ballast_bytes=0)


def served(
    spool: DiskSpool, scenario: Scenario, *, tls: Tls | None = None, limits: Limits | None = None
) -> HttpEntrance:
    """Run `scenario` against an entrance that writes into a real spool; the spool is closed afterwards."""
    tokens = {TOKEN: "first", OTHER: "second"}
    entrance = HttpEntrance("first", SystemClock(), tokens, port=0, tls=tls, limits=limits)

    async def run() -> None:
        task = asyncio.create_task(entrance.run(spool))
        await entrance.ready.wait()
        try:
            await scenario(entrance, spool)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    return entrance


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(2000):
        if holds():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come to pass")


async def curl(
    entrance: HttpEntrance,
    *arguments: str,
    body: bytes = b"",
    token: str = TOKEN,
    kind: str = "application/x-ndjson",
    scheme: str = "http",
) -> tuple[int, dict[str, object]]:
    """Send a real request; returns its status and what was said."""
    headers = ("-H", f"Content-Type: {kind}", "-H", f"Authorization: Bearer {token}")
    url = f"{scheme}://localhost:{entrance.port}/v1/events"
    command = ["curl", "-sS", "-w", "\n%{http_code}", *headers, "--data-binary", "@-", *arguments, url]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    said, error = await process.communicate(body)
    assert process.returncode == 0, error
    text, _, status = said.decode().rpartition("\n")
    return int(status), json.loads(text)


def test_curl_sends_lines_arrays_and_gzip_and_each_token_is_a_source(spool: DiskSpool) -> None:
    async def scenario(entrance: HttpEntrance, spool: DiskSpool) -> None:
        lines = b'{"n":1}\n\n{"n":2}\r\nno json at all'
        assert await curl(entrance, body=lines) == (200, {"accepted": 3})
        array = b' [{"n": 4}, {"n": 5, "t": "\xc3\xa4\\n"}] '
        assert await curl(entrance, body=array, kind="application/json", token=OTHER) == (200, {"accepted": 2})
        packed = gzip.compress(b'{"n":6}\n') + gzip.compress(b'{"n":7}\n')
        assert await curl(entrance, "-H", "Content-Encoding: gzip", body=packed) == (200, {"accepted": 2})
        chunked = ("-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue")
        assert await curl(entrance, *chunked, body=b'{"n":8}' * 100_000) == (200, {"accepted": 1})
        found = [(one.raw.source, one.raw.body) for one in spool.read(0, 100)]
        assert found[:7] == [
            ("first", b'{"n":1}'),
            ("first", b'{"n":2}'),
            ("first", b"no json at all"),
            ("second", b'{"n":4}'),
            ("second", '{"n":5,"t":"ä\\n"}'.encode()),
            ("first", b'{"n":6}'),
            ("first", b'{"n":7}'),
        ]
        assert spool.read(0, 100)[7].raw.origin.note.startswith("cut:700000:")
        assert {one.raw.origin.via for one in spool.read(0, 100)} == {"http"}

    served(spool, scenario)


FLUENT_BIT: list[dict[str, object]] = [
    {
        "date": 1795507200.123456,
        "log": "Nov 23 08:00:00 web1 sshd[7]: Failed password for root from 203.0.113.9",
        "n": 1,
    },
    {"date": "2026-11-24T08:00:00.123456Z", "log": 'a "quoted" line\twith ä', "kubernetes": {"pod_name": "web-0"}},
]
"""https://docs.fluentbit.io/manual/pipeline/outputs/http: `json_date_key` date, as a number or iso8601."""
VECTOR: list[dict[str, object]] = [
    {
        "host": "web1",
        "message": "<13>1 - - - - - - hello",
        "source_type": "syslog",
        "timestamp": "2026-11-24T08:00:00Z",
    },
    {"file": "/var/log/app.log", "message": "", "source_type": "file", "timestamp": "2026-11-24T08:00:01.5Z"},
]
"""https://vector.dev/docs/reference/configuration/sinks/http/, events of its sources syslog and file."""
SHAPES = {
    "fluent bit, format json": (FLUENT_BIT, "array", "application/json", "Fluent-Bit"),
    "fluent bit, format json_lines": (FLUENT_BIT, "lines", "application/x-ndjson", "Fluent-Bit"),
    "vector, codec json": (VECTOR, "array", "application/json", "Vector/0.44.0"),
    "vector, framing newline_delimited": (VECTOR, "lines", "application/x-ndjson", "Vector/0.44.0"),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_what_fluent_bit_and_vector_document_is_taken_record_by_record(
    shape: str, coding: str, spool: DiskSpool
) -> None:
    records, form, kind, agent = SHAPES[shape]
    body = _array(records) if form == "array" else _lines(records)
    head = ("-H", f"User-Agent: {agent}", "-H", f"Content-Encoding: {coding}")

    async def scenario(entrance: HttpEntrance, spool: DiskSpool) -> None:
        sent = gzip.compress(body) if coding == "gzip" else body
        assert await curl(entrance, *head, body=sent, kind=kind) == (200, {"accepted": 2})
        assert [json.loads(one.raw.body) for one in spool.read(0, 10)] == records

    served(spool, scenario)


def _array(records: Sequence[object]) -> bytes:
    return json.dumps(records).encode()


def _lines(records: Sequence[object]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in records)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 53), 1 << 53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    records=st.lists(st.dictionaries(st.text(max_size=5), JSON, max_size=4), min_size=1, max_size=6), cut=st.integers()
)
def test_arrays_lines_and_gzip_of_the_same_records_are_the_same_records(
    records: list[dict[str, object]], cut: int
) -> None:
    array = [line.body for line in lines_of("application/json", _array(records))]
    assert [json.loads(body) for body in array] == records
    packed = gzip.compress(_lines(records))
    requests = Requests()
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    whole = head + packed
    at = cut % len(whole)
    found = []
    for piece in (whole[:at], whole[at:]):
        if piece:
            requests.feed(piece)
            found += _all(requests)
    assert [json.loads(line.body) for line in lines_of("application/x-ndjson", found[0])] == records


def test_windows_events_come_as_rendered_xml_however_it_is_printed(spool: DiskSpool) -> None:
    event = '<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event">\r\n  <System/>\n</Event>'
    batch = f"<?xml version='1.0'?><Events>{event}{event}</Events>".encode()

    async def scenario(entrance: HttpEntrance, spool: DiskSpool) -> None:
        assert await curl(entrance, body=batch, kind="application/xml; charset=utf-8") == (200, {"accepted": 2})
        bodies = [one.raw.body for one in spool.read(0, 10)]
        assert all(body.startswith(b"<Event ") and body.endswith(b"</Event>") for body in bodies)
        assert b"".join(bodies) == (event * 2).encode()  # a line end within a value is the value's
        sixteen = batch.decode().encode("utf-16")
        assert await curl(entrance, body=sixteen, kind="text/xml") == (200, {"accepted": 2})
        assert [one.raw.body for one in spool.read(2, 10)] == bodies

    served(spool, scenario)


def test_what_cannot_be_taken_is_refused_with_advice_and_nothing_of_it_is_stored(spool: DiskSpool) -> None:
    async def scenario(entrance: HttpEntrance, spool: DiskSpool) -> None:
        bomb = gzip.compress(bytes(30 << 20))
        for status, arguments in (
            (401, {"token": "a-guess"}),
            (400, {"body": b'[{"n": 1}, {]', "kind": "application/json"}),
            (400, {"body": b'"text"', "kind": "application/json"}),
            (415, {"body": b"a=1", "kind": "application/x-www-form-urlencoded"}),
            (413, {"body": b"x" * (BODY_MAX + 1)}),
        ):
            found, said = await curl(entrance, **arguments)
            assert found == status, said
            assert said["error"]
        gzipped = ("-H", "Content-Encoding: gzip")
        assert (await curl(entrance, *gzipped, body=bomb))[0] == 413
        assert (await curl(entrance, *gzipped, body=b"no gzip"))[0] == 400
        assert (await curl(entrance, *gzipped, body=gzip.compress(b"{}" * 99)[:-9]))[0] == 400
        assert (await curl(entrance, "-H", "Content-Encoding: br", body=b"x"))[0] == 415
        assert (await curl(entrance, "-X", "PUT", body=b"{}"))[0] == 405
        # but that somebody was refused is told after a while
        assert not [one for one in spool.read(0, 10) if one.raw.origin.via != "sentinel"]
        assert await curl(entrance, body=b"{}") == (200, {"accepted": 1})

    refused = served(spool, scenario).counters.refused
    assert refused["status_401"] == 1
    assert refused["status_413"] == 2


def test_a_full_spool_says_429_and_when_to_come_again(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path / "spool", ballast_bytes=0, bytes_max=64 << 10, segment_bytes=16 << 10)
    body = b"\n".join(b'{"n":%d,"fill":"%s"}' % (n, b"x" * 900) for n in range(100))

    async def scenario(entrance: HttpEntrance, spool: DiskSpool) -> None:
        waiting = asyncio.create_task(curl(entrance, body=body))  # more than there is room for
        await until(lambda: spool.full)
        status, _ = await curl(entrance, "-D", str(tmp_path / "head"), body=b"{}")
        assert status == 429
        assert "retry-after: 5" in (tmp_path / "head").read_text("ascii").lower()
        assert not waiting.done()
        while not waiting.done():  # the store takes what there is, so there is room again
            await asyncio.to_thread(spool.commit, spool.last)
            await asyncio.to_thread(spool.flush)
            await asyncio.sleep(0.05)
        assert await waiting == (200, {"accepted": 100})
        assert await curl(entrance, body=b"{}") == (200, {"accepted": 1})

    served(spool, scenario)


def test_over_tls_the_client_certificate_becomes_the_identity(tmp_path: Path, spool: DiskSpool) -> None:
    ca = trustme.CA()
    server, client = ca.issue_cert("localhost"), ca.issue_cert("nxlog.example.org")
    for name, pem in (("ca", ca.cert_pem), ("key", server.private_key_pem), ("cert", server.cert_chain_pems[0]),
                      ("client", client.private_key_and_cert_chain_pem)):  # fmt: skip
        pem.write_to_path(str(tmp_path / f"{name}.pem"))
    tls = Tls(
        TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem", None, ("dns:nxlog.example.org",))
    )

    async def scenario(entrance: HttpEntrance, spool: DiskSpool) -> None:
        shown = ("--cacert", str(tmp_path / "ca.pem"), "--cert", str(tmp_path / "client.pem"))
        big = b"\n".join(b'{"n":%d}' % n for n in range(100_000))
        assert await curl(entrance, *shown, body=big, scheme="https") == (200, {"accepted": 100_000})
        assert spool.read(0, 1)[0].raw.origin.identity == "dns:nxlog.example.org"

    served(spool, scenario, tls=tls)


def test_a_sender_of_one_byte_a_second_is_cut_off_and_disturbs_nobody(spool: DiskSpool) -> None:
    async def scenario(entrance: HttpEntrance, spool: DiskSpool) -> None:
        slow = [socket.create_connection(("127.0.0.1", entrance.port)) for _ in range(100)]
        for one in slow:
            one.sendall(b"P")
        assert (await curl(entrance, body=b"{}"))[0] == 200
        await until(lambda: entrance.counters.closed["slow_head"] == 100)
        for one in slow:
            one.close()
        assert spool.last == 1

    served(spool, scenario, limits=Limits(handshake_seconds=1.0))


def _requests(bodies: list[bytes]) -> bytes:
    return b"".join(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        for body in bodies
    )


def _all(requests: Requests) -> list[bytes]:
    found = []
    while (request := requests.next()) is not None:
        if request.whole:
            found.append(bytes(request.body))
            requests.answer(200, {})
    return found


@given(bodies=st.lists(st.binary(max_size=60), max_size=5), cuts=st.lists(st.integers(0, 600), max_size=8))
def test_however_the_bytes_are_cut_the_requests_are_the_same(bodies: list[bytes], cuts: list[int]) -> None:
    data = _requests(bodies)
    requests, found, at = Requests(), [], 0
    for cut in [*sorted(cuts), len(data)]:
        if data[at:cut]:
            requests.feed(data[at:cut])
            found += _all(requests)
            at = cut
    assert found == bodies


@given(data=st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(lambda tail: _requests([b"a"]) + tail)))
@settings(max_examples=300)
def test_no_bytes_raise_anything_but_a_refusal(data: bytes) -> None:
    requests = Requests()
    refused = None
    try:
        requests.feed(data)
        _all(requests)
    except BadRequestError as error:
        refused = error
    if refused is not None:
        assert requests.answer(refused.status, {"error": str(refused)}).startswith(b"HTTP/1.1 4")
        assert requests.over


@given(kind=st.sampled_from(["text/plain", "application/json", "application/xml", "x/y"]), body=st.binary(max_size=200))
def test_no_body_raises_anything_but_a_refusal(kind: str, body: bytes) -> None:
    status, lines = 0, []
    try:
        lines = lines_of(kind, body)
    except BadRequestError as error:
        status = error.status
    assert status in {0, 400, 415}
    assert all(line.body.strip() for line in lines)


def test_a_request_that_is_not_whole_says_so() -> None:
    requests = Requests()
    requests.feed(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
    first = requests.next()
    assert isinstance(first, Request)
    assert not first.whole
    assert requests.next() is None
    assert requests.held == 2
    assert orjson.loads(requests.answer(401, {"error": "no"}).rpartition(b"\r\n")[2]) == {"error": "no"}
    assert requests.over
