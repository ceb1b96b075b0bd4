"""Microsoft 365 from the API to the query: killed in between, refused, and with a secret that nobody gets to see."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.api import Api
from tests.m365 import CLIENT, SECRET, TENANT, Tenant

if TYPE_CHECKING:
    from tests.running import Running

Patiently = Callable[..., Any]
ATTACKER = "203.0.113.66"


def name(number: int) -> str:
    return f"{number:08x}-1111-4222-8333-444444444444"


def failed_login(number: int, at: datetime) -> dict[str, object]:
    return {
        "CreationTime": f"{at:%Y-%m-%dT%H:%M:%S}",
        "Id": name(number),
        "Operation": "UserLoginFailed",
        "OrganizationId": TENANT,
        "RecordType": 15,
        "ResultStatus": "Failed",
        "UserKey": f"user{number}@city.example",
        "UserType": 0,
        "Version": 1,
        "Workload": "AzureActiveDirectory",
        "ClientIP": ATTACKER,
        "UserId": f"user{number}@city.example",
        "AzureActiveDirectoryEventType": 1,
        "ErrorNumber": "50126",
        "LogonError": "InvalidUserNameOrPassword",
    }


@pytest.fixture
def tenant() -> Tenant:
    return Tenant(lambda: datetime.now(UTC), subscribed={"Audit.AzureActiveDirectory"})


@pytest.fixture
def api(tmp_path: Path, tenant: Tenant) -> Iterator[Api]:
    with Api(tmp_path, tenant.script) as one:
        yield one


@pytest.fixture
def town(city: "Running", api: Api) -> "Running":
    """Return a city that asks the tenant."""
    secret = city.folder / "secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    with city.config.open("a") as config:
        config.write(
            f'[[pull]]\nname = "m365"\nkind = "m365"\nurl = "{api.url}"\ntenant_id = "{TENANT}"\n'
            f'token_url = "{api.url}/{TENANT}/oauth2/v2.0/token"\nclient_id = "{CLIENT}"\n'
            f'client_secret_file = "{secret}"\nca_cert = "{api.ca}"\ninterval_seconds = 1\n'
            'content_types = ["Audit.AzureActiveDirectory"]\n'
        )
    return city


def test_killed_between_keeping_and_marking_everything_is_there_once(
    town: "Running", tenant: Tenant, patiently: Patiently
) -> None:
    now = datetime.now(UTC)
    for blob in range(6):
        at = now - timedelta(minutes=30 - blob)
        tenant.add("Audit.AzureActiveDirectory", at, *(failed_login(blob * 5 + one, at) for one in range(5)))
    town.environment["SENTINEL_KILL_AT"] = "pull.kept:3"
    with suppress(AssertionError):  # it may die before it is ready
        town.start()
    patiently(lambda: town.process is not None and town.process.poll() is not None)
    assert town.stop() == -signal.SIGKILL
    assert len(tenant.fetched) == 3
    town.environment.clear()
    town.start()
    query = ("query", "sentinel.source:m365 last 1d")
    patiently(lambda: len(town.json(*query)) == 30)
    assert len(tenant.fetched) == 7  # the third blob was fetched again, the first two were not
    found = town.json(*query)
    assert {one["user.email"] for one in found} == {f"user{number}@city.example" for number in range(30)}
    assert {(one["event.action"], one["event.outcome"], one["source.ip"]) for one in found} == {
        ("UserLoginFailed", "failure", ATTACKER)
    }
    assert {json.loads(one["event.original"])["Id"] for one in found} == {name(number) for number in range(30)}
    # what was fetched twice comes before the last that is found, and may be booked after it
    (status,) = patiently(lambda: [one for one in town.json("status") if not one["in_spool"]])
    assert status["balanced"], status
    assert status["duplicate"] == 5


def test_the_secret_is_nowhere_but_in_its_file_and_doctor_says_what_is_wrong(
    town: "Running", tenant: Tenant, api: Api, patiently: Patiently
) -> None:
    (well,) = [one for one in town.json("doctor") if one["check"] == "pull m365"]
    assert (well["state"], well["found"]) == ("ok", "localhost is trusted, knows us and answers")
    other = town.folder / "secret"
    wrong = f"{SECRET}-wrong"
    other.write_text(wrong)
    town.start()
    query = ("query", "event.action:pull_failed last 1d")
    (told,) = patiently(lambda: town.json(*query))
    assert "AADSTS7000215: Invalid client secret provided: (secret)" in told["message"]
    assert patiently(lambda: [one for one in town.json("alerts", "list") if "cannot read" in one["title"]])
    doctor = town.sentinel("doctor", "--json", code=1).stdout.decode()
    (bad,) = [one for one in map(json.loads, doctor.splitlines()) if one["check"] == "pull m365"]
    assert "no token" in bad["found"]
    assert town.process is not None
    proc = Path("/proc", str(town.process.pid))
    looks = [(proc / name).read_bytes() for name in ("cmdline", "environ")]
    assert town.stop() == 0
    looks.append("".join(town.said).encode())
    other.write_text(SECRET)
    now = datetime.now(UTC)
    tenant.add("Audit.AzureActiveDirectory", now - timedelta(minutes=5), failed_login(1, now))
    town.start()  # a secret that was wrong is read again anyway, but at a pace that suits no test
    patiently(lambda: town.json("query", "sentinel.source:m365 and user.name:user1 last 1d"))
    assert town.stop() == 0
    looks += [path.read_bytes() for path in (town.folder / "data").rglob("*") if path.is_file()]
    looks += [doctor.encode(), "".join(town.said).encode(), json.dumps(told).encode(), town.config.read_bytes()]
    assert not any(SECRET.encode() in look or b"token-1" in look for look in looks)
    other.chmod(0o644)
    refused = town.sentinel("doctor", "--json", code=1).stdout.decode()
    assert "others may read" in refused
    assert SECRET not in refused
