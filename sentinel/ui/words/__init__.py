"""What the console says, in English and German: gettext's catalogues, one a screen, read when German is asked for.

English stands in the code, as `_("text")`, `ngettext("one", "{n} of them", n)` and, where the language is not decided
yet, `N_("text")`; German stands in `de/<area>.po`, which any gettext editor reads. Placeholders are `{named}`.
"""

import ast
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

Language = Literal["en", "de"]
FOLDER = Path(__file__).parent
LANGUAGES: tuple[Language, ...] = get_args(Language)


class _Speech:
    """Which language is spoken, and the other language's texts: each a singular and, if there is one, a plural."""

    language: Language = "en"
    texts: dict[str, tuple[str, ...]]
    titles: Mapping[str, str]

    def __init__(self) -> None:
        self.texts = {}
        self.titles = {}


_speech = _Speech()


def speak(language: Language) -> None:
    """Say everything in this language from now on."""
    _speech.language = language
    if language != "en":
        read()


def read() -> None:
    """Read the German texts, so that `speak` need not."""
    if not _speech.texts:
        _speech.texts = catalogue(FOLDER / "de")


def learn(titles: Mapping[str, str]) -> None:
    """Know from now on what rules are called in German, by their English titles."""
    _speech.titles = titles


def titled(english: str) -> str:
    """Return what a rule, or its alerts, are called in the language that is spoken, as far as that is known."""
    return either(english, _speech.titles.get(english, ""))


def titles_with(text: str) -> tuple[str, ...]:
    """Return the English titles that are shown in German with this text in them, whatever its case."""
    if _speech.language != "de":
        return ()
    wanted = text.casefold()
    return tuple(english for english, german in _speech.titles.items() if wanted in german.casefold())


def either(english: str, german: str) -> str:
    """Return what is said in both languages in the one that is spoken; in English where there is no German."""
    return german if german and _speech.language == "de" else english


def language() -> Language:
    """Return the language that is spoken."""
    return _speech.language


def preferred(environment: Mapping[str, str]) -> Language:
    """Return the language that LANGUAGE, LC_ALL, LC_MESSAGES or LANG asks for (gettext's order), English if none."""
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if environment.get(name):
            return "de" if environment[name].lower().startswith("de") else "en"
    return "en"


def _(text: str) -> str:
    """Return a text in the language that is spoken."""
    if _speech.language == "en":
        return text
    return _speech.texts.get(text, (text,))[0]


def N_(text: str) -> str:  # noqa: N802  gettext's own name for what is translated later
    """Mark a text that is said later, by `_`."""
    return text


def ngettext(one: str, many: str, n: int) -> str:
    """Return the text for so many things; `n` fills the placeholder `{n}`, written with separators."""
    forms = (one, many)
    if _speech.language != "en":
        forms = _speech.texts.get(one, forms)[:2]  # type: ignore[assignment]  # a catalogue without a plural is refused by a test
    return forms[0 if n == 1 else -1].replace("{n}", number(n))


def number(value: float, digits: int = 0) -> str:
    """Return a number as it is written here: 12,345.6 or 12.345,6."""
    text = f"{value:,.{digits}f}"
    return text.translate(str.maketrans(",.", ".,")) if _speech.language == "de" else text


def moment(at: datetime, *, seconds: bool = True, day: bool = True, year: bool = True) -> str:
    """Return a time in this machine's zone as it is written here: 2026-11-27 17:20:03 or 27.11.2026 17:20:03."""
    german = _speech.language == "de"
    whole, short = ("%d.%m.%Y ", "%d.%m. ") if german else ("%Y-%m-%d ", "%m-%d ")
    date = (whole if year else short) if day else ""
    return at.astimezone().strftime(date + ("%H:%M:%S" if seconds else "%H:%M"))


def catalogue(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return every translation of a folder of .po files, by its English text."""
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted(folder.glob("*.po")):
        found.update(entries(path.read_text("utf-8")))
    return found


def entries(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the translations of a .po file (GNU gettext manual, "The Format of PO Files"): English, German forms."""
    parts: dict[str, list[str]] = {}
    name = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith('"'):
            parts[name].append(line)
        elif line.startswith("msg"):
            name, _space, rest = line.partition(" ")
            if name == "msgid" and parts:
                yield from _entry(parts)
                parts = {}
            parts[name] = [rest]
    yield from _entry(parts)


def _entry(parts: dict[str, list[str]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    read = {name: "".join(ast.literal_eval(one) for one in lines) for name, lines in parts.items()}
    forms = tuple(read[name] for name in ("msgstr", "msgstr[0]", "msgstr[1]") if name in read)
    if read.get("msgid") and all(forms):
        yield read["msgid"], forms
