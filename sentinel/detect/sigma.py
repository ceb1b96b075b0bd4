"""The door to Sigma: one document in, what it means as `Where` or correlation out, or a RuleError.

pySigma reads values, modifiers and conditions; the translation is ours, type by type, so that what we do not know is
refused instead of passed over. pySigma's ATT&CK data (fetched, and cached by pickling) is never touched: no validator
runs, tags are only looked at.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import accumulate, product
from math import prod
from pathlib import Path
from typing import Any, Literal, cast

from sigma import modifiers as sm
from sigma import types as st
from sigma.conditions import ConditionAND, ConditionIdentifier, ConditionNOT, ConditionOR, ConditionSelector
from sigma.conditions import unwrap_parse_result_operand as unwrapped
from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule
from sigma.rule.detection import SigmaDetection, SigmaDetectionItem, SigmaDetections

from sentinel.core.content import content
from sentinel.core.detection import LEVELS
from sentinel.core.ecs import type_of
from sentinel.core.errors import RuleError
from sentinel.core.where import (
    KEYWORD_FIELDS,
    AllOf,
    AnyOf,
    Compare,
    Dated,
    Exists,
    Is,
    Keyword,
    Like,
    Likeness,
    Matches,
    Not,
    Operator,
    Same,
    TimePart,
    Where,
    Within,
    leaves,
)
from sentinel.core.wildcard import escaped, like
from sentinel.detect.calendar import spelled
from sentinel.detect.chains import read_chain
from sentinel.detect.documents import Document
from sentinel.detect.exceptions import terms
from sentinel.detect.extension import read_extension
from sentinel.detect.kept import Kept
from sentinel.detect.linking import Chain, Filter, Plain
from sentinel.detect.pipelines import Pipelines, Source, describe, load_pipelines, log_source
from sentinel.detect.placeholders import Placeholders, load_placeholders
from sentinel.detect.reading import POLICY, ask, described
from sentinel.detect.rules import PIPELINES, Rules, assemble
from sentinel.detect.supply import Supply

CONDITION_MAX = 8192
PARENTHESES_MAX = 32
LEAVES_MAX = 50_000
_MODIFIERS = frozenset({
    "all", "base64", "base64offset", "cased", "cidr", "contains", "dotall", "endswith", "exists", "expand", "fieldref",
    "gt", "gte", "i", "ignorecase", "lt", "lte", "m", "multiline", "neq", "re", "s", "startswith", "utf16", "utf16be",
    "wide", "windash", "minute", "hour", "day", "week", "month", "year",
})  # fmt: skip
_WILD = {st.SpecialChars.WILDCARD_MULTI: "*", st.SpecialChars.WILDCARD_SINGLE: "?"}
_HOW: dict[tuple[bool, bool], Likeness] = {
    (False, False): "is", (True, False): "startswith", (False, True): "endswith", (True, True): "contains",
}  # fmt: skip
_Parts = tuple[str | st.SpecialChars, ...]


def load(
    paths: Iterable[Path],
    supplied: Collection[str] | None = None,
    shipped: Path | None = None,
    now: datetime | None = None,
    kept: Path | None = None,
) -> Rules:
    """Read the rules among and below `paths` into detections; what cannot be used is among the refused.

    `supplied` names the fields that the active packs can fill, as `Supply.of` takes them (None: not known, then no
    rule is refused for that).
    Field names are read by the shipped pipelines and by those in a folder `pipelines` of each of `paths`, placeholders
    by the file `placeholders.yml` there, or beside a path that is a file. Exceptions that have expired by `now` do not
    count (None: none has). In the file `kept` what has been read is kept for the next time (None: it is not).
    """
    paths = list(paths)
    folders = [(shipped or content("rules")) / PIPELINES, *(path / PIPELINES for path in paths if path.is_dir())]
    pipelines, refused = load_pipelines(folders)
    placeholders, unread = load_placeholders(path if path.is_dir() else path.parent for path in paths)
    supply = Supply() if supplied is None else Supply.of(supplied)
    memory = Kept(kept, pipelines, placeholders)
    rules = assemble(
        paths, supply, lambda path, document: read_document(path, document, pipelines, placeholders), memory, now
    )
    return replace(rules, refused=(*refused, *unread, *rules.refused))


def read_document(
    path: Path, document: Document, pipelines: Pipelines, placeholders: Placeholders
) -> Plain | Chain | Filter:
    """Translate one YAML document; raises RuleError unless every part of it is understood."""
    kinds = [kind for kind in ("correlation", "filter", "detection") if kind in document]
    if len(kinds) > 1:
        raise RuleError(path, f"one document is {' and '.join(kinds)}; it must be one of them")
    document = spelled(path, document)
    if "filter" in document:
        return _filter(path, document, placeholders)
    if "correlation" in document:
        return read_chain(path, document)
    return _plain(path, document, pipelines, placeholders)


def _filter(path: Path, document: Document, placeholders: Placeholders) -> Filter:
    given = ask(path, lambda: SigmaFilter.from_dict(cast("dict[str, Any]", document), policy=POLICY))
    if given.status is not None and given.status.name.lower() in {"deprecated", "unsupported"}:
        raise RuleError(path, f"its status is {given.status.name.lower()}")
    named = given.filter.rules
    rules = () if isinstance(named, str) else tuple(one.reference for one in named)
    if not all(isinstance(one, str) for one in rules):
        raise RuleError(path, "a filter names its rules by their names or ids")
    log = given.logsource

    def where(source: Source) -> Where:
        # field names are those of the rule's log source, which may be narrower than the filter's
        return ask(path, lambda: _Translation(path, given.filter, source, placeholders).where())

    own = terms(path, given.custom_attributes.get("sentinel"))
    return Filter(str(path), str(given.title), rules, log_source(log.product, log.category, log.service), where, own)


def _plain(path: Path, document: Document, pipelines: Pipelines, placeholders: Placeholders) -> Plain:
    detection = document.get("detection")
    if isinstance(detection, dict) and "timeframe" in detection:
        raise RuleError(path, "'timeframe' is an old form of Sigma; write a correlation rule")
    if document.get("taxonomy", "sigma") not in {"sigma", "ecs"}:
        raise RuleError(path, f"unknown taxonomy {document['taxonomy']!r}: field names must be Sigma's or of ECS")
    rule = ask(path, lambda: SigmaRule.from_dict(cast("dict[str, Any]", document), policy=POLICY))
    log = rule.logsource
    source = pipelines.find(log.product, log.category, log.service)
    if source is None:
        words = describe(log.product, log.category, log.service)
        raise RuleError(path, f"no pipeline knows the log source {words}: no pack writes such events")
    where = AllOf((source.where, ask(path, lambda: _Translation(path, rule.detection, source, placeholders).where())))
    own = read_extension(path, rule.custom_attributes.get("sentinel", {}), source)
    plain = described(path, document, rule, where, own.fold_by)
    if own.closed_level is not None and LEVELS.index(own.closed_level) <= LEVELS.index(plain.level):
        raise RuleError(path, f"closed_level {own.closed_level} is no higher than its level, {plain.level}")
    return Plain(
        replace(
            plain,
            history=own.history,
            budget_per_hour=own.budget_per_hour,
            closed_level=own.closed_level,
        ),
        rule.name or "",
        source,
        log_source(log.product, log.category, log.service),
    )


class _Translation:
    """One rule's or filter's detections and condition, as `Where`."""

    def __init__(self, path: Path, given: SigmaDetections, source: Source, placeholders: Placeholders) -> None:
        self._path = path
        self._detections = given.detections
        self._conditions = given.parsed_condition
        self._source = source
        self._placeholders = placeholders
        self._done: dict[str, tuple[Where, int]] = {}
        self._leaves = 0

    def where(self) -> Where:
        for condition in self._conditions:
            if len(text := str(condition.condition)) > CONDITION_MAX:
                raise self._wrong(f"a condition must be text of at most {CONDITION_MAX} characters")
            if _depth(text) > PARENTHESES_MAX:
                raise self._wrong(f"parentheses nested deeper than {PARENTHESES_MAX} levels in the condition")
        parsed = [ask(self._path, lambda one=one: one.parse(postprocess=False)) for one in self._conditions]  # type: ignore[misc]  # a default binds the loop's variable
        return _any([self._condition(one) for one in parsed])

    def _wrong(self, reason: str) -> RuleError:
        return RuleError(self._path, reason)

    def _condition(self, node: object) -> Where:
        match unwrapped(node):
            case ConditionIdentifier() as one:
                return self._named(one.identifier)
            case ConditionSelector() as one:
                pattern = "*" if one.pattern == "them" else one.pattern
                names = [
                    name
                    for name in self._detections
                    if like(name, pattern, cased=True) and (pattern.startswith("_") or not name.startswith("_"))
                ]
                if not names:
                    raise self._wrong(f"no detection is called {one.pattern!r}, which the condition asks for")
                found = [self._named(name) for name in names]
                return _all(found) if one.cond_class is ConditionAND else _any(found)
            case ConditionAND() as one:
                return _all([self._condition(arg) for arg in one.args])
            case ConditionOR() as one:
                return _any([self._condition(arg) for arg in one.args])
            case ConditionNOT() as one:
                return Not(self._condition(one.args[0]))
            case other:
                raise self._wrong(f"the condition holds {type(other).__name__}, which we do not know")

    def _named(self, name: str) -> Where:
        if name not in self._done:
            detection = self._detections.get(name)
            if detection is None:
                raise self._wrong(f"no detection is called {name!r}, which the condition asks for")
            where = self._detection(detection)
            self._done[name] = where, sum(1 for _ in leaves(where))
        where, size = self._done[name]
        self._leaves += size
        if self._leaves > LEAVES_MAX:
            raise self._wrong(f"more than {LEAVES_MAX} comparisons")
        return where

    def _detection(self, detection: SigmaDetection) -> Where:
        found = [
            self._item(one) if isinstance(one, SigmaDetectionItem) else self._detection(one)
            for one in detection.detection_items
        ]
        return _all(found) if detection.item_linking is ConditionAND else _any(found)

    def _item(self, item: SigmaDetectionItem) -> Where:
        used = [sm.reverse_modifier_mapping.get(one.__name__, one.__name__) for one in item.modifiers]
        for modifier in used:
            if modifier not in _MODIFIERS:
                raise self._wrong(f"the modifier {modifier!r} is not known")
        if not item.value:
            raise self._wrong(f"{item.field or 'keywords'} has an empty list of values")
        field = None if item.field is None else self._field(item.field)
        found = [self._value(field, item, value) for value in item.value]
        where = _all(found) if item.value_linking is ConditionAND else _any(found)
        return Not(where) if item.negated else where

    def _field(self, name: str) -> str:
        field = self._source.field(name)
        if field is None or type_of(field) is None:
            raise self._wrong(f"can never fire: field {name!r} is not known for its log source and no field of ECS")
        return field

    def _value(self, field: str | None, item: SigmaDetectionItem, value: st.SigmaType) -> Where:
        if isinstance(value, st.SigmaExpansion):
            return _any([self._value(field, item, one) for one in value.values])
        cased = sm.SigmaCaseSensitiveModifier in item.modifiers
        ends = {sm.SigmaStartswithModifier, sm.SigmaEndswithModifier} & set(item.modifiers)
        if isinstance(value, st.SigmaRegularExpression) and ends:
            raise self._wrong("a regular expression with startswith or endswith: write ^ or $ into the expression")
        if field is None:
            if ends:
                raise self._wrong("keywords with startswith or endswith: a keyword stands anywhere in the line")
            return self._keyword(value, cased=cased)
        match value:
            case st.SigmaTimestampPart():
                return self._dated(field, item, value, "eq")
            case st.SigmaString():
                return _any(_text(field, parts, cased=cased) for parts in self._written(value))
            case st.SigmaNumber():
                return Is(field, value.number)
            case st.SigmaBool():
                return Is(field, value.boolean)
            case st.SigmaNull():
                return Is(field, None)
            case st.SigmaExists():
                return Exists(field) if value else Not(Exists(field))
            case st.SigmaRegularExpression():
                return Matches(field, self._regex(value), _flags(value))
            case st.SigmaCIDRExpression():
                return Within(field, str(value.network))
            case st.SigmaCompareExpression():
                return self._compare(field, item, value)
            case st.SigmaFieldReference():
                return Same(field, self._field(value.field), cased, _HOW[value.starts_with, value.ends_with])
            case _:
                raise self._wrong(f"a value of kind {type(value).__name__} is not known")

    def _keyword(self, value: st.SigmaType, *, cased: bool) -> Where:
        match value:
            case st.SigmaString():
                return _any(Keyword(_pattern(parts), cased) for parts in self._written(value))
            case st.SigmaNumber():
                return Keyword(escaped(str(value.number)), cased)
            case st.SigmaRegularExpression():
                return _any([Matches(field, self._regex(value), _flags(value)) for field in KEYWORD_FIELDS])
            case _:
                raise self._wrong(f"a keyword of kind {type(value).__name__} cannot be looked for in a line")

    def _written(self, value: st.SigmaString) -> Iterator[_Parts]:
        # the text with each of the values of its placeholders
        choices: list[tuple[str | st.SpecialChars, ...]] = []
        for part in value.s:
            if isinstance(part, st.Placeholder):
                listed = self._placeholders.get(part.name)
                if listed is None:
                    raise self._wrong(f"the placeholder %{part.name}% has no list of values here")
                choices.append(listed)
            else:
                choices.append((part,))
        if prod(map(len, choices)) > LEAVES_MAX:
            raise self._wrong(f"more than {LEAVES_MAX} combinations of values of placeholders")
        return product(*choices)

    def _regex(self, value: st.SigmaRegularExpression) -> str:
        if value.contains_placeholder():
            raise self._wrong("a placeholder in a regular expression has no list of values here")
        return "".join(part if isinstance(part, str) else _WILD[part] for part in value.regexp.s)  # type: ignore[index]  # placeholders are excluded above

    def _compare(self, field: str, item: SigmaDetectionItem, value: st.SigmaCompareExpression) -> Where:
        number, unequal = value.number, value.op is st.CompareOperators.NEQ
        operator = cast("Operator", value.op.name.lower())
        if isinstance(number, st.SigmaTimestampPart):
            where = self._dated(field, item, number, "eq" if unequal else operator)
            return Not(where) if unequal else where
        if type_of(field) not in {"long", "float"}:
            raise self._wrong(f"can never fire: {field} holds {type_of(field)}, which does not compare as a number")
        return Not(Is(field, number.number)) if unequal else Compare(field, operator, number.number)

    def _dated(
        self, field: str, item: SigmaDetectionItem, value: st.SigmaTimestampPart, operator: Operator | Literal["eq"]
    ) -> Where:
        if type_of(field) != "date":
            raise self._wrong(f"can never fire: {field} holds {type_of(field)}, not times")
        given = item.original_value or ()
        if not all(isinstance(one, st.SigmaNumber) and isinstance(one.number, int) for one in given):
            raise self._wrong("a part of a time is a whole number")
        return Dated(field, cast("TimePart", value.timestamp_part.name.lower()), operator, int(value.number))


def _text(field: str, parts: _Parts, *, cased: bool) -> Where:
    if _wild(parts):
        return Like(field, _pattern(parts), cased)
    text = _literal(parts)
    # packs leave out what is empty: an empty text at the sender is a field that is not there
    return Is(field, text, cased) if text else AnyOf((Is(field, ""), Is(field, None)))


def _literal(parts: _Parts) -> str:
    return "".join(part for part in parts if isinstance(part, str))


def _wild(parts: _Parts) -> bool:
    return not all(isinstance(part, str) for part in parts)


def _pattern(parts: _Parts) -> str:
    return "".join(escaped(part) if isinstance(part, str) else _WILD[part] for part in parts)


def _flags(value: st.SigmaRegularExpression) -> str:
    return "".join(sorted(value.sigma_to_re_flag[flag] for flag in value.flags))


def _all(items: Iterable[Where]) -> Where:
    found = tuple(items)
    return found[0] if len(found) == 1 else AllOf(found)


def _any(items: Iterable[Where]) -> Where:
    found = tuple(items)
    return found[0] if len(found) == 1 else AnyOf(found)


def _depth(text: str) -> int:
    return max(accumulate((char == "(") - (char == ")") for char in text), default=0)
