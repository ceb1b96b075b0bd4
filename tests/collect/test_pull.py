"""Pulled APIs: everything once, whatever the server does, and nothing of ours gets out."""

import asyncio
import gzip
import json
import sqlite3
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.collect.pull import Pace, Pull
from sentinel.collect.pull_answers import Form, content, linked
from sentinel.collect.pull_client import Answer, Client, PullError, trust
from sentinel.collect.pull_feeds import Feed, JsonFeed
from sentinel.collect.pull_tokens import ClientCredentials, FileToken, Nobody, Tokens
from sentinel.config import parse
from sentinel.core.clock import ManualClock, iso
from sentinel.core.errors import ConfigError, SpoolError
from tests.api import Api, Asked, Reply, reply

if TYPE_CHECKING:
    from tests.collect.conftest import DiskSink, Running, Until

SECRET = "s3cr3t-of-the-city-0123456789"  # noqa: S105  for the tests alone
MOMENT = datetime(2026, 11, 23, 8, 15, tzinfo=UTC)
"""Where the clock of these tests stands."""
SOON = Pace(timedelta(milliseconds=20), timedelta(hours=1), timedelta(minutes=10), timedelta(minutes=30))
ONCE = Pace(timedelta(hours=1), timedelta(hours=1), timedelta(minutes=10), timedelta(minutes=30))


@dataclass
class Shelf:
    """Records with a time, given as most APIs do: those of a stretch, in pages of three."""

    records: list[dict[str, object]] = field(default_factory=list)

    def add(self, number: int, at: datetime) -> None:
        self.records.append({"id": f"r{number}", "at": iso(at), "text": f"record {number}"})

    def page(self, asked: Asked) -> tuple[list[dict[str, object]], int]:
        """Return a page and the number of the next one, 0 if it is the last."""
        since, until = asked.query["since"], asked.query["until"]
        found = [one for one in self.records if since <= str(one["at"]) < until]
        page = int(asked.query.get("page", "0"))
        return found[page * 3 : page * 3 + 3], (page + 1 if len(found) > page * 3 + 3 else 0)


def following(asked: Asked, page: int) -> str:
    return f"/events?since={asked.query['since']}&until={asked.query['until']}&page={page}"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with Api(tmp_path, lambda _: reply([])) as one:
        yield one


@pytest.fixture
def pull(api: Api, tmp_path: Path, clock: ManualClock) -> Callable[..., Pull]:
    """Return a way to make a collector that trusts the API's authority and has little patience."""

    def make(form: Form | None = None, **options: object) -> Pull:
        url = str(options.get("url", f"{api.url}/events?since={{since}}&until={{until}}"))
        feeds: Sequence[Feed] = options.get("feeds") or [JsonFeed(url, form or Form(id="id"))]  # type: ignore[assignment]
        limits = {"idle_seconds": 20.0, "seconds_max": 30.0} | options.get("limits", {})  # type: ignore[operator]
        tokens = options.get("tokens", Nobody())
        assert isinstance(tokens, Tokens)
        pace = options.get("pace", SOON)
        assert isinstance(pace, Pace)
        context = trust(api.ca) if options.get("trusted", True) else trust(None)
        return Pull(
            "shelf",
            clock,
            feeds,
            url=api.url,
            tokens=tokens,
            client=lambda: Client({("localhost", api.port)}, context, **limits),
            marks=tmp_path / "shelf.pull.db",
            pace=pace,
            chance=Random(7),  # noqa: S311  jitter
            pause=(0.01, 0.05),
        )

    return make


def kept(sink: "DiskSink") -> list[str]:
    """Return the ids of the records that were kept, in their order; our own notices aside."""
    return [json.loads(raw.body)["id"] for raw in sink.raws() if raw.origin.via == "pull"]


def notices(sink: "DiskSink") -> list[dict[str, object]]:
    return [json.loads(raw.body) for raw in sink.raws() if raw.origin.via == "sentinel"]


