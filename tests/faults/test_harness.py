"""The harness itself: it sees what is lost, doubled, altered or foreign, and says when nothing was put to the proof."""

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.faults import judge, payload
from tests.faults.oracle import Known, Oracle
from tests.faults.points import points
from tests.faults.trial import EVERY, Trial

FAULTS = {"kill -9": 1}


def test_the_oracle_gives_no_id_twice_and_forgets_nothing(tmp_path: Path) -> None:
    known = Known({}, frozenset())
    for turn in range(2):
        with Oracle(tmp_path / "oracle.db") as oracle:
            first, second = oracle.issue(3, "relp"), oracle.issue(2, "http")
            assert not set(first) & set(second)
            oracle.acked([first[0], second[1]])
            oracle.acked([first[0]])
            known = oracle.known()
            assert len(known.issued) == 5 * (turn + 1)
            assert known.issued[first[2]] == "relp"
            assert {first[0], second[1]} <= known.acked
    assert len(known.acked) == 4


def test_the_judge_complains_of_each_thing_by_itself() -> None:
    known = Known(dict.fromkeys(range(1, 6), "relp"), frozenset({1, 2}))
    well = Counter([1, 2, 3])
    assert judge.verdict(known, well, frozenset(), FAULTS).complaints == []
    for stored, altered, faults, word in (
        (Counter([1, 3]), frozenset(), FAULTS, "not stored: [2]"),
        (Counter([1, 2, 3, 3]), frozenset(), FAULTS, "more than once: [3]"),
        (Counter([1, 2, 9]), frozenset(), FAULTS, "never issued: [9]"),
        (well, frozenset({1}), FAULTS, "other words than were sent: [1]"),
        (well, frozenset(), {"kill -9": 0}, "no fault happened"),
    ):
        (complaint,) = judge.verdict(known, stored, frozenset(altered), faults).complaints
        assert word in complaint


@pytest.mark.parametrize("number", [1, 101, 999_999_999])
def test_words_are_known_again_and_one_other_byte_is_noticed(number: int) -> None:
    for text in (payload.line(number), payload.beat(number).decode()):
        assert payload.number_of(text) == number
        assert payload.holds(text, number)
        assert not payload.holds(text.replace("Grüße", "Grüsse", 1), number)
        assert not payload.holds(text[:-4], number)


def test_without_a_fault_a_trial_proves_nothing_and_says_so(trial: Trial) -> None:
    trial.start()
    for kind in EVERY:
        trial.producer(kind).once()
    verdict = trial.judged()
    assert verdict.complaints == ["no fault happened: this proves nothing"]
    assert verdict.stored == len(EVERY) + 4


def test_a_store_taken_away_is_noticed_as_a_loss(trial: Trial) -> None:
    trial.start()
    trial.producer("relp").once()
    assert trial.judged().lost == frozenset()
    shutil.rmtree(trial.running.folder / "data/store")
    trial.faults["store removed"] += 1
    known = trial.oracle.known()
    assert judge.verdict(known, *judge.stored(trial.running.config), trial.faults).lost == known.acked


def test_the_manual_names_every_fault_once_and_tests_that_are_there() -> None:
    root = Path(__file__).resolve().parents[2]
    rows = (root / "deploy/docs/reliability.md").read_text("utf-8").partition("## Proofs")[2].splitlines()
    faults = re.findall(r"\bF(\d\d)\b", "".join(row.split("|")[1] for row in rows if row.startswith("|")))
    assert sorted(faults) == [f"{number:02d}" for number in range(1, 34)]
    named = re.findall(r"`(tests/[\w/]+\.py)`", "".join(rows))
    assert len(set(named)) > 20
    assert [name for name in set(named) if not (root / name).is_file()] == []
    mine = {f"tests/faults/{path.name}" for path in Path(__file__).parent.glob("test_*.py")}
    assert mine - set(named) == {"tests/faults/test_harness.py"}


def test_kill_points_are_found_also_where_their_names_are_put_together() -> None:
    assert {"spool.checkpoint.tmp", "alert.before_commit", "collect.durable"} <= set(points())
