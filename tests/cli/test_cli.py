"""The command line as an operator types it: data on standard output, talk on standard error, exit codes."""

import json
import lzma
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sentinel.app import App
from sentinel.cli import VERBS
from sentinel.config import load
from sentinel.core.clock import iso
from sentinel.core.content import content
from sentinel.core.errors import StoreError
from sentinel.core.event import Event
from sentinel.store.embedded import EmbeddedStore
from sentinel.testing import bench_detect
from tests import warm

if TYPE_CHECKING:
    import subprocess


def sentinel(
    *words: str, given: bytes = b"", data: Path | None = None, **environment: str
) -> "subprocess.CompletedProcess[str]":
    if data is not None:
        environment["SENTINEL_CONFIG"] = str(data / "sentinel.toml")
        if not (data / "sentinel.toml").exists():
            (data / "sentinel.toml").write_text(f'data = "{data}/data"\n[spool]\nballast_bytes = 0\n')
    return warm.texts(*words, given=given, environment={"NO_COLOR": "1", "COLUMNS": "120", **environment})


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_helps_with_an_example(verb: str) -> None:
    done = sentinel(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert f"  sentinel {verb}" in done.stdout or "| sentinel" in done.stdout


def test_without_words_it_says_what_it_can() -> None:
    done = sentinel()
    assert "query" in done.stdout + done.stderr


def test_an_unknown_verb_is_a_usage_error() -> None:
    assert sentinel("frobnicate").returncode == 2


def test_a_query_that_makes_no_sense_points_at_the_column(tmp_path: Path) -> None:
    done = sentinel("query", "source.ip:", data=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].strip() == "^"
    assert not done.stdout


def test_an_unknown_option_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "sentinel.toml").write_text("[[syslog]]\nprot = 514\n")
    done = sentinel("check", data=tmp_path)
    assert done.returncode == 3
    assert "did you mean 'port'" in done.stderr


