"""What a repair found and did, for the operator and for its folder."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sentinel.core.alert import Alert
from sentinel.core.clock import iso
from sentinel.core.detection import Detection, Gap
from sentinel.core.event import Event
from sentinel.core.ports import Span
from sentinel.detect.again import Again

RAISED_MAX = 10_000


@dataclass(slots=True)
class Report:
    """What a repair found and did.

    `versions` counts events by pack and the version that had read them; `problems` are records that could not be read
    again, and what rules could not judge; `hits` counts the events each rule is about as they are now, `no_longer`
    those it was about before.
    """

    reason: str
    span: Span
    applied: bool
    folder: str = ""
    versions: Counter[tuple[str, str]] = field(default_factory=Counter)
    records: int = 0
    changed: int = 0
    added: int = 0
    removed: int = 0
    letters: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    rules: dict[str, str] = field(default_factory=dict)
    hits: Counter[str] = field(default_factory=Counter)
    no_longer: Counter[str] = field(default_factory=Counter)
    raised: list[dict[str, str]] = field(default_factory=list)

    def count(self, gone: Sequence[Event], new: Sequence[Event]) -> None:
        """Count one record that changes."""
        letters = sum(one.fields.get("event.kind") == "pipeline_error" for one in gone)
        before, after = {one.id for one in gone}, {one.id for one in new}
        self.letters += letters
        self.changed += len(before & after)
        self.added += len(after - before)
        self.removed += len(before - after) - letters

    def hit(self, rule: Detection, events: int = 1) -> None:
        """Count events that a rule is about."""
        self.rules[rule.id] = rule.title
        self.hits[rule.id] += events

    def lost(self, again: Again, gone: Sequence[Event], new: Sequence[Event]) -> None:
        """Count for each rule the events it was about and is no longer."""
        now = {(rule.id, event.id) for event in new for rule in again.hits(event)}
        for event in gone:
            for rule in again.hits(event):
                if (rule.id, event.id) not in now:
                    self.rules[rule.id] = rule.title
                    self.no_longer[rule.id] += 1

    def unjudged(self, gaps: Sequence[Gap]) -> None:
        """Note what rules could not judge."""
        self.problems.update(f"{gap.rule_id}: {gap.reason}" for gap in gaps)

    def alert(self, alert: Alert) -> None:
        """Note an alert that was raised."""
        if len(self.raised) < RAISED_MAX:
            said = {"id": alert.id, "rule_id": alert.rule_id, "title": alert.title, "summary": alert.summary}
            self.raised.append(said)

    def as_json(self) -> dict[str, object]:
        """Return it as the command prints it and the folder keeps it."""
        return {
            "reason": self.reason,
            "applied": self.applied,
            "folder": self.folder,
            "from": iso(self.span.start),
            "until": iso(self.span.end),
            "versions": [{"pack": one, "version": two, "events": n} for (one, two), n in sorted(self.versions.items())],
            "records": self.records,
            "events": {"changed": self.changed, "added": self.added, "removed": self.removed},
            "dead_letters_read": self.letters,
            "problems": dict(self.problems.most_common()),
            "rules": [
                {"id": name, "title": title, "events": self.hits[name], "no_longer": self.no_longer[name]}
                for name, title in sorted(self.rules.items())
            ],
            "alerts": self.raised,
        }
