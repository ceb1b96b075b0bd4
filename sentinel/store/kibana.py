"""Kibana's saved objects for Sentinel's events: data views, saved searches, and a dashboard of aggregations, as NDJSON.

Written in the form that Kibana 8.8 exports (`Stack Management > Saved Objects`); later ones bring it up to date as they
import it. Only classic objects are used (`index-pattern`, `search`, `visualization`, `dashboard`): they stay the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson

KIBANA = "8.8.0"
_SINCE = {"index-pattern": "8.0.0", "search": "8.0.0", "visualization": "8.5.0", "dashboard": "8.7.0"}
"""The version of each type's form, by which Kibana knows what to bring up to date."""
_INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"
_FILTER = "kibanaSavedObjectMeta.searchSourceJSON.filter[{}].meta.index"
_ROWS = 10
_WIDTH = 48
_HEIGHT = 15

Saved = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Search:
    """Events shown line by line: `only` says which value which field must have."""

    name: str
    columns: tuple[str, ...]
    only: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Table:
    """The most frequent values of the fields `by`, with the number of events."""

    name: str
    by: tuple[str, ...]
    only: Mapping[str, str]


SEARCHES = (
    _Search("All events", ("event.dataset", "host.name", "source.ip", "user.name", "message"), {}),
    _Search(
        "Logins",
        ("event.dataset", "event.action", "event.outcome", "user.name", "source.ip", "host.name"),
        {"event.category": "authentication"},
    ),
    _Search(
        "Lines that could not be read",
        ("event.dataset", "error.type", "error.message", "event.original"),
        {"event.kind": "pipeline_error"},
    ),
)
TABLES = (
    _Table("Data sets", ("event.dataset",), {}),
    _Table("Hosts that send", ("host.name", "event.dataset"), {}),
    _Table(
        "Failed logins",
        ("user.name", "source.ip", "event.dataset"),
        {"event.category": "authentication", "event.outcome": "failure"},
    ),
    _Table("Refused connections", ("source.ip", "destination.ip", "destination.port"), {"event.type": "denied"}),
    _Table("Processes started", ("process.executable", "host.name"), {"event.category": "process"}),
    _Table("Domains asked for", ("url.domain", "event.outcome"), {}),
)


def saved(prefix: str, classes: Iterable[str] = ()) -> Iterator[Saved]:
    """Yield what a file to import has, a line each: objects for the indices of `prefix`, and a data view of each class.

    The ids follow from `prefix`, so importing again replaces what was there and nothing is there twice.
    """
    view = _view(prefix, f"{prefix}-events-*", "Sentinel: all events")
    panels = [_over_time(prefix, view), *(_table(prefix, view, one) for one in TABLES)]
    searches = [_searched(prefix, view, one) for one in SEARCHES]
    views = [_view(prefix, f"{prefix}-events-{one}-*", f"Sentinel: events of class {one}") for one in classes]
    yield from (view, *views, *panels, *searches, _dashboard(prefix, [*panels, *searches[1:]]))


def _saved(prefix: str, kind: str, name: str, attributes: Saved, references: Sequence[Saved]) -> Saved:
    return {
        "id": str(uuid5(NAMESPACE_URL, f"sentinel:{prefix}:{kind}:{name}")),
        "type": kind,
        "attributes": attributes,
        "references": references,
        "coreMigrationVersion": KIBANA,
        "typeMigrationVersion": _SINCE[kind],
    }


def _text(value: object) -> str:
    # what is in an attribute that ends in JSON is a text
    return orjson.dumps(value).decode()


def _view(prefix: str, title: str, name: str) -> Saved:
    attributes = {
        "title": title,
        "name": name,
        "timeFieldName": "@timestamp",
        "fieldAttrs": "{}",
        "fieldFormatMap": "{}",
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
        "fields": "[]",
        "typeMeta": "{}",
    }
    return _saved(prefix, "index-pattern", title, attributes, [])


def _source(view: Saved, only: Mapping[str, str], **more: object) -> tuple[Saved, list[Saved]]:
    """Return where the events come from, and what that refers to."""
    filters = [
        {
            "$state": {"store": "appState"},
            "meta": {
                "alias": None,
                "disabled": False,
                "negate": False,
                "type": "phrase",
                "key": name,
                "params": {"query": value},
                "indexRefName": _FILTER.format(at),
            },
            "query": {"match_phrase": {name: value}},
        }
        for at, (name, value) in enumerate(only.items())
    ]
    source = {"query": {"query": "", "language": "kuery"}, "filter": filters, "indexRefName": _INDEX, **more}
    names = [_INDEX, *(_FILTER.format(at) for at in range(len(filters)))]
    references = [{"id": view["id"], "name": name, "type": "index-pattern"} for name in names]
    return {"searchSourceJSON": _text(source)}, references


def _searched(prefix: str, view: Saved, one: _Search) -> Saved:
    source, references = _source(view, one.only, highlightAll=True, version=True)
    attributes = {
        "title": f"Sentinel: {one.name}",
        "description": "",
        "columns": one.columns,
        "sort": [["@timestamp", "desc"]],
        "grid": {},
        "hideChart": False,
        "isTextBasedQuery": False,
        "kibanaSavedObjectMeta": source,
    }
    return _saved(prefix, "search", one.name, attributes, references)


