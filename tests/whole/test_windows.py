"""One Windows event through every entrance of a real Sentinel: stored events say the same, and none is lost."""

import urllib.request
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.eventlogs import nxlog, nxlog_5424, snare, winlogbeat, write_evtx, xml
from tests.packs.test_wrappings import CREATED

if TYPE_CHECKING:
    from tests.running import Running

Patiently = Callable[..., Any]
TOKEN = "a-token-of-sixteen-characters"  # noqa: S105  made up
MORE = """
[[http]]
name = "posted"
port = 0
token_file = "{0}/token"

[[files]]
name = "nxlog-files"
paths = ["{0}/nxlog/*.json"]

[[files]]
name = "xml-files"
paths = ["{0}/xml/*.xml"]
records = "xml-events"
"""
SAME = (
    "event.code", "event.category", "event.type", "event.action", "event.outcome", "event.provider", "host.name",
    "user.name", "user.domain", "user.id", "process.executable", "process.command_line", "process.pid",
    "process.parent.executable", "process.parent.pid", "winlog.channel", "winlog.logon.id", "winlog.keywords",
)  # fmt: skip
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def post(city: "Running", kind: str, body: str) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{city.ports['http']}/v1/events",
        body.encode(),
        {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind},
    )
    with _NO_PROXY.open(request, timeout=30) as answer:
        assert answer.status == 200


def test_one_event_says_the_same_whichever_way_it_comes(city: "Running", patiently: Patiently) -> None:
    folder = city.folder
    city.config.write_text(city.config.read_text() + MORE.format(folder))
    token = folder / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    for name in ("nxlog", "xml"):
        (folder / name).mkdir()
    city.start()
    ways = [replace(CREATED, record=number) for number in range(1, 10)]
    post(city, "application/x-ndjson", f"{winlogbeat(ways[0])}\n{nxlog(ways[1])}\n")
    post(city, "application/json", f"[{winlogbeat(ways[2])}]")
    post(city, "application/xml", f"<Events>\r\n{xml(ways[3])}\r\n</Events>")
    city.tcp(nxlog_5424(ways[4]), f"<13>1 2026-11-23T07:15:00Z wec01 nxlog - - - {nxlog(ways[5])}", snare(ways[6]))
    (folder / "nxlog/events.json").write_text(nxlog(ways[7]) + "\n")
    (folder / "xml/export.xml").write_text(f"<?xml version='1.0'?><Events>{xml(ways[8])}</Events>", "utf-16")
    write_evtx(folder / "Security.evtx", [replace(CREATED, record=10)])
    city.sentinel("import", str(folder / "Security.evtx"))
    query = ("query", "event.dataset:windows.eventlog last 10000d", "--limit", "100")
    patiently(lambda: len(city.json(*query)) == 10)
    events = city.json(*query)
    assert sorted(str(one["sentinel.source"]) for one in events) == [
        "city", "city", "city", "import", "nxlog-files", "posted", "posted", "posted", "posted", "xml-files",
    ]  # fmt: skip
    told = {tuple((name, str(one.get(name))) for name in SAME) for one in events}
    assert len(told) == 1, told
    assert dict(told.pop())["process.command_line"] == CREATED.data["CommandLine"]
    city.stop()
    assert city.json("status")[0]["balanced"]
