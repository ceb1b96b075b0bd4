"""What an API's answer holds: its records, each with its identity, and where the next page is."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, NamedTuple

import orjson

from sentinel.collect.pull_client import Answer, PullError

ID_MAX = 256
"""Longer identities are hashed."""
_LINK = re.compile(r"""<([^<>]*)>((?:[^,"]|"[^"]*")*)""")
_REL = re.compile(r""";\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))""", re.IGNORECASE)
_LINK_MAX = 16_384


class Record(NamedTuple):
    """One record as it is kept, and what it says it is called; empty if it says nothing."""

    body: bytes
    id: str


@dataclass(frozen=True, slots=True)
class Form:
    """Where things are in an answer.

    `records`, `next_path` and `cursor_path` are dotted paths in its JSON, `id` one in each record. An empty `records`
    means that the whole answer is the array of records (or one record). `next_header` names a header: `Link` is read
    as RFC 8288 says, any other holds a URL.
    """

    kind: Literal["json", "ndjson"] = "json"
    records: str = ""
    id: str = ""
    next_path: str = ""
    next_header: str = ""
    cursor_path: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What one answer held; `deep` records were nested so deeply that nobody can write them down."""

    records: tuple[Record, ...]
    next_url: str = ""
    cursor: str = ""
    deep: int = 0


def content(answer: Answer, form: Form) -> Content:
    """Read an answer; raises PullError if it is not what `form` says."""
    if form.kind == "ndjson":
        return Content(tuple(_lines(answer.body, form.id)), _in_header(answer, form.next_header))
    if not answer.body.strip():
        return Content((), _in_header(answer, form.next_header))
    said = _read(answer.body)
    found = at(said, form.records) if form.records else said
    if found is None:
        found = []
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        raise PullError(f"the answer has no records at {form.records!r}: look at the option `records`")
    records, deep = [], 0
    for one in found:
        try:
            records.append(Record(orjson.dumps(one), identity(one, form.id)))
        except TypeError:  # orjson writes up to 254 levels
            deep += 1
    next_url = _text(at(said, form.next_path)) if form.next_path else _in_header(answer, form.next_header)
    return Content(tuple(records), next_url, _text(at(said, form.cursor_path)) if form.cursor_path else "", deep)


def _read(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise PullError("the answer is no JSON, or ends in the middle", passing=True) from error


def _lines(body: bytes, path: str) -> Iterator[Record]:
    *whole, last = body.split(b"\n")
    if last.strip():
        _read(last)  # a line without its end may have been cut off
    for line in (*whole, last):
        stripped = line.strip()
        if not stripped:
            continue
        try:
            yield Record(stripped, identity(orjson.loads(stripped), path))
        except orjson.JSONDecodeError:  # a dead letter later, no reason to refuse its neighbours
            yield Record(stripped, "")


def at(said: object, path: str) -> object:
    """Return what is at a dotted path, None if there is nothing; names may hold dots (`@odata.nextLink`)."""
    if not isinstance(said, dict):
        return None
    if path in said:
        return said[path]
    end = path.find(".")
    while end >= 0:
        head = path[:end]
        if head in said:
            return at(said[head], path[end + 1 :])
        end = path.find(".", end + 1)
    return None


def identity(record: object, path: str) -> str:
    """Return what a record calls itself, empty if it does not."""
    name = _text(at(record, path)) if path else ""
    if len(name) > ID_MAX:
        return "blake2b:" + blake2b(name.encode(), digest_size=16).hexdigest()
    return name


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _in_header(answer: Answer, name: str) -> str:
    value = answer.headers.get(name.lower(), "") if name else ""
    return linked(value) if name.lower() == "link" else value.strip()


def linked(header: str) -> str:
    """Return the target of `rel=next` in a Link header (RFC 8288), empty if it has none."""
    for target, parameters in _LINK.findall(header[:_LINK_MAX]):
        for quoted, plain in _REL.findall(parameters):
            if "next" in (quoted or plain).lower().split():
                return str(target).strip()
    return ""


def complaint(answer: Answer) -> str:
    """Return what an API says of an error, in its own words: `code: message`; empty if it says nothing known."""
    try:
        said = orjson.loads(answer.body[:65_536])
    except orjson.JSONDecodeError:
        return ""
    inner = at(said, "error")
    told: Mapping[str, object] = inner if isinstance(inner, dict) else said if isinstance(said, dict) else {}
    first = told.get("code") or told.get("errorCode") or (inner if isinstance(inner, str) else "")
    second = told.get("message") or told.get("error_description") or told.get("errorSummary")
    return ": ".join(part for part in (_text(first), _text(second)) if part)