def _terms(number: int, field: str, schema: str, size: int) -> Saved:
    params = {
        "field": field,
        "orderBy": "1",
        "order": "desc",
        "size": size,
        "otherBucket": False,
        "otherBucketLabel": "Other",
        "missingBucket": False,
        "missingBucketLabel": "Missing",
    }
    return {"id": str(number), "enabled": True, "type": "terms", "params": params, "schema": schema}


_COUNT: Saved = {"id": "1", "enabled": True, "type": "count", "params": {"emptyAsNull": False}, "schema": "metric"}


def _visualization(prefix: str, view: Saved, name: str, shown: Saved, only: Mapping[str, str]) -> Saved:
    source, references = _source(view, only)
    title = f"Sentinel: {name}"
    attributes = {
        "title": title,
        "description": "",
        "visState": _text({"title": title, **shown}),
        "uiStateJSON": "{}",
        "version": 1,
        "kibanaSavedObjectMeta": source,
    }
    return _saved(prefix, "visualization", name, attributes, references)


def _table(prefix: str, view: Saved, one: _Table) -> Saved:
    aggs = [_COUNT, *(_terms(number, name, "bucket", _ROWS) for number, name in enumerate(one.by, start=2))]
    params = {
        "perPage": _ROWS,
        "showPartialRows": False,
        "showMetricsAtAllLevels": False,
        "showTotal": False,
        "showToolbar": False,
        "autoFitRowToContent": False,
        "totalFunc": "sum",
        "percentageCol": "",
    }
    return _visualization(prefix, view, one.name, {"type": "table", "aggs": aggs, "params": params}, one.only)


def _over_time(prefix: str, view: Saved) -> Saved:
    along = {
        "field": "@timestamp",
        "interval": "auto",
        "min_doc_count": 1,
        "drop_partials": False,
        "scaleMetricValues": False,
        "useNormalizedEsInterval": True,
        "extended_bounds": {},
    }
    axis = {"id": "2", "enabled": True, "type": "date_histogram", "params": along, "schema": "segment"}
    labels = {"show": True, "truncate": 100, "filter": True}
    params = {
        "type": "histogram",
        "addLegend": True,
        "addTimeMarker": False,
        "addTooltip": True,
        "legendPosition": "right",
        "times": [],
        "labels": {"show": False},
        "grid": {"categoryLines": False},
        "thresholdLine": {"show": False, "value": 10, "width": 1, "style": "full", "color": "#E7664C"},
        "categoryAxes": [
            {"id": "CategoryAxis-1", "type": "category", "position": "bottom", "show": True, "style": {},
             "scale": {"type": "linear"}, "labels": labels, "title": {}}
        ],
        "valueAxes": [
            {"id": "ValueAxis-1", "name": "LeftAxis-1", "type": "value", "position": "left", "show": True, "style": {},
             "scale": {"type": "linear", "mode": "normal"}, "labels": {**labels, "filter": False, "rotate": 0},
             "title": {"text": "Events"}}
        ],
        "seriesParams": [
            {"show": True, "type": "histogram", "mode": "stacked", "data": {"label": "Events", "id": "1"},
             "valueAxis": "ValueAxis-1", "drawLinesBetweenPoints": True, "lineWidth": 2, "showCircles": True}
        ],
    }  # fmt: skip
    aggs = [_COUNT, axis, _terms(3, "event.dataset", "group", _ROWS)]
    return _visualization(prefix, view, "Events", {"type": "histogram", "aggs": aggs, "params": params}, {})


def _dashboard(prefix: str, shown: Sequence[Saved]) -> Saved:
    panels, references = [], []
    for at, one in enumerate(shown):
        number = str(at + 1)
        # the first over the whole width, the others two in a row
        row, right = divmod(at + 1, 2) if at else (0, 0)
        width = _WIDTH if at == 0 else _WIDTH // 2
        panels.append(
            {
                "version": KIBANA,
                "type": one["type"],
                "panelIndex": number,
                "gridData": {"x": right * width, "y": row * _HEIGHT, "w": width, "h": _HEIGHT, "i": number},
                "embeddableConfig": {"enhancements": {}},
                "panelRefName": f"panel_{number}",
            }
        )
        references.append({"id": one["id"], "name": f"{number}:panel_{number}", "type": one["type"]})
    attributes = {
        "title": "Sentinel",
        "description": "What Sentinel has stored: how much, by whom, failed logins, refused connections",
        "version": 1,
        "timeRestore": True,
        "timeFrom": "now-24h",
        "timeTo": "now",
        "optionsJSON": _text({"useMargins": True, "syncColors": False, "syncCursor": True, "hidePanelTitles": False}),
        "panelsJSON": _text(panels),
        "kibanaSavedObjectMeta": {
            "searchSourceJSON": _text({"query": {"query": "", "language": "kuery"}, "filter": []})
        },
    }
    return _saved(prefix, "dashboard", "dashboard", attributes, references)
