"""The help: every key of a screen and what it does, or why it does nothing now."""

from sentinel.ui.console.draw import Line, Piece, heading
from sentinel.ui.console.keymap import Keymap
from sentinel.ui.console.page import Page
from sentinel.ui.console.screens import screens
from sentinel.ui.words import _


def keys_of(page: Page, keymap: Keymap) -> list[Line]:
    """Return the keys of a screen: its own, those of every screen, those of the screens."""
    made = [heading(page.crumb())]
    own = {one.name for one in page.ACTIONS}
    for name, one in sorted(page.actions().items(), key=lambda item: item[0] not in own):
        why = page.why_not(name)
        if not hasattr(page, f"do_{name}") and not page.reason(name):
            continue
        keys = f"{keymap.shown(page.NAME, name):<14} "
        pieces: list[Piece] = [(keys, "muted" if why else "key"), (_(one.help), "muted" if why else "plain")]
        if why:
            pieces.append((f"  ({why})", "muted"))
        made.append(Line(pieces, indent=15))
        if page.ACTIONS and name == page.ACTIONS[-1].name:
            made += [Line(), heading(_("Everywhere"))]
    made += [Line(), heading(_("Screens"))]
    return made + [
        Line(((f"{kind.KEY:<14} ", "key"), (_(kind.LABEL), "plain"))) for kind in screens().values() if kind.KEY
    ]
