"""Rules that have been read before come from what is kept, and are what reading them again would give."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.content import content
from sentinel.core.where import AllOf, AnyOf, Compare, Is, Like, Matches, Not, Where
from sentinel.detect import kept, sigma
from sentinel.detect.compiled import packed, unpacked
from sentinel.detect.linking import Plain
from sentinel.detect.pipelines import load_pipelines
from sentinel.detect.rules import Rules
from tests.detect.test_matcher import rule

RULE = """\
title: {title}
id: 5a1c1e4e-0b7e-4e5f-9a60-00000000000{number}
status: test
author: Jane Doe
level: high
tags: [attack.t1110.001]
references: [https://example.org/a]
falsepositives: [a printer]
logsource: {{product: linux, service: sshd}}
detection:
  a: {detection}
  condition: a
"""
PIPELINES = load_pipelines([content("rules") / "pipelines"])[0]
LOG_SOURCE = ("linux", "", "sshd")
Load = Callable[..., tuple[Rules, int]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    for number, detection in enumerate(["{user.name: root}", "{'message|re': 'a+', user.name|cased: Ä}"], 1):
        (folder / f"{number}.yml").write_text(
            RULE.format(title=f"t{number}", number=number, detection=detection), "utf-8"
        )
    (folder / "wrong.yml").write_text(RULE.format(title="wrong", number=9, detection="{user.name|unheard: x}"), "utf-8")
    return folder


@pytest.fixture
def load(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Return what loads the rules, and says how many documents were read rather than taken from what is kept."""

    def loaded(file: Path = tmp_path / "rules.kept") -> tuple[Rules, int]:
        read: list[Path] = []
        with monkeypatch.context() as patch:
            whole = sigma.read_document

            def counted(path: Path, *more: object) -> object:
                read.append(path)
                return whole(path, *more)  # type: ignore[arg-type]  # as it was called

            patch.setattr(sigma, "read_document", counted)
            return sigma.load([folder], kept=file), len(read)

    return loaded


def same(one: Rules, other: Rules) -> bool:
    return one.detections == other.detections and list(map(str, one.refused)) == list(map(str, other.refused))


def test_what_was_read_once_is_read_no_more_and_is_the_same(load: Load, folder: Path) -> None:
    first, read = load()
    assert (len(first.detections), len(first.refused), read) == (2, 1, 3)
    second, read = load()
    assert read == 0
    assert same(first, second)
    assert "unheard" in second.refused[0].reason


def test_a_file_that_changed_or_moved_is_what_it_is_now(load: Load, folder: Path) -> None:
    load()
    (folder / "1.yml").write_text(RULE.format(title="t1", number=1, detection="{user.name: admin}"), "utf-8")
    (folder / "2.yml").rename(folder / "3.yml")
    rules, read = load()
    assert read == 1
    assert [Path(one.path).name for one in rules.detections] == ["1.yml", "3.yml"]
    assert "admin" in repr(rules.detections[0].where)


def test_a_file_that_everybody_may_write_is_refused_though_its_text_is_known(load: Load, folder: Path) -> None:
    load()
    (folder / "1.yml").chmod(0o666)
    assert "writable by everybody" in str(load()[0].refused)


def test_pipelines_placeholders_and_versions_are_a_part_of_what_is_known(
    load: Load, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load()
    (folder / "placeholders.yml").write_text("x: [a]\n", "utf-8")
    assert load()[1] == 3
    assert load()[1] == 0
    (folder / "pipelines").mkdir()
    (folder / "pipelines" / "own.yml").write_text(
        "title: own\nfields: {}\nsources: [{for: {product: own}, any: [{event.dataset: own.log}]}]\n", "utf-8"
    )
    assert load()[1] == 3
    assert load()[1] == 0
    kept._code.cache_clear()
    monkeypatch.setattr(kept, "__version__", "9.9.9")
    assert load()[1] == 3
    kept._code.cache_clear()


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_what_others_could_have_written_is_not_believed(load: Load, tmp_path: Path, mode: int) -> None:
    load()
    (tmp_path / "rules.kept").chmod(mode)
    assert load()[1] == 3
    (tmp_path / "rules.kept").chmod(0o600)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_another_user_is_not_believed(load: Load, tmp_path: Path) -> None:
    load()
    os.chown(tmp_path / "rules.kept", 12345, 12345)
    assert load()[1] == 3


def test_damage_costs_what_it_hit_and_nothing_else(load: Load, tmp_path: Path) -> None:
    first, _ = load()
    file = tmp_path / "rules.kept"
    body = file.read_bytes()
    at = body.index(b"root")
    file.write_bytes(body[:at] + b"toor" + body[at + 4 :])
    rules, read = load()
    assert (read, same(first, rules)) == (1, True)
    file.write_bytes(b"\0" * 100)
    assert load()[1] == 3
    file.unlink()
    file.mkdir()
    assert same(first, load()[0])


def test_what_is_kept_is_bounded(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "FILES_MAX", 2)
    load()
    assert load()[1] == 1
    monkeypatch.setattr(kept, "BYTES_MAX", 10)
    (tmp_path / "rules.kept").unlink()
    load()
    assert load()[1] == 3


def test_where_nothing_can_be_kept_rules_load_all_the_same(load: Load, tmp_path: Path) -> None:
    rules, _ = load(tmp_path / "nowhere" / "rules.kept")
    assert len(rules.detections) == 2


scalars = st.one_of(st.text(max_size=5), st.integers(), st.floats(), st.booleans(), st.none())
leaves: st.SearchStrategy[Where] = st.one_of(
    st.builds(Is, st.just("user.name"), scalars, st.booleans()),
    st.builds(Like, st.just("user.name"), st.text(st.sampled_from("a*?\\ä\ud800"), max_size=5), st.booleans()),
    st.builds(Matches, st.just("message"), st.sampled_from(["a", r"\d+"]), st.sampled_from(["", "im"])),
    st.builds(Compare, st.just("source.port"), st.just("lt"), st.sampled_from([1, 1.0, 2.5])),
)
wheres = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: AllOf(tuple(items))),
        st.lists(inner, max_size=3).map(lambda items: AnyOf(tuple(items))),
        inner.map(Not),
    ),
    max_leaves=5,
)


@given(wheres)
def test_a_rule_comes_back_exactly_or_is_not_kept(where: Where) -> None:
    source = PIPELINES.sources[LOG_SOURCE]
    given = Plain(rule(1, AllOf((source.where, where))), "name", source, LOG_SOURCE)
    line = packed([given], PIPELINES)
    if line is not None:
        (back,) = unpacked(line, Path("x.yml"), PIPELINES, {})
        assert repr(back) == repr(given)
