"""Microsoft 365's audit log: subscribed to, listed within the API's limits, every blob and every record once."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sentinel.collect.pull import Pace, Pull
from sentinel.config import parse
from sentinel.core.clock import ManualClock
from sentinel.core.errors import ConfigError
from sentinel.entrances import entrances
from tests.api import Api
from tests.m365 import CLIENT, SECRET, TENANT, Tenant

if TYPE_CHECKING:
    from tests.collect.conftest import DiskSink, Running, Until

EXCHANGE, SHAREPOINT = "Audit.Exchange", "Audit.SharePoint"


@pytest.fixture
def tenant(clock: ManualClock) -> Tenant:
    return Tenant(clock.now)


@pytest.fixture
def api(tmp_path: Path, tenant: Tenant) -> Iterator[Api]:
    with Api(tmp_path, tenant.script) as one:
        yield one


@pytest.fixture
def pulled(api: Api, tmp_path: Path, clock: ManualClock) -> Callable[..., Pull]:
    """Return a way to make the collector just as the configuration would."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)

    def make(**options: object) -> Pull:
        source: dict[str, object] = {
            "name": "m365",
            "kind": "m365",
            "url": api.url,
            "token_url": f"{api.url}/{TENANT}/oauth2/v2.0/token",
            "tenant_id": TENANT,
            "client_id": CLIENT,
            "client_secret_file": str(secret),
            "ca_cert": str(api.ca),
            "content_types": [EXCHANGE],
            "interval_seconds": 1,
        }
        config = parse({"data": str(tmp_path), "syslog": [], "pull": [source | options]})
        (one,) = entrances(config, clock)
        assert isinstance(one.collector, Pull)
        return one.collector

    return make


def record(number: int) -> dict[str, object]:
    return {"Id": f"id-{number}", "Operation": "Send", "Workload": "Exchange"}


def kept(sink: "DiskSink") -> list[str]:
    return [json.loads(raw.body)["Id"] for raw in sink.raws() if raw.origin.via == "pull"]


def test_each_content_type_is_subscribed_to_once_and_every_blob_fetched_once(
    tenant: Tenant,
    pulled: Callable[..., Pull],
    sink: "DiskSink",
    clock: ManualClock,
    running: "Running",
    until: "Until",
) -> None:
    tenant.subscribed.add(EXCHANGE)
    for number in range(5):
        tenant.add(EXCHANGE, clock.now() - timedelta(minutes=10 - number), record(number), record(number))
    tenant.add(SHAREPOINT, clock.now() - timedelta(minutes=1), record(5))

    async def scenario() -> None:
        collector = pulled(content_types=[EXCHANGE, SHAREPOINT], overlap_minutes=30)
        async with running(collector, sink):
            await until(lambda: collector.counters.written == 6)
            tenant.add(SHAREPOINT, clock.now() + timedelta(seconds=5), record(6))
            clock.advance(timedelta(seconds=30))
            await until(lambda: collector.counters.written == 7)

    asyncio.run(scenario())
    assert sorted(kept(sink)) == [f"id-{number}" for number in range(7)]
    assert sorted(tenant.fetched) == sorted(one.name for one in tenant.blobs)
    assert tenant.subscribed == {EXCHANGE, SHAREPOINT}
    assert tenant.tokens == 1


def test_a_week_is_caught_up_with_in_stretches_that_the_api_allows_and_what_is_older_is_told(
    tenant: Tenant,
    pulled: Callable[..., Pull],
    sink: "DiskSink",
    clock: ManualClock,
    running: "Running",
    until: "Until",
) -> None:
    tenant.add(EXCHANGE, clock.now() - timedelta(minutes=10), record(0))

    async def run(wanted: int) -> None:
        collector = pulled(window_minutes=1440, overlap_minutes=60)
        async with running(collector, sink):
            # the last stretch has ended when the next list is asked for
            await until(lambda: collector.counters.written == wanted and tenant.spans[-1] < timedelta(hours=24))

    asyncio.run(run(1))
    clock.advance(timedelta(days=10))
    for days in range(6):
        tenant.add(EXCHANGE, clock.now() - timedelta(days=days, minutes=5), record(days + 1))
    asyncio.run(run(6))
    assert sorted(kept(sink)) == [f"id-{number}" for number in range(7)]
    assert max(tenant.spans) == timedelta(hours=24)
    (told,) = [json.loads(raw.body) for raw in sink.raws() if raw.origin.via == "sentinel"]
    assert told["action"] == "pull_lost"
    assert "nothing of 2026-11-23" in told["reason"]


def test_a_blob_that_has_expired_and_a_subscription_that_was_ended_stop_nothing(
    tenant: Tenant,
    pulled: Callable[..., Pull],
    sink: "DiskSink",
    clock: ManualClock,
    running: "Running",
    until: "Until",
) -> None:
    tenant.add(EXCHANGE, clock.now() - timedelta(minutes=9), record(0)).gone = True
    tenant.add(EXCHANGE, clock.now() - timedelta(minutes=8), record(1))

    async def scenario() -> Pull:
        collector = pulled()
        async with running(collector, sink):
            await until(lambda: collector.counters.written == 1)
            tenant.subscribed.clear()
            tenant.add(EXCHANGE, clock.now(), record(2))
            clock.advance(timedelta(seconds=30))
            await until(lambda: collector.counters.written == 2)
        return collector

    collector = asyncio.run(scenario())
    assert kept(sink) == ["id-1", "id-2"]
    assert collector.counters.failed == 1
    assert collector.counters.gone == 1


def test_the_preset_knows_microsofts_addresses_and_refuses_what_the_api_would(tmp_path: Path) -> None:
    good = {
        "name": "m365",
        "kind": "m365",
        "tenant_id": TENANT,
        "client_id": CLIENT,
        "client_secret_file": str(tmp_path / "secret"),
    }
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "secret").chmod(0o600)
    config = parse({"data": str(tmp_path), "syslog": [], "pull": [good]})
    (one,) = entrances(config, ManualClock(tenant_time()))
    assert one.where() == "pull manage.office.com"
    assert isinstance(one.collector, Pull)
    assert [feed.key for feed in one.collector.feeds] == [
        "Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", "DLP.All",
    ]  # fmt: skip
    assert one.collector.pace == Pace()
    for wrong, words in (
        ({"tenant_id": "../x"}, "needs tenant_id"),
        ({"window_minutes": 2000}, "at most 1440"),
        ({"id": "Id"}, 'id is for kind = "json"'),
        ({"url": "http://manage.office.com"}, "no https address"),
        ({"overlap_minutes": 60}, "more than overlap_minutes"),
        ({"token_file": "/x"}, "choose one"),
    ):
        with pytest.raises(ConfigError, match=words):
            parse({"pull": [good | wrong]})


def tenant_time() -> datetime:
    return datetime(2026, 11, 23, 8, 15, tzinfo=UTC)
