"""The desk at which every action is written down before it is done; reading is not."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sentinel.core.alert import Alert, Desk, Record, State, Suppression, Verdict
from sentinel.core.audit import Audit, Deed, Detail, Entry, entered
from sentinel.core.clock import iso


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
        with self._entered("alert.acknowledge", alert_id, who, note):
            return self.desk.acknowledge(alert_id, who, note)

    def close(self, alert_id: str, who: str, verdict: Verdict, note: str = "") -> Alert:
        """Close an alert with a verdict."""
        with self._entered("alert.close", alert_id, who, note, {"verdict": verdict}):
            return self.desk.close(alert_id, who, verdict, note)

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
        said = {"note_sha256": sha256(note.encode("utf-8", "surrogatepass")).hexdigest()} if note else {}
        return entered(self.audit, Deed(what, who, about, {**(details or {}), **said}))
