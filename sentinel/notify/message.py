"""What is told: a message with its state, and its words in German or English."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sentinel.core.alert import Alert
from sentinel.core.detection import LEVELS, Level
from sentinel.core.visible import visible

State = Literal["waiting", "sent", "failed", "dropped", "merged"]
Language = Literal["de", "en"]
SCHEMA = 1
"""The version of what a webhook gets; it rises when a field changes its meaning."""
ID_SHOWN = 12
TITLE_MAX = 150
LINES_MAX = 40
"""So many lines has a body; of what does not fit there is the number."""
LINE_MAX = 300
_WORDS: dict[Language, dict[str, str]] = {
    "de": {
        "critical": "kritisch", "high": "hoch", "medium": "mittel", "low": "niedrig", "informational": "Hinweis",
        "alert": "Alarm", "alerts": "Alarme", "event": "Ereignis", "events": "Ereignisse", "flood": "Flut",
        "digest": "zurückgehaltene Meldungen", "more": "weitere", "about": "betrifft",
        "flooded": "Die Regel hat ihr Budget überschritten: alles Weitere zählt in diesem einen Alarm.",
        "next": "Ansehen: sentinel alerts show", "anchor": "Anker des Prüfprotokolls",
        "keep": "Bitte außerhalb dieses Systems aufbewahren. Prüfen: sentinel audit verify --anchor",
        "test": "Testmeldung", "tested": "Dieser Kanal funktioniert.",
    },
    "en": {
        "critical": "critical", "high": "high", "medium": "medium", "low": "low", "informational": "informational",
        "alert": "alert", "alerts": "alerts", "event": "event", "events": "events", "flood": "flood",
        "digest": "notifications held back", "more": "more", "about": "about",
        "flooded": "The rule is over its budget: everything further counts in this one alert.",
        "next": "Look at it: sentinel alerts show", "anchor": "Anchor of the audit log",
        "keep": "Keep this outside of this system. To prove: sentinel audit verify --anchor",
        "test": "Test", "tested": "This channel works.",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """Something to tell by a channel; `id` is the same however often it is sent, so that a receiver can tell.

    Without a title it is not worded yet: it gathers `alerts`. `held`: it was kept back, so it comes in a digest.
    """

    id: str
    channel: str
    reason: str
    rule_id: str
    level: Level
    made_at: datetime
    due_at: datetime
    state: State = "waiting"
    attempts: int = 0
    held: bool = False
    alerts: tuple[str, ...] = ()
    title: str = ""
    body: str = ""
    count: int = 0
    error: str = ""
    ended_at: datetime | None = None

    def facts(self, site: str) -> dict[str, object]:
        """Return what a program wants to know of it."""
        return {
            "schema": SCHEMA,
            "id": self.id,
            "site": site,
            "reason": self.reason,
            "level": self.level,
            "count": self.count,
            "alerts": list(self.alerts),
        }


@dataclass(frozen=True, slots=True)
class Words:
    """How things are worded: `site` is what this Sentinel is called, `personal` whether it may be said of whom."""

    language: Language = "de"
    site: str = "Sentinel"
    personal: bool = False

    def alerts(self, reason: str, alerts: Sequence[Alert]) -> tuple[str, str]:
        """Return title and body about alerts of one rule, or of several in a digest."""
        first = max(alerts, key=lambda one: LEVELS.index(one.level))
        events = sum(one.count for one in alerts)
        if reason == "digest":
            what = f"{len(alerts)} {self._word('digest')}"
        else:
            what = first.title if len(alerts) == 1 else f"{first.title} ({self._number(len(alerts), 'alert')})"
        title = f"[{self.site}] {self._word(first.level).upper()}: {what}"
        lines = [f"{self._number(len(alerts), 'alert')}, {self._number(events, 'event')}", ""]
        for one in alerts[:LINES_MAX]:
            lines += self._lines(one)
        if len(alerts) > LINES_MAX:
            rest = Counter(one.title for one in alerts[LINES_MAX:])
            lines.append(f"+ {self._number(rest.total(), 'alert')} ({self._word('more')})")
        lines += ["", f"{self._word('next')} {first.id[:ID_SHOWN]}"]
        return _title(title), "\n".join(map(_line, lines))

    def _lines(self, one: Alert) -> list[str]:
        flood = f" [{self._word('flood')}]" if one.flood else ""
        found = [
            f"{one.id[:ID_SHOWN]}  {self._word(one.level)}  {one.title}{flood}: {self._number(one.count, 'event')}"
        ]
        if one.flood:
            found.append(f"    {self._word('flooded')}")
        if self.personal:
            about = ", ".join(f"{name}={value}" for name, value in one.key)
            found += [f"    {self._word('about')}: {about}"] * bool(about) + [f"    {one.summary}"] * bool(one.summary)
        return found

    def anchor(self, text: str) -> tuple[str, str]:
        """Return title and body that carry an anchor of the audit log."""
        return _title(f"[{self.site}] {self._word('anchor')}"), f"{_line(text)}\n\n{self._word('keep')} NUMBER:HASH"

    def test(self) -> tuple[str, str]:
        """Return title and body of a test."""
        return _title(f"[{self.site}] {self._word('test')}"), self._word("tested")

    def _word(self, name: str) -> str:
        return _WORDS[self.language][name]

    def _number(self, number: int, what: str) -> str:
        digits = f"{number:,}"
        digits = digits.replace(",", ".") if self.language == "de" else digits
        return f"{digits} {self._word(what if number == 1 else what + 's')}"


def _title(text: str) -> str:
    # one line that can hold no second header
    return visible(text)[:TITLE_MAX]


def _line(text: str) -> str:
    return visible(text)[:LINE_MAX]
