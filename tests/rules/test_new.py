"""What is drafted reads back as what was asked, and a question becomes a rule that keeps its promises."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.errors import UsageError
from sentinel.core.where import (
    ALWAYS,
    AllOf,
    AnyOf,
    Compare,
    Dated,
    Exists,
    Is,
    Keyword,
    Like,
    Matches,
    Not,
    Same,
    Where,
    Within,
)
from sentinel.detect.documents import Document, read_documents, written
from sentinel.detect.drafting import alike, log_source_of, said
from sentinel.detect.linking import Plain
from sentinel.detect.pipelines import Pipelines, Source
from sentinel.detect.sigma import read_document
from tests.living import LOGIN, City

LOG = Is("event.dataset", "sshd.log")
PIPELINES = Pipelines({("linux", "", "sshd"): Source(LOG, {})})
TEXTS = st.text(st.sampled_from("aÄß.*?\\% #:'\"\n{["), max_size=6) | st.sampled_from(
    ["null", "1", "true", "10.0.0.0/8"]
)
NAMES = st.sampled_from(["user.name", "process.command_line", "source.ip"])
leaf: st.SearchStrategy[Where] = st.one_of(
    st.builds(Is, NAMES, TEXTS.filter(bool) | st.integers(-9, 9) | st.booleans() | st.none(), st.just(value=False)),
    st.builds(Is, NAMES, TEXTS.filter(bool), st.just(value=True)),
    st.builds(Like, NAMES, TEXTS.filter(bool), st.booleans()),
    st.builds(
        Matches,
        NAMES,
        st.sampled_from(["a", "^a?b*$", r"\d+\*", r"a\\b", "[^%]", "x|y"]),
        st.sampled_from(["", "i", "im", "s"]),
    ),
    st.builds(Within, NAMES, st.sampled_from(["192.0.2.0/24", "192.0.2.7", "2001:db8::/32", "10.1.2.3/8"])),
    st.builds(
        Compare, st.just("source.port"), st.sampled_from(["lt", "lte", "gt", "gte"]), st.sampled_from([0, 443, 2.5])
    ),
    st.builds(
        Dated, st.just("@timestamp"), st.sampled_from(["hour", "week"]), st.sampled_from(["eq", "gte"]), st.just(7)
    ),
    st.builds(Exists, NAMES),
    st.builds(Same, NAMES, NAMES, st.just(value=False), st.sampled_from(["is", "startswith", "endswith", "contains"])),
    st.builds(Keyword, TEXTS.filter(bool)),
)
wheres: st.SearchStrategy[Where] = st.recursive(
    leaf,
    lambda inner: st.one_of(
        st.builds(AllOf, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=6,
)


@given(where=wheres)
def test_a_draft_reads_back_as_what_was_asked(where: Where) -> None:
    from tempfile import NamedTemporaryFile  # noqa: PLC0415  no fixture with function scope may be used with given

    document: Document = {
        "title": "t",
        "id": "00000000-0000-4000-8000-000000000000",
        "logsource": {"product": "linux", "service": "sshd"},
        "detection": said(where),
    }
    with NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as file:
        file.write(written([document]))
        file.flush()
        (again,) = read_documents(Path(file.name))
    rule = read_document(Path("x.yml"), again, PIPELINES, {})
    assert isinstance(rule, Plain)
    assert alike(rule.detection.where, AllOf((LOG, where)))


def test_what_sigma_has_no_words_for_is_refused() -> None:
    for where in (ALWAYS, Keyword("x", cased=True), Is("user.name", "")):
        with pytest.raises(UsageError):
            said(where)


def test_alike_is_about_meaning_only_where_brackets_and_spelling_differ() -> None:
    one, two, three = Is("user.name", "a"), Exists("host.name"), Keyword("x")
    assert alike(AllOf((one, AllOf((two, three)))), AllOf((AllOf((one, two)), three)))
    assert alike(Like("user.name", r"a\*"), Is("user.name", "a*"))
    assert not alike(AllOf((one, two)), AnyOf((one, two)))
    assert not alike(one, Is("user.name", "a", cased=True))


def test_a_question_becomes_a_rule_with_events_that_prove_it(town: City) -> None:
    both = [(name, outcome) for name in ("anna", "root") for outcome in ("success", "failure")]
    town.keep(town.event(LOGIN | {"user.name": name, "event.outcome": outcome}) for name, outcome in both)
    town.keep([town.event({"event.dataset": "dhcpd.log", "message": "x", "user.name": "anna"})])
    folder = town.folder / "drafts"
    query = "event.dataset:sshd.log and user.name:an* and (event.outcome:success or source.ip:10.0.0.0/8) last 1h"
    words = ("rules", "new", "anna_in", "--from", query, "--attack", "T1078", "--level", "high", "--to", str(folder))
    (shown,) = town.json(*words)
    assert not shown["written"]
    assert not folder.exists()
    done = town.sentinel(*words, "--yes")
    assert "its events are real data" in done.stderr
    rule = folder / "anna_in.yml"
    assert str(rule) in shown["files"]
    assert "source.ip|cidr: 10.0.0.0/8" in shown["text"]
    assert len((folder / "anna_in.fires.jsonl").read_text().splitlines()) == 1
    quiet = (folder / "anna_in.quiet.jsonl").read_text()
    farthest = quiet.splitlines()[2]
    assert '"user.name":"root"' in farthest, "the nearest misses come first"
    assert '"event.outcome":"failure"' in farthest
    assert "dhcpd" not in quiet
    assert town.sentinel("rules", "test", str(rule)).returncode == 0
    (found,) = town.json("rules", "backtest", str(rule), "--last", "1h")
    assert (found["matched"], found["alerts"]) == (1, 1)
    assert "is there already" in town.sentinel(*words, "--yes", code=2).stderr


def test_a_log_source_that_cannot_be_seen_has_to_be_said(town: City) -> None:
    words = ("rules", "new", "x", "--from", "user.name:anna", "--to", str(town.folder / "drafts"), "--yes")
    assert "say --logsource" in town.sentinel(*words, code=2).stderr
    assert "no pipeline knows" in town.sentinel(*words, "--logsource", "product=nothing", code=2).stderr
    done = town.sentinel(*words, "--logsource", "product=linux,service=sshd")
    assert "no stored event fits x.fires.jsonl" in done.stderr
    assert (town.folder / "drafts" / "x.yml").is_file()


def test_a_question_about_no_field_of_ecs_is_refused_as_the_rule_would_be(town: City) -> None:
    words = ("rules", "new", "x", "--from", "user.nmae:anna", "--logsource", "product=linux,service=sshd")
    assert "can never fire" in town.sentinel(*words, code=2).stderr


def test_of_two_log_sources_that_say_as_much_none_is_guessed(town: City) -> None:
    both = Pipelines({("linux", "", "sshd"): Source(LOG, {}), ("linux", "", "auth"): Source(LOG, {})})
    event = town.event(LOGIN)
    with pytest.raises(UsageError, match="service auth or product linux, service sshd"):
        log_source_of(both, [event])
    assert log_source_of(PIPELINES, [event]) == ("linux", "", "sshd")
