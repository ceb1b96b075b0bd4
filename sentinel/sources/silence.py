"""A sender that falls silent is one alert, which closes itself when the sender speaks again."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

from sentinel.core.alert import Alert, Verdict
from sentinel.core.detection import Detection, Finding, Key
from sentinel.core.errors import UsageError
from sentinel.core.source import Identity
from sentinel.core.where import AnyOf
from sentinel.sources.book import Sender

RULE = Detection(
    id="sentinel-source-silent",
    title="A source has fallen silent",
    level="high",
    where=AnyOf(()),  # no event raises it
    version="1",
    path="sentinel/sources/silence.py",
    author="Sentinel",
    attack=("T1562",),
    description="Nothing has been heard of a sender for longer than it is used to be silent.",
)
WHO = "sentinel"
_NAMES = ("sentinel.source", "event.provider", "log.source.address", "host.name")


class Senders(Protocol):
    """Where is known who is silent."""

    def silent(self) -> list[Sender]:
        """Return those who are."""

    def sender(self, identity: Identity) -> Sender | None:
        """Return one of all, None if it is not known (any more)."""


class Alarms(Protocol):
    """Where alerts are raised and closed."""

    def open_of(self, rule_id: str) -> list[Alert]:
        """Return every alert of one rule that is not closed."""

    def record(self, findings: Iterable[Finding], cursor: int) -> tuple[str, ...]:
        """Fold findings into alerts; the same finding twice changes nothing."""

    def close(self, alert_id: str, who: str, verdict: Verdict, note: str = "") -> Alert:
        """Close an alert; raises UsageError if somebody was faster."""


class Silence:
    """Compares who is silent with the alerts that say so."""

    def __init__(self, senders: Senders, alarms: Alarms) -> None:
        self._senders = senders
        self._alarms = alarms

    def look(self) -> tuple[str, ...]:
        """Raise what is silent, close what speaks again; returns the ids of new alerts. Raises StoreError."""
        silent = self._senders.silent()
        there = self._alarms.open_of(RULE.id)
        if there:
            self._close(there, {sender.identity for sender in silent})
        known = {alert.key for alert in there}
        new = [_finding(sender) for sender in silent if key_of(sender.identity) not in known]
        return self._alarms.record(new, 0) if new else ()

    def _close(self, there: list[Alert], silent: set[Identity]) -> None:
        for alert in there:
            sender = self._senders.sender(_identity(alert.key))
            if sender is None or sender.identity in silent or sender.last_id in alert.evidence:
                continue
            note = f"heard again at {sender.last.isoformat(timespec='seconds')}; silent before that since "
            note += alert.first_seen.isoformat(timespec="seconds")
            close(self._alarms, alert, note)


def close(alarms: Alarms, alert: Alert, note: str) -> None:
    """Close an alert about what is back, unless somebody was faster."""
    with suppress(UsageError):
        alarms.close(alert.id, WHO, "benign", note)


def key_of(identity: Identity) -> Key:
    """Return what an alert on this sender is about."""
    return tuple((name, value) for name, value in zip(_NAMES, identity, strict=True) if value)


def _identity(key: Key) -> Identity:
    held = dict(key)
    return Identity(*(str(held.get(name, "")) for name in _NAMES))


def _finding(sender: Sender) -> Finding:
    source, via, peer, host = sender.identity
    who = " ".join(part for part in (host, f"({peer})" if peer else "") if part) or "its sender"
    return Finding(
        detection=RULE,
        key=key_of(sender.identity),
        first_seen=sender.last,
        last_seen=sender.last,
        # the last event heard: with it the moment at which the silence began
        evidence=(sender.last_id,),
        summary=f"{who} of source {source} ({via}) has not been heard for more than {_rough(sender.patience)}",
        moments=(sender.last,),
    )


def _rough(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds))) if seconds >= 60 else f"{seconds:g} s"
