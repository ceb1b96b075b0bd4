"""Where a question to the store is typed: fields and values are offered, what was asked before comes back."""

from collections.abc import Sequence

from textual import events
from textual.message import Message
from textual.widgets import Input

from sentinel.core import ecs
from sentinel.respond import completing, language
from sentinel.ui.console.draw import Line, Piece
from sentinel.ui.words import number

OFFERS_MAX = 8
EXAMPLE = "user.name:anna and event.outcome:failure last 24h"


class QuestionInput(Input):
    """A question; Tab takes what is offered, the arrows choose among it, or else among what was asked `before`."""

    class Offered(Message):
        """Something else is offered."""

    def __init__(self, text: str, before: Sequence[str]) -> None:
        super().__init__(text, id="filter", placeholder=EXAMPLE)
        self._before = before
        self._want: completing.Wanted | None = None
        self._at = 0
        self.offers: list[tuple[str, str]] = []

    def take(self, text: str) -> None:
        """Hold a question that has been asked: nothing more is offered."""
        with self.prevent(Input.Changed):
            self.value = text
            self.cursor_position = len(text)
        self._offer([])

    def offered(self) -> list[Line]:
        """Return what is offered, as a line: values with the number of their events of the last day."""
        pieces: list[Piece] = []
        for at, (value, count) in enumerate(self.offers[:OFFERS_MAX]):
            pieces += [(" ", "plain"), (value, "key" if at == self._at else "plain"), (f" {count} ", "muted")]
        return [Line([(" Tab", "key"), *pieces], wraps=False)] if pieces else []

    def on_input_changed(self) -> None:
        """Offer what may come next."""
        self._want = want = completing.wanted(self.value, self.cursor_position)
        if want is None or not self.has_focus:
            self._offer([])
        elif want.field is None:
            self._offer([(name, "") for name in completing.names(want.prefix, ecs.table())] if want.prefix else [])
        else:
            field, prefix, page = want.field, want.prefix, self.screen
            services = page.services  # type: ignore[attr-defined]  # it stands on a page
            span = language.read("", services.clock.now()).span
            page.ask(  # type: ignore[attr-defined]  # as above
                "offers",
                lambda: completing.present(services.store(), field, prefix, span),
                lambda found: self._offer([(value, number(count)) for value, count in found]),
                failed=lambda _why: self._offer([]),
                owner=self,
            )

    def _offer(self, offers: list[tuple[str, str]]) -> None:
        self._at = 0
        self.offers = offers
        self.post_message(self.Offered())

    def on_key(self, event: events.Key) -> None:
        """Take what is offered, choose, or ask again what was asked before."""
        if event.key not in {"tab", "up", "down"} or (event.key == "tab" and not self.offers):
            return
        event.stop()
        event.prevent_default()
        if event.key == "tab":
            self._take()
            return
        by = 1 if event.key == "down" else -1
        if self.offers:
            self._at = (self._at + by) % min(OFFERS_MAX, len(self.offers))
            self.post_message(self.Offered())
        elif self._before:
            there = self._before.index(self.value) if self.value in self._before else len(self._before)
            self.take(self._before[max(0, min(there + by, len(self._before) - 1))])

    def _take(self) -> None:
        if self._want is not None:
            text, cursor = completing.typed(self.value, self.cursor_position, self._want, self.offers[self._at][0])
            self.value = text
            self.cursor_position = cursor
