"""From folders of rule files to the detections that are on: every rule is either among them or refused with a reason.

A rule is refused if it cannot be understood, if it bears an id that is taken, if it counts rules that are not there,
or if it can never fire because no pack supplies a field it needs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from sentinel.core.detection import Detection
from sentinel.core.errors import RuleError, UsageError
from sentinel.core.where import AllOf
from sentinel.detect import compiled
from sentinel.detect.documents import Document, collected, parsed, read_text
from sentinel.detect.exceptions import Exemption, too_long
from sentinel.detect.extension import asked_of
from sentinel.detect.kept import Kept
from sentinel.detect.linking import Chain, Filter, Linked, Plain, excepted, linked
from sentinel.detect.placeholders import FILE as PLACEHOLDERS
from sentinel.detect.supply import Supply

PIPELINES = "pipelines"
PREFIX_MIN = 4


Read = Callable[[Path, Document], Plain | Chain | Filter]


@dataclass(frozen=True, slots=True)
class Off:
    """A rule that could be on, and why it is not."""

    detection: Detection
    why: str


@dataclass(frozen=True, slots=True)
class Rules:
    """What a set of folders holds: the rules that are on, those refused, remarks on rules that are on, exceptions.

    `off` are those that are understood and were not chosen (`choosing`); before that all are on.
    """

    detections: tuple[Detection, ...]
    refused: tuple[RuleError, ...] = ()
    notes: tuple[str, ...] = ()
    exceptions: tuple[Exemption, ...] = ()
    origins: Mapping[str, tuple[Plain, ...]] = field(default_factory=dict)
    """By the id of each rule, on or off: the rules about single events that it is made of."""
    off: tuple[Off, ...] = ()

    def get(self, rule_id: str) -> Detection | None:
        """Return the rule with this id, None if it is not on."""
        return next((one for one in self.detections if one.id == rule_id), None)


def rule_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the rule files among and below `paths`, in order; pipelines and lists of placeholders are none."""
    for path in paths:
        if path.is_dir():
            found = (one for pattern in ("*.yml", "*.yaml") for one in path.rglob(pattern))
            rules = (one for one in found if PIPELINES not in one.relative_to(path).parts)
            yield from sorted(one for one in rules if one != path / PLACEHOLDERS)
        else:
            yield path


def assemble(paths: Iterable[Path], supply: Supply, read: Read, kept: Kept, now: datetime | None = None) -> Rules:
    """Read every rule file among and below `paths` by `read`, or take what is `kept`, and link the correlations.

    Exceptions that have expired by `now` (None: none has) do not count.
    """
    work = _Assembly(supply, now)
    for path in dict.fromkeys(rule_files(paths)):
        try:
            text = read_text(path)
        except RuleError as error:
            work.refused.append(error)
            continue
        for one in kept.documents(path, text, partial(_read, path, text, read)):
            try:
                work.take(one)
            except RuleError as error:
                work.refused.append(error)
    kept.close()
    return work.done()


def _read(path: Path, text: str, read: Read) -> list[compiled.Read]:
    try:
        given = collected(path, parsed(path, text))
    except RuleError as error:
        return [error]
    found: list[compiled.Read] = []
    for document in given:
        try:
            found.append(read(path, document))
        except RuleError as error:
            found.append(error)
    return found or [RuleError(path, "holds no rule")]


