"""How events lie in Elasticsearch: which fields have a place of their own, which share one, and the index template.

Comparing without regard to case must mean what `str.casefold` means, and no analyzer of Elasticsearch does that (the
smallest servers do not even have the char filter that could be taught to). So the folding is done here, before
indexing:

- a field with a place of its own (`kind_of` says which) is indexed as it is written. Where that differs from its
  folded text, `sentinel_pairs` also holds `name=folded text`. Looking in both places finds every spelling, and
  counting still sees the text as it was written;
- a field without one is in `sentinel_pairs` only, as `name=folded text`: 5,000 new names change no mapping;
- the line itself (`message`, `event.original`) is found by its folded words in `sentinel_words`;
- `sentinel_odd` names the fields of an event of which the index does not tell the truth (a text longer than a term
  may be, text where a number belongs); whoever searches these reads the event itself;
- `sentinel_loose` names the fields whose indexed value is right but not whole (several values, a number in a text
  field): enough to search, not to count by.

Which fields have a place stands in `es_places.tsv`, with the version of the mapping since which they have. A field may
gain a place, never lose or change it; older documents have it among the pairs, and are read wherever it is asked for
(`untold`). So a new version rolls forward: no day is indexed again.
"""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple

from sentinel.core import ecs
from sentinel.core.where import FIELD, FIELD_MAX

Kind = Literal["keyword", "long", "double", "boolean", "date", "ip", "line", "pair", "hidden"]
"""Where a field lies: a place of its own by type, the words of the line, the shared pairs, or nowhere (`hidden`)."""

AT = "sentinel_at"
IN = "sentinel_in"
SEQ = "sentinel_seq"
PAIRS = "sentinel_pairs"
WORDS = "sentinel_words"
ODD = "sentinel_odd"
LOOSE = "sentinel_loose"
EXACT = "sentinel_exact"
OURS = "sentinel_"

VERSION = 1
TERM_MAX = 4_000
"""Texts of more characters are not indexed: folded they take at most six bytes a character, a term 32,766 with name."""
WORD_MAX = 200
_IGNORE_ABOVE = 8_191
_FIELDS_MAX = 1_000
RAW = ".raw"
"""The name under which the text of an address lies, beside the address."""


class Place(NamedTuple):
    """Where a field lies, and since which version of the mapping."""

    kind: Kind
    since: int


@cache
def places() -> dict[str, Place]:
    """Return every field with a place of its own: what logs and packets fill, not the whole of ECS.

    Each mapped field costs every daily index memory on the server; a field without a place is found all the same.
    """
    found: dict[str, Place] = {}
    for line in (files("sentinel.store") / "es_places.tsv").read_text("utf-8").splitlines():
        name, kind, since = line.split("\t")
        found[name] = Place(kind, int(since))  # type: ignore[arg-type]  # a test holds the file to ECS
    return found


def untold(names: Iterable[str]) -> list[dict[str, Any]]:
    """Return the queries for documents written before one of the fields `names` had its place: to be read."""
    gained = [name for name in names if name in places() and places()[name].since > 1]
    return [{"prefix": {PAIRS: f"{name}="}} for name in gained]


def kind_of(name: str) -> Kind:
    """Return where a field of this name lies; `hidden` if no condition can ask for it."""
    own = places().get(name)
    if own is not None:
        return own.kind
    if len(name) > FIELD_MAX or not FIELD.fullmatch(name) or name.startswith(("_", OURS)):
        return "hidden"
    return "pair"


_TYPES: dict[Kind, dict[str, object]] = {
    "keyword": {"type": "keyword", "ignore_above": _IGNORE_ABOVE},
    "long": {"type": "long", "ignore_malformed": True, "coerce": False},
    "double": {"type": "double", "ignore_malformed": True, "coerce": False},
    "boolean": {"type": "boolean", "ignore_malformed": True},
    "date": {"type": "date", "ignore_malformed": True, "format": "strict_date_optional_time"},
    "ip": {
        "type": "ip",
        "ignore_malformed": True,
        "fields": {RAW[1:]: {"type": "keyword", "ignore_above": _IGNORE_ABOVE}},
    },
    "line": {"type": "keyword", "index": False, "doc_values": False},
}
_SEARCHED_ONLY: dict[str, object] = {"type": "keyword", "doc_values": False}
_OWN: dict[str, dict[str, object]] = {
    # microseconds since 1970: Elasticsearch's dates either stop at milliseconds or begin in 1970
    AT: {"type": "long"},
    IN: {"type": "long"},
    SEQ: {"type": "long"},
    PAIRS: _SEARCHED_ONLY,
    WORDS: _SEARCHED_ONLY,
    ODD: _SEARCHED_ONLY,
    LOOSE: _SEARCHED_ONLY,
    EXACT: {"type": "keyword", "index": False, "doc_values": False},
}


def mappings(after: int = 0) -> dict[str, object]:
    """Return the mappings of an index of events: the fields whose place is newer than version `after`."""
    fields = {name: _TYPES[place.kind] for name, place in places().items() if place.since > after}
    return {
        "dynamic": False,
        # dotted names stay names: `a` and `a.b` may both have values
        "subobjects": False,
        "_meta": {"sentinel": VERSION},
        "properties": {**fields, **_OWN},
    }


def template(prefix: str, *, shards: int, replicas: int | None) -> dict[str, Any]:
    """Return the index template; `replicas` None means one as soon as there is a second node."""
    index: dict[str, object] = {
        "number_of_shards": shards,
        "codec": "best_compression",
        # who reads on in order of arrival has what lies together unpacked once, not once for each event
        "sort": {"field": [SEQ], "order": ["asc"]},
        # every question of ours refreshes first; this is for whoever looks on with other tools
        "refresh_interval": "5s",
        "mapping": {"total_fields": {"limit": _FIELDS_MAX}},
    }
    if replicas is None:
        index["auto_expand_replicas"] = "0-1"
    else:
        index["number_of_replicas"] = replicas
    return {
        "index_patterns": [f"{prefix}-events-*"],
        "priority": 500,
        "version": VERSION,
        "_meta": {"description": "Sentinel's events, one index a UTC day of arrival"},
        "template": {
            "settings": {"index": index},
            "mappings": mappings(),
            "aliases": {f"{prefix}-events": {}},
        },
    }


def differences(have: object, want: object, path: str = "") -> list[str]:
    """Return where `have` is not as `want` says, one line each; values compare by their text, as the server does."""
    if isinstance(want, dict):
        if not isinstance(have, dict):
            return [f"{path or 'template'} is missing"] if want else []
        found: list[str] = []
        for key, value in want.items():
            found += differences(have.get(key), value, f"{path}.{key}" if path else str(key))
        return found
    if isinstance(want, list) and isinstance(have, list):
        return [] if [str(one) for one in have] == [str(one) for one in want] else [f"{path} is {have}, wanted {want}"]
    if have is None:
        return [f"{path} is missing"]
    return [] if str(have).lower() == str(want).lower() else [f"{path} is {have}, wanted {want}"]


def countable(name: str) -> bool:
    """Say whether the index can count by this field, `loose` and `odd` events aside."""
    return kind_of(name) in {"keyword", "long", "double", "boolean", "ip"} and not ecs.several(name)


def column(name: str) -> str:
    """Return the field of the index that holds a countable field's value as it is."""
    return name + RAW if kind_of(name) == "ip" else name
