"""How much there is to fear from an incident: a sum of points whose parts are shown, so that anybody can check it.

    score = level + verdicts + tactics + criticality + indicators, within 0 and 100

level        informational 5, low 15, medium 35, high 60, critical 80: of the worst alert. The worst one alone decides,
             for twenty low alerts are noise more often than an intrusion; critical alone is above all that high can
             gather without two other signs.
verdicts     minus level × the part of false positives of that alert's rule, at its lower 95 % bound (Wilson): one false
             positive of one verdict takes a fifth, twenty of twenty take five sixths. The worst alert is the one whose
             points are highest after this.
tactics      6 for each tactic of ATT&CK beyond the first, 18 at most: an intrusion goes on from one to the next, a
             misconfiguration stays where it is. A technique that serves several counts the fewest that explain all.
criticality  of the most critical asset that is concerned (inventory): low -5, normal 0, high 10, critical 15.
indicators   10 if an event met an indicator of a list.

Alerts closed as false positive or benign count for nothing; if all are, the score is 0.
"""

from collections.abc import Callable, Mapping, Sequence

from sentinel.core.alert import Alert, Record
from sentinel.core.detection import LEVELS, Level
from sentinel.core.incident import Part

POINTS: Mapping[Level, int] = dict(zip(LEVELS, (5, 15, 35, 60, 80), strict=True))
CRITICALITY: Mapping[str, int] = {"low": -5, "normal": 0, "high": 10, "critical": 15}
A_TACTIC = 6
TACTICS_MAX = 18
INDICATORS = 10

Tactics = Callable[[str], Sequence[str]]
"""The tactics that a technique of ATT&CK serves; none if it is not known."""


def scored(
    alerts: Sequence[Alert],
    records: Mapping[str, Record],
    tactics: Tactics,
    criticality: Sequence[str],
    indicators: int,
) -> tuple[Part, ...]:
    """Return the parts of the score; `criticality` is that of all assets, `indicators` how many events met one."""
    counting = [one for one in alerts if one.verdict not in {"false_positive", "benign"}]
    if not counting:
        return ()
    worst = max(counting, key=lambda one: (POINTS[one.level] - _doubt(one, records), POINTS[one.level], one.id))
    parts = [Part("level", POINTS[worst.level], f"{worst.level}: {worst.title}")]
    doubt = _doubt(worst, records)
    if doubt:
        record = records[worst.rule_id]
        why = f"{record.false_positive} of {record.verdicts} verdicts on its rule were false positives"
        parts.append(Part("verdicts", -doubt, why))
    stages = fewest([tactics(technique) for one in counting for technique in one.attack])
    if len(stages) > 1:
        parts.append(Part("tactics", min(A_TACTIC * (len(stages) - 1), TACTICS_MAX), ", ".join(stages)))
    highest = max(
        (one for one in criticality if one in CRITICALITY), key=lambda one: CRITICALITY[one], default="normal"
    )
    if CRITICALITY[highest]:
        parts.append(Part("criticality", CRITICALITY[highest], f"an asset of criticality {highest}"))
    if indicators:
        parts.append(Part("indicators", INDICATORS, f"{indicators} events met an indicator"))
    return tuple(parts)


def fewest(served: Sequence[Sequence[str]]) -> list[str]:
    """Return few tactics that explain every technique (as the tactics it serves): always the one that most need."""
    left = [set(one) for one in served if one]
    found = []
    while left:
        best = min(
            {tactic for one in left for tactic in one}, key=lambda each: (-sum(each in one for one in left), each)
        )
        found.append(best)
        left = [one for one in left if best not in one]
    return sorted(found)


def _doubt(alert: Alert, records: Mapping[str, Record]) -> int:
    record = records.get(alert.rule_id)
    ratio = None if record is None else record.false_positive_ratio
    return 0 if ratio is None else round(POINTS[alert.level] * ratio[1])
