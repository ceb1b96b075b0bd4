"""A correlation document of Sigma, read; its rules are looked up later (`rules.linked`)."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from sigma.correlations import (
    CorrelationConditionAND,
    CorrelationConditionItem,
    CorrelationConditionNOT,
    CorrelationConditionOR,
    SigmaCorrelationCondition,
    SigmaCorrelationRule,
    SigmaExtendedCorrelationCondition,
    SigmaRuleReference,
)

from sentinel.core.detection import NUMBERS, Correlation, Kind, Relation
from sentinel.core.errors import RuleError
from sentinel.core.where import AllOf, AnyOf, Exists, Not, Where
from sentinel.detect.documents import Document
from sentinel.detect.extension import read_budget
from sentinel.detect.linking import Chain
from sentinel.detect.reading import POLICY, WORDS, ask, described

SPAN_MAX = timedelta(days=31)
RULES_MAX = 32
_KEYS = {"type", "rules", "group-by", "timespan", "condition", "generate", "aliases"}


def read_chain(path: Path, document: Document) -> Chain:
    """Translate a correlation; raises RuleError unless every part of it is understood."""
    given = document["correlation"]
    if isinstance(given, dict) and set(given) - _KEYS:
        unknown = ", ".join(sorted(str(key) for key in set(given) - _KEYS))
        raise RuleError(path, f"a correlation has no {unknown}")
    rule = ask(path, lambda: SigmaCorrelationRule.from_dict(cast("dict[str, Any]", document), policy=POLICY))
    span = timedelta(seconds=rule.timespan.seconds)
    if span > SPAN_MAX:
        raise RuleError(path, f"a timespan of more than {SPAN_MAX.days} days")
    return Chain(
        draft=replace(described(path, document, rule, AnyOf(()), ()), budget_per_hour=_budget(path, rule)),
        references=_references(path, rule),
        asked=_asked(path, rule, span),
        generate=rule.generate,
        name=rule.name or "",
        fields=_fields(path, rule),
        aliases=_aliases(path, rule),
    )


def _budget(path: Path, rule: SigmaCorrelationRule) -> int | None:
    own = rule.custom_attributes.get("sentinel", {})
    if not isinstance(own, dict) or set(own) - {"budget_per_hour", *WORDS}:
        allowed = ", ".join(sorted({"budget_per_hour", *WORDS}))
        raise RuleError(path, f"a correlation is folded by its group-by; 'sentinel' may only say {allowed}")
    return read_budget(path, own)


def _references(path: Path, rule: SigmaCorrelationRule) -> tuple[str, ...]:
    references = tuple(one.reference for one in rule.rules or ())
    if isinstance(rule.condition, SigmaExtendedCorrelationCondition):
        references = references or tuple(dict.fromkeys(rule.condition.get_referenced_rules()))
    if not references or not all(isinstance(one, str) for one in references):
        raise RuleError(path, "a correlation needs the names or ids of the rules it counts")
    if len(set(references)) < len(references):
        raise RuleError(path, "a correlation names a rule twice")
    if len(references) > RULES_MAX:
        raise RuleError(path, f"a correlation of more than {RULES_MAX} rules")
    return references


def _asked(path: Path, rule: SigmaCorrelationRule, span: timedelta) -> Correlation:
    kind = cast("Kind", rule.type.name.lower())
    group_by = tuple(rule.group_by or ())
    condition = rule.condition
    if isinstance(condition, SigmaExtendedCorrelationCondition):
        if kind != "temporal":
            raise RuleError(path, "a condition in words has no order: temporal_ordered takes none")
        return Correlation(kind, group_by, span, "gte", 0, condition=_words(path, condition.parsed))
    relation = cast("Relation", condition.op.name.lower())
    if (condition.percentile is not None) != (kind == "value_percentile"):
        raise RuleError(path, "a value_percentile needs 'percentile', and nothing else takes one")
    percentile = 50 if condition.percentile is None else condition.percentile
    if not 0 <= percentile <= 100:
        raise RuleError(path, f"a percentile lies between 0 and 100, not at {percentile}")
    if kind not in NUMBERS:
        _whole(path, kind, condition)
    if kind.startswith("temporal"):
        _of_rules(path, kind, condition, len(rule.rules or ()))
    return Correlation(kind, group_by, span, relation, condition.count, percentile=percentile)


def _whole(path: Path, kind: Kind, condition: SigmaCorrelationCondition) -> None:
    count, relation = condition.count, condition.op.name.lower()
    if isinstance(count, float) or count < 0:
        raise RuleError(path, f"{kind} needs a whole number, not {count}")
    if count == 0 and relation in {"gte", "eq"}:
        raise RuleError(path, f"{relation} 0 is never about an event that arrived")
    if count == 0 and relation == "lt":
        raise RuleError(path, "can never fire: less than 0")


def _of_rules(path: Path, kind: Kind, condition: SigmaCorrelationCondition, rules: int) -> None:
    # the order is that of all rules; of fewer nobody could say which
    most = {"gte": condition.count, "gt": condition.count + 1, "eq": condition.count}.get(condition.op.name.lower(), 0)
    if most > rules:
        raise RuleError(path, f"can never fire: it asks for {most} of {rules} rules")
    if kind == "temporal_ordered" and most != rules:
        raise RuleError(path, "temporal_ordered asks for all of its rules; its condition may say nothing else")


def _fields(path: Path, rule: SigmaCorrelationRule) -> tuple[str, ...]:
    fields = rule.condition.fieldref if isinstance(rule.condition, SigmaCorrelationCondition) else None
    if fields is None:
        return ()
    names: list[object] = [*fields] if isinstance(fields, list) else [fields]
    kind = rule.type.name.lower()
    if not kind.startswith("value_"):
        raise RuleError(path, f"the condition of {kind} takes one of gt, gte, lt, lte, eq, neq and nothing else")
    if not names or not all(isinstance(name, str) for name in names):
        raise RuleError(path, "the condition's field must be a field's name or a list of them")
    if kind in NUMBERS and len(names) > 1:
        raise RuleError(path, f"{kind} looks at one field")
    return tuple(map(str, names))


def _aliases(path: Path, rule: SigmaCorrelationRule) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    wanted = {*(rule.group_by or ()), *_fields(path, rule)}
    for alias in rule.aliases:
        found[alias.alias] = {one.reference: field for one, field in alias.mapping.items()}
        unknown = sorted(str(name) for name in found[alias.alias] if name not in _references(path, rule))
        if unknown:
            raise RuleError(path, f"the alias {alias.alias!r} names {', '.join(unknown)}, which it does not count")
        if alias.alias not in wanted:
            raise RuleError(path, f"nothing asks for the alias {alias.alias!r}")
        if not all(isinstance(field, str) for field in alias.mapping.values()):
            raise RuleError(path, f"the alias {alias.alias!r} must say a field for each rule")
    return found


def _words(path: Path, node: SigmaRuleReference | CorrelationConditionItem) -> Where:
    # which rules occurred, as fields that exist or not
    match node:
        case SigmaRuleReference():
            return Exists(node.reference)
        case CorrelationConditionAND():
            return AllOf(tuple(_words(path, one) for one in node.args))
        case CorrelationConditionOR():
            return AnyOf(tuple(_words(path, one) for one in node.args))
        case CorrelationConditionNOT():
            return Not(_words(path, node.args[0]))
        case _:
            raise RuleError(path, f"the condition holds {type(node).__name__}, which we do not know")
