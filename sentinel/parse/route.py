"""Decides which pack reads a record: by the hint, the program name, cheap texts; else the pack that takes the rest."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sentinel.core.event import Raw
from sentinel.pack import syslog
from sentinel.parse.packs import Match, Pack, Packs

APPS_MAX = 4096
"""So many program names are remembered; a sender that invents new ones costs time, not memory."""
SHAPES_MAX = 4096
"""So many shapes of records are remembered, in the same way."""

_MARKS = tuple(bytes((mark,)) for mark in b'"#%&()*,/;<=@[]_{|}\t')
"""Rare signs: what a rule asks for holds some of them nearly always, so most rules need not be tried."""
# the entrance, the first byte of the record and of the message behind its header, whether each mark is in it
_Shape = tuple[str, bytes, bytes, tuple[bool, ...]]


@dataclass(frozen=True, slots=True)
class _Rule:
    pack: Pack
    via: frozenset[str]
    starts: tuple[str, ...]
    starts_bytes: tuple[bytes, ...]
    every: tuple[bytes, ...]
    some: tuple[bytes, ...]
    plain: bool
    """Nothing but the program name is asked for."""
    firsts: frozenset[bytes]
    marks: int
    """The marks of `every`, a bit each."""
    some_marks: tuple[int, ...]

    def narrowed(self, shape: _Shape, missing: int) -> "_Rule | None":
        """Return the rule without what a record of this shape cannot hold; None if it cannot hold for one at all."""
        if self.marks & missing or (self.via and shape[0] not in self.via):
            return None
        if self.firsts and shape[1] not in self.firsts and shape[2] not in self.firsts:
            return None
        if not self.some:
            return self
        some = tuple([piece for piece, marks in zip(self.some, self.some_marks, strict=True) if not marks & missing])
        if not some:
            return None
        every = (some[0], *self.every) if len(some) == 1 else self.every
        return _Rule(self.pack, self.via, self.starts, self.starts_bytes, every, some, self.plain, self.firsts, 0, ())

    def holds(self, raw: Raw, message: str | None) -> bool:
        """Say whether everything but the program name fits."""
        if self.via and raw.origin.via not in self.via:
            return False
        body = raw.body
        for piece in self.every:
            if piece not in body:
                return False
        if self.starts and not (
            body.startswith(self.starts_bytes) or (message is not None and message.startswith(self.starts))
        ):
            return False
        for piece in self.some:
            if piece in body:
                return True
        return not self.some


class Router:
    """Knows for every record the pack that reads it; asks the packs' [match], lowest priority number first.

    A program name is the strongest sign, so packs that ask for one come first, and among those that ask only for
    texts or the entrance the order is theirs; a pack that takes the rest comes last. Ties are decided by the packs'
    names.
    """

    def __init__(self, packs: Packs) -> None:
        self._packs = packs
        self._exact: dict[str, list[tuple[int, str, _Rule]]] = defaultdict(list)
        self._prefix: list[tuple[str, tuple[int, str, _Rule]]] = []
        texts: list[tuple[int, str, _Rule]] = []
        rest: list[tuple[int, str, _Rule]] = []
        for pack in packs:
            for match in pack.match:
                ranked = (match.priority, pack.name, _rule(pack, match))
                for app in match.app:
                    if app.endswith("*"):
                        self._prefix.append((app[:-1].lower(), ranked))
                    else:
                        self._exact[app.lower()].append(ranked)
                if not match.app:
                    (rest if match.rest else texts).append(ranked)
        self._texts = _ordered(texts) + _ordered(rest)
        self._rest = frozenset(name for _, name, _ in rest)
        self._asks_app = bool(self._exact or self._prefix)
        self._apps: dict[str, tuple[_Rule, ...]] = {}
        self._shapes: dict[_Shape, tuple[tuple[bytes, _Rule], ...]] = {}

    def route(self, raw: Raw, hint: str | None = None) -> Pack | None:
        """Return the pack for `raw`, None if nobody knows it.

        An unknown `hint` counts as none, and so does one for a pack that takes the rest: a source of "syslog" holds
        the lines of many programs.
        """
        if hint is not None:
            pack = self._packs.hinted(hint)
            if pack is not None and pack.name not in self._rest:
                return pack
        message = None
        if self._asks_app and not raw.body.startswith((b"{", b"[")):
            line = syslog.read(raw)
            message = line.message
            app = line.app
            if app is not None:
                rules = self._apps.get(app)
                if rules is None:
                    rules = self._learn(app)
                for rule in rules:
                    if rule.plain or rule.holds(raw, message):
                        return rule.pack
        body = raw.body
        for piece, rule in self._candidates(raw, message):
            if piece in body and rule.holds(raw, message):
                return rule.pack
        return None

    def _candidates(self, raw: Raw, message: str | None) -> tuple[tuple[bytes, _Rule], ...]:
        """Return the rules about texts that could hold, in order, each behind a piece without which it does not."""
        body = raw.body
        start = message[:1].encode(errors="replace")[:1] if message else b""
        shape = (raw.origin.via, body[:1], start, tuple([mark in body for mark in _MARKS]))
        rules = self._shapes.get(shape)
        if rules is None:
            if len(self._shapes) >= SHAPES_MAX:
                self._shapes.clear()
            missing = sum(1 << at for at, there in enumerate(shape[3]) if not there)
            narrowed = filter(None, [rule.narrowed(shape, missing) for rule in self._texts])
            rules = self._shapes[shape] = tuple(((*rule.every, b"")[0], rule) for rule in narrowed)
        return rules

    def _learn(self, app: str) -> tuple[_Rule, ...]:
        folded = app.lower()
        found = list(self._exact.get(folded, ()))
        found.extend(ranked for prefix, ranked in self._prefix if folded.startswith(prefix))
        if len(self._apps) >= APPS_MAX:
            self._apps.clear()
        rules = self._apps[app] = _ordered(found)
        return rules


def _rule(pack: Pack, match: Match) -> _Rule:
    starts, every, some = _bytes(match.starts), _bytes(match.contains_all), _bytes(match.contains_any)
    every = tuple(sorted(every, key=len, reverse=True))  # the longest is the rarest
    return _Rule(
        pack=pack,
        via=frozenset(match.via),
        starts=match.starts,
        starts_bytes=starts,
        every=every,
        some=some,
        plain=not (match.via or starts or every or some),
        firsts=frozenset(start[:1] for start in starts if all(starts)),
        marks=_marks(b"".join(every)),
        some_marks=tuple(map(_marks, some)),
    )


def _marks(piece: bytes) -> int:
    return sum(1 << at for at, mark in enumerate(_MARKS) if mark in piece)


def _bytes(texts: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(text.encode() for text in texts)


def _ordered(ranked: list[tuple[int, str, _Rule]]) -> tuple[_Rule, ...]:
    return tuple(rule for _, _, rule in sorted(ranked, key=lambda one: one[:2]))
