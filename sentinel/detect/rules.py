"""From folders of rule files to the detections that are on: every rule is either among them or refused with a reason.

A rule is refused if it cannot be understood, if it bears an id that is taken, if it counts rules that are not there,
or if it can never fire because no pack supplies a field it needs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path

from sentinel.core.detection import Correlation, Detection, Relation
from sentinel.core.ecs import type_of
from sentinel.core.errors import RuleError
from sentinel.core.where import AnyOf
from sentinel.detect.documents import Document, read_documents
from sentinel.detect.pipelines import Source
from sentinel.detect.supply import Supply

PIPELINES = "pipelines"
FOLD_BY = ("host.name",)
"""What makes two findings of a rule that says nothing about it be about the same thing."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A rule about single events, and the name by which correlations may call it."""

    detection: Detection
    name: str
    source: Source


@dataclass(frozen=True, slots=True)
class Chain:
    """A correlation whose rules have yet to be looked up; `draft.where` means nothing until then.

    `group_by` holds Sigma's names; `generate` says whether the rules it counts raise alerts of their own as well.
    """

    draft: Detection
    references: tuple[str, ...]
    group_by: tuple[str, ...]
    span: timedelta
    relation: Relation
    count: int
    generate: bool


Read = Callable[[Path, Document], Plain | Chain]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a set of folders holds: the rules that are on, those refused, and remarks on rules that are on."""

    detections: tuple[Detection, ...]
    refused: tuple[RuleError, ...] = ()
    notes: tuple[str, ...] = ()


def rule_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the rule files among and below `paths`, in order; pipelines are none."""
    for path in paths:
        if path.is_dir():
            found = (one for pattern in ("*.yml", "*.yaml") for one in path.rglob(pattern))
            yield from sorted(one for one in found if PIPELINES not in one.relative_to(path).parts)
        else:
            yield path


def assemble(paths: Iterable[Path], supply: Supply, read: Read) -> Rules:
    """Read every rule file among and below `paths` by `read` and link the correlations."""
    work = _Assembly(supply)
    for path in dict.fromkeys(rule_files(paths)):
        try:
            documents = read_documents(path)
        except RuleError as error:
            work.refused.append(error)
            continue
        if not documents:
            work.refused.append(RuleError(path, "holds no rule"))
        for document in documents:
            try:
                work.take(read(path, document))
            except RuleError as error:
                work.refused.append(error)
    return work.done()


def linked(chain: Chain, bases: Sequence[Plain]) -> Detection:
    """Return a correlation as a Detection, given the rules it counts; raises RuleError."""
    draft = chain.draft
    group_by: list[str] = []
    for name in chain.group_by:
        fields = {base.source.field(name) for base in bases}
        field = fields.pop()
        if field is None or fields or type_of(field) is None:
            raise RuleError(draft.path, f"can never fire: group-by field {name!r} is not one and the same known field")
        group_by.append(field)
    first = bases[0].detection
    digest = blake2b(draft.version.encode(), digest_size=8)
    for base in bases:
        digest.update(base.detection.version.encode())
    return replace(
        draft,
        where=first.where if len(bases) == 1 else AnyOf(tuple(base.detection.where for base in bases)),
        version=digest.hexdigest(),
        fold_by=tuple(group_by),
        correlation=Correlation("event_count", tuple(group_by), chain.span, chain.relation, chain.count),
        attack=draft.attack or tuple(dict.fromkeys(one for base in bases for one in base.detection.attack)),
        author=draft.author or first.author,
        description=draft.description or first.description,
        falsepositives=draft.falsepositives or first.falsepositives,
        references=draft.references or first.references,
    )


def fold_by(path: Path, own: object) -> tuple[str, ...]:
    """Return what a rule's own attribute `sentinel` says about folding, FOLD_BY if nothing; raises RuleError."""
    if not isinstance(own, dict) or set(own) - {"fold_by"}:
        raise RuleError(path, "'sentinel' may only say fold_by: [fields]")
    fields = own.get("fold_by", list(FOLD_BY))
    if not isinstance(fields, list) or not fields or not all(isinstance(field, str) for field in fields):
        raise RuleError(path, "fold_by must be a list of ECS fields")
    for field in fields:
        if type_of(field) is None:
            raise RuleError(path, f"fold_by names {field!r}, which is no field of ECS or of ours")
    return tuple(fields)


class _Assembly:
    """The rules read so far."""

    def __init__(self, supply: Supply) -> None:
        self.refused: list[RuleError] = []
        self._supply = supply
        self._plain: dict[str, Plain] = {}
        self._names: dict[str, Plain] = {}
        self._chains: list[Chain] = []
        self._paths: dict[str, str] = {}
        self._notes: list[str] = []

    def take(self, rule: Plain | Chain) -> None:
        """Keep a rule; raises RuleError if its id or name is taken."""
        detection = rule.detection if isinstance(rule, Plain) else rule.draft
        there = self._paths.get(detection.id)
        if there is not None:
            raise RuleError(detection.path, f"its id {detection.id} is taken by {there}")
        if isinstance(rule, Plain):
            other = self._names.get(rule.name)
            if rule.name and other is not None:
                raise RuleError(detection.path, f"its name {rule.name!r} is taken by {other.detection.path}")
            self._plain[detection.id] = rule
            if rule.name:
                self._names[rule.name] = rule
        else:
            self._chains.append(rule)
        self._paths[detection.id] = detection.path

    def done(self) -> Rules:
        """Link what belongs together, and refuse what can never fire."""
        found: list[Detection] = []
        counted: set[str] = set()
        for chain in self._chains:
            try:
                bases = [self._base(chain, reference) for reference in chain.references]
                if not chain.generate:
                    counted.update(base.detection.id for base in bases)
                found.append(self._fit(linked(chain, bases)))
            except RuleError as error:
                self.refused.append(error)
        for plain in self._plain.values():
            if plain.detection.id not in counted:
                try:
                    found.append(self._fit(plain.detection))
                except RuleError as error:
                    self.refused.append(error)
        found.sort(key=lambda one: (one.path, one.id))
        return Rules(tuple(found), tuple(sorted(self.refused, key=str)), tuple(self._notes))

    def _base(self, chain: Chain, reference: str) -> Plain:
        base = self._names.get(reference) or self._plain.get(reference.lower())
        if base is None:
            reason = f"it counts {reference!r}, which is no rule about single events here, or is refused itself"
            raise RuleError(chain.draft.path, reason)
        return base

    def _fit(self, detection: Detection) -> Detection:
        groups = detection.correlation.group_by if detection.correlation else ()
        without = [field for field in groups if not self._supply.has(field)]
        missing = self._supply.missing(detection.where)
        if without or not self._supply.can_hold(detection.where):
            raise RuleError(detection.path, f"can never fire: no pack supplies field {', '.join(without or missing)}")
        if missing:
            self._notes.append(f"{detection.path}: no pack supplies {', '.join(missing)}; what asks for it never holds")
        return detection


def named(rules: Rules) -> Mapping[str, Detection]:
    """Return the detections by id."""
    return {one.id: one for one in rules.detections}
