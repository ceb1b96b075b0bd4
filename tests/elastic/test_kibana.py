"""What Kibana is given refers to what is there: objects, fields of the right type, questions that a node answers."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sentinel.cli.store import verb
from sentinel.core import ecs
from sentinel.core.content import content
from sentinel.core.event import Event, Value
from sentinel.store import es_mapping
from sentinel.store.elastic import ElasticStore
from sentinel.store.kibana import SEARCHES, TABLES, saved

_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_ARRIVED = datetime(2026, 11, 23, 8, tzinfo=UTC)
KINDS = {"double": "float", "line": "keyword"}
Object = dict[str, Any]


@pytest.fixture(scope="module")
def objects() -> list[Object]:
    return [json.loads(json.dumps(one)) for one in saved("town", ["standard", "flows"])]


def source(one: Object) -> Object:
    told: Object = json.loads(one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    return told


def asked(one: Object) -> dict[str, set[str]]:
    """Return the fields that an object names, by what is done with them."""
    found: dict[str, set[str]] = {"shown": set(one["attributes"].get("columns", ())), "counted": set(), "along": set()}
    found["found"] = {only["meta"]["key"] for only in source(one)["filter"]}
    found["along"] |= {name for name, _ in one["attributes"].get("sort", ())}
    for agg in json.loads(one["attributes"].get("visState", '{"aggs":[]}'))["aggs"]:
        if agg["type"] != "count":
            found["along" if agg["type"] == "date_histogram" else "counted"].add(agg["params"]["field"])
    return found


def test_every_reference_leads_to_an_object_of_the_file_and_every_name_of_one_is_given(objects: list[Object]) -> None:
    there = {(one["type"], one["id"]) for one in objects}
    assert len(there) == len(objects)
    for one in objects:
        names = [reference["name"] for reference in one["references"]]
        assert {(reference["type"], reference["id"]) for reference in one["references"]} <= there
        if one["type"] == "index-pattern":
            continue
        if one["type"] == "dashboard":
            panels = json.loads(one["attributes"]["panelsJSON"])
            assert names == [f"{panel['panelIndex']}:{panel['panelRefName']}" for panel in panels]
            places = [tuple(panel["gridData"][side] for side in "xy") for panel in panels]
            assert len(set(places)) == len(panels) == 1 + len(TABLES) + len(SEARCHES) - 1
            continue
        told = source(one)
        assert names == [told["indexRefName"], *(only["meta"]["indexRefName"] for only in told["filter"])]


def test_the_views_are_of_the_indices_of_the_configuration_and_importing_again_replaces(objects: list[Object]) -> None:
    titles = [one["attributes"]["title"] for one in objects if one["type"] == "index-pattern"]
    assert titles == ["town-events-*", "town-events-standard-*", "town-events-flows-*"]
    assert [one["id"] for one in saved("town", ["standard", "flows"])] == [one["id"] for one in objects]
    assert not {one["id"] for one in saved("other")} & {one["id"] for one in objects}


def test_every_field_is_of_ecs_or_ours_and_lies_in_the_index_as_what_is_asked_of_it_needs(
    objects: list[Object],
) -> None:
    places = es_mapping.places()
    named = [asked(one) for one in objects if one["type"] in {"search", "visualization"}]
    for fields in named:
        for name in set().union(*fields.values()):
            kind = places[name].kind
            assert ecs.type_of(name) == KINDS.get(kind, kind), name
        assert all(places[name].kind == "date" for name in fields["along"])
        assert all(places[name].kind in {"keyword", "long", "ip"} for name in fields["counted"] | fields["found"])
    assert {"source.ip", "destination.port"} <= set().union(*(one["counted"] for one in named))


def golden() -> Iterator[dict[str, Value]]:
    for path in sorted(Path(content("parsers")).glob("*/samples/*.ecs.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            told = json.loads(line)
            for fields in told if isinstance(told, list) else [told]:
                own = {name: tuple(one) if isinstance(one, list) else one for name, one in fields.items()}
                yield {"event.dataset": path.parts[-3], **own}  # what the reader adds


def post(url: str, body: Object) -> Any:  # noqa: ANN401  what JSON gives
    data = json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310  the node's own
    try:
        with _NO_PROXY.open(request, timeout=60) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode()) from error


def filled(answer: Object) -> bool:
    """Say whether a table has a whole row."""
    return any(map(filled, answer["rows"]["buckets"])) if "rows" in answer else True


@pytest.mark.elastic
def test_every_golden_event_lies_in_the_index_as_ecs_says_and_answers_every_panel(
    store: ElasticStore, elastic_url: str, elastic_prefix: str
) -> None:
    events = [
        Event(f"{seq:032x}", seq, _ARRIVED, _ARRIVED + timedelta(microseconds=seq), {**fields, "event.sequence": seq})
        for seq, fields in enumerate(golden(), start=1)
    ]
    assert len(events) > 1_000
    assert store.append(events).stored == len(events)
    assert store.newest() == len(events)
    index = f"{elastic_url}/{elastic_prefix}-events-*"
    refused = post(f"{index}/_search", {"query": {"exists": {"field": "_ignored"}}, "_source": ["event.dataset"]})
    assert refused["hits"]["hits"] == [], "a value is not of its field's type"
    fields = post(f"{index}/_field_caps?fields=*", {})["fields"]
    for name in set().union(*(event.fields for event in events)) & ecs.table().keys() & fields.keys():
        kind = next(iter(fields[name]))
        assert ecs.type_of(name) == KINDS.get(kind, kind), name
    for one in saved(elastic_prefix):
        if one["type"] not in {"search", "visualization"}:
            continue
        only = [told["query"] for told in source(one)["filter"]]
        question: Object = {"query": {"bool": {"filter": only}}, "size": 1}
        inner = question
        for agg in reversed(json.loads(one["attributes"].get("visState", '{"aggs":[]}'))["aggs"][1:]):
            params = {"field": agg["params"]["field"]}
            params |= (
                {"fixed_interval": "30d", "min_doc_count": 1}
                if agg["type"] == "date_histogram"
                else {"size": agg["params"]["size"]}
            )
            inner = {agg["type"]: params, **({"aggs": inner["aggs"]} if "aggs" in inner else {})}
            inner = {"aggs": {"rows": inner}}
        answer = post(f"{index}/_search", {**question, **(inner if inner is not question else {})})
        assert answer["hits"]["hits"], one["attributes"]["title"]
        assert filled(answer.get("aggregations", {})), one["attributes"]["title"]


def test_the_command_writes_a_line_an_object_and_refuses_where_there_is_no_elasticsearch(tmp_path: Path) -> None:
    config = tmp_path / "sentinel.toml"
    config.write_text(
        f'data = "{tmp_path}"\n[store]\nkind = "elasticsearch"\nurl = "http://127.0.0.1:9"\nprefix = "x"\n'
    )
    done = CliRunner().invoke(verb, ["kibana", "--config", str(config)])
    assert done.exit_code == 0, done.output
    assert [json.loads(line)["type"] for line in done.stdout.splitlines()].count("index-pattern") == 2
    config.write_text(f'data = "{tmp_path}"\n')
    assert "Kibana reads Elasticsearch only" in str(
        CliRunner().invoke(verb, ["kibana", "--config", str(config)]).exception
    )