def test_check_passes_with_no_file_at_all(tmp_path: Path) -> None:
    done = sentinel("check", "--json", XDG_STATE_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["rules"] >= 12
    assert told["refused"] == []


def test_a_source_whose_pack_does_not_exist_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sentinel.toml").write_text('[[syslog]]\npack = "fortigat"\n')
    done = sentinel("check", data=tmp_path)
    assert done.returncode == 3
    assert "fortigate" in done.stderr


def test_a_misspelt_field_is_hinted_at(tmp_path: Path) -> None:
    done = sentinel("query", "sorce.ip:192.0.2.1", data=tmp_path)
    assert done.returncode == 0
    assert "did you mean source.ip" in done.stderr


def test_parse_prints_one_object_a_line_in_order() -> None:
    lines = (
        b"Nov 23 09:00:00 srv sshd[7]: Failed password for root from 203.0.113.66 port 40000 ssh2\n\nhello\n\xff\xfe\n"
    )
    done = sentinel("parse", "--json", given=lines)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == 4
    assert told[0]["source.ip"] == "203.0.113.66"
    assert told[1]["event.kind"] == "pipeline_error"
    assert told[2]["message"] == "hello"


def test_packs_and_rules_keep_their_promises() -> None:
    assert sentinel("packs", "test", str(content("parsers") / "sshd")).returncode == 0
    done = sentinel("rules", "test", str(content("rules") / "ssh"))
    assert done.returncode == 0, done.stderr
    assert sentinel("rules", "check").returncode == 0


def test_a_rule_that_is_not_understood_is_refused_with_path_and_reason(tmp_path: Path) -> None:
    rule = tmp_path / "odd.yml"
    rule.write_text(
        "title: Odd\nid: 6ab0a7b3-3f0c-4b4c-9e70-1d1f2f5e0a01\nlogsource: {product: linux, service: sshd}\n"
        "detection: {sel: {message|frobnicate: x}, condition: sel}\nlevel: low\n"
    )
    done = sentinel("rules", "check", str(rule))
    assert done.returncode == 1
    assert str(rule) in done.stderr
    assert "frobnicate" in done.stderr


def test_coverage_tells_what_can_fire_on_configured_packs_and_on_what_was_stored(tmp_path: Path) -> None:
    head = f'data = "{tmp_path}/data"\n[spool]\nballast_bytes = 0\n'
    (tmp_path / "sentinel.toml").write_text(f'{head}[[syslog]]\nname = "web"\npack = "nginx"\nport = 0\n')
    rule = "title: {0}\nid: 6ab0a7b3-3f0c-4b4c-9e70-1d1f2f5e0a0{1}\ntags: [attack.t120{1}]\nlogsource: {{{2}}}\n"
    rule += "detection: {{sel: {{{3}: x}}, condition: sel}}\n"
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "a.yml").write_text(rule.format("Web", 0, "category: webserver", "cs-uri-query"))
    (folder / "b.yml").write_text(rule.format("Login", 1, "product: linux, service: sshd", "user.name"))
    (folder / "c.yml").write_text(rule.format("Mac", 2, "product: macos, category: process_creation", "Image"))

    def told() -> dict[str, tuple[str, str]]:
        done = sentinel("rules", "coverage", str(folder), "--json", "--layer", str(tmp_path / "l.json"), data=tmp_path)
        assert done.returncode == 0, done.stderr
        said = map(json.loads, done.stdout.splitlines())
        return {Path(one["path"]).name: (one["state"], one["reason"]) for one in said}

    before = told()
    assert before["a.yml"] == ("fires", "")
    assert before["b.yml"] == ("never", "no source sends sshd.log")
    assert before["c.yml"][0] == "refused"
    now = datetime.now(UTC)
    fields = {"@timestamp": iso(now), "event.ingested": iso(now), "event.dataset": "sshd.log", "event.id": "1" * 32}
    with App(load(tmp_path / "sentinel.toml")).writing() as store:
        store.append([Event("1" * 32, 1, now, now, fields | {"event.sequence": 1})])
    assert told()["b.yml"] == ("fires", "")
    techniques = json.loads((tmp_path / "l.json").read_bytes())["techniques"]
    assert [one["techniqueID"] for one in techniques] == ["T1200", "T1201"]
    shown = sentinel("rules", "coverage", str(folder), data=tmp_path)
    assert "2 rules load, 1 are refused; 2 can fire on what is being sent, 0 cannot" in shown.stderr
    assert "no pipeline knows the log source product macos" in shown.stdout


