"""The console's screens, one module each, called by its name: a screen is there because its module is."""

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentinel.ui.console.page import Page

NAMES = tuple(sorted(one.name for one in pkgutil.iter_modules(__path__)))


@cache
def screen(name: str) -> "type[Page]":
    """Return the screen of this name, one of NAMES; no other is loaded for it."""
    from sentinel.ui.console.page import Page  # noqa: PLC0415  the screens' package is part of what a page may import

    module = importlib.import_module(f"{__name__}.{name}")
    return next(
        thing
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, Page) and thing.__module__ == module.__name__
    )


@cache
def screens() -> "dict[str, type[Page]]":
    """Return every screen by its name, those with a key first, in the order of the keys (1 to 9, 0, letters)."""
    found = [screen(name) for name in NAMES]
    found.sort(key=lambda page: (not page.KEY, not page.KEY.isdigit(), (page.KEY or "").replace("0", ":"), page.NAME))
    return {page.NAME: page for page in found}
