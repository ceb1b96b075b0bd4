"""The desk at which every action is written down before it is done; reading is not."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import assert_never

from sentinel.core.alert import (
    Acknowledge,
    Action,
    Alert,
    Assign,
    Close,
    Desk,
    Note,
    Outcome,
    Record,
    Reopen,
    Seen,
    State,
    Suppress,
    Suppression,
    Undo,
    Verdict,
)
from sentinel.core.audit import Audit, Deed, Detail, Entry, entered
from sentinel.core.clock import iso
from sentinel.core.errors import AuditError, UsageError


@dataclass(frozen=True, slots=True)
class RecordedDesk:
    """What `desk` does, with an entry in `audit` for each action; raises AuditError if it cannot be written.

    Of a note only the digest is entered: what a person wrote may have to be deleted one day, and the log cannot be cut.
    """

    desk: Desk
    audit: Audit

    def alerts(self, *, states: tuple[State, ...] = (), limit: int = 1000, suppressed: bool = False) -> list[Alert]:
        """Return alerts, as the desk does."""
        return self.desk.alerts(states=states, limit=limit, suppressed=suppressed)

    def alert(self, alert_id: str) -> Alert:
        """Return one alert, as the desk does."""
        return self.desk.alert(alert_id)

    def acknowledge(self, alert_id: str, who: str, note: str = "") -> Alert:
        """Take an alert on."""
        return self.change(Seen(alert_id), Acknowledge(), who, note)

    def close(self, alert_id: str, who: str, verdict: Verdict, note: str = "") -> Alert:
        """Close an alert with a verdict."""
        return self.change(Seen(alert_id), Close(verdict), who, note)

    def change(self, seen: Seen, action: Action, who: str, note: str = "") -> Alert:
        """Change one alert."""
        with self._entered(_name(action), seen.id, who, note, _details(action)):
            return self.desk.change(seen, action, who, note)

    def change_all(self, seen: Sequence[Seen], action: Action, who: str, note: str = "") -> list[Outcome]:
        """Change many: one entry names them all, a second one those that were not changed."""
        details = {**_details(action), "alerts": tuple(one.id for one in seen)}
        with self._entered(_name(action), f"{len(seen)} alerts", who, note, details) as entry:
            outcomes = self.desk.change_all(seen, action, who, note)
            failed = tuple(one.seen.id for one in outcomes if isinstance(one.result, UsageError))
            if failed:
                said: dict[str, Detail] = {"entry": entry.number, "alerts": failed}
                with suppress(AuditError):  # as `entered` does: the first entry stands
                    self.audit.enter(Deed(f"{_name(action)}.failed", who, f"{len(failed)} alerts", said))
            return outcomes

    def suppress(self, alert_id: str, who: str, until: datetime, reason: str) -> Suppression:
        """Show nobody what an alert is about for a while."""
        with self._entered("alert.suppress", alert_id, who, reason, {"until": iso(until)}):
            return self.desk.suppress(alert_id, who, until, reason)

    def unsuppress(self, number: int, who: str, note: str = "") -> Suppression:
        """End a suppression."""
        with self._entered("alert.unsuppress", str(number), who, note):
            return self.desk.unsuppress(number, who, note)

    def suppressions(self, *, ended: bool = False, limit: int = 1000) -> list[Suppression]:
        """Return suppressions, as the desk does."""
        return self.desk.suppressions(ended=ended, limit=limit)

    def records(self, rule_id: str | None = None) -> list[Record]:
        """Return how rules have fared, as the desk does."""
        return self.desk.records(rule_id)

    def _entered(
        self, what: str, about: str, who: str, note: str, details: Mapping[str, Detail] | None = None
    ) -> AbstractContextManager[Entry]:
        return entered(self.audit, Deed(what, who, about, {**(details or {}), **noted(note)}))


def noted(note: str) -> dict[str, Detail]:
    """Return what is entered of a note: its digest."""
    return {"note_sha256": sha256(note.encode("utf-8", "surrogatepass")).hexdigest()} if note else {}


def _name(action: Action) -> str:
    return f"alert.{type(action).__name__.lower()}"


def _details(action: Action) -> dict[str, Detail]:
    match action:
        case Close(verdict):
            return {"verdict": verdict}
        case Assign(to):
            return {"to": to}
        case Suppress(until):
            return {"until": iso(until)}
        case Acknowledge() | Note() | Reopen() | Undo():
            return {}
        case _:
            assert_never(action)
