"""What detections say is told once an hour, the operator's numbers are taken, and what does not fit is refused."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from sentinel.core.errors import ConfigError
from sentinel.sense import applications, detections, records
from sentinel.sense.findings import Finding, Folding, Prompt, Scene
from sentinel.sense.judge import ByType, Judge
from sentinel.sense.records import SECOND, Arp, Dhcp, Flow, OpenFlow, Record
from sentinel.sense.segments import Segments, read_segments

START = 494_444 * 3_600 * SECOND


def found(count: int, at: int = 0) -> Finding:
    return Finding(kind="scan.arp", start=START + at * SECOND, end=START, explanation=f"{count}", src="10.20.1.5")


def test_the_first_of_equal_findings_is_told_at_once_and_the_latest_at_the_end_of_the_hour() -> None:
    fold = Folding(Segments())
    assert [one.explanation for one in fold([found(5)])] == ["5"]
    assert list(fold([found(6), found(7, at=9)])) == []
    assert list(fold.until(START + 3_599 * SECOND)) == []
    (last,) = fold.until(START + 3_600 * SECOND)
    assert (last.explanation, last.start) == ("7", START)
    assert list(fold.close()) == []


def test_what_has_not_grown_is_not_told_again() -> None:
    fold = Folding(Segments())
    assert len(list(fold([found(5), found(5)]))) == 1
    assert list(fold.close()) == []


def test_what_is_held_is_bounded_and_let_go_with_its_latest_numbers() -> None:
    fold = Folding(Segments(), held_max=2)
    list(fold([found(1), found(2)]))
    told = list(fold([found(3, at=3_600), found(4, at=7_200)]))
    assert [one.explanation for one in told] == ["3", "2", "4"]


def test_the_operators_numbers_reach_the_detections() -> None:
    def scans(tuning: detections.Tuning) -> int:
        return len(detections.load(tuning, Scene()))

    assert scans({"scans": {"ports": 30}}) == scans({}) >= 1


@pytest.mark.parametrize(
    ("tuning", "words"),
    [
        ({"scan": {}}, "did you mean 'scans'"),
        ({"scans": {"prots": 3}}, "did you mean 'ports'"),
        ({"scans": {"ports": "many"}}, "'many' does not fit"),
        ({"scans": {"ports": True}}, "True does not fit"),
        ({"scans": {"ports": -1}}, "not negative"),
    ],
)
def test_a_number_that_cannot_be_is_refused(tuning: detections.Tuning, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        detections.load(tuning, Scene())


class NewCards:
    """A small detection that learns: which cards there are."""

    def __init__(self) -> None:
        self.known: set[str] = set()

    def learn(self, record: Arp) -> None:
        self.known.add(record.src_mac)

    def take(self, record: Arp | Dhcp) -> Iterable[Finding]:
        if record.src_mac not in self.known:
            return [Finding(kind="new.host", start=record.time, end=record.time, explanation="new", src=record.src)]
        return []

    def close(self) -> Iterable[Finding]:
        return ()

    def memory(self) -> object:
        return sorted(self.known)

    def recall(self, memory: object) -> None:
        self.known = set(memory) if isinstance(memory, list) else set()


def test_what_was_learned_is_not_found_and_nothing_is_found_while_learning() -> None:
    judge = Judge([NewCards()], Segments())
    known, new = (Arp(time=START, src="10.10.1.5", src_mac=f"02:00:00:00:00:0{card}") for card in (1, 2))
    judge.learning = True
    assert list(judge.take(known)) == []
    judge.learning = False
    judge.recall(judge.memory())
    assert judge.recall([]) == ["it is no table of what detections learned"]
    assert list(judge.take(known)) == []
    assert [one.kind for one in judge.take(new)] == ["new.host"]


def test_a_detection_is_shown_the_types_that_it_names_and_no_other() -> None:
    seen: list[object] = []

    class Everything(Prompt):
        def take(self, record: Record) -> Iterable[Finding]:
            seen.append(type(record))
            return ()

    class EndedFlows(Prompt):
        def take(self, record: Flow) -> Iterable[Finding]:
            seen.append(f"ended {record.type}")
            return ()

    judge = Judge([NewCards(), EndedFlows(), Everything()], Segments())
    offer = Dhcp(time=START, src="10.10.1.6", src_mac="02:00:00:00:00:09")
    told = [
        one
        for record in (offer, Flow(time=START, end=START), OpenFlow(time=START, end=START))
        for one in judge.take(record)
    ]
    assert [one.src for one in told] == ["10.10.1.6"]
    assert seen == [Dhcp, "ended flow", Flow, OpenFlow]


def test_every_detection_names_types_that_there_are() -> None:
    there = {one for module in (records, applications) for one in vars(module).values() if isinstance(one, type)}
    shown = {kind for kind in there if issubclass(kind, Record) and kind.type}
    for detector in detections.load({}, Scene()):
        takers = ByType([detector.take])
        assert any(takers[kind] for kind in shown), detector


def test_a_segments_file_says_where_an_address_is_and_what_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "segments.yaml"
    path.write_text(
        """
        segments: {rathaus: [10.10.1.0/24, "2001:db8:1::/48"], schulen: [10.20.0.0/16], labor: 10.20.9.0/24}
        allow:
          - {from: schulen, to: [rathaus], ports: [53, "8000-8010", icmp]}
          - {from: rathaus, to: "*"}
        deny_note: schools stay out
        """
    )
    segments = read_segments(path)
    assert [segments.of(one) for one in ("10.10.1.9", "2001:db8:1::7", "10.20.1.1", "10.20.9.1", "192.0.2.1", "x")] == [
        "rathaus", "rathaus", "schulen", "labor", "", "",
    ]  # fmt: skip
    school, hall = "10.20.1.1", "10.10.1.9"
    assert [segments.allows(school, hall, port, 6) for port in (53, 8_000, 8_010, 8_011, 22)] == [
        True, True, True, False, False,
    ]  # fmt: skip
    assert segments.allows(school, hall, 0, 1)
    assert segments.allows(hall, school, 22, 6)
    assert segments.allows(hall, school, 0, 1)
    assert segments.allows(school, "192.0.2.1", 22, 6)
    assert not segments.allows("10.20.9.1", hall, 53, 17)
    (placed,) = Folding(segments)([found(1)])
    assert (placed.src_segment, placed.dst_segment) == ("schulen", "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("just words", "a table `segments`"),
        ("segments: {a: [10.0.0.0/8]}\nallows: []", "unknown key 'allows'"),
        ("segments: {a: [10.0.0.1/8]}", "host bits set"),
        ("segments: {amt: [10.0.0.0/8]}\nallow: [{from: atm, to: amt}]", "did you mean 'amt'"),
        ("segments: {amt: [10.0.0.0/8]}\nallow: [{from: amt}]", "has to have `from` and `to`"),
        ("segments: {amt: [10.0.0.0/8]}\nallow: [{from: amt, to: amt, ports: [70000]}]", "70000 is no port"),
        ("segments: {amt: [10.0.0.0/8", "no valid YAML"),
    ],
)
def test_a_segments_file_that_cannot_be_is_refused_with_what_to_change(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "segments.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_segments(path)
