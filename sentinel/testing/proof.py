"""Puts rules to the proof with real stores: the embedded one in a folder of its own, or indices of their own in a node.

What has been proven is remembered beside the data; see `detect.proof` for what is compared.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import orjson

from sentinel.core.detection import Detection
from sentinel.core.errors import RuleError, StoreError
from sentinel.core.event import Event, Fields, Value
from sentinel.core.ports import Store
from sentinel.detect.proof import FIXTURES_MAX, Stored, Verdict, prove
from sentinel.detect.proven import Proofs, key
from sentinel.detect.rules import Rules
from sentinel.store.embedded import EmbeddedStore

BYTES_MAX = 16 << 20
KEPT_EVERY = 200
"""After so many proofs they are remembered, should the process end before the last."""
_BATCH = 5_000
Tell = Callable[[str], None]
Judged = Callable[[Sequence[Detection]], Iterator[tuple[str, str]]]
"""Proves rules: of each its id, and why it must not go live (empty if it may). Raises StoreError."""


def neighbours(rule: Path) -> tuple[Path, Path]:
    """Return where the events lie that must raise the rule, and those that must not."""
    return rule.with_suffix(".fires.jsonl"), rule.with_suffix(".quiet.jsonl")


@contextmanager
def embedded(events: Sequence[Event]) -> Iterator[Store]:
    """Yield an embedded store in a folder of its own with all `events` sealed, as they lie after a while."""
    with TemporaryDirectory(prefix="sentinel-proof-") as folder:
        store = EmbeddedStore(Path(folder) / "store")
        try:
            for begin in range(0, len(events), _BATCH):
                store.append(events[begin : begin + _BATCH])
            store.seal()
            yield store
        finally:
            store.close()


def over(made: Callable[[], AbstractContextManager[Store]]) -> Stored:
    """Return what fills the stores that `made` makes, each empty and gone afterwards."""

    @contextmanager
    def stored(events: Sequence[Event]) -> Iterator[Store]:
        with made() as store:
            for begin in range(0, len(events), _BATCH):
                store.append(events[begin : begin + _BATCH])
            yield store

    return stored


@dataclass(frozen=True, slots=True)
class Proving:
    """Rules, the kind of store they are proven on (its name in `where`), and the file that remembers proofs."""

    stored: Stored
    where: str
    memory: Path

    def live(
        self, rules: Rules, tell: Tell, ended: Callable[[], bool] = lambda: False, judged: Judged | None = None
    ) -> Rules:
        """Return the rules with those refused that are not proven; `tell` hears of what takes time or cannot be done.

        If there is no store to prove them on, they stay, and that is told and noted. Once `ended` says so, nothing
        more is proven: what has been is remembered. `judged` proves them elsewhere than here.
        """
        proofs = Proofs(self.memory)
        keys = {one.id: key(one, _beside(one), self.where) for one in rules.detections}
        new = [one for one in rules.detections if keys[one.id] not in proofs]
        if not new:
            return rules
        if len(new) > FIXTURES_MAX:
            tell(f"proving {len(new)} rules that are new or judged by a new version; this is done once")
        wrong: dict[str, RuleError] = {}
        good: list[str] = []
        paths = {one.id: one.path for one in new}
        over, why = False, "they have changed meanwhile"
        try:
            for rule_id, reason in (judged or self.reasons)(new):
                if reason:
                    wrong[rule_id] = RuleError(paths[rule_id], reason)
                else:
                    good.append(keys[rule_id])
                if len(good) % KEPT_EVERY == 0:
                    _kept(proofs, good)
                if over := ended():
                    break
        except StoreError as error:
            why = str(error)
        left = len(new) - len(wrong) - len(good)
        if left and not over:
            told = f"{left} rules are live without having been proven: {why}"
            tell(f"{told}; sentinel rules prove does it later")
            rules = replace(rules, notes=(*rules.notes, told))
        _kept(proofs, good)
        stay = tuple(one for one in rules.detections if one.id not in wrong)
        return replace(rules, detections=stay, refused=tuple(sorted((*rules.refused, *wrong.values()), key=str)))

    def reasons(self, detections: Sequence[Detection]) -> Iterator[tuple[str, str]]:
        """Yield the id of each of `detections` and why it must not go live, if so; raises StoreError."""
        for verdict in prove(detections, self.stored, fixtures=fixtures):
            yield verdict.detection.id, verdict.reason

    def verdicts(self, detections: Sequence[Detection]) -> Iterator[Verdict]:
        """Yield a verdict on each of `detections`, whatever is remembered; raises StoreError."""
        good: list[str] = []
        for verdict in prove(detections, self.stored, fixtures=fixtures):
            if not verdict.reason:
                good.append(key(verdict.detection, _beside(verdict.detection), self.where))
            yield verdict
        _kept(Proofs(self.memory), good)


def _kept(proofs: Proofs, keys: Sequence[str]) -> None:
    with suppress(OSError):  # who may not write there proves anew the next time
        proofs.keep(keys)


def fixtures(detection: Detection) -> Sequence[Fields]:
    """Return the events beside a rule, those that raise it first; what is no event is told by `sentinel rules test`."""
    found: list[Fields] = []
    for text in _beside(detection):
        for line in text.splitlines()[:FIXTURES_MAX]:
            with suppress(ValueError):
                said = orjson.loads(line)
                if isinstance(said, dict):
                    found.append({str(name): _value(one) for name, one in said.items()})
    return found


def _value(value: object) -> Value:
    return tuple(value) if isinstance(value, list) else cast("Value", value)


def _beside(detection: Detection) -> list[bytes]:
    found: list[bytes] = []
    for path in neighbours(Path(detection.path)):
        with suppress(OSError), path.open("rb") as file:
            found.append(file.read(BYTES_MAX))
    return found
