"""From folders of rule files to the detections that are on: every rule is either among them or refused with a reason.

A rule is refused if it cannot be understood, if it bears an id that is taken, if it counts rules that are not there,
or if it can never fire because no pack supplies a field it needs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

from sentinel.core.detection import NUMBERS, Correlation, Detection, Part
from sentinel.core.ecs import type_of
from sentinel.core.errors import RuleError
from sentinel.core.where import AllOf, AnyOf, Where
from sentinel.detect.documents import Document, collected, read_documents
from sentinel.detect.pipelines import LogSource, Source
from sentinel.detect.placeholders import FILE as PLACEHOLDERS
from sentinel.detect.supply import Supply

PIPELINES = "pipelines"
FOLD_BY = ("host.name",)
"""What makes two findings of a rule that says nothing about it be about the same thing."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A rule about single events, and the name by which correlations and filters may call it."""

    detection: Detection
    name: str
    source: Source
    logsource: LogSource


@dataclass(frozen=True, slots=True)
class Chain:
    """A correlation whose rules have yet to be looked up; `draft.where` means nothing until then.

    `asked` is what it asks for, still without its parts; its `group_by` and `fields` hold Sigma's names, which
    `aliases` may translate for each rule. `generate` says whether the rules it counts raise alerts of their own too.
    """

    draft: Detection
    references: tuple[str, ...]
    asked: Correlation
    generate: bool
    name: str
    fields: tuple[str, ...]
    aliases: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Filter:
    """An exception: what else must hold for a rule to fire (so it says `not` itself).

    It is about the rules called `rules`, or all, as far as `logsource` covers theirs: an empty part of it covers any.
    `where` reads it with the field names of a rule's log source; raises RuleError.
    """

    path: str
    rules: tuple[str, ...]
    logsource: LogSource
    where: Callable[[Source], Where]

    def covers(self, rule: Plain) -> bool:
        """Say whether the rule's log source is the filter's, or a part of it."""
        return all(own in {"", of} for own, of in zip(self.logsource, rule.logsource, strict=True))


Read = Callable[[Path, Document], Plain | Chain | Filter]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a set of folders holds: the rules that are on, those refused, and remarks on rules that are on."""

    detections: tuple[Detection, ...]
    refused: tuple[RuleError, ...] = ()
    notes: tuple[str, ...] = ()


def rule_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the rule files among and below `paths`, in order; pipelines and lists of placeholders are none."""
    for path in paths:
        if path.is_dir():
            found = (one for pattern in ("*.yml", "*.yaml") for one in path.rglob(pattern))
            rules = (one for one in found if PIPELINES not in one.relative_to(path).parts)
            yield from sorted(one for one in rules if one != path / PLACEHOLDERS)
        else:
            yield path


def assemble(paths: Iterable[Path], supply: Supply, read: Read) -> Rules:
    """Read every rule file among and below `paths` by `read` and link the correlations."""
    work = _Assembly(supply)
    for path in dict.fromkeys(rule_files(paths)):
        try:
            documents = collected(path, read_documents(path))
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


@dataclass(frozen=True, slots=True)
class Linked:
    """A correlation whose rules have been found."""

    chain: Chain
    detection: Detection


def linked(chain: Chain, bases: Sequence[Plain | Linked]) -> Detection:
    """Return a correlation as a Detection, given the rules it counts; raises RuleError."""
    draft = chain.draft
    parts = [
        _inner(chain, reference, base) if isinstance(base, Linked) else _part(chain, reference, base)
        for reference, base in zip(chain.references, bases, strict=True)
    ]
    columns = zip(*(part.group for part in parts), strict=True)
    # an alert names the field that holds its subject; where the rules have different ones, what the correlation says
    group_by = tuple(
        fields[0] if len(set(fields)) == 1 else name
        for name, fields in zip(chain.asked.group_by, columns, strict=False)
    )
    if not chain.asked.kind.startswith("temporal"):
        parts = _merged(parts)
    first = bases[0].detection
    digest = blake2b(draft.version.encode(), digest_size=8)
    for base in bases:
        digest.update(base.detection.version.encode())
    return replace(
        draft,
        where=_any([part.where for part in parts]),
        version=digest.hexdigest(),
        fold_by=group_by,
        correlation=replace(chain.asked, group_by=group_by, parts=tuple(parts)),
        attack=draft.attack or tuple(dict.fromkeys(one for base in bases for one in base.detection.attack)),
        author=draft.author or first.author,
        description=draft.description or first.description,
        falsepositives=draft.falsepositives or first.falsepositives,
        references=draft.references or first.references,
    )


