"""Coverage: which rules could fire on what is being sent, and what the others wait for.

A rule that loads could fire if some pack read its log; here it must be one whose data set arrives.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sentinel.core.detection import Detection
from sentinel.core.where import AllOf, Where
from sentinel.detect.attack import VERSION, standing, techniques
from sentinel.detect.supply import Supply

TITLES_MAX = 20


@dataclass(frozen=True, slots=True)
class Reach:
    """One rule: the data sets arriving that can raise it, else what is missing."""

    detection: Detection
    by: tuple[str, ...]
    lacks: str


def coverage(
    detections: Sequence[Detection], supplied: Mapping[str, Collection[str]], active: Collection[str]
) -> list[Reach]:
    """Return what each rule's chances are, given the fields of every data set and the data sets that arrive."""
    every = Supply.of(supplied)
    here = Supply.of({name: fields for name, fields in supplied.items() if name in active})
    return [_reach(detection, every, here) for detection in detections]


def _reach(detection: Detection, every: Supply, here: Supply) -> Reach:
    by: dict[str, None] = {}
    for where in _needed(detection):
        found = here.answers(where)
        if not found:
            return Reach(detection, (), _lack(where, every, here))
        by.update(dict.fromkeys(found))
    return Reach(detection, tuple(sorted(by)), "")


def _needed(detection: Detection) -> tuple[Where, ...]:
    # of rules in order each must hold of some event, of any others one suffices
    correlation = detection.correlation
    if correlation is None or correlation.kind != "temporal_ordered":
        return (detection.where,)
    return tuple(part.where for part in correlation.parts)


def _lack(where: Where, every: Supply, here: Supply) -> str:
    would = sorted(every.answers(where))
    source = where.items[0] if isinstance(where, AllOf) and where.items else where
    arriving = here.answers(source)
    if not arriving:
        return f"no source sends {' or '.join(would)}"
    missing = here.missing(where, source)
    return f"{', '.join(arriving)} lacks {', '.join(missing) or 'what it asks for'}; {' or '.join(would)} would have it"


def layer(reached: Sequence[Reach], name: str) -> dict[str, object]:
    """Return an ATT&CK Navigator layer of the techniques that rules can raise, scored by how many can.

    Techniques that ATT&CK does not have (any more) are left out: the Navigator would not show them.
    https://github.com/mitre-attack/attack-navigator/blob/master/layers/spec/v4.5/layerformat.md
    """
    titles: dict[str, list[str]] = {}
    for one in reached:
        for technique in standing(one.detection.attack) if one.by else ():
            titles.setdefault(technique.id, []).append(one.detection.title)
    return {
        "name": name,
        "versions": {"layer": "4.5", "attack": VERSION},
        "domain": "enterprise-attack",
        "description": "Score: how many rules of Sentinel's can fire on the logs that arrive.",
        "gradient": {
            "colors": ["#ffffff", "#66b1ff"],
            "minValue": 0,
            "maxValue": max(map(len, titles.values()), default=1),
        },
        "techniques": [
            {
                "techniqueID": technique,
                "score": len(those),
                "comment": _told(sorted(those)),
                "enabled": True,
                "metadata": [{"name": "technique", "value": techniques()[technique].name}],
            }
            for technique, those in sorted(titles.items())
        ],
    }


def _told(titles: Sequence[str]) -> str:
    more = len(titles) - TITLES_MAX
    return "\n".join([*titles[:TITLES_MAX], *([f"and {more} more"] if more > 0 else [])])
