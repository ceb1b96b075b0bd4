"""Decides which pack reads a record: by the hint, the program name, cheap texts; else the pack that takes the rest."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sentinel.core.event import Raw
from sentinel.pack import syslog
from sentinel.parse.packs import Match, Pack, Packs

APPS_MAX = 4096
"""So many program names are remembered; a sender that invents new ones costs time, not memory."""


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
        return not self.some or any(piece in body for piece in self.some)


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
        for rule in self._texts:
            if rule.holds(raw, message):
                return rule.pack
        return None

    def _learn(self, app: str) -> tuple[_Rule, ...]:
        folded = app.lower()
        found = list(self._exact.get(folded, ()))
        found.extend(ranked for prefix, ranked in self._prefix if folded.startswith(prefix))
        if len(self._apps) >= APPS_MAX:
            self._apps.clear()
        rules = self._apps[app] = _ordered(found)
        return rules


def _rule(pack: Pack, match: Match) -> _Rule:
    return _Rule(
        pack=pack,
        via=frozenset(match.via),
        starts=match.starts,
        starts_bytes=_bytes(match.starts),
        every=_bytes(match.contains_all),
        some=_bytes(match.contains_any),
        plain=not (match.via or match.starts or match.contains_all or match.contains_any),
    )


def _bytes(texts: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(text.encode() for text in texts)


def _ordered(ranked: list[tuple[int, str, _Rule]]) -> tuple[_Rule, ...]:
    return tuple(rule for _, _, rule in sorted(ranked, key=lambda one: one[:2]))
