"""Which key does what: TOML files, one a screen, shipped in `keys/`; the operator's own file changes single actions."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from sentinel.core.errors import ConfigError

FOLDER = Path(__file__).parent / "keys"
EVERYWHERE = "everywhere"
SHARED = {"acting": ("alert", "alerts"), "casing": ("case", "cases")}
"""Files for several screens."""
_NAMES = {
    "/": "slash", "[": "left_square_bracket", "]": "right_square_bracket", ":": "colon", "?": "question_mark",
    ".": "full_stop", ",": "comma", "-": "minus", "+": "plus", "#": "number_sign", "<": "less_than_sign",
    ">": "greater_than_sign", "=": "equals_sign", "!": "exclamation_mark", "*": "asterisk", " ": "space",
}  # fmt: skip
"""What Textual calls keys that have no letter."""
SHOWN = {
    "enter": "↵", "escape": "Esc", "space": "␣", "up": "↑", "down": "↓", "left": "←", "right": "→", "pageup": "PgUp",
    "pagedown": "PgDn", "home": "Home", "end": "End", "tab": "Tab", "shift+tab": "⇧Tab",
}  # fmt: skip
Keys = tuple[str, ...]
"""Keys pressed one after the other."""


@dataclass(frozen=True)
class Keymap:
    """The ways to press each action of each screen; `everywhere` holds where a screen does not use the key."""

    screens: Mapping[str, Mapping[str, tuple[Keys, ...]]]

    def action(self, screen: str, pressed: Keys) -> str | None:
        """Return what these keys do on a screen; "" if they only begin something."""
        begins = False
        for name in (screen, EVERYWHERE):
            for action, ways in self.screens.get(name, {}).items():
                for way in ways:
                    if way == pressed:
                        return action
                    begins = begins or way[: len(pressed)] == pressed
        return "" if begins else None

    def shown(self, screen: str, action: str) -> str:
        """Return the keys of an action as people read them; "" if it has none."""
        return " ".join(pretty(way) for way in self.ways(screen, action))

    def ways(self, screen: str, action: str) -> tuple[Keys, ...]:
        """Return how an action can be pressed on a screen, the first way first."""
        own = self.screens.get(screen, {})
        if action in own:
            return own[action]
        taken = {way for ways in own.values() for way in ways}
        return tuple(way for way in self.screens.get(EVERYWHERE, {}).get(action, ()) if way not in taken)


def pretty(way: Keys) -> str:
    """Return keys as people read them."""
    names = {name: char for char, name in _NAMES.items()}
    shown = (SHOWN.get(one) or names.get(one) or one.replace("ctrl+", "^") for one in way)
    return "".join(shown)


def load(known: Mapping[str, Iterable[str]], own: Path | None = None) -> Keymap:
    """Return the shipped key map with the operator's own file over it; `known` are the actions of each screen.

    Raises ConfigError for an action that no screen has, with the nearest name, and for keys of two meanings.
    """
    screens: dict[str, dict[str, tuple[Keys, ...]]] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        for name in SHARED.get(path.stem, (path.stem,)):
            section = _section(path, name, tomllib.loads(path.read_text("utf-8")), known)
            screens.setdefault(name, {}).update(section)
    if own is not None and own.is_file():
        try:
            given = tomllib.loads(own.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{own}: {error}") from error
        for name, section in given.items():
            if not isinstance(section, dict):
                raise ConfigError(f"{own}: {name} stands outside a section; write it below [everywhere] or [alerts]")
            screens.setdefault(name, {}).update(_section(own, name, section, known))
    for name, actions in screens.items():
        _unambiguous(own or FOLDER, name, actions)
    return Keymap(screens)


def _section(
    path: Path, name: str, given: Mapping[str, object], known: Mapping[str, Iterable[str]]
) -> dict[str, tuple[Keys, ...]]:
    if name not in known:
        raise ConfigError(f"{path}: there is no screen {name!r}{_near(name, known)}")
    found = {}
    for action, ways in given.items():
        if action not in set(known[name]):
            raise ConfigError(f"{path}: [{name}] has no action {action!r}{_near(action, known[name])}")
        several = [ways] if isinstance(ways, str) else ways
        if not isinstance(several, list) or not all(isinstance(one, str) and one.split() for one in several):
            raise ConfigError(f'{path}: [{name}] {action}: say a key, or a list of keys: {action} = ["a", "ctrl+a"]')
        found[action] = tuple(tuple(_key(one) for one in way.split()) for way in several)
    return found


def _key(written: str) -> str:
    head, plus, last = written.rpartition("+")
    if plus and head:
        return f"{head}+{_NAMES.get(last, last)}"
    return _NAMES.get(written, written)


def _unambiguous(path: Path, name: str, actions: Mapping[str, tuple[Keys, ...]]) -> None:
    seen: dict[Keys, str] = {}
    for action, ways in actions.items():
        for way in ways:
            if seen.setdefault(way, action) != action:
                raise ConfigError(f"{path}: [{name}] {pretty(way)} would be both {seen[way]} and {action}")
    for way, action in seen.items():
        for length in range(1, len(way)):
            if way[:length] in seen:
                said = f"{pretty(way)} ({action}) begins with {pretty(way[:length])} ({seen[way[:length]]})"
                raise ConfigError(f"{path}: [{name}] {said}; give one of them another key")


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(sorted(known))}"
