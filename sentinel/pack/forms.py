"""Messages of one vendor as regular expressions in which `{hole}` stands for a kind of value: `from {src} to {dst}`.

A name that a stranger chose wants a greedy hole (`.{0,256}`): then the last text that may follow it ends it, and what
the name imitates stays part of the name.
"""

import re
from collections.abc import Iterable, Mapping

from sentinel.core.event import Fields

_HOLE = re.compile(r"\{([a-z]+)(\d?)\}")


def compiled(written: str, holes: Mapping[str, str]) -> re.Pattern[str]:
    """Return the expression for a form; `{src2}` is one more group of the kind `src`."""
    return re.compile(_HOLE.sub(lambda hole: f"(?P<{hole[1]}{hole[2]}>{holes[hole[1]]})", written), re.DOTALL)


def table(rows: Mapping[str, Iterable[str]], holes: Mapping[str, str]) -> dict[str, tuple[re.Pattern[str], ...]]:
    """Return the forms of every key; a row's key may be several, set apart by blanks."""
    return {key: tuple(compiled(one, holes) for one in forms) for keys, forms in rows.items() for key in keys.split()}


def read(forms: Iterable[re.Pattern[str]], message: str) -> dict[str, str] | None:
    """Return what stands in the holes (only those that hold something) of the first form that fits all of `message`."""
    for form in forms:
        if found := form.fullmatch(message):
            return {name: value.strip() for name, value in found.groupdict().items() if value}
    return None


def what(action: str, category: str, kind: str, outcome: str | None = None) -> Fields:
    """Return what a form means: `event.action`, categories and types (set apart by blanks), the outcome if given."""
    said: Fields = {
        "event.action": action,
        "event.category": tuple(category.split()),
        "event.type": tuple(kind.split()),
    }
    return said | {"event.outcome": outcome} if outcome else said