def test_a_source_that_cannot_be_made_hides_no_other_from_doctor(tmp_path: Path) -> None:
    (tmp_path / "sentinel.toml").write_text(
        f'data = "{tmp_path}/data"\n[spool]\nballast_bytes = 0\n'
        f'[[http]]\nname = "app"\ntoken_file = "{tmp_path}/nowhere"\nport = 0\n'
        f'[[files]]\nname = "logs"\npaths = ["{tmp_path}/*.log"]\n'
    )
    done = sentinel("doctor", "--json", data=tmp_path)
    said = {one["check"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert (done.returncode, said["entrances"]["state"]) == (1, "fail")
    assert f"{tmp_path}/nowhere" in said["entrances"]["found"]
    assert "files logs" in said


def test_doctor_names_what_is_wrong(tmp_path: Path) -> None:
    done = sentinel("doctor", "--json", data=tmp_path)
    checks = {one["check"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert checks["configuration"]["state"] == "ok"
    assert checks["store"]["state"] == "ok"
    (tmp_path / "sentinel.toml").write_text("stroe = 1\n")
    done = sentinel("doctor", "--json", data=tmp_path)
    assert done.returncode == 1
    assert "did you mean 'store'" in done.stdout


def test_an_unreachable_elasticsearch_has_its_exit_code_and_a_hint(tmp_path: Path) -> None:
    (tmp_path / "sentinel.toml").write_text(
        f'data = "{tmp_path}/data"\n[store]\nkind = "elasticsearch"\nurl = "http://127.0.0.1:9"\n'
    )
    done = sentinel("query", "a:b", data=tmp_path)
    assert done.returncode == 4
    assert "127.0.0.1:9" in done.stderr


def test_standard_input_can_be_imported(tmp_path: Path) -> None:
    done = sentinel("import", "-", given=b"one\ntwo\n", data=tmp_path)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in sentinel("spool", "cat", "--json", data=tmp_path).stdout.splitlines()]
    assert [record["text"] for record in records] == ["one", "two"]
    assert sentinel("spool", "fsck", data=tmp_path).returncode == 0


def test_config_explains_itself() -> None:
    assert "cluster" in sentinel("config", "explain", "store.url").stdout
    assert sentinel("config", "explain", "store.ulr").returncode == 3


@pytest.mark.parametrize("what", ["parse", "query"])
def test_bench_prints_its_figures_beside_a_reference(what: str) -> None:
    done = sentinel("bench", what, "--events", "1000", "--json")
    assert done.returncode == 0, done.stderr
    figure, reference = map(json.loads, done.stdout.splitlines())
    assert figure["per_second"] > 0
    assert reference["ratio_to_reference"] == 1.0


def test_bench_detect_judges_events_of_a_file_in_every_way(tmp_path: Path) -> None:
    line = "<86>Nov 23 08:00:{second:02d} srv-01 sshd[1]: Accepted password for {user} from 203.0.113.66 port 4 ssh2"
    lines = [line.format(second=number % 60, user="root" if number % 10 == 0 else "anna") for number in range(200)]
    file = tmp_path / "lines.xz"
    file.write_bytes(lzma.compress("\n".join(lines).encode()))
    done = sentinel("bench", "detect", "--events", str(file), "--judged", "1000", "--json")
    assert done.returncode == 0, done.stderr
    *figures, reference = map(json.loads, done.stdout.splitlines())
    assert [one["count"] for one in figures] == [1000, 1000, 1000, 1000, 200, 200, 200, 200]
    assert figures[0]["notes"] == {"hits": "1,100 (decode and match)"}
    assert figures[0]["seconds"] == pytest.approx(1000 / figures[0]["per_second"], abs=0.1)
    assert reference["ratio_to_reference"] == 1.0
    assert sentinel("bench", "detect", "--events", str(tmp_path / "none")).returncode == 2


def test_bench_detect_goes_on_where_the_store_cannot_answer_and_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = content("rules") / "ssh" / "ssh_root_from_outside.yml"
    work = bench_detect.prepare([b"<86>Nov 23 08:00:00 srv-01 sshd[1]: Connection closed"], [rule], tmp_path)

    def search(*_: object) -> None:
        raise StoreError("too much")

    monkeypatch.setattr(EmbeddedStore, "search", search)
    assert bench_detect.asked(work, tmp_path / "store", 9).notes == {"not answered": f"1 ({rule}: too much)"}


def test_bench_ingest_runs_a_whole_sentinel() -> None:
    done = sentinel("bench", "ingest", "--events", "2000", "--json")
    assert done.returncode == 0, done.stderr
    figure, _ = map(json.loads, done.stdout.splitlines())
    assert figure["count"] == 2000
    assert figure["rss_mb"] > 0


def test_a_question_is_counted_along_time_explained_and_kept(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    sentinel("query", data=tmp_path)
    with App(load(tmp_path / "sentinel.toml")).writing() as store:
        fields = {"@timestamp": iso(now), "user.name": "root"}
        store.append([Event(f"{number:032x}", number, now, now, fields) for number in range(1, 4)])
    asked = sentinel("query", "user.name:root", "--save", "roots", "--over-time", "--json", data=tmp_path)
    assert sum(json.loads(line)["count"] for line in asked.stdout.splitlines()) == 3
    assert "user.name" in json.loads(sentinel("query", "@roots", "--explain", "--json", data=tmp_path).stdout)["where"]
    assert json.loads(sentinel("query", "--saved", "--json", data=tmp_path).stdout)["query"] == "user.name:root"
