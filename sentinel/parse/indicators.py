"""What an indicator is, how it is written, and what a list of them says to a value of an event.

A domain stands for itself and everything below it. A network stands for its addresses. A URL with nothing behind the
host is a domain or an address; one with a path is only ever compared whole, for the host may be innocent.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from sentinel.config.enrichment import Kind
from sentinel.pack.text import address as canonical
from sentinel.parse.prefixes import Prefixes, inside

ENTRIES_MAX = 300_000
"""So many indicators are taken from one list; each process that parses keeps them in memory."""
TEXT_MAX = 2_000
HASHES = {32: "md5", 40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}
"""Which digest has so many hexadecimal digits."""

INSIDE = "an address inside, or a network that holds such"
WIDE = "a network this wide matches by chance"
OVER = f"beyond the first {ENTRIES_MAX:,}"
UNREADABLE = "no address, domain, digest, mail address or URL"
HARMLESS = "everybody speaks to it: a public resolver, a provider's domain as a whole, or on your own list (allow)"
UNSURE = "of less confidence than is asked for"
UNWANTED = "of a type that is not wanted from this list"

_WIDEST = {4: 8, 6: 19}
_FANGS = (
    (re.compile(r"[\[({](?:\.|dot)[\])}]", re.IGNORECASE), "."),
    (re.compile(r"[\[({](?:@|at)[\])}]", re.IGNORECASE), "@"),
    (re.compile(r"\[(:|://)\]"), r"\1"),
    (re.compile(r"^(h)xx(ps?:)", re.IGNORECASE), r"\1tt\2"),
)
_DOMAIN = re.compile(r"(?=.{3,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])")
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(?:[^/?#@]*@)?(\[[0-9a-f:.]+\]|[^/?#:]*)(:\d+)?([/?#].*)?$", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-fA-F]+")


class Term(NamedTuple):
    """An indicator as it is compared."""

    kind: Kind
    value: str


class Terms(NamedTuple):
    """What is said of an indicator: from when to when it is valid (POSIX time), its id and what it is about.

    `confidence` is on the scale of ECS (Low, Medium, High), empty if nothing is said.
    """

    since: float
    until: float
    id: str = ""
    about: str = ""
    confidence: str = ""


def term(text: str) -> Term | str:
    """Return an indicator of a list as it is compared, or why it is none."""
    return read(refanged(text))


def refanged(text: str) -> str:
    """Return an indicator as it was before somebody made it harmless: `hxxp`, `[.]`, `(at)`."""
    text = text.strip().strip("\"'")[: TEXT_MAX + 1]
    for fang, plain in _FANGS:
        text = fang.sub(plain, text)
    return text


def read(text: str) -> Term | str:
    """Return what a value of an event is as an indicator, or why it can be none."""
    if not text or len(text) > TEXT_MAX:
        return UNREADABLE
    if "://" in text:
        return _of_url(text)
    host = canonical(text)
    if host is not None:
        return INSIDE if inside(host) else Term("ip", host)
    if "/" in text:
        return _of_network(text)
    if len(text) in HASHES and _HEX.fullmatch(text):
        return Term("hash", text.lower())
    before, at, domain = text.rpartition("@")
    if at:
        name = domain_of(domain)
        return Term("email", f"{before.lower()}@{name}") if name and before else UNREADABLE
    address, _, port = text.rpartition(":")
    if port.isdecimal() and (":" not in address or address.endswith("]")):
        return read(address) if address else UNREADABLE
    name = domain_of(text)
    return Term("domain", name) if name else UNREADABLE


def domain_of(text: str) -> str | None:
    """Return a domain in lower case, as DNS writes it; None for what is none, or a single label."""
    name = text.strip().removeprefix("*").strip(".").lower()
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    return name if _DOMAIN.fullmatch(name) else None


def url_of(text: str) -> str | None:
    """Return a URL as it is compared: scheme and host in lower case, without user, fragment and usual port."""
    found = _URL.match(text)
    if found is None:
        return None
    scheme, host, port, rest = found[1].lower(), found[2].lower(), found[3] or "", (found[4] or "").partition("#")[0]
    usual = {"http": ":80", "https": ":443"}.get(scheme)
    return f"{scheme}://{host}{'' if port == usual else port}{rest or '/'}"


def host_of(text: str) -> Term | None:
    """Return the host of a URL, None if it has none that can be an indicator."""
    found = _URL.match(text)
    host = read(found[2].strip("[]")) if found is not None else UNREADABLE
    return host if isinstance(host, Term) else None


def _of_url(text: str) -> Term | str:
    found, url = _URL.match(text), url_of(text)
    if found is None or url is None or not found[2]:
        return UNREADABLE
    bare = (found[4] or "").partition("#")[0] in {"", "/"}
    return read(found[2].strip("[]")) if bare else Term("url", url)


def _of_network(text: str) -> Term | str:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return UNREADABLE
    if network.prefixlen == network.max_prefixlen:
        return read(str(network.network_address))
    if network.prefixlen < _WIDEST[network.version]:
        return WIDE
    return INSIDE if inside(str(network)) else Term("ip", str(network))


@dataclass(slots=True)
class Listing:
    """The indicators of one list, and how many of its entries were passed over, by reason."""

    skipped: Counter[str] = field(default_factory=Counter)
    count: int = 0
    _exact: dict[Kind, dict[str, Terms]] = field(default_factory=dict)
    _networks: Prefixes[tuple[str, Terms]] = field(default_factory=Prefixes)
    _wide: dict[str, Terms] = field(default_factory=dict)

    def put(self, one: Term, terms: Terms) -> None:
        """Take an indicator; of one that comes twice the later end counts."""
        wide = one.kind == "ip" and "/" in one.value
        table = self._wide if wide else self._exact.setdefault(one.kind, {})
        before = table.get(one.value)
        if before is None:
            if self.count >= ENTRIES_MAX:
                self.skipped[OVER] += 1
                return
            self.count += 1
        elif before.until >= terms.until:
            return
        table[one.value] = terms
        if wide:
            self._networks.put(ip_network(one.value), (one.value, terms))

    def expired(self, now: float) -> int:
        """Return how many are valid no longer."""
        tables = (*self._exact.values(), self._wide)
        return sum(terms.until <= now for table in tables for terms in table.values())

    def match(self, one: Term) -> Iterator[tuple[str, Terms]]:
        """Yield every indicator that stands for a value, as it is written in the list, valid or not."""
        table = self._exact.get(one.kind, {})
        for value in _parents(one.value) if one.kind == "domain" else (one.value,):
            terms = table.get(value)
            if terms is not None:
                yield value, terms
        if one.kind == "ip" and "/" not in one.value:
            yield from self._networks.around(ip_address(one.value))


def _parents(domain: str) -> Iterator[str]:
    while "." in domain:
        yield domain
        domain = domain.partition(".")[2]
