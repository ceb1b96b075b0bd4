"""Rule files may be anything: bombs, binaries, folders; they are refused, never loaded halfway, never walked."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.errors import RuleError
from sentinel.detect.documents import SIZE_MAX, read_documents

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
BAD = [
    pytest.param(LAUGHS, "aliases", id="billion laughs"),
    pytest.param("a: &x {b: *x}\n", "aliases", id="a cycle"),
    pytest.param("[" * 20_000, "not YAML|nested", id="20,000 brackets"),
    pytest.param("a: " + "[" * 40 + "]" * 40, "nested deeper than 32", id="40 brackets"),
    pytest.param("{a: " * 40 + "b" + "}" * 40, "nested deeper than 32", id="40 braces"),
    pytest.param("a: " + "x" * SIZE_MAX, "larger than", id="too large"),
    pytest.param("a: 1\na: 2\n", "given twice", id="a key twice"),
    pytest.param("d: {sel: {x|contains: 1, x|contains: 2}}\n", "given twice", id="a deep key twice"),
    pytest.param("a: !!python/object/apply:os.system ['true']\n", "not YAML", id="a Python object"),
    pytest.param("a: !!python/name:os.system\n", "not YAML", id="a Python name"),
    pytest.param("- a\n- b\n", "must be a mapping", id="a list"),
    pytest.param("just text\n", "must be a mapping", id="text"),
    pytest.param("1: a\n", "text keys", id="a number as key"),
    pytest.param("[a]: b\n", "cannot be read|not YAML", id="a list as key"),
    pytest.param("a: " + "9" * 5000, "cannot be read", id="a number of 5,000 digits"),
    pytest.param("a: 2026-02-31\n", "cannot be read", id="a day that does not exist"),
    pytest.param("a: b: c\n", "not YAML", id="not YAML"),
    pytest.param("a: \0\n", "not YAML", id="a NUL"),
    pytest.param("---\na: b\n" * 300, "documents", id="300 documents"),
]


@pytest.mark.parametrize(("text", "reason"), BAD)
def test_a_file_that_is_no_rule_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "rule.yml"
    path.write_text(text, "utf-8")
    with pytest.raises(RuleError, match=reason):
        read_documents(path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rule.yml"
    path.write_bytes(b"title: \xff\xfe\n")
    with pytest.raises(RuleError, match="not UTF-8"):
        read_documents(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.yml", tmp_path):
        with pytest.raises(RuleError):
            read_documents(path)


def test_a_file_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rule.yml"
    path.write_text("title: a\n", "utf-8")
    path.chmod(0o666)
    with pytest.raises(RuleError, match="chmod o-w"):
        read_documents(path)


def test_several_documents_a_mark_and_umlauts_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rule.yml"
    path.write_text("\ufefftitle: Ämter\n---\n---\ntitle: zwei\n", "utf-8")
    assert read_documents(path) == [{"title": "Ämter"}, {"title": "zwei"}]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], Path]:
    """Return what writes bytes to a file, the same one each time."""
    path = tmp_path_factory.mktemp("yaml") / "rule.yml"

    def writer(body: bytes) -> Path:
        path.write_bytes(body)
        return path

    return writer


@given(body=st.one_of(st.binary(max_size=200), st.text("ab:[]{}&*!-? \n#'\"|>%@`0.", max_size=80).map(str.encode)))
def test_whatever_a_file_holds_it_is_read_or_refused(scratch: Callable[[bytes], Path], body: bytes) -> None:
    try:
        documents = read_documents(scratch(body))
    except RuleError:
        return
    assert all(isinstance(one, dict) for one in documents)