class _Assembly:
    """The rules read so far."""

    def __init__(self, supply: Supply, now: datetime | None) -> None:
        self.refused: list[RuleError] = []
        self._supply = supply
        self._now = now
        self._plain: dict[str, Plain] = {}
        self._names: dict[str, str] = {}
        self._linked: dict[str, Linked] = {}
        self._counted: set[str] = set()
        self._chains: dict[str, Chain] = {}
        self._filters: list[Filter] = []
        self._exceptions: list[Exemption] = []
        self._paths: dict[str, str] = {}
        self._notes: list[str] = []

    def take(self, rule: Plain | Chain | Filter | RuleError) -> None:
        """Keep a rule; raises RuleError if its id or name is taken."""
        if isinstance(rule, RuleError):
            self.refused.append(rule)
            return
        if isinstance(rule, Filter):
            self._filters.append(rule)
            return
        detection = rule.detection if isinstance(rule, Plain) else rule.draft
        there = self._paths.get(detection.id)
        if there is not None:
            raise RuleError(detection.path, f"its id {detection.id} is taken by {there}")
        other = self._names.get(rule.name)
        if rule.name and other is not None:
            raise RuleError(detection.path, f"its name {rule.name!r} is taken by {self._paths[other]}")
        if isinstance(rule, Plain):
            self._plain[detection.id] = rule
        else:
            self._chains[detection.id] = rule
        if rule.name:
            self._names[rule.name] = detection.id
        self._paths[detection.id] = detection.path

    def done(self) -> Rules:
        """Link what belongs together, and refuse what can never fire."""
        for one in self._filters:
            try:
                self._except(one)
            except RuleError as error:
                self.refused.append(error)
        found: list[Detection] = []
        for chain in self._chains.values():
            try:
                self._link(chain, ())
            except RuleError as error:
                self.refused.append(error)
        for detection in (*self._detections(self._linked), *self._detections(self._plain)):
            try:
                found.append(self._fit(detection))
            except RuleError as error:
                self.refused.append(error)
        found.sort(key=lambda one: (one.path, one.id))
        return Rules(
            tuple(found),
            tuple(sorted(self.refused, key=str)),
            tuple(self._notes),
            tuple(self._exceptions),
            {one.id: self._origins(one.id) for one in found},
        )

    def _origins(self, rule_id: str) -> tuple[Plain, ...]:
        plain = self._plain.get(rule_id)
        return self._linked[rule_id].origins if plain is None else (plain,)

    def _except(self, one: Filter) -> None:
        expired = self._now is not None and one.terms.expires <= self._now
        if not expired:
            if self._now is not None:
                too_long(one.path, one.terms, self._now)
            self._plain.update(self._filtered(one))
        self._exceptions.append(Exemption(one.path, one.title, one.rules, one.terms, expired))

    def _called(self, reference: str) -> Plain | None:
        return self._plain.get(self._names.get(reference, reference.lower()))

    def _filtered(self, one: Filter) -> dict[str, Plain]:
        # the rules that the filter is about, with it; all or none
        rules = [self._called(reference) for reference in one.rules] if one.rules else list(self._plain.values())
        for reference, rule in zip(one.rules, rules, strict=False):
            if rule is None:
                raise RuleError(one.path, f"it is about {reference!r}, which is no rule about single events here")
            if not one.covers(rule):
                raise RuleError(one.path, f"its log source does not cover that of {reference!r}")
        about = [rule for rule in rules if rule is not None and one.covers(rule)]
        if not about:
            raise RuleError(one.path, "no rule here has its log source")
        return {rule.detection.id: excepted(rule, one) for rule in about}

    def _detections(self, rules: Mapping[str, Plain | Linked]) -> Iterator[Detection]:
        return (one.detection for name, one in rules.items() if name not in self._counted)

    def _link(self, chain: Chain, above: tuple[str, ...]) -> Linked:
        # a correlation that others are about is linked with the first of them, and refused once, for its own sake
        own = chain.draft.id
        if own not in self._linked:
            if own in above:
                raise RuleError(chain.draft.path, "it is about itself")
            if not chain.generate:
                # also if it is refused: what it counts was not written to raise alerts
                self._counted.update(self._names.get(one, one.lower()) for one in chain.references)
            bases = [self._base(chain, reference, (*above, own)) for reference in chain.references]
            origins = {one.detection.id: one for base in bases for one in _plain(base)}
            self._linked[own] = Linked(chain, linked(chain, bases), tuple(origins.values()))
        return self._linked[own]

    def _base(self, chain: Chain, reference: str, above: tuple[str, ...]) -> Plain | Linked:
        inner = self._chains.get(self._names.get(reference, reference.lower()))
        reason = f"it counts {reference!r}, which is no rule here, or is refused itself"
        if inner is not None:
            try:
                return self._link(inner, above)
            except RuleError as error:
                raise RuleError(chain.draft.path, f"{reason} ({error.reason})") from error
        base = self._called(reference)
        if base is None:
            raise RuleError(chain.draft.path, reason)
        return base

    def _fit(self, detection: Detection) -> Detection:
        parts = detection.correlation.parts if detection.correlation else ()
        needed = {field for part in parts if part.inner is None for field in (*part.group, *part.fields)}
        needed |= set(asked_of(detection.history))
        without = sorted(field for field in needed if not self._supply.has(field))
        source = detection.where.items[0] if isinstance(detection.where, AllOf) else None
        missing = self._supply.missing(detection.where, source)
        if without or not _enough(detection, self._supply):
            raise RuleError(detection.path, f"can never fire: {_lack(without or missing)}")
        if missing:
            self._notes.append(f"{detection.path}: no pack supplies {', '.join(missing)}; what asks for it never holds")
        return detection


def _plain(base: Plain | Linked) -> tuple[Plain, ...]:
    return (base,) if isinstance(base, Plain) else base.origins


def _enough(detection: Detection, supply: Supply) -> bool:
    # whether events can come that make it fire; of rules that must come together, of so many
    asked = detection.correlation
    if asked is None or not asked.kind.startswith("temporal"):
        return supply.can_hold(detection.where)
    possible = sum(supply.can_hold(part.where) for part in asked.parts)
    if asked.condition is not None or asked.relation in {"lt", "lte", "neq"}:
        return possible > 0
    return possible >= asked.count + (asked.relation == "gt")


def _lack(fields: Sequence[str]) -> str:
    if not fields:
        return "no pack writes events of which all that it asks for can be true at once"
    return f"no pack supplies field {', '.join(fields)}"


def chosen(detections: Sequence[Detection], said: str) -> Detection:
    """Return the rule that an operator means by its id or a beginning of it, its file's name or its title.

    Raises UsageError if there is none, or several.
    """
    text = said.strip().casefold()
    ways: tuple[Callable[[Detection], bool], ...] = (
        lambda one: one.id.casefold() == text,
        lambda one: text in {one.path.casefold(), Path(one.path).name.casefold(), Path(one.path).stem.casefold()},
        lambda one: one.title.casefold() == text,
        lambda one: len(text) >= PREFIX_MIN and one.id.casefold().startswith(text),
    )
    for way in ways:
        found = [one for one in detections if way(one)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(
                f"{said!r} may be {', '.join(f'{one.title!r} ({one.id})' for one in found[:5])}: say the id"
            )
    near = get_close_matches(text, {Path(one.path).stem.casefold() for one in detections}, 1)
    hint = f"did you mean {near[0]}?" if near else "`sentinel rules list` shows them"
    raise UsageError(f"no rule that is on has the id, file name or title {said!r}; {hint}")
