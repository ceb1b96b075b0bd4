"""An export can be read by others, and proves that nobody has changed it; nothing in it can act."""

import csv
import io
import json
import os
import shutil
import stat
import subprocess
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from sentinel.cases import export
from sentinel.cases.book import copied
from sentinel.core.alert import Change
from sentinel.core.case import Case, Evidence, Task
from sentinel.core.errors import UsageError
from sentinel.core.event import Event
from sentinel.core.slip import Gap, Slip
from sentinel.ui import report, words
from tests.living import City
from tests.warm import texts

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NASTY = (
    '=HYPERLINK("http://evil.example","x") | <script>alert(1)</script> ![](http://evil.example/x.png) '
    "[click](javascript:x) `code` \x1b[2J\x9b31m \u202e \r\n# heading\n| a | b |"
)  # fmt: skip
COMPLETE = Slip(NOW, NOW + timedelta(hours=1), ())
ANYTHING = st.text(st.characters(codec="utf-8"), max_size=60) | st.sampled_from([NASTY, "=1+1", "@x", "-2", "\t=1", ""])


def held(*lines: str) -> list[Evidence]:
    return [
        copied(Event(f"e{number}", number, NOW, NOW, {"event.id": f"e{number}", "event.original": line}), "q", "a", NOW)
        for number, line in enumerate(lines)
    ]


def case(text: str = "Phishing") -> Case:
    task = Task(1, text, done=False, who=text, at=NOW)
    return Case(7, text, "open", NOW, None, 0, (text,), (), 1, (task,), (Change(NOW, text, text, text),))


def files(*lines: str) -> dict[str, bytes]:
    evidence = held(*lines)
    made = export.manifest(case(), evidence, COMPLETE, ["user.name:root"], {"made": "now", "by": "anna"})
    return {**export.files_of(evidence), export.MANIFEST: made}


@pytest.fixture(params=["case-7", "case-7.zip"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


def test_an_export_is_private_new_and_proves_itself(target: Path) -> None:
    digest = export.write(target, files("a", "b"))
    assert export.verify(target) == (digest, [])
    assert stat.S_IMODE(target.stat().st_mode) == (0o600 if target.suffix else 0o700)
    with pytest.raises(UsageError, match="is there already"):
        export.write(target, files("a"))
    assert [one.name for one in target.parent.iterdir()] == [target.name]


def test_a_folder_is_checked_by_sha256sum_too_and_its_files_are_private(tmp_path: Path) -> None:
    export.write(tmp_path / "out", files("a"))
    done = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path / "out", check=False)
    assert done.returncode == 0
    assert {stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "out").iterdir()} == {0o600}


def test_what_was_changed_taken_away_or_added_is_told(tmp_path: Path) -> None:
    export.write(tmp_path / "out", files("a", "b"))
    for name, act, said in (
        ("changed", lambda at: (at / export.TABLE).write_bytes(b"x"), "evidence.csv: has been changed"),
        ("gone", lambda at: (at / export.EVENTS).unlink(), "evidence.ndjson: is missing"),
        ("more", lambda at: (at / "more.txt").write_text("x"), "more.txt: not in SHA256SUMS"),
        ("link", lambda at: _linked(at / export.TABLE), "evidence.csv:"),
        ("pipe", lambda at: _piped(at / export.TABLE), "evidence.csv: is no file"),
        ("path", lambda at: (at / export.SUMS).write_text(f"{'0' * 64}  ../../etc/passwd\n"), "passwd"),
        ("empty", lambda at: (at / export.SUMS).write_text(""), "names no file"),
    ):  # fmt: skip
        shutil.copytree(tmp_path / "out", tmp_path / name)
        act(tmp_path / name)
        _, problems = export.verify(tmp_path / name)
        assert any(said in one for one in problems), (name, problems)


def _linked(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere.csv")
    path.symlink_to(path.parent.parent / "elsewhere.csv")


def _piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def test_whoever_changes_an_event_and_the_sums_too_is_betrayed_by_the_manifest(tmp_path: Path) -> None:
    forged = files("a", "b") | {export.EVENTS: export.files_of(held("a", "c"))[export.EVENTS]}
    export.write(tmp_path / "forged", forged)
    assert export.verify(tmp_path / "forged")[1] == ["evidence.ndjson: event e1 is not as it was taken into the case"]


def test_a_zip_file_with_paths_twins_or_a_bomb_is_told_and_nothing_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export.write(tmp_path / "good.zip", files("a"))
    with zipfile.ZipFile(tmp_path / "good.zip") as good:
        members = {name: good.read(name) for name in good.namelist()}
    for name, more in (("path", "../../evil"), ("absolute", "/etc/evil"), ("twin", export.TABLE)):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as bad, pytest.warns() if name == "twin" else _quiet():
            for member, content in members.items():
                bad.writestr(member, content)
            bad.writestr(more, "x")
        assert export.verify(tmp_path / f"{name}.zip")[1]
    assert not (tmp_path.parent / "evil").exists()
    monkeypatch.setattr(export, "FILE_BYTES_MAX", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        for member, content in members.items():
            bomb.writestr(member, b"\0" * 1_000_000 if member == export.TABLE else content)
    assert "evidence.csv: is larger than 1,000 bytes" in export.verify(tmp_path / "bomb.zip")[1]


class _quiet:  # noqa: N801  stands where `pytest.warns()` does
    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        pass


def test_what_is_no_export_and_where_none_can_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "text", tmp_path / "folder", tmp_path / "nothing"):
        with pytest.raises(UsageError, match="no export of a case"):
            export.verify(path)
    with pytest.raises(UsageError, match="make it first"):
        export.write(tmp_path / "a/b", files("a"))
    for name in ("../x", "a/b", ".x", export.SUMS, ""):
        with pytest.raises(UsageError, match="no name"):
            export.write(tmp_path / "new", {name: b""})
    (tmp_path / "dangling").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="there already"):
        export.write(tmp_path / "dangling", files("a"))


