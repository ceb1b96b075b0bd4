"""What became of traffic, in the words that devices have for it: allowed or denied."""

import re
from functools import lru_cache

from sentinel.core.event import Fields

_DENIED = frozenset({
    "deny", "denied", "drop", "dropped", "block", "blocked", "reject", "rejected", "reset", "prevent", "prevented",
    "discard", "discarded", "refuse", "refused", "quarantine", "quarantined", "bypass-denied", "terminate",
    "terminated", "clean", "cleaned", "delete", "deleted", "strip", "stripped", "shun", "shunned", "kill", "killed",
})  # fmt: skip
_ALLOWED = frozenset({
    "allow", "allowed", "accept", "accepted", "pass", "passed", "permit", "permitted", "bypass", "bypassed", "trust",
    "trusted", "forward", "forwarded", "detect", "detected", "alert", "alerted", "monitor", "monitored", "log",
    "logged", "notified", "delivered", "continue", "fastpath",
})  # fmt: skip


def of(action: str) -> str | None:
    """Return `denied` or `allowed` for the first word of an action (`Blocked`, `drop-packet`), None if it says neither.

    What was only detected, alerted or logged did pass.
    """
    word = action.strip().lower().replace("_", "-").replace(" ", "-")
    for part in (word, word.partition("-")[0]):
        if part in _DENIED:
            return "denied"
        if part in _ALLOWED:
            return "allowed"
    return None


_NOT = "found|available|supported|started|responding|allowed|received|able|match(?:ed|ing)?|permitted|established"
_RESULT = re.compile(
    r"(?i)\b(?P<no>fail(?:ed|ures?|s)?|unable to|could not|cannot|can't|invalid|errors?|un(?:successful|acceptable)"
    r"|timed out|time-?out|lost|exhausted|exceeded|mismatch(?:ed)?|expired|rejected|aborted|unsupported"
    rf"|not (?:{_NOT}|been \w{{1,20}}))\b|"
    r"\b(?:success(?:ful|fully)?|succeeded|established|completed|restored|passed|connected|granted|^allowed)\b"
)


def told(sentence: str) -> str | None:
    """Return `failure` or `success` by the first word of a device's sentence that says which, None if none does.

    Only for sentences that the device makes up: a name that a stranger chose could hold such a word.
    """
    said = _RESULT.search(sentence)
    return None if said is None else "failure" if said["no"] else "success"


_MEANINGS: tuple[tuple[re.Pattern[str], str, str, str], ...] = tuple(
    (re.compile(rf"\b(?:{words})", re.IGNORECASE), kind, category, kinds)
    for words, kind, category, kinds in (
        ("virus|worm|malware|trojan|ransomware|spyware|anti-?virus", "alert", "malware", "info"),
        ("intrusion|ips\\b|ids\\b|exploit|attack|botnet|anti-?bot", "alert", "intrusion_detection", "info"),
        ("log-?o(?:ut|ff)|logged out|signed? ?out", "event", "authentication", "end"),
        ("log-?[io]n|logged [io]n|sign(?:ed)? ?in|authenticat", "event", "authentication", "start"),
        ("config", "event", "configuration", "change"),
        ("e?-?mail|spam|phish", "event", "email", "info"),
        ("url|web|http", "event", "web", "access"),
    )
)

_ON_THE_WIRE = frozenset({"malware", "intrusion_detection", "web"})


def says(found: Fields, row: str) -> None:
    """Set kind, categories, types and outcome by a table's row `kind|category category|type type|outcome`.

    A part that is empty or missing sets nothing; a type given twice counts once.
    """
    kind, category, types, outcome = (*row.split("|"), "", "", "")[:4]
    if kind:
        found["event.kind"] = kind
    if category:
        found["event.category"] = tuple(category.split())
    if types.strip():
        found["event.type"] = tuple(dict.fromkeys(types.split()))
    if outcome:
        found["event.outcome"] = outcome


@lru_cache(512)
def _meaning(words: str) -> tuple[re.Pattern[str], str, str, str] | None:
    return next((row for row in _MEANINGS if row[0].search(words)), None)


def about(found: Fields, words: str) -> None:
    """Set kind, category, type and outcome of an event of a product nobody knows, by its own name for it.

    Nothing is set where neither the words nor two ends of a connection say anything.
    """
    what = of(str(found.get("event.action", "")))
    meaning = _meaning(words[:256])
    categories, kinds = (list(meaning[2:3]), list(meaning[3:])) if meaning else ([], [])
    if meaning:
        found["event.kind"] = meaning[1]
    if "source.ip" in found and "destination.ip" in found and set(categories) <= _ON_THE_WIRE:
        kinds = [*(kinds or ["connection"]), *([what] if what else [])]
        categories.append("network")
    if categories:
        found.setdefault("event.category", tuple(categories))
        found.setdefault("event.type", tuple(kinds))
