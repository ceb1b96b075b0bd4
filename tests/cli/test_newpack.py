"""A city adds its own source: whatever the sample, what is begun loads, keeps its promises and understands some."""

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel.testing import newpack, packs
from tests.warm import texts

PAIRS = 'Nov 23 08:15:0{n} fw1 date=2026-11-23 srcip=192.0.2.{n} dst=10.0.0.5 proto=6 policy="a b" weird.thing={n}'
OBJECT = '{{"ts": "2026-11-23T08:15:0{n}Z", "clientIp": "192.0.2.{n}", "user": "e.muster", "akte": {{"nummer": {n}}}}}'
COLUMNS = "2026-11-23 08:15:0{n};192.0.2.{n};10.0.0.5;Müller;ok"
SENTENCE = "2026-11-23 08:15:0{n} fv01 fachverfahren[12]: Akte {n} gelesen user u{n} from 192.0.2.{n} port 440{n}"
CEF = "Nov 23 08:15:0{n} gw CEF:0|Example|Gate|1|100|Login failed|5|src=192.0.2.{n} suser=u{n} dst=10.0.0.5"
LEEF = "Nov 23 08:15:0{n} gw LEEF:1.0|Example|Gate|1|100|src=192.0.2.{n}\tusrName=u{n}\tdst=10.0.0.5"


def begun(tmp_path: Path, sample: str) -> tuple[list[dict[str, Any]], str]:
    """Return what a pack begun from five such lines makes of them, and what was said."""
    file = tmp_path / "sample.log"
    file.write_text("\n".join(sample.format(n=number) for number in range(1, 6)) + "\n", "utf-8")
    done = texts("packs", "new", "mine", "--from", str(file), "--into", str(tmp_path / "packs"))
    assert done.returncode == 0, done.stderr
    proven = texts("packs", "test", str(tmp_path / "packs" / "mine"))
    assert proven.returncode == 0, proven.stderr
    told = (tmp_path / "packs" / "mine" / "samples" / "mine.ecs.jsonl").read_text("utf-8")
    return [json.loads(line) for line in told.splitlines()], done.stderr


@pytest.mark.parametrize(
    ("sample", "family", "expected"),
    [
        (PAIRS, "pairs", {"source.ip": "192.0.2.2", "destination.ip": "10.0.0.5", "network.transport": "tcp"}),
        (OBJECT, "json", {"source.ip": "192.0.2.2", "user.name": "e.muster", "labels.akte.nummer": "2"}),
        (COLUMNS, "columns", {"source.ip": "192.0.2.2", "destination.ip": "10.0.0.5", "labels.column4": "Müller"}),
        (SENTENCE, "sentences", {"source.ip": "192.0.2.2", "user.name": "u2", "source.port": 4402}),
        (CEF, "cef", {"source.ip": "192.0.2.2", "user.name": "u2", "destination.ip": "10.0.0.5"}),
        (LEEF, "leef", {"source.ip": "192.0.2.2", "user.name": "u2", "destination.ip": "10.0.0.5"}),
    ],
)
def test_a_sample_becomes_a_pack_that_reads_it(
    tmp_path: Path, sample: str, family: str, expected: dict[str, object]
) -> None:
    events, said = begun(tmp_path, sample)
    assert f"5 lines, read as {family}" in said
    assert len(events) == 5
    assert {name: events[1].get(name) for name in expected} == expected


def test_names_in_the_first_line_of_columns_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "sample.csv"
    file.write_text("client_ip,user,Akte,when\n192.0.2.1,e.muster,4711,2026-11-23 08:15:00\n192.0.2.2,x,2,y\n", "utf-8")
    folder, guessed = newpack.begin("mine", file, tmp_path)
    assert guessed.header
    assert guessed.places == {"client_ip": "source.ip", "user": "user.name", "Akte": "", "when": ""}
    assert packs.check(folder) == []
    (first, _) = (folder / "samples" / "mine.ecs.jsonl").read_text("utf-8").splitlines()
    assert json.loads(first)["labels.Akte"] == "4711"


def test_nothing_is_written_over_and_what_is_wrong_is_said(tmp_path: Path) -> None:
    file = tmp_path / "sample.log"
    file.write_text("a line\n")
    assert texts("packs", "new", "mine", "--from", str(file), "--into", str(tmp_path)).returncode == 0
    again = texts("packs", "new", "mine", "--from", str(file), "--into", str(tmp_path))
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    wrong = texts("packs", "new", "Mine!", "--from", str(file), "--into", str(tmp_path))
    assert (wrong.returncode, "lower case" in wrong.stderr) == (2, True)
    file.write_text("\n\n")
    empty = texts("packs", "new", "other", "--from", str(file), "--into", str(tmp_path))
    assert (empty.returncode, "holds no line" in empty.stderr) == (2, True)


@settings(max_examples=40)
@given(
    lines=st.lists(
        st.one_of(
            st.text(min_size=1, max_size=80),
            st.sampled_from([PAIRS, OBJECT, COLUMNS, SENTENCE, CEF, LEEF]).map(lambda line: line.format(n=3)),
            st.lists(st.sampled_from(["a", "192.0.2.1", '"', "\\", "=", "x=1", "{", ";", "'''", '"""', "ä", "$n"])).map(
                " ".join
            ),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_the_lines_are_what_is_begun_keeps_its_promises(lines: list[str]) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "sample.log"
        file.write_text("\n".join(lines), "utf-8", errors="replace")
        if not file.read_text("utf-8", errors="replace").strip():
            return
        made, _ = newpack.begin("mine", file, Path(folder) / "packs")
        assert [str(problem) for problem in packs.check(made)] == []


def test_the_docs_of_a_pack_say_what_its_samples_prove() -> None:
    page = texts("packs", "docs", "postfix").stdout
    assert re.search(r"(?m)^\| `email.message_id` \| \d+ % \|$", page)
    assert "mail_sent" in page
    said = json.loads(texts("packs", "docs", "postfix", "--json").stdout)
    assert (said["name"], said["samples"]["joined"]) == ("postfix", 24)
    unknown = texts("packs", "docs", "nosuch")
    assert (unknown.returncode, "there is no pack 'nosuch'" in unknown.stderr) == (2, True)
