"""What changes with another set of rules: which rules, and which alerts on what is stored."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta

from sentinel.core.alert import Alert
from sentinel.core.detection import Detection
from sentinel.core.ports import Span, Store
from sentinel.testing.backtest import Options, Outcome, backtest

_SAID = ("title", "level", "where", "correlation", "history", "fold_by", "budget_per_hour", "attack", "author")
"""What of a rule is looked at to say what has changed."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A rule that both sets have, by its id, and what of it differs."""

    before: Detection
    after: Detection
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """Two sets of rules beside each other, the first being `before`."""

    added: tuple[Detection, ...]
    removed: tuple[Detection, ...]
    changed: tuple[Changed, ...]
    same: int

    @property
    def before(self) -> tuple[Detection, ...]:
        """The rules of the first set that are not the same in the second."""
        return (*self.removed, *(one.before for one in self.changed))

    @property
    def after(self) -> tuple[Detection, ...]:
        """The rules of the second set that are not the same in the first."""
        return (*self.added, *(one.after for one in self.changed))


@dataclass(frozen=True, slots=True)
class Effect:
    """What that changes: alerts that appear, that vanish, and pairs that are about the same and count differently."""

    appear: tuple[Alert, ...]
    vanish: tuple[Alert, ...]
    differ: tuple[tuple[Alert, Alert], ...]
    before: Outcome | None
    after: Outcome | None


def difference(before: Iterable[Detection], after: Iterable[Detection]) -> Difference:
    """Compare two sets of rules."""
    old, new = {one.id: one for one in before}, {one.id: one for one in after}
    both = [(old[name], new[name]) for name in sorted(old.keys() & new.keys())]
    changed = tuple(Changed(one, two, what) for one, two in both if (what := _what(one, two)))
    return Difference(
        added=tuple(new[name] for name in sorted(new.keys() - old.keys())),
        removed=tuple(old[name] for name in sorted(old.keys() - new.keys())),
        changed=changed,
        same=len(both) - len(changed),
    )


def effect(store: Store, found: Difference, span: Span, options: Options) -> Effect:
    """Judge what arrived within `span` by both sets, as far as they differ; raises StoreError."""
    one = backtest(store, found.before, span, options) if found.before else None
    two = backtest(store, found.after, span, options) if found.after else None
    left = list(one.alerts) if one else []
    appear: list[Alert] = []
    differ: list[tuple[Alert, Alert]] = []
    for alert in two.alerts if two else ():
        same = next((each for each in left if _about_the_same(each, alert, options.quiet)), None)
        if same is None:
            appear.append(alert)
            continue
        left.remove(same)
        if (same.count, same.level, same.flood) != (alert.count, alert.level, alert.flood):
            differ.append((same, alert))
    return Effect(tuple(appear), tuple(left), tuple(differ), one, two)


def _what(one: Detection, two: Detection) -> tuple[str, ...]:
    if one.version == two.version:
        return ()
    known: Sequence[str] = [each.name for each in fields(Detection) if each.name in _SAID]
    return tuple(name for name in known if getattr(one, name) != getattr(two, name)) or ("text",)


def _about_the_same(one: Alert, two: Alert, quiet: timedelta) -> bool:
    alike = (one.rule_id, one.key, one.flood) == (two.rule_id, two.key, two.flood)
    return alike and one.first_seen <= two.last_seen + quiet and two.first_seen <= one.last_seen + quiet
