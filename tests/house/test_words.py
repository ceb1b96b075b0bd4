"""Every text of the console has a German one, no catalogue says what is said no more, and placeholders agree."""

import ast
import string
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from sentinel.ui import words

ROOT = Path(__file__).parents[2] / "sentinel"
AREAS = sorted((ROOT / "ui/words/de").glob("*.po"))
KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}
LOOSE = {
    "Static", "Label", "Button", "OptionList", "DataTable", "Tree", "RichLog", "Log", "Markdown", "Checkbox", "Select",
    "Collapsible", "SelectionList", "RadioButton", "TabbedContent", "Tab", "Tabs", "Digits", "Link",
}  # fmt: skip
"""Widgets of Textual that read markup in a `str`, or let escape sequences through."""


@cache
def said() -> dict[str, str | None]:
    """Every English text in the code, with its plural."""
    found: dict[str, str | None] = {}
    for _path, _line, message, _comments, _context in extract_from_dir(
        str(ROOT), [("ui/**.py", "python")], keywords=KEYWORDS
    ):
        one, many = message if isinstance(message, tuple) else (message, None)
        found[one] = many or found.get(one)
    return found


def test_every_text_has_a_german_one_and_no_catalogue_has_a_dead_entry() -> None:
    german = words.catalogue(ROOT / "ui/words/de")
    texts = said()
    assert sorted(set(texts) - set(german)) == []
    assert sorted(set(german) - set(texts)) == []
    assert [one for one, many in texts.items() if (many is not None) != (len(german[one]) == 2)] == []


@pytest.mark.parametrize("path", sorted((ROOT / "ui").rglob("*.py")), ids=lambda path: path.name)
def test_no_text_hides_in_an_f_string(path: Path) -> None:
    """Babel does not look into f-strings: `_()` there would never be asked to have a German."""
    hidden = [
        f"line {call.lineno}"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.JoinedStr)
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in {"_", "ngettext"}
        if call.args and isinstance(call.args[0], ast.Constant)
    ]
    assert hidden == []


def test_no_text_has_two_germans() -> None:
    pairs = {pair for path in AREAS for pair in words.entries(path.read_text("utf-8"))}
    assert [one for one, times in Counter(one for one, _forms in pairs).items() if times > 1] == []


def test_placeholders_are_the_same_in_both_languages() -> None:
    wrong = []
    for one, forms in words.catalogue(ROOT / "ui/words/de").items():
        wanted = _placeholders(said()[one] or one)
        wrong += [form for form in forms[-1:] if _placeholders(form) != wanted]
    assert wrong == []


def _placeholders(text: str) -> set[str]:
    return {name for _text, name, _spec, _conversion in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("path", AREAS, ids=lambda path: path.name)
def test_our_reading_of_a_catalogue_is_babels(path: Path) -> None:
    with path.open("rb") as file:
        catalog = read_po(file, locale="de", abort_invalid=True)
    theirs = {}
    for message in catalog:
        if message.id:
            one = message.id[0] if isinstance(message.id, tuple | list) else message.id
            assert not message.fuzzy, one
            theirs[one] = tuple(message.string) if isinstance(message.string, tuple | list) else (message.string,)
    assert dict(words.entries(path.read_text("utf-8"))) == theirs


@pytest.mark.parametrize("path", sorted((ROOT / "ui/console").rglob("*.py")), ids=lambda path: path.name)
def test_no_text_reaches_textual_as_str(path: Path) -> None:
    """Everything is drawn from pieces by `draw.strip`; what Textual would draw by itself is not used."""
    loose = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.ImportFrom(module=str(module), names=names) if module.startswith("textual.widgets"):
                loose += [one.name for one in names if one.name in LOOSE]
            case ast.Call(func=ast.Attribute(attr="notify" | "from_markup" | "update" as name)) if name != "update":
                loose.append(f"line {node.lineno}: {name}")
            case ast.Assign(targets=[ast.Attribute(attr="border_title" | "border_subtitle" | "tooltip" as name)]):
                loose.append(f"line {node.lineno}: {name}")
            case _:
                pass
    assert loose == []