def _excepted(rule: Plain, one: Filter) -> Plain:
    where = one.where(rule.source)
    version = blake2b(f"{rule.detection.version} {where!r}".encode("utf-8", "surrogatepass"), digest_size=8)
    own = rule.detection.where  # its first item is and stays its log source
    whole = AllOf((*(own.items if isinstance(own, AllOf) else (own,)), where))
    return replace(rule, detection=replace(rule.detection, where=whole, version=version.hexdigest()))


def _part(chain: Chain, reference: str, base: Plain) -> Part:
    return Part(
        base.detection.where,
        tuple(_field(chain, name, reference, base) for name in chain.asked.group_by),
        tuple(_field(chain, name, reference, base) for name in chain.fields),
        reference,
    )


def _inner(chain: Chain, reference: str, base: Linked) -> Part:
    inner = base.detection.correlation
    if not chain.asked.kind.startswith("temporal"):
        reason = f"{chain.asked.kind} of the correlation {reference!r}: only temporal kinds may be about correlations"
        raise RuleError(chain.draft.path, reason)
    if inner is None or any(part.inner is not None for part in inner.parts):
        raise RuleError(chain.draft.path, f"{reference!r} is itself about correlations; that is too deep")
    theirs = base.chain.asked.group_by
    group: list[str] = []
    for name in chain.asked.group_by:
        own = chain.aliases[name].get(reference) if name in chain.aliases else name
        if own not in theirs:
            raise RuleError(chain.draft.path, f"the correlation {reference!r} is not grouped by {own or name!r}")
        group.append(inner.group_by[theirs.index(own)])
    return Part(base.detection.where, tuple(group), (), reference, inner)


def _field(chain: Chain, name: str, reference: str, base: Plain) -> str:
    alias = chain.aliases.get(name)
    own = alias.get(reference) if alias is not None else name
    if own is None:
        raise RuleError(chain.draft.path, f"the alias {name!r} says nothing about {reference!r}")
    field = base.source.field(own)
    if field is None or type_of(field) is None:
        raise RuleError(chain.draft.path, f"can never fire: {own!r} is no known field of the rule {reference!r}")
    if chain.asked.kind in NUMBERS and name in chain.fields and type_of(field) not in {"long", "float"}:
        raise RuleError(chain.draft.path, f"can never fire: {field} holds {type_of(field)}, not numbers")
    return field


def _merged(parts: Iterable[Part]) -> list[Part]:
    # rules that are counted by the same fields are one: an event counts once, and the store is asked once
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Where]] = {}
    for part in parts:
        alike.setdefault((part.group, part.fields), []).append(part.where)
    return [Part(_any(wheres), group, fields) for (group, fields), wheres in alike.items()]


def _any(wheres: Sequence[Where]) -> Where:
    return wheres[0] if len(wheres) == 1 else AnyOf(tuple(wheres))


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
        self._names: dict[str, str] = {}
        self._linked: dict[str, Linked] = {}
        self._counted: set[str] = set()
        self._chains: dict[str, Chain] = {}
        self._filters: list[Filter] = []
        self._paths: dict[str, str] = {}
        self._notes: list[str] = []

    def take(self, rule: Plain | Chain | Filter) -> None:
        """Keep a rule; raises RuleError if its id or name is taken."""
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
                self._plain.update(self._filtered(one))
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
        return Rules(tuple(found), tuple(sorted(self.refused, key=str)), tuple(self._notes))

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
        return {rule.detection.id: _excepted(rule, one) for rule in about}

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
            self._linked[own] = Linked(chain, linked(chain, bases))
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
        without = sorted(field for field in needed if not self._supply.has(field))
        source = detection.where.items[0] if isinstance(detection.where, AllOf) else None
        missing = self._supply.missing(detection.where, source)
        if without or not _enough(detection, self._supply):
            raise RuleError(detection.path, f"can never fire: {_lack(without or missing)}")
        if missing:
            self._notes.append(f"{detection.path}: no pack supplies {', '.join(missing)}; what asks for it never holds")
        return detection


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


def named(rules: Rules) -> Mapping[str, Detection]:
    """Return the detections by id."""
    return {one.id: one for one in rules.detections}
