"""What rules are once each file of its own has been understood, and how those that belong together are linked."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from sentinel.core.detection import NUMBERS, Correlation, Detection, Part
from sentinel.core.ecs import type_of
from sentinel.core.errors import RuleError
from sentinel.core.where import AllOf, AnyOf, Where
from sentinel.detect.exceptions import Terms
from sentinel.detect.pipelines import LogSource, Source


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
    title: str
    rules: tuple[str, ...]
    logsource: LogSource
    where: Callable[[Source], Where]
    terms: Terms

    def covers(self, rule: Plain) -> bool:
        """Say whether the rule's log source is the filter's, or a part of it."""
        return all(own in {"", of} for own, of in zip(self.logsource, rule.logsource, strict=True))


@dataclass(frozen=True, slots=True)
class Linked:
    """A correlation whose rules have been found; `origins` are those about single events."""

    chain: Chain
    detection: Detection
    origins: tuple[Plain, ...]


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
        license=draft.license or first.license,
        description=draft.description or first.description,
        falsepositives=draft.falsepositives or first.falsepositives,
        references=draft.references or first.references,
    )


def excepted(rule: Plain, one: Filter) -> Plain:
    """Return a rule with one exception more; raises RuleError if that cannot be read for its log source."""
    where = one.where(rule.source)
    version = blake2b(f"{rule.detection.version} {where!r}".encode("utf-8", "surrogatepass"), digest_size=8)
    own = rule.detection.where  # its first item is and stays its log source
    whole = AllOf((*(own.items if isinstance(own, AllOf) else (own,)), where))
    return replace(rule, detection=replace(rule.detection, where=whole, version=version.hexdigest()))


def _part(chain: Chain, reference: str, base: Plain) -> Part:
    if base.detection.history is not None:
        raise RuleError(chain.draft.path, f"it counts {reference!r}, which looks at its own history")
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
