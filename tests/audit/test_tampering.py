"""F33: whoever changes the audit log is found out, and `examined` names the first entry that is not what it was."""

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.audit import chain
from sentinel.audit.chain import Anchor, Examined
from sentinel.core.audit import Deed
from tests.audit.conftest import KEY
from tests.audit.lines import LINES, written

FOREIGN = b"f" * 40
place = st.integers(0, len(LINES) - 1)


def looked(lines: list[bytes], *anchors: Anchor) -> Examined:
    return chain.examined(b"".join(lines).splitlines(keepends=True), KEY, anchors)


def first(found: Examined) -> int:
    assert not found.well
    return found.problems[0].line


def test_an_untouched_log_is_well_and_so_is_an_empty_one() -> None:
    assert looked(LINES).well
    assert looked(LINES).entries == len(LINES)
    assert looked([]).head == Anchor(0, chain.FIRST)


@given(place, st.data())
def test_a_changed_byte_is_named_by_its_line(at: int, data: st.DataObject) -> None:
    line = LINES[at]
    index = data.draw(st.integers(0, len(line) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda one: one != line[index] and one != 0x0A))
    changed = line[:index] + bytes([byte]) + line[index + 1 :]
    assert first(looked([*LINES[:at], changed, *LINES[at + 1 :]])) == at + 1


@given(place, st.sampled_from(["who", "what", "about", "at", "previous", "number", "details"]), st.data())
def test_a_changed_value_is_named_even_if_its_hash_is_made_anew(at: int, name: str, data: st.DataObject) -> None:
    shape = json.loads(LINES[at])
    kinds = {"number": st.integers(), "details": st.dictionaries(st.text(max_size=5), st.text(max_size=5))}
    shape[name] = data.draw(kinds.get(name, st.text(max_size=40)).filter(lambda one: one != shape[name]))
    forged = resealed(shape)
    assert first(looked([*LINES[:at], forged, *LINES[at + 1 :]])) == at + 1


@given(place, st.integers(1, 3))
def test_entries_left_out_are_missed(at: int, number: int) -> None:
    rest = [*LINES[:at], *LINES[at + number :]]
    if at + number < len(LINES):
        assert first(looked(rest)) == at + 1
    else:  # nothing follows: only an anchor knows that there was more
        assert looked(rest).well
        assert first(looked(rest, anchor_at(len(LINES)))) == 0


@given(place, place)
def test_an_entry_put_in_again_is_named(at: int, other: int) -> None:
    assert first(looked([*LINES[:at], LINES[other], *LINES[at:]])) in {at + 1, at + 2}


@given(place, place)
def test_two_that_changed_places_are_named(at: int, other: int) -> None:
    if at == other:
        return
    swapped = list(LINES)
    swapped[at], swapped[other] = swapped[other], swapped[at]
    assert first(looked(swapped)) == min(at, other) + 1


@given(place, st.text(max_size=20))
def test_an_entry_of_somebody_without_the_key_is_named(at: int, who: str) -> None:
    before = written()[at - 1][0].hash if at else chain.FIRST
    moment = written()[at][0].at
    _, line = chain.sealed(Deed("alert.close", who), at + 1, moment, before, FOREIGN)
    assert first(looked([*LINES[:at], line, *LINES[at:]])) == at + 1


@given(place)
def test_a_whole_log_written_anew_without_the_key_is_named_from_its_first_entry(at: int) -> None:
    lines, previous = list(LINES[:at]), json.loads(LINES[at - 1])["hash"] if at else chain.FIRST
    for number in range(at + 1, len(LINES) + 1):
        entry, line = chain.sealed(Deed("nothing", "nobody"), number, written()[0][0].at, previous, FOREIGN)
        previous = entry.hash
        lines.append(line)
    assert first(looked(lines)) == at + 1


@given(st.integers(0, len(LINES) - 1))
def test_a_tail_cut_off_is_missed_by_an_anchor_behind_it_and_a_log_rewritten_with_the_key_too(kept: int) -> None:
    found = looked(LINES[:kept], anchor_at(kept + 1))
    assert [problem.line for problem in found.problems] == [0]
    assert f"there are {kept}" in found.problems[0].text
    other = [line for _, line in written("somebody else")]
    assert looked(other).well
    assert first(looked(other, anchor_at(kept + 1))) == 0


@given(place, st.data())
def test_a_file_cut_anywhere_is_named_or_ends_at_an_entry(at: int, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(LINES[at]) - 1))
    found = looked([*LINES[:at], LINES[at][:cut]])
    if cut:
        assert first(found) == at + 1
        assert "not finished" in found.problems[0].text
    else:
        assert found.well
    assert not looked([*LINES[:at], LINES[at][:cut]], anchor_at(at + 1)).well


@given(st.lists(st.binary(max_size=80), max_size=8))
def test_what_is_no_log_is_no_log_and_nothing_else_happens(parts: list[bytes]) -> None:
    found = chain.examined(b"\n".join(parts).splitlines(keepends=True), KEY)
    assert found.well == (not b"\n".join(parts))


@pytest.mark.parametrize("line", [b"[" * 50_000 + b"\n", b'{"number":NaN}\n', b'{"number":1e999}\n', b"null\n"])
def test_a_line_that_would_break_a_reader_is_named(line: bytes) -> None:
    assert first(looked([*LINES, line])) == len(LINES) + 1


@given(st.text(max_size=30), st.dictionaries(st.text(max_size=8), st.text(max_size=30) | st.integers() | st.booleans()))
def test_whatever_stands_in_a_deed_comes_back_as_it_was(text: str, details: dict[str, str | int | bool]) -> None:
    deed = Deed("query", text, text, details)
    _, line = chain.sealed(deed, 1, written()[0][0].at, chain.FIRST, KEY)
    assert line.count(b"\n") == 1
    shape = chain.read(line[:-1])
    assert shape is not None
    assert (shape["who"], shape["about"], shape["details"]) == (text, text, details)
    assert looked([line]).well


def anchor_at(number: int) -> Anchor:
    return Anchor(number, json.loads(LINES[number - 1])["hash"], "2026-11-27")


def resealed(shape: dict[str, object]) -> bytes:
    """Return the line with its hash made anew, as whoever knows the form but not the key would."""
    body = chain.canonical({name: value for name, value in shape.items() if name not in {"hash", "mac"}})
    previous = str(shape["previous"]).encode("utf-8", "surrogatepass")
    return chain.canonical(shape | {"hash": sha256(previous + body).hexdigest()}) + b"\n"
