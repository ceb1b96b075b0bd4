"""The examples of deploy/docs/pull.md: each is a configuration, and Microsoft Graph's is run as it stands there."""

import asyncio
import json
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sentinel.collect.pull import Pull
from sentinel.config import parse
from sentinel.core.clock import ManualClock
from sentinel.entrances import entrances
from tests.api import Api, Asked, Reply, reply

if TYPE_CHECKING:
    from tests.collect.conftest import DiskSink, Running, Until

PAGE = Path(__file__).resolve().parents[2] / "deploy/docs/pull.md"
SECRET = "a-secret-for-the-example"  # noqa: S105  for the tests alone
FILTER = re.compile(r"createdDateTime ge (\S+Z) and createdDateTime lt (\S+Z)")


def examples() -> list[dict[str, Any]]:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return [source for block in blocks for source in tomllib.loads(block)["pull"]]


def test_every_example_is_a_configuration() -> None:
    config = parse({"pull": examples()})
    assert [source.name for source in config.pull] == ["m365", "entra-signins", "okta", "gateway"]


def test_microsoft_graph_is_read_as_the_page_says(
    tmp_path: Path, sink: "DiskSink", clock: ManualClock, running: "Running", until: "Until"
) -> None:
    def script(asked: Asked) -> Reply:
        if asked.path == "/TENANT/oauth2/v2.0/token":
            return reply({"access_token": "a-token-of-graph", "expires_in": 3599})
        if asked.headers.get("Authorization") != "Bearer a-token-of-graph":
            return reply({"error": {"code": "InvalidAuthenticationToken"}}, 401)
        first = {"value": [{"id": "s1"}, {"id": "s2"}], "@odata.nextLink": f"{api.url}/v1.0/next?$skiptoken=a%2Bb"}
        return reply({"value": [{"id": "s3"}]} if asked.path == "/v1.0/next" else first)

    with Api(tmp_path, script) as api:
        source = next(one for one in examples() if one["name"] == "entra-signins")
        for name, host in (("url", "https://graph.microsoft.com"), ("token_url", "https://login.microsoftonline.com")):
            assert source[name].startswith(host)
            source[name] = source[name].replace(host, api.url)
        secret = tmp_path / "secret"
        secret.write_text(SECRET)
        secret.chmod(0o600)
        source |= {"client_secret_file": str(secret), "ca_cert": str(api.ca)}
        (one,) = entrances(parse({"data": str(tmp_path), "syslog": [], "pull": [source]}), clock)
        collector = one.collector
        assert isinstance(collector, Pull)

        async def scenario() -> None:
            async with running(collector, sink):
                await until(lambda: collector.counters.written == 3)

        asyncio.run(scenario())
    assert [json.loads(raw.body)["id"] for raw in sink.raws()] == ["s1", "s2", "s3"]
    asked = next(one for one in api.asked if one.path == "/v1.0/auditLogs/signIns")
    span = FILTER.fullmatch(asked.query["$filter"])
    assert span is not None
    assert span[1] == f"{clock.now() - timedelta(hours=24):%Y-%m-%dT%H:%M:%SZ}"
    assert asked.query["$top"] == "500"
    following = next(one for one in api.asked if one.path == "/v1.0/next")
    assert following.query == {"$skiptoken": "a+b"}
