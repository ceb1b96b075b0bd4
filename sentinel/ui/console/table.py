"""A table of any length: it holds the rows about the ones that are seen, and asks for others in a thread.

Textual's `DataTable` holds every cell: 100,000 rows took it 20 s and 176 MB.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from sentinel.ui.console.draw import Ground, Piece, cell, strip
from sentinel.ui.console.drawn import Strips, drawn
from sentinel.ui.console.panes import Way, look_of
from sentinel.ui.words import _

R = TypeVar("R")
BLOCK = 64
BLOCKS_MAX = 24


class Rows(Protocol[R]):
    """Rows in an order that does not change; asked from a thread. A new question is a new `Rows`."""

    def window(self, offset: int, limit: int) -> Sequence[R]:
        """Return up to `limit` rows from `offset` on."""

    def count(self) -> int:
        """Return how many rows there are."""

    def key(self, row: R) -> Hashable:
        """Return what a row is about: it stays the same in another order."""

    def find(self, key: Hashable) -> int | None:
        """Return where the row with this key stands, None if it is not among them."""


class Listed(Generic[R]):
    """Rows that are few enough to be held: a list, and what a row's key is."""

    def __init__(self, rows: Sequence[R], key: Callable[[R], Hashable]) -> None:
        self._rows = rows
        self.key = key

    def window(self, offset: int, limit: int) -> Sequence[R]:
        """Return up to `limit` rows from `offset` on."""
        return self._rows[offset : offset + limit]

    def count(self) -> int:
        """Return how many rows there are."""
        return len(self._rows)

    def find(self, key: Hashable) -> int | None:
        """Return where the row with this key stands."""
        return next((at for at, row in enumerate(self._rows) if self.key(row) == key), None)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading (marked by `N_`), its width in cells; `grows`: it takes what is left of the line.

    A table too narrow for all leaves out those with the highest `rank` first.
    """

    title: str
    width: int
    grows: bool = False
    right: bool = False
    rank: int = 0


@dataclass(frozen=True, slots=True)
class _Loaded(Generic[R]):
    offset: int
    rows: Sequence[R]
    total: int
    at: int | None


class Table(ScrollView, Generic[R], can_focus=True):
    """Rows under headings, with a cursor and marks. `cells` returns a row's pieces, one for each column.

    Messages: `Moved` (another row is under the cursor), `Chosen` (Enter), `Filled` (the first rows are there).
    """

    DEFAULT_CSS = """
    Table { overflow-x: hidden; scrollbar-gutter: stable; scrollbar-size-vertical: 1; }
    """

    class Moved(Message):
        """Another row is under the cursor, or its contents are there at last."""

        def __init__(self, table: "Table[object]") -> None:
            super().__init__()
            self.table = table

        def can_replace(self, message: Message) -> bool:
            """Say whether it makes one before it needless: of many moves in a row only the last is of interest."""
            return type(message) is type(self) is Table.Moved and message.table is self.table

    class Chosen(Moved):
        """Enter on a row."""

    class Filled(Moved):
        """The rows asked for by `show` are there."""

    def __init__(
        self,
        columns: Sequence[Column],
        cells: Callable[[R], Sequence[Piece]],
        *,
        id: str | None = None,  # noqa: A002  Textual's name
    ) -> None:
        super().__init__(id=id)
        self._columns = columns
        self._cells = cells
        self._rows: Rows[R] | None = None
        self._blocks: OrderedDict[int, Sequence[R]] = OrderedDict()
        self._strips = Strips()
        self._laid_out: dict[int, list[int]] = {}
        self._total = 0
        self.cursor = 0
        self.marks: dict[Hashable, R] = {}
        self.problem = ""
        self.empty = ""
        self.cursor_key: Hashable = None

    # -- what is shown

    def show(self, rows: Rows[R], *, at: Hashable = None, top: bool = False) -> None:
        """Show other rows; the cursor stays on its row, goes to that with the key `at`, or to the `top`."""
        key = None if top else (at if at is not None else self.cursor_key)
        beside = self.cursor - self.scroll_offset.y
        stays = 0 if top else self.cursor
        span = BLOCK * 2

        def question() -> _Loaded[R]:
            total = rows.count()
            found = rows.find(key) if key is not None else None
            first = max(0, min(found if found is not None else stays, total - 1) - BLOCK) // BLOCK * BLOCK
            return _Loaded(first, rows.window(first, span), total, found)

        def then(got: _Loaded[R]) -> None:
            self._rows = rows
            self._blocks.clear()
            self._total = got.total
            self._take(got)
            self.problem = ""
            self.virtual_size = Size(self.size.width, self._total + 1)
            place = got.at if got.at is not None else min(stays, max(0, self._total - 1))
            self.cursor = place
            self._scroll(max(0, place - max(0, beside)))
            self._noticed()
            self.redraw()
            self.screen.post_message(self.Filled(self))  # type: ignore[arg-type]  # who hears it knows what rows it has

        self._ask(question, then)

    def again(self) -> None:
        """Read anew what is seen: rows have changed, their order has not."""
        rows = self._rows
        if rows is None:
            return
        first = self.scroll_offset.y // BLOCK * BLOCK

        def then(got: _Loaded[R]) -> None:
            if rows is self._rows:
                self._blocks.clear()
                self._take(got)
                self._noticed()
                self.redraw()
                self._want()

        self._ask(lambda: _Loaded(first, rows.window(first, 2 * BLOCK), self._total, None), then)

    def _ask(self, question: Callable[[], _Loaded[R]], then: Callable[[_Loaded[R]], None]) -> None:
        def failed(why: str) -> None:
            self.problem = why
            self.redraw()
            self.screen.failed(why)  # type: ignore[attr-defined]  # a table stands on a page

        self.screen.ask("rows", question, then, failed=failed, owner=self)  # type: ignore[attr-defined]  # as above

    def _take(self, got: _Loaded[R]) -> None:
        for begin in range(0, len(got.rows), BLOCK):
            self._blocks[(got.offset + begin) // BLOCK] = got.rows[begin : begin + BLOCK]
            self._blocks.move_to_end((got.offset + begin) // BLOCK)
        while len(self._blocks) > BLOCKS_MAX:
            self._blocks.popitem(last=False)

    def _want(self) -> None:
        """Ask for what is seen and a page about it, as far as it is not there."""
        rows = self._rows
        if rows is None or not self._total:
            return
        height = max(1, self.size.height)
        first = max(0, self.scroll_offset.y - height) // BLOCK
        last = min(max(0, self._total - 1), self.scroll_offset.y + 2 * height) // BLOCK
        missing = [block for block in range(first, last + 1) if block not in self._blocks]
        if not missing:
            return
        begin, end = missing[0] * BLOCK, (missing[-1] + 1) * BLOCK

        def then(got: _Loaded[R]) -> None:
            if rows is self._rows:
                # a block that has come empty is not asked for again and again
                self._blocks.update(dict.fromkeys(missing, ()))
                self._take(got)
                self.problem = ""
                top = self.scroll_offset.y
                if any(top // BLOCK <= block <= (top + self.size.height) // BLOCK for block in missing):
                    self.redraw()
                if self.cursor // BLOCK in missing:
                    self._noticed()
                self._want()

        self._ask(lambda: _Loaded(begin, rows.window(begin, end - begin), self._total, None), then)

    # -- what is there

    @property
    def total(self) -> int:
        """How many rows there are."""
        return self._total

    @property
    def rows(self) -> Rows[R] | None:
        """What it shows at present."""
        return self._rows

    def row_at(self, place: int) -> R | None:
        """Return a row, None if it has not come yet."""
        block = self._blocks.get(place // BLOCK, ())
        return block[place % BLOCK] if place % BLOCK < len(block) else None

    @property
    def row(self) -> R | None:
        """The row under the cursor, None if there is none or it has not come yet."""
        return self.row_at(self.cursor) if self._total else None

    def chosen(self) -> list[R]:
        """Return the marked rows, or the one under the cursor."""
        return list(self.marks.values()) or ([self.row] if self.row is not None else [])

    def mark(self) -> None:
        """Mark the row under the cursor, or no longer, and go on to the next."""
        if self.row is not None and self._rows is not None:
            key = self._rows.key(self.row)
            if key in self.marks:
                del self.marks[key]
            else:
                self.marks[key] = self.row
            self.move("down")
            self.redraw()

    def unmark(self) -> None:
        """Mark nothing any more."""
        self.marks.clear()
        self.redraw()

    # -- moving

    def move(self, way: Way) -> None:
        """Move the cursor, and what is seen with it."""
        page = max(1, self.size.height - 2)
        to = {
            "up": self.cursor - 1, "down": self.cursor + 1, "page_up": self.cursor - page,
            "page_down": self.cursor + page, "top": 0, "end": self._total - 1,
        }[way]  # fmt: skip
        self.go_to(to)

    def go_to(self, place: int) -> None:
        """Put the cursor on a row."""
        before, place = self.cursor, max(0, min(place, self._total - 1))
        if place == before:
            return
        self.cursor = place
        seen = max(1, self.size.height - 1)
        top = self.scroll_offset.y
        if place < top:
            self._scroll(place)
        elif place >= top + seen:
            self._scroll(place - seen + 1)
        else:
            self._refresh_row(before)
            self._refresh_row(place)
        self._noticed()

    def _scroll(self, top: int) -> None:
        self.scroll_to(y=min(top, max(0, self._total + 1 - self.size.height)), animate=False, immediate=True)
        self._want()

    def _refresh_row(self, place: int) -> None:
        self.refresh(Region(0, place - self.scroll_offset.y + 1, self.size.width, 1))

    def _noticed(self) -> None:
        row = self.row
        if row is not None and self._rows is not None:
            self.cursor_key = self._rows.key(row)
        self.screen.post_message(self.Moved(self))  # type: ignore[arg-type]  # who hears it knows what rows it has

    def choose(self) -> None:
        """Open the row under the cursor."""
        if self.row is not None:
            self.screen.post_message(self.Chosen(self))  # type: ignore[arg-type]  # as above

    # -- drawing

    def redraw(self) -> None:
        """Draw it anew and keep nothing of what was drawn; `refresh` draws only lines that have changed."""
        self._strips.clear()
        self.refresh()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the lines in a region of it."""
        return drawn(self, crop)

    def render_line(self, y: int) -> Strip:
        """Return one line of it: the headings, then the rows that are seen."""
        width = self.size.width
        if y == 0:
            titles = self._laid([(_(one.title), "title") for one in self._columns], width)
            return strip([(" ", "title"), *titles], width, look_of(self), "panel")
        place = y - 1 + self.scroll_offset.y
        if place >= self._total:
            said = (self.problem or self.empty) if y == 1 and not self._total else ""
            return strip([(f" {said}", "bad" if self.problem else "muted")], width, look_of(self))
        row = self.row_at(place)
        marked = row is not None and self._rows is not None and self._rows.key(row) in self.marks
        sign = "▌" if marked else "›" if place == self.cursor else " "
        ground = self._ground(place, marked=marked)
        if row is None:
            return strip([(sign, "accent"), ("  …", "muted")], width, look_of(self), ground)

        def drawing() -> Strip:
            return strip([(sign, "accent"), *self._laid(self._cells(row), width)], width, look_of(self), ground)

        return self._strips.at(place, (row, ground, sign, width), drawing)

    def _ground(self, place: int, *, marked: bool) -> Ground:
        if place == self.cursor:
            return "cursor" if self.has_focus else "cursor_away"
        return "mark" if marked else "base"

    def _laid(self, pieces: Sequence[Piece], width: int) -> list[Piece]:
        widths = self._widths(width - 2)
        laid: list[Piece] = []
        for column, (text, tone), wide in zip(self._columns, pieces, widths, strict=True):
            if wide:
                laid += [(cell(text, wide, right=column.right), tone), (" ", "plain")]
        return laid

    def _widths(self, width: int) -> list[int]:
        if width in self._laid_out:
            return self._laid_out[width]
        kept = list(self._columns)
        while len(kept) > 1 and sum(one.width + 1 for one in kept) > width:
            worst = max(kept, key=lambda one: one.rank)
            if worst.rank == 0:
                break
            kept.remove(worst)
        spare = max(0, width - sum(one.width + 1 for one in kept)) // (sum(one.grows for one in kept) or 1)
        made = [0 if one not in kept else one.width + spare * one.grows for one in self._columns]
        self._laid_out[width] = made
        return made

    # -- what Textual tells it

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Ask for what comes into view, however it was scrolled."""
        super().watch_scroll_y(old_value, new_value)
        self._want()

    def on_resize(self) -> None:
        """Keep the cursor in view."""
        self.virtual_size = Size(self.size.width, self._total + 1)
        beyond = self.cursor - self.scroll_offset.y - max(1, self.size.height - 1)
        if beyond >= 0:
            self._scroll(self.scroll_offset.y + beyond + 1)
        self._want()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor there; on the row it stands on already, open it."""
        place = event.y - 1 + self.scroll_offset.y
        if event.y >= 1 and place < self._total:
            if place == self.cursor:
                self.choose()
            self.go_to(place)
