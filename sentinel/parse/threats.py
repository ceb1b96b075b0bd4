"""What the lists of indicators say of an event, and the fields that say so."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sentinel.config.enrichment import IndicatorList
from sentinel.core.event import Fields, Scalar, Value
from sentinel.core.where import values
from sentinel.parse import feeds
from sentinel.parse.indicators import HASHES, Listing, Term, Terms, domain_of, host_of, read, url_of
from sentinel.parse.watched import Watched

HITS_MAX = 20
"""So many indicators are named in one event."""
CACHE_MAX = 65_536

_GROUPS = ("related.ip", "related.hosts", "related.hash")
_MAIL = frozenset({
    "email.from.address", "email.sender.address", "email.reply_to.address", "email.to.address", "email.cc.address",
    "email.bcc.address",
})  # fmt: skip
_URLS = ("url.full", "url.original")
PLACES = (*_GROUPS, *_URLS, *sorted(_MAIL))
"""The fields whose values are looked for in the lists."""
_TYPES = {"domain": "domain-name", "hash": "file", "email": "email-addr", "url": "url"}
_PLACES = {"domain": "url.domain", "email": "email.address", "url": "url.full"}


@dataclass(frozen=True, slots=True)
class Hit:
    """An indicator that stands for a value: in which list, as it is written there, and what is said of it."""

    feed: str
    one: Term
    written: str
    terms: Terms


class _Known(dict[Scalar, tuple[Hit, ...]]):
    """Values that have been looked up already, with what was found."""

    def __init__(self, threats: "Threats") -> None:
        super().__init__()
        self._threats = threats

    def __missing__(self, value: Scalar) -> tuple[Hit, ...]:
        if len(self) >= CACHE_MAX:
            self.clear()
        found = self[value] = tuple(self._threats.about(str(value)))
        return found


class Threats:
    """All lists together."""

    def __init__(self, lists: Sequence[IndicatorList]) -> None:
        self.lists = [(one.name, Watched[Listing](one.path, partial(_read, one))) for one in lists]
        self._known = _Known(self)

    def look(self) -> bool:
        """Read the first list that has changed, if any has; return whether one has.

        One at a time, for a list may take a second and whoever asked for a stretch of the spool is waiting.
        """
        for _, file in self.lists:
            if file.look():
                self._known.clear()
                return True
        return False

    def about(self, text: str) -> Iterator[Hit]:
        """Yield every indicator, valid or not, that stands for a value of an event."""
        for one in _terms(text):
            for name, file in self.lists:
                for written, terms in file.held.match(one) if file.held is not None else ():
                    yield Hit(name, one, written, terms)

    def mark(self, fields: Fields, now: float) -> None:
        """Add to an event what the lists say of it at the moment `now`."""
        known = self._known
        found: dict[Scalar, tuple[Hit, ...]] = {}
        for group in _GROUPS:
            # `related` always holds several values
            for value in fields.get(group, ()):  # type: ignore[union-attr]  # a tuple
                if known[value]:
                    found[value] = known[value]
        for name in _URLS if "url.original" in fields or "url.full" in fields else ():
            found.update((one, known[one]) for one in values(fields.get(name)) if known[one])
        if not fields.keys().isdisjoint(_MAIL):
            for name in _MAIL:
                found.update((one, known[one]) for one in values(fields.get(name)) if known[one])
        if found:
            _note(fields, found, now)


def _read(options: IndicatorList, path: Path) -> Listing:
    del path
    return feeds.read(options)


def _terms(text: str) -> Iterator[Term]:
    """Yield what a value of an event can be looked up as: a mail address and a URL also as their domain."""
    if "://" in text:
        url = url_of(text)
        if url is not None:
            yield Term("url", url)
        host = host_of(text)
        if host is not None:
            yield host
        return
    found = read(text)
    if not isinstance(found, str):
        yield found
        if found.kind == "email":
            yield Term("domain", found.value.rpartition("@")[2])
    elif (name := domain_of(text)) is not None:
        yield Term("domain", name)


def _note(fields: Fields, found: dict[Scalar, tuple[Hit, ...]], now: float) -> None:
    said: dict[str, dict[Scalar, None]] = {}
    count = 0
    for value, hits in found.items():
        for hit in hits:
            if not hit.terms.since <= now < hit.terms.until or count >= HITS_MAX:
                continue
            count += 1
            for name, one in _said(hit, str(value), _holder(fields, value)):
                if one:
                    said.setdefault(name, {})[one] = None
    for name, each in said.items():
        several = tuple(each)
        fields[name] = several if len(several) > 1 or name == "threat.indicator.id" else several[0]


def _said(hit: Hit, value: str, field: str) -> Iterator[tuple[str, Scalar]]:
    kind, one = hit.one
    if kind == "ip":
        yield "threat.indicator.type", "ipv6-addr" if ":" in one else "ipv4-addr"
        yield "threat.indicator.ip", one
    else:
        yield "threat.indicator.type", _TYPES[kind]
        place = f"file.hash.{HASHES[len(one)]}" if kind == "hash" else _PLACES[kind]
        yield f"threat.indicator.{place}", hit.written
    yield "threat.indicator.name", hit.written
    yield "threat.indicator.id", hit.terms.id
    yield "threat.indicator.description", hit.terms.about
    yield "threat.indicator.confidence", hit.terms.confidence
    yield "threat.feed.name", hit.feed
    yield "threat.enrichments.matched.atomic", value
    yield "threat.enrichments.matched.field", field


def _holder(fields: Fields, value: Value) -> str:
    """Return the field that holds a value, of the `related` ones only if no other does."""
    holders = [name for name, held in fields.items() if held == value or (type(held) is tuple and value in held)]
    return next((name for name in holders if not name.startswith(("related.", "event.", "message"))), holders[0])