@pytest.fixture(params=["body", "link", "header"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_page_is_read_whichever_way_the_next_one_is_named(
    way: str, api: Api, pull: Callable[..., Pull], sink: "DiskSink", running: "Running", until: "Until"
) -> None:
    shelf = Shelf()
    for number in range(8):
        shelf.add(number, MOMENT - timedelta(minutes=20 - number))

    def script(asked: Asked) -> Reply:
        found, page = shelf.page(asked)
        target = following(asked, page) if page else ""
        match way:
            case "body":
                whole = {"data": {"value": found}, "@odata.nextLink": api.url + target if target else None}
                return reply(whole, packed=True)
            case "link":
                links = {"Link": f'</first>; rel="first", <{target}>; rel="next"'} if target else {}
                return Reply(200, "".join(json.dumps(one) + "\n" for one in found).encode(), links)
            case _:
                return reply(found, NextPageUri=api.url + target) if target else reply(found)

    api.script = script
    form = {
        "body": Form(id="id", records="data.value", next_path="@odata.nextLink"),
        "link": Form("ndjson", id="id", next_header="Link"),
        "header": Form(id="id", next_header="NextPageUri"),
    }[way]

    async def scenario() -> None:
        collector = pull(form, pace=ONCE)
        async with running(collector, sink):
            await until(lambda: collector.counters.written == 8)

    asyncio.run(scenario())
    assert kept(sink) == [f"r{number}" for number in range(8)]
    assert len(api.asked) == 3
    assert api.connections == 1
    assert {raw.origin.peer for raw in sink.raws()} == {"localhost"}


def test_stretches_overlap_and_still_everything_is_kept_once_also_what_comes_late(
    api: Api, pull: Callable[..., Pull], sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    shelf = Shelf()
    api.script = lambda asked: reply(shelf.page(asked)[0])
    for number in range(3):
        shelf.add(number, clock.now() - timedelta(minutes=5))

    async def scenario() -> Pull:
        collector = pull()
        async with running(collector, sink):
            await until(lambda: collector.counters.written == 3 and collector.counters.again >= 6)
            clock.advance(timedelta(minutes=2))
            shelf.records.insert(0, {"id": "late", "at": iso(clock.now() - timedelta(minutes=8)), "text": "late"})
            await until(lambda: collector.counters.written == 4)
        return collector

    collector = asyncio.run(scenario())
    assert sorted(kept(sink)) == ["late", "r0", "r1", "r2"]
    assert collector.counters.received == 4
    assert not collector.counters.problems


def test_what_has_no_name_is_told_apart_by_its_content_and_how_often_it_came(
    api: Api, pull: Callable[..., Pull], sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    api.script = lambda _: reply([{"id": "", "text": "the same"}] * 3)

    async def scenario() -> Pull:
        collector = pull()
        async with running(collector, sink):
            await until(lambda: collector.counters.again >= 6)
        return collector

    collector = asyncio.run(scenario())
    assert collector.counters.written == 3
    assert len(sink.distinct()) == 3


def test_a_cursor_is_remembered_when_what_came_before_it_is_kept_and_survives_a_restart(
    api: Api, pull: Callable[..., Pull], sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    count = 5

    def script(asked: Asked) -> Reply:
        after = int(asked.query.get("after", "0"))
        page = [{"id": f"r{number}"} for number in range(after, min(after + 2, count))]
        return reply({"items": page, "next": {"cursor": str(after + len(page))}})

    api.script = script
    form = Form(records="items", id="id", cursor_path="next.cursor")

    async def run(wanted: int) -> None:
        collector = pull(form, url=f"{api.url}/log?limit=2&after={{cursor}}")
        async with running(collector, sink):
            await until(lambda: collector.counters.written == wanted)

    asyncio.run(run(5))
    assert api.asked[0].query == {"limit": "2"}
    count, before = 7, len(api.asked)
    asyncio.run(run(2))
    assert kept(sink) == [f"r{number}" for number in range(7)]
    assert api.asked[before].query["after"] in {"4", "5"}


def test_nothing_counts_as_read_that_the_sink_did_not_keep_and_it_arrives_when_it_first_would_have(
    api: Api, pull: Callable[..., Pull], sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    shelf = Shelf()
    shelf.add(1, clock.now() - timedelta(minutes=5))
    api.script = lambda asked: reply(shelf.page(asked)[0])
    sink.failure = SpoolError("no room")
    first = iso(clock.now())

    async def failing() -> None:
        await pull().run(sink)

    with pytest.raises(SpoolError):
        asyncio.run(failing())
    sink.failure = None
    clock.advance(timedelta(hours=20))  # another day: an id is unique within the day of arrival

    async def scenario() -> None:
        collector = pull()
        async with running(collector, sink):
            await until(lambda: collector.counters.written == 1)

    asyncio.run(scenario())
    (raw,) = sink.raws()
    assert raw.origin.position == ":id:r1"
    assert datetime.fromisoformat(raw.origin.note.removeprefix("arrived:")) == datetime.fromisoformat(first)


def test_what_was_asked_for_in_vain_for_days_arrives_when_it_comes(
    api: Api, pull: Callable[..., Pull], sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    shelf = Shelf()
    shelf.add(1, clock.now() - timedelta(minutes=5))
    api.script = lambda _: reply({}, 401)

    async def scenario() -> None:
        collector = pull()
        async with running(collector, sink):
            await until(lambda: collector.counters.failed > 2)
            clock.advance(timedelta(days=3))
            api.script = lambda asked: reply(shelf.page(asked)[0])
            await until(lambda: collector.counters.written == 1)

    asyncio.run(scenario())
    (raw,) = [raw for raw in sink.raws() if raw.origin.via == "pull"]
    assert datetime.fromisoformat(raw.origin.note.removeprefix("arrived:")) == clock.now()


def test_marks_that_cannot_be_written_are_told_and_lose_nothing(
    api: Api, pull: Callable[..., Pull], sink: "DiskSink", running: "Running", until: "Until", tmp_path: Path
) -> None:
    api.script = lambda _: reply([{"id": "one"}])

    async def scenario() -> None:
        collector = pull()
        with sqlite3.connect(":memory:") as other:
            async with running(collector, sink):
                await until(lambda: collector.counters.written == 1)
                other.execute("ATTACH ? AS marks", (str(tmp_path / "shelf.pull.db"),))
                other.execute("ALTER TABLE marks.seen RENAME TO away")
                api.script = lambda _: reply([{"id": "one"}, {"id": "two"}])
                await until(lambda: "no such table" in collector.counters.problems.get("", ""))
                other.execute("ALTER TABLE marks.away RENAME TO seen")
                await until(lambda: "two" in kept(sink))
        other.close()

    asyncio.run(scenario())
    assert len(sink.distinct()) == 2


def flood(out: BinaryIO) -> None:
    out.writelines(b"[" * (1 << 20) for _ in range(200))


def half(out: BinaryIO) -> None:
    out.write(b'[{"id": "half"}, {"id": "of')


def half_a_chunk(out: BinaryIO) -> None:
    out.write(b"1000\r\n[")


def trickle(out: BinaryIO) -> None:
    for _ in range(6000):
        out.write(b" ")
        out.flush()
        time.sleep(0.01)


BOMB = gzip.compress(gzip.compress(b" " * (1 << 20)) + b" " * (80 << 20))
FAULTS: dict[str, tuple[Reply, str]] = {
    "busy": (reply({}, 429, Retry_After="0"), "status 429"),
    "down": (reply({"error": {"code": "Down", "message": "for a while"}}, 503), "status 503: Down: for a while"),
    "unknown": (reply({}, 401), "status 401"),
    "redirect": (reply({}, 302, Location="https://192.0.2.1/"), "redirects are not followed"),
    "half": (Reply(write=half), "ends in the middle"),
    "half of a length": (Reply(write=half, headers={"Content-Length": "5000"}), "connection failed"),
    "half of a chunk": (Reply(write=half_a_chunk, headers={"Transfer-Encoding": "chunked"}), "connection failed"),
    "trickle": (Reply(write=trickle), "no whole answer within"),
    "200 MB": (Reply(write=flood), "more than 16 MiB"),
    "bomb": (Reply(200, BOMB, {"Content-Encoding": "gzip"}), "more than 16 MiB"),
    "no json": (Reply(200, b"<html>"), "no JSON"),
    "deep": (Reply(200, b"[" * 100_000), "no JSON"),
    "another place": (reply({"value": "none"}), "no records at"),
    "no http": (Reply(999), "status 999"),
}


def test_an_answer_in_chunks_and_packed_is_read_as_most_servers_send_it(
    api: Api, pull: Callable[..., Pull], sink: "DiskSink", running: "Running", until: "Until"
) -> None:
    packed = gzip.compress(json.dumps([{"id": f"r{number}"} for number in range(2000)]).encode())

    def chunks(out: BinaryIO) -> None:
        for at in range(0, len(packed), 700):
            piece = packed[at : at + 700]
            out.write(b"%x;name=value\r\n%b\r\n" % (len(piece), piece))
        out.write(b"0\r\nTrailer: x\r\n\r\n")

    api.script = lambda _: Reply(headers={"Transfer-Encoding": "chunked", "Content-Encoding": "gzip"}, write=chunks)

    async def scenario() -> None:
        collector = pull(pace=ONCE)
        async with running(collector, sink):
            await until(lambda: collector.counters.written == 2000)

    asyncio.run(scenario())
    assert kept(sink) == [f"r{number}" for number in range(2000)]


def test_a_clock_that_was_set_back_asks_for_nothing_that_is_yet_to_come(
    api: Api, pull: Callable[..., Pull], sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    api.script = lambda _: reply([])

    async def scenario() -> None:
        collector = pull()
        async with running(collector, sink):
            await until(lambda: len(api.asked) > 1)
            clock.advance(timedelta(days=-2))
            before = len(api.asked)
            await until(lambda: len(api.asked) > before + 3)

    asyncio.run(scenario())
    last = api.asked[-1].query
    assert last["since"] < last["until"] == "2026-11-21T08:15:00Z"


GOOD = {"name": "x", "url": "https://api.example.org/log?from={since}", "id": "id"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"url": "http://api.example.org/{since}"}, "no https address"),
        ({"url": "https://user:word@api.example.org/{since}"}, "no https address"),
        ({"url": ""}, "url is missing"),
        ({"url": "https://api.example.org/log"}, "needs a place {since} or {cursor}"),
        ({"url": "https://api.example.org/{since}/{unitl}"}, "has a place {unitl}"),
        ({"cursor_path": "next"}, "needs a place {cursor}"),
        ({"id": ""}, "give id, or overlap_minutes = 0"),
        ({"overlap_minutes": 60}, "more than overlap_minutes"),
        ({"client_id": "us"}, "belong together"),
        ({"client_id": "us", "client_secret_file": "/x"}, "need token_url"),
        ({"tenant_id": "t"}, "are for kind"),
        ({"headers": ["X-Token: a\nX-Other: b"]}, "headers"),
    ],
)
def test_options_that_cannot_work_are_refused_with_what_to_do(wrong: dict[str, object], words: str) -> None:
    parse({"pull": [GOOD]})
    with pytest.raises(ConfigError) as refused:
        parse({"pull": [GOOD | wrong]})
    assert words in str(refused.value)


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_the_server_does_is_told_bounded_and_passes(
    fault: str, api: Api, pull: Callable[..., Pull], sink: "DiskSink", running: "Running", until: "Until"
) -> None:
    answer, words = FAULTS[fault]
    broken = threading.Event()
    broken.set()
    api.script = lambda _: answer if broken.is_set() else reply({"value": [{"id": "after"}]})

    async def scenario() -> Pull:
        collector = pull(Form(id="id", records="value"), limits={"seconds_max": 3.0})
        async with running(collector, sink):
            await until(lambda: words in collector.counters.problems.get("", ""))
            broken.clear()
            await until(lambda: collector.counters.written == 1 and not collector.counters.problems)
        return collector

    collector = asyncio.run(scenario())
    assert kept(sink) == ["after"]
    assert collector.counters.failed


def test_a_server_that_is_not_there_is_waited_for(
    api: Api, pull: Callable[..., Pull], sink: "DiskSink", running: "Running", until: "Until"
) -> None:
    api.script = lambda _: reply([{"id": "after"}])
    api.__exit__()

    async def scenario() -> None:
        collector = pull()
        async with running(collector, sink):
            await until(lambda: collector.counters.failed > 3)
            assert "Connection refused" in collector.counters.problems[""]
            with api:
                await until(lambda: collector.counters.written == 1)

    asyncio.run(scenario())
    api.__enter__()


def test_a_certificate_that_nobody_here_signed_is_refused_and_told_at_once(
    api: Api, pull: Callable[..., Pull], sink: "DiskSink", running: "Running", until: "Until"
) -> None:
    async def scenario() -> None:
        collector = pull(trusted=False)
        async with running(collector, sink):
            await until(lambda: bool(notices(sink)))

    asyncio.run(scenario())
    assert "not trusted" in str(notices(sink)[0]["reason"])
    assert not api.asked


@pytest.mark.parametrize("link", ["https://192.0.2.1/x", "https://localhost@192.0.2.1/", "http://localhost/", "//h/"])
def test_a_next_link_that_leads_elsewhere_is_not_followed(
    link: str, api: Api, pull: Callable[..., Pull], sink: "DiskSink", running: "Running", until: "Until"
) -> None:
    api.script = lambda _: reply({"value": [{"id": "one"}], "next": link})

    async def scenario() -> Pull:
        collector = pull(Form(id="id", records="value", next_path="next"))
        async with running(collector, sink):
            await until(lambda: bool(notices(sink)))
        return collector

    asyncio.run(scenario())
    told = str(notices(sink)[0]["reason"])
    assert "is another server than localhost: it is not asked" in told or "is no https address" in told
    assert kept(sink) == ["one"]
    assert set(api.paths()) == {"/events"}


def test_pages_in_a_circle_end(
    api: Api, pull: Callable[..., Pull], sink: "DiskSink", running: "Running", until: "Until"
) -> None:
    api.script = lambda asked: reply({"value": [], "next": "/b" if asked.path == "/a" else "/a"})

    async def scenario() -> None:
        collector = pull(Form(id="id", records="value", next_path="next"))
        async with running(collector, sink):
            await until(lambda: "leads back" in collector.counters.problems.get("", ""))

    asyncio.run(scenario())


def test_in_the_middle_of_a_stretch_a_page_is_asked_for_again_not_the_stretch(
    api: Api, pull: Callable[..., Pull], sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    shelf = Shelf()
    for number in range(8):
        shelf.add(number, clock.now() - timedelta(minutes=5))
    times: dict[str, int] = {}

    def script(asked: Asked) -> Reply:
        found, page = shelf.page(asked)
        times[asked.query.get("page", "0")] = times.get(asked.query.get("page", "0"), 0) + 1
        if asked.query.get("page") == "2" and times["2"] < 4:
            return reply({}, 503)
        return reply({"value": found, "next": following(asked, page) if page else ""})

    api.script = script

    async def scenario() -> None:
        collector = pull(Form(id="id", records="value", next_path="next"), pace=ONCE)
        async with running(collector, sink):
            await until(lambda: collector.counters.written == 8)

    asyncio.run(scenario())
    assert times == {"0": 1, "1": 1, "2": 4}


def test_when_the_server_says_when_to_come_again_it_is_asked_no_earlier(api: Api, pull: Callable[..., Pull]) -> None:
    collector = pull()
    assert all(7 <= collector.wait(failures, 7.0) <= 8 for failures in range(1, 50))
    assert all(collector.wait(failures, None) <= 0.05 for failures in range(1, 2000))
    assert len({collector.wait(9, None) for _ in range(10)}) == 10
    now = datetime(2026, 11, 23, 8, tzinfo=UTC)
    said = {"90": 90.0, "Mon, 23 Nov 2026 08:00:30 GMT": 30.0, "Mon, 23 Nov 2026 07:00:00 GMT": 0.0, "soon": None}
    assert {text: Answer(429, {"retry-after": text}, b"").after(now) for text in said} == said


def test_a_trouble_that_lasts_is_told_once_an_hour_and_once_when_it_is_over(
    api: Api, pull: Callable[..., Pull], sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    api.script = lambda _: reply({}, 503)

    async def scenario() -> None:
        collector = pull()
        async with running(collector, sink):
            await until(lambda: collector.counters.failed > 3)
            assert not notices(sink)
            clock.advance(timedelta(minutes=11))
            await until(lambda: len(notices(sink)) == 1)
            failed = collector.counters.failed
            await until(lambda: collector.counters.failed > failed + 3)
            clock.advance(timedelta(hours=1))
            await until(lambda: len(notices(sink)) == 2)
            api.script = lambda _: reply([])
            await until(lambda: len(notices(sink)) == 3)

    asyncio.run(scenario())
    assert [one["action"] for one in notices(sink)] == ["pull_failed", "pull_failed", "pull_recovered"]


def test_an_end_does_not_wait_for_a_server_that_does_not_answer(
    api: Api, pull: Callable[..., Pull], sink: "DiskSink", running: "Running", until: "Until"
) -> None:
    never = threading.Event()

    def script(_: Asked) -> Reply:
        never.wait(120)
        return reply([])

    api.script = script

    async def scenario() -> None:
        collector = pull(limits={"idle_seconds": 100.0, "seconds_max": 100.0})
        async with running(collector, sink):
            await until(lambda: bool(api.asked))
        assert not never.is_set()

    asyncio.run(asyncio.wait_for(scenario(), 60))
    never.set()


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_a_token_is_read_again_when_it_was_refused(
    api: Api, pull: Callable[..., Pull], sink: "DiskSink", tmp_path: Path, running: "Running", until: "Until"
) -> None:
    file = write(tmp_path / "token", "the-old-token-of-ours\n")

    def script(asked: Asked) -> Reply:
        known = asked.headers.get("X-Api-Key") == "Key the-new-token-of-ours"
        return reply([{"id": "one"}]) if known else reply({}, 401)

    api.script = script

    async def scenario() -> None:
        collector = pull(tokens=FileToken(file, header="X-Api-Key", scheme="Key"))
        async with running(collector, sink):
            await until(lambda: "401" in collector.counters.problems.get("", ""))
            write(file, "the-new-token-of-ours\n")
            await until(lambda: collector.counters.written == 1)
            file.chmod(0o644)
            await until(lambda: "others may read" in collector.counters.problems.get("", ""))

    asyncio.run(scenario())


def test_a_fetched_token_is_renewed_before_it_expires_and_once_when_it_is_refused(
    api: Api, pull: Callable[..., Pull], sink: "DiskSink", tmp_path: Path, running: "Running", until: "Until"
) -> None:
    seconds = [0.0]
    given: list[str] = []
    wanted = [""]

    def script(asked: Asked) -> Reply:
        if asked.path == "/token":
            given.append(f"token-{len(given)}")
            wanted[0] = given[-1]
            return reply({"access_token": given[-1], "expires_in": 1000, "token_type": "Bearer"})
        known = asked.headers.get("Authorization") == f"Bearer {wanted[0]}"
        return reply([{"id": wanted[0]}]) if known else reply({}, 401)

    api.script = script
    secret = write(tmp_path / "secret", SECRET)

    async def scenario() -> Pull:
        tokens = ClientCredentials(f"{api.url}/token", "us", secret, "all", seconds=lambda: seconds[0])
        collector = pull(tokens=tokens)
        async with running(collector, sink):
            await until(lambda: collector.counters.asked > 3)
            assert given == ["token-0"]
            seconds[0] = 801
            await until(lambda: collector.counters.written == 2)
            wanted[0] = "none of those"
            await until(lambda: collector.counters.written == 3)
        return collector

    collector = asyncio.run(scenario())
    assert kept(sink) == ["token-0", "token-1", "token-2"]
    assert collector.counters.failed == 0
    asked = next(one for one in api.asked if one.path == "/token")
    assert b"grant_type=client_credentials&client_id=us" in asked.body


def test_a_secret_is_in_nothing_that_is_told_even_if_the_server_says_it_back(
    api: Api, pull: Callable[..., Pull], sink: "DiskSink", tmp_path: Path, running: "Running", until: "Until"
) -> None:
    def script(asked: Asked) -> Reply:
        if asked.path == "/token":
            return reply({"error": "invalid_client", "error_description": f"not {asked.body.decode()}\x1b[2J"}, 400)
        return reply({"error": {"code": "denied", "message": f"{asked.headers['Authorization']} is unknown"}}, 403)

    api.script = script
    file = write(tmp_path / "secret", SECRET)
    ways = (FileToken(file), ClientCredentials(f"{api.url}/token", "us", file, ""))

    async def scenario(tokens: Tokens) -> Pull:
        collector = pull(tokens=tokens)
        async with running(collector, sink):
            await until(lambda: bool(collector.counters.problems) and bool(notices(sink)))
        return collector

    for tokens in ways:
        collector = asyncio.run(scenario(tokens))
        told = [*collector.counters.problems.values(), json.dumps(notices(sink)), repr(vars(tokens)), repr(collector)]
        assert not any(SECRET in one or "\x1b" in one for one in told)
        assert "(secret)" in told[0]
        marks = b"".join(path.read_bytes() for path in tmp_path.glob("*.db*"))
        assert SECRET.encode() not in marks + sink.path.read_bytes()


def test_damaged_marks_are_set_aside_told_and_begun_anew(
    api: Api, pull: Callable[..., Pull], sink: "DiskSink", tmp_path: Path, running: "Running", until: "Until"
) -> None:
    api.script = lambda _: reply([{"id": "one"}])
    (tmp_path / "shelf.pull.db").write_bytes(b"no database" * 500)

    async def scenario() -> None:
        collector = pull()
        async with running(collector, sink):
            await until(lambda: collector.counters.written == 1 and bool(notices(sink)))

    asyncio.run(scenario())
    (told,) = notices(sink)
    assert told["action"] == "pull_lost"
    assert "damaged" in str(told["reason"])


def test_without_an_authority_file_the_systems_authorities_count() -> None:
    assert trust(None).verify_mode is ssl.CERT_REQUIRED
    assert trust(None).check_hostname


@given(body=st.one_of(st.binary(max_size=200), st.recursive(
    st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["id", "value", "next", "a.b"]), inner, max_size=3), max_leaves=10,
).map(lambda said: json.dumps(said).encode())), kind=st.sampled_from(["json", "ndjson"]))  # fmt: skip
def test_no_answer_raises_anything_but_a_problem(body: bytes, kind: str) -> None:
    form = Form("json" if kind == "json" else "ndjson", "value", "id", next_path="next", cursor_path="a.b")
    try:
        found = content(Answer(200, {}, body), form)
    except PullError:
        return
    assert all(record.body and isinstance(record.id, str) for record in found.records)


@given(st.text(alphabet='<>;,= "relnxt/', max_size=200))
def test_no_link_header_raises_anything(header: str) -> None:
    assert isinstance(linked(header), str)


@given(
    day=st.text("0123456789", max_size=25),
    year=st.text("0123456789", max_size=25),
    zone=st.text("+-0123GMT", max_size=9),
)
def test_no_time_to_come_again_raises_anything(day: str, year: str, zone: str) -> None:
    said = Answer(429, {"retry-after": f"Mon, {day} Nov {year} 08:00:30 {zone}"}, b"").after(MOMENT)
    assert said is None or said >= 0


def test_links_are_read_as_rfc_8288_says() -> None:
    assert linked('<https://a/?x=1,2>; title="a, b"; rel="prev next"') == "https://a/?x=1,2"
    assert linked("<a>; rel=first,<b>; REL=next") == "b"
    assert not linked('<a>; rel="last"')
