"""What Beats send finds its pack: Filebeat's documents, whatever they quote, and Winlogbeat's events."""

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core import ecs
from sentinel.core.event import Origin, Raw
from sentinel.pack import document
from sentinel.parse.packs import load
from sentinel.parse.route import Router
from sentinel.testing.packs import faults

SHIPPED = Path(__file__).resolve().parents[2] / "parsers"
QUOTED = {
    "fortigate": 'date=2026-11-23 devid="FG1" logid="1" type="traffic" subtype="forward" vd="root"',
    "windows": 'an event {"EventID": 4625, "Channel": "Security"}',
    "sshd": "sshd[7]: pam_unix(sshd:auth): authentication failure",
}


def raw(said: object) -> Raw:
    return Raw(orjson.dumps(said), "beats", datetime(2026, 11, 23, tzinfo=UTC), Origin("lumberjack", "192.0.2.7"))


@pytest.fixture(scope="module")
def router() -> Router:
    return Router(load([SHIPPED]))


def test_a_document_is_read_as_one_whatever_it_quotes(router: Router) -> None:
    for line in QUOTED.values():
        found = router.route(
            raw({"@timestamp": "2026-11-23T08:15:00Z", "agent": {"type": "filebeat"}, "message": line})
        )
        assert found is not None
        assert found.name == "beats"


def test_winlogbeat_is_read_by_the_pack_for_windows(router: Router) -> None:
    winlog = {"event_id": "4625", "channel": "Security", "computer_name": "dc1.example.org", "record_id": 7}
    found = router.route(raw({"@timestamp": "2026-11-23T08:15:00Z", "winlog": winlog, "message": "An account failed"}))
    assert found is not None
    assert found.name == "windows"
    (event,) = found.parse(raw({"@timestamp": "2026-11-23T08:15:00Z", "winlog": winlog}))
    assert event["event.code"] == "4625"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["192.0.2.7", "x", "", "2026-11-23"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=20,
)
NAMES = st.sampled_from([*ecs.table(), "labels.x", "sentinel.source", "event", "host", "postfix.queue_id"])


@given(st.dictionaries(NAMES, VALUES, max_size=10))
def test_nothing_but_listed_fields_of_their_type_and_labels_is_taken_over(said: dict[str, object]) -> None:
    found = document.fields(said)
    assert list(faults(found)) == []
    assert not [name for name in found if name.startswith(("sentinel.", "postfix.", "ecs."))]


def test_a_value_of_another_type_becomes_a_label() -> None:
    said = {"source": {"ip": "unknown", "port": 80.0}, "http.response.status_code": "404", "host": {"name": 7}}
    assert document.fields(said) == {
        "labels.source.ip": "unknown", "source.port": 80, "http.response.status_code": 404, "host.name": "7",
    }  # fmt: skip
