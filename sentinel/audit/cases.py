"""The cases at which every action is written down before it is done; reading is not."""

from collections.abc import Sequence
from dataclasses import dataclass

from sentinel.audit.desk import noted
from sentinel.core.audit import Audit, Deed, Detail, entered
from sentinel.core.case import AddAlerts, AddEvidence, Case, CaseAction, Cases, Evidence

_NAMED_MAX = 500
"""So many alerts or events are named in one entry."""


@dataclass(frozen=True, slots=True)
class RecordedCases:
    """What `book` does, with an entry in `audit` for each action; raises AuditError if it cannot be written.

    Of a note only the digest is entered, as `RecordedDesk` does.
    """

    book: Cases
    audit: Audit

    def cases(self, *, closed: bool = False, limit: int = 1000) -> Sequence[Case]:
        """Return cases, as the book does."""
        return self.book.cases(closed=closed, limit=limit)

    def case(self, number: int) -> Case:
        """Return one case, as the book does."""
        return self.book.case(number)

    def evidence(self, number: int) -> Sequence[Evidence]:
        """Return what a case holds, as the book does."""
        return self.book.evidence(number)

    def create(self, title: str, who: str, note: str = "") -> Case:
        """Open a case."""
        with entered(self.audit, Deed("case.create", who, "", noted(note))):
            return self.book.create(title, who, note)

    def change(self, number: int, action: CaseAction, who: str, note: str = "", version: int | None = None) -> Case:
        """Change a case."""
        name = type(action).__name__.lower()
        with entered(self.audit, Deed(f"case.{name}", who, str(number), {**_details(action), **noted(note)})):
            return self.book.change(number, action, who, note, version)


def _details(action: CaseAction) -> dict[str, Detail]:
    match action:
        case AddAlerts(ids):
            return {"alerts": ids[:_NAMED_MAX]}
        case AddEvidence(evidence):
            return {"count": len(evidence), "events": tuple(one.event for one in evidence[:_NAMED_MAX])}
        case _:
            return {}
