"""Which key does what: TOML files, one a screen, shipped in `keys/`; the operator's own file changes single actions."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cache
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


Section = Mapping[str, tuple[Keys, ...]]
"""The ways to press each action of a screen."""


class Keymap:
    """The ways to press each action of each screen; `everywhere` holds where a screen does not use the key.

    `own` are the sections of the operator's file. A shipped one is read when its screen first asks.
    """

    def __init__(self, own: Mapping[str, Section]) -> None:
        self._own = own
        self._meanings: dict[str, dict[Keys, str]] = {}
        self._shown: dict[tuple[str, str], str] = {}

    def section(self, name: str) -> Section:
        """Return the ways to press each action that a screen has keys of its own for."""
        return {**shipped(name), **self._own.get(name, {})}

    def action(self, screen: str, pressed: Keys) -> str | None:
        """Return what these keys do on a screen; "" if they only begin something."""
        meanings = self._meanings.get(screen)
        if meanings is None:
            meanings = self._meanings[screen] = {}
            sections = [self.section(name) for name in (screen, EVERYWHERE)]
            for action, way in ((action, way) for one in sections for action, ways in one.items() for way in ways):
                meanings.setdefault(way, action)
            for way in list(meanings):
                for length in range(1, len(way)):
                    meanings.setdefault(way[:length], "")
        return meanings.get(pressed)

    def shown(self, screen: str, action: str) -> str:
        """Return the keys of an action as people read them; "" if it has none."""
        said = self._shown.get((screen, action))
        if said is None:
            said = self._shown[screen, action] = " ".join(pretty(way) for way in self.ways(screen, action))
        return said

    def ways(self, screen: str, action: str) -> tuple[Keys, ...]:
        """Return how an action can be pressed on a screen, the first way first."""
        own = self.section(screen)
        if action in own:
            return own[action]
        taken = {way for ways in own.values() for way in ways}
        return tuple(way for way in self.section(EVERYWHERE).get(action, ()) if way not in taken)


def pretty(way: Keys) -> str:
    """Return keys as people read them."""
    names = {name: char for char, name in _NAMES.items()}
    shown = (SHOWN.get(one) or names.get(one) or one.replace("ctrl+", "^") for one in way)
    return "".join(shown)


@cache
def shipped(name: str) -> Section:
    """Return the ways to press each action of a screen as Sentinel brings them."""
    shared = [stem for stem, names in SHARED.items() if name in names]
    found: dict[str, tuple[Keys, ...]] = {}
    for path in (FOLDER / f"{stem}.toml" for stem in (*shared, name)):
        if path.exists():
            found.update(_ways(path, name, tomllib.loads(path.read_text("utf-8"))))
    return found


def load(known: Callable[[], Mapping[str, Iterable[str]]], own: Path | None = None) -> Keymap:
    """Return the shipped key map with the operator's own file over it; `known` returns the actions of each screen.

    It is asked only if there is such a file. Raises ConfigError for an action that no screen has, with the nearest
    name, and for keys of two meanings.
    """
    if own is None or not own.is_file():
        return Keymap({})
    try:
        given = tomllib.loads(own.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{own}: {error}") from error
    actions = known()
    sections: dict[str, Section] = {}
    for name, section in given.items():
        if not isinstance(section, dict):
            raise ConfigError(f"{own}: {name} stands outside a section; write it below [everywhere] or [alerts]")
        sections[name] = _known(own, name, _ways(own, name, section), actions)
    made = Keymap(sections)
    for name in (*actions, *sections):
        _unambiguous(own, name, _known(FOLDER, name, made.section(name), actions))
    return made


def _known(path: Path, name: str, section: Section, known: Mapping[str, Iterable[str]]) -> Section:
    if name not in known:
        raise ConfigError(f"{path}: there is no screen {name!r}{_near(name, known)}")
    for action in section:
        if action not in set(known[name]):
            raise ConfigError(f"{path}: [{name}] has no action {action!r}{_near(action, known[name])}")
    return section


def _ways(path: Path, name: str, given: Mapping[str, object]) -> Section:
    found = {}
    for action, ways in given.items():
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
