"""Reads lists of indicators: plain text, MISP's JSON exports, STIX 2.1 bundles.

An entry that cannot be used is passed over and counted under its reason; a file that is none of these is refused.
"""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

import orjson

from sentinel.config.enrichment import IndicatorList
from sentinel.parse import stix
from sentinel.parse.harmless import Harmless
from sentinel.parse.indicators import HARMLESS, UNSURE, UNWANTED, Listing, Terms, term

FILE_BYTES_MAX = 32 << 20
ABOUT_MAX = 200
_DAY = timedelta(days=1).total_seconds()
_MISP = {
    "ip-src": 0, "ip-dst": 0, "ip-src|port": 0, "ip-dst|port": 0, "domain": 0, "hostname": 0, "hostname|port": 0,
    "url": 0, "email": 0, "email-src": 0, "email-dst": 0, "email-reply-to": 0, "md5": 0, "sha1": 0, "sha256": 0,
    "sha384": 0, "sha512": 0, "filename|md5": 1, "filename|sha1": 1, "filename|sha256": 1, "filename|sha384": 1,
    "filename|sha512": 1, "malware-sample": 1, "domain|ip": None,
}  # fmt: skip
"""MISP's types that can be matched, and which of the two parts of a value to take; None for both."""

_ENDS = "2"
"""The type of a MISP sighting that says that an attribute is over."""
_HOSTS_FILE = frozenset({"0.0.0.0", "127.0.0.1", "::", "::1"})  # noqa: S104  nothing is bound: lists begin lines so
_SPLIT = re.compile(r"[\s,;]+")


def read(options: IndicatorList) -> Listing:
    """Return the indicators of a list; raises OSError, or ValueError that says what is wrong with the file."""
    with options.path.open("rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
        written = os.fstat(file.fileno()).st_mtime
    if len(data) > FILE_BYTES_MAX:
        raise ValueError(f"larger than {FILE_BYTES_MAX >> 20} MiB: split it, or fetch less")
    taken = _Taken(options, written)
    kind = options.format
    if kind == "plain" or (kind == "auto" and data.lstrip()[:1] not in {b"{", b"["}):
        taken.plain(data)
        return taken.listing
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error}") from error
    objects = stix.objects(document)
    if kind == "stix" or (kind == "auto" and objects is not None):
        if objects is None:
            raise ValueError('no STIX bundle: it has no "objects"')
        taken.stix(objects)
        return taken.listing
    attributes = list(_attributes(document))
    if not attributes:
        raise ValueError("neither a STIX bundle nor a MISP export with attributes")
    for event, attribute in attributes:
        taken.misp(event, attribute)
    return taken.listing


class _Taken:
    """What has been taken from a list."""

    def __init__(self, options: IndicatorList, written: float) -> None:
        self.listing = Listing()
        self._written = written
        self._wanted = frozenset(options.types)
        self._valid = options.days_valid * _DAY
        self._harmless = Harmless(options.allow)
        self._confidence_min = options.confidence_min

    def plain(self, data: bytes) -> None:
        terms = Terms(0.0, self._written + self._valid)
        for line in data.decode("utf-8-sig", "replace").splitlines():
            said = line.partition("#")[0].strip()
            if not said or said.startswith((";", "//")):
                continue
            words = said.split() if "/" in said else _SPLIT.split(said)  # a URL may hold commas
            self._put(words[1] if words[0] in _HOSTS_FILE and len(words) > 1 else words[0].rstrip(",;"), terms)

    def misp(self, event: Mapping[str, Any], attribute: Mapping[str, Any]) -> None:
        kind, value = attribute.get("type"), attribute.get("value")
        why = _unfit(attribute)
        if why or not isinstance(value, str) or not isinstance(kind, str) or kind not in _MISP:
            self.listing.skipped[why or f"of MISP's type {str(kind)[:40]!r}"] += 1
            return
        written = _number(attribute.get("timestamp")) or _number(event.get("timestamp")) or self._written
        ends = [_number(one.get("date_sighting")) for one in _dicts(attribute.get("Sighting")) if _over(one)]
        about = str(attribute.get("comment") or event.get("info") or "")[:ABOUT_MAX]
        until = min([written + self._valid, *ends])
        terms = Terms(0.0, until, str(attribute.get("uuid") or "")[:100], about)
        part = _MISP[kind]
        parts = value.split("|")
        for one in parts if part is None else parts[part : part + 1]:
            self._put(one, terms)

    def stix(self, objects: list[object]) -> None:
        for one in _dicts(objects):
            if one.get("type") != "indicator":
                continue
            found = stix.values(one)
            if isinstance(found, str):
                self.listing.skipped[found] += 1
                continue
            sure = one.get("confidence")
            sure = sure if isinstance(sure, int) and not isinstance(sure, bool) else None
            if sure is not None and sure < self._confidence_min:
                self.listing.skipped[UNSURE] += 1
                continue
            since, until = _moment(one.get("valid_from")), _moment(one.get("valid_until"))
            if not until:
                until = max(_moment(one.get("modified")), since) or self._written
                until += self._valid
            about = str(one.get("name") or one.get("description") or "")[:ABOUT_MAX]
            for value in found:
                self._put(value, Terms(since, until, str(one.get("id") or "")[:100], about, _scale(sure)))

    def _put(self, value: str, terms: Terms) -> None:
        found = term(value)
        if isinstance(found, str):
            self.listing.skipped[found] += 1
        elif found.kind not in self._wanted:
            self.listing.skipped[UNWANTED] += 1
        elif found in self._harmless:
            self.listing.skipped[HARMLESS] += 1
        else:
            self.listing.put(found, terms)


def _scale(sure: int | None) -> str:
    # STIX 2.1, appendix A: the scale None, Low, Med, High; ECS has the same words
    if sure is None:
        return ""
    return "None" if sure <= 0 else "Low" if sure < 30 else "Medium" if sure < 70 else "High"


def _attributes(document: object) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield every attribute of a MISP export with its event: events, lists of events, bare lists of attributes."""
    if isinstance(document, list):
        for one in document:
            yield from _attributes(one)
        return
    if not isinstance(document, dict):
        return
    if "response" in document:
        yield from _attributes(document["response"])
        return
    event = document.get("Event")
    within = event if isinstance(event, dict) else document
    for holder in (within, *_dicts(within.get("Object"))):
        for attribute in _dicts(holder.get("Attribute")):
            of = attribute.get("Event")
            yield (of if isinstance(of, dict) else within), attribute


def _unfit(attribute: Mapping[str, Any]) -> str:
    if attribute.get("deleted"):
        return "deleted"
    if str(attribute.get("to_ids")).lower() in {"none", "false", "0"}:
        return "not meant for detection (to_ids)"
    decayed = [one.get("decayed") for one in _dicts(attribute.get("decay_score"))]
    return "decayed" if decayed and all(decayed) else ""


def _over(sighting: Mapping[str, Any]) -> bool:
    return str(sighting.get("type")) == _ENDS and _number(sighting.get("date_sighting")) > 0


def _dicts(listed: object) -> list[dict[str, Any]]:
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _number(value: object) -> float:
    try:
        number = float(value) if isinstance(value, str | int | float) else 0.0
    except ValueError:
        return 0.0
    return number if isfinite(number) else 0.0


def _moment(value: object) -> float:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return 0.0
    return moment.timestamp() if moment is not None and moment.tzinfo is not None else 0.0
