"""Answers a responder's question from the store."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from sentinel.core import ecs
from sentinel.core.event import Event, Value
from sentinel.core.ports import Store
from sentinel.core.where import fields_of
from sentinel.respond.language import Question


@dataclass(frozen=True, slots=True)
class Answer:
    """The events found, latest first, and whether there are more than were asked for."""

    events: tuple[Event, ...]
    more: bool


def answer(store: Store, question: Question, limit: int) -> Answer:
    """Return up to `limit` events for which the question's predicate holds."""
    found = store.search(question.where, question.span, limit + 1)
    return Answer(tuple(found[:limit]), more=len(found) > limit)


def counts(
    store: Store, question: Question, by: Sequence[str], limit: int
) -> list[tuple[tuple[Value | None, ...], int]]:
    """Return how many events the question finds, by their values of the fields `by`, most frequent first."""
    return store.tally(question.where, question.span, by, limit)


def misspelt(question: Question) -> list[str]:
    """Return a hint for every field of the question that no event can have."""
    hints = []
    for field in sorted(fields_of(question.where)):
        if ecs.type_of(field) is None:
            near = get_close_matches(field, ecs.table(), 1)
            suggestion = f"; did you mean {near[0]}?" if near else ""
            hints.append(f"no event has a field {field}{suggestion}")
    return hints
