"""Every text of the console has a German one, no catalogue says what is said no more, and placeholders agree."""

import ast
import re
import string
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from sentinel.store.es_words import NO_MASTER
from sentinel.ui import words
from sentinel.ui.words import stages

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


def test_every_sentence_of_a_stage_that_has_a_german_one_is_said_there() -> None:
    """`retold` knows the stages' sentences by heart: one that was reworded there would be English in German."""
    there = {text for path in ROOT.rglob("*.py") if "ui" not in path.parts for text in _texts(path)}
    patterns = [re.compile(".*".join(map(re.escape, text.split("\0"))), re.DOTALL) for text in there if len(text) > 2]
    lost = []
    for one in stages.SENTENCES:
        fixed = sum(len(before) for before, _name in stages.parts(one))
        said = [found for found in patterns if found.fullmatch(one)]
        if not any(2 * len(found.pattern.replace(".*", "").replace("\\", "")) > fixed for found in said):
            lost.append(one)
    assert lost == []


def _texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.ClassDef):  # what is refused is named after its class
            yield node.name.lower()
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(one.value) if isinstance(one, ast.Constant) else "\0" for one in node.values)


def test_what_a_stage_says_is_said_again_in_german_and_what_is_not_known_as_it_is() -> None:
    words.speak("de")
    try:
        assert stages.retold("closed as false_positive") == "geschlossen als Fehlalarm"
        assert stages.retold("undone: assigned to eva") == "rückgängig: eva zugewiesen"
        told = "alert 1a has changed since you saw it: eva acknowledged at 2026-11-27 06:00:00 UTC. Nothing was "
        told += "overwritten; look at it again (sentinel alerts show 1a), it is at version 2 now"
        assert "eva: quittiert um 2026-11-27 06:00:00 UTC. Nichts wurde überschrieben" in stages.retold(told)
        short = stages.retold(f"Elasticsearch takes no events after 6 attempts: {NO_MASTER}")
        assert short.startswith("Elasticsearch nimmt nach 6 Versuchen keine Ereignisse an: der Cluster hat keinen")
        assert stages.retold("a sentence of {nobody}") == "a sentence of {nobody}"
    finally:
        words.speak("en")
    assert stages.retold("closed as false_positive") == "closed as false_positive"


@given(st.text(), st.sampled_from(stages.SENTENCES))
def test_no_text_of_a_stranger_breaks_what_is_said_again(text: str, sentence: str) -> None:
    words.speak("de")
    try:
        stages.retold(text)
        names = {name for _before, name in stages.parts(sentence) if name}
        assert stages.retold(sentence.format(**dict.fromkeys(names, text or "x")))
    finally:
        words.speak("en")