@given(texts=st.lists(ANYTHING, max_size=5))
def test_no_cell_of_the_csv_is_a_formula_and_every_text_comes_back(texts: list[str]) -> None:
    rows = list(csv.reader(io.StringIO(export.table(held(*texts)).decode("utf-8"), newline="")))
    assert len(rows) == len(texts) + 1
    for text, row in zip(texts, rows[1:], strict=True):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in row)
        assert row[export.COLUMNS.index("event.original")] in {text, f"'{text}"}


@given(texts=st.lists(ANYTHING, max_size=4))
def test_every_line_of_the_ndjson_is_an_event_with_the_digest_of_the_manifest(texts: list[str]) -> None:
    made = files(*texts)
    lines = made[export.EVENTS].split(b"\n")[:-1]
    assert [json.loads(line)["event.original"] for line in lines] == texts
    assert list(export._unproven(made[export.MANIFEST], made[export.EVENTS])) == []


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


@given(text=ANYTHING.filter(str.strip))
def test_nothing_of_a_stranger_acts_in_the_report(text: str) -> None:
    gap = Gap("lost", text, NOW, NOW, 3, text)
    document = list(report.blocks(case(text), (), held(text), Slip(NOW, NOW, (gap,))))
    page = _Tags()
    page.feed(report.page(document, text))
    assert page.tags <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td",
        "code",
    }  # fmt: skip
    assert page.attributes <= {"lang", "charset", "http-equiv", "content"}
    drawn = report.markdown(document)
    for one in (drawn, page.text):
        assert all(char.isprintable() or char == "\n" for char in one)
    found = _kinds(MarkdownIt("commonmark").enable("table").parse(drawn))
    assert not found & {"html_block", "html_inline", "link_open", "image", "fence", "code_block", "blockquote_open"}
    tables = sum(isinstance(one, report.Grid) for one in document)
    assert drawn.count("\n| --- |") == tables


def _kinds(tokens: list[Any]) -> set[str]:
    return {kind for token in tokens for kind in ({token.type} | _kinds(token.children or []))}


def test_the_report_speaks_both_languages() -> None:
    slip = Slip(NOW, NOW, (Gap("silent", "fw-1", NOW, NOW + timedelta(hours=1), 0, "nothing was heard of it"),))
    texts = []
    try:
        for language in words.LANGUAGES:
            words.speak(language)
            texts.append(report.page(report.blocks(replace(case(), deadline=NOW), (), held("x"), slip), "t"))
    finally:
        words.speak("en")
    english, german = texts
    assert "What could not be seen" in english
    assert "Was nicht zu sehen war" in german
    assert "ein Absender schwieg" in german
    assert 'lang="de"' in german


def test_an_export_says_what_was_asked_and_what_could_not_be_seen(tmp_path: Path) -> None:
    town = City(tmp_path)
    town.login(event_original="=cmd|' /C calc'!A0")
    (alert,) = town.json("alerts", "list")
    town.json("cases", "new", "Root <b>from</b> outside", "--alert", alert["id"])
    out = tmp_path / "out"
    (made,) = town.json("cases", "export", "1", "--to", str(out))
    said = json.loads((out / export.MANIFEST).read_text())
    assert f"evidence of alert {alert['id']}" in said["queries"]
    assert any("source.ip" in one for one in said["queries"])
    assert not said["complete"]
    assert {gap["kind"] for gap in said["slip"]["gaps"]} >= {"unknown"}
    assert "Bericht zu Fall 1" in (out / "report.md").read_text()
    assert "Root &lt;b&gt;from&lt;/b&gt; outside" in (out / "report.html").read_text()
    assert "'=cmd" in (out / export.TABLE).read_text()
    assert export.verify(out) == (made["sha256"], [])
    (out / "report.md").write_text("nothing happened")
    done = texts("cases", "verify", str(out))
    assert (done.returncode, "report.md: has been changed" in done.stderr) == (1, True)
