"""A segments file is looked through for what cannot be meant, and one is proposed from what was seen, never broader."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.content import content
from sentinel.core.event import Origin, Raw
from sentinel.parse.packs import load_one
from sentinel.sense.detections.paths import Settings, Violations
from sentinel.sense.filepass import FilePass
from sentinel.sense.findings import Scene
from sentinel.sense.policy import bans, examine, networks_of
from sentinel.sense.proposal import Proposal, Sight
from sentinel.sense.records import ICMP, SECOND, TCP, UDP, Flow, State
from sentinel.sense.segments import Segments, parsed, segments_of
from sentinel.sense.settings import SenseSettings
from sentinel.sense.writing import encode
from sentinel.testing.packets import ACK, RST, Frame, Story
from tests.living import City

NETWORKS = """
segments:
  townhall: [10.10.1.0/24, "2001:db8:1::/48"]
  hr: [10.10.5.0/24]
  schools: [10.20.0.0/16, "2001:db8:20::/48"]
"""
DAY = 86_400 * SECOND
START = 20_000 * DAY


def told(text: str) -> list[str]:
    return [f"{one.level}: {one.where}: {one.what}" for one in examine(parsed(text))]


def test_a_file_that_makes_sense_has_nothing_wrong() -> None:
    text = NETWORKS + "allow:\n  - {from: schools, to: townhall, ports: [53, 443]}\n  - {from: hr, to: '*'}\n"
    text += "deny_note: schools may never open 22, 3389 or 5900-5910 towards any administration segment.\n"
    assert told(text) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("words", "refused: file: there has to be a table `segments`"),
        ("segments: {a: [10.0.0.1/8], b: 10.9.0.0/16}", "refused: segments: a: 10.0.0.1/8 has host bits set"),
        (NETWORKS + "allows: []", "refused: allows: is no key of a segments file"),
        (NETWORKS + "allow: [{from: schols, to: hr}]", "refused: allow 1: there is no segment 'schols'; did you mean"),
        (NETWORKS + "allow: [{from: hr, to: schools, ports: [70000]}]", "refused: allow 1: 70000 is no port"),
        ("segments: {a: [10.0.0.0/8], b: [10.0.0.0/8]}", "wrong: segments: b: 10.0.0.0/8 belongs to a as well"),
        ("segments: {a: [10.0.0.0/8], b: [10.9.0.0/16]}", "remark: segments: b: 10.9.0.0/16 lies in 10.0.0.0/8 of a"),
        ("segments: {a: [10.0.0.0/8, 10.9.0.0/16]}", "remark: segments: a: 10.9.0.0/16 lies in 10.0.0.0/8, which is"),
        (
            "segments: {a: [10.0.0.0/8], b: [10.0.0.0/9], c: [10.128.0.0/9]}",
            "wrong: segments: a: every address of 10.0.0.0/8 belongs to narrower networks",
        ),
        ("segments: {a: [], b: [10.0.0.0/8]}", "wrong: segments: a: has no networks"),
        ("segments: {a: [], b: [10.0.0.0/8]}\nallow: [{from: a, to: b}]", "wrong: allow 1: is never asked: no address"),
        (NETWORKS + "allow: [{from: hr, to: hr, ports: [1]}]", "wrong: allow 1: is never asked: within one segment"),
        (NETWORKS + "allow: [{from: hr, to: schools, ports: []}]", "wrong: allow 1: allows no port at all"),
        (NETWORKS + "allow: [{from: '*', to: '*'}]", "wrong: allow 1: allows everything to everybody"),
        (NETWORKS + "allow: [{from: ['*', hr], to: schools}]", "remark: allow 1: `from` names segments beside"),
        (
            NETWORKS + "allow: [{from: schools, to: hr, ports: [80]}, {from: '*', to: hr, ports: [80, icmp]}]",
            "wrong: allow 1: changes nothing: all of it is allowed already, by allow 2",
        ),
        (
            NETWORKS + "allow: [{from: schools, to: hr, ports: [80]}, {from: schools, to: hr, ports: [80]}]",
            "wrong: allow 2: changes nothing: all of it is allowed already, by allow 1",
        ),
        (
            NETWORKS
            + 'allow: [{from: schools, to: hr, ports: ["1-10"]}, {from: schools, to: hr, ports: ["11-20"]},'
            + '{from: schools, to: hr, ports: ["5-15"]}]',
            "wrong: allow 3: changes nothing: all of it is allowed already, by allow 1, allow 2",
        ),
        (
            NETWORKS + "allow: [{from: '*', to: townhall, ports: ['400-450']}]\n"
            "deny_note: Schools may never open 22, 445 towards any administration segment",
            'wrong: allow 1: lets schools open 445 of townhall, of which a note says: "Schools may never open 22, 445',
        ),
        (
            NETWORKS + "allow: [{from: schools, to: townhall, ports: [22, 3389]}, {from: schools, to: hr}]\n"
            "deny_note: [schools nie 3389-3390 zu hr, hr never 1 to schools]",
            "wrong: allow 2: lets schools open 3389-3390 of hr, of which a note says",
        ),
        (NETWORKS + "deny_note: nobody may ever, never do that", 'remark: deny_note: "nobody may ever, never do that"'),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_told_with_its_place(text: str, words: str) -> None:
    assert [one for one in told(text) if one.startswith(words)], told(text)


def test_a_path_that_adds_one_port_is_not_shadowed_and_one_towards_others_breaks_no_note() -> None:
    text = NETWORKS + "allow: [{from: schools, to: hr, ports: [80]}, {from: schools, to: hr, ports: [80, icmp]}]\n"
    text += "deny_note: schools may never open 80 towards townhall"
    assert told(text) == ["wrong: allow 1: changes nothing: all of it is allowed already, by allow 2"]


def test_a_key_given_twice_is_refused_because_one_would_win_silently(tmp_path: Path) -> None:
    path = tmp_path / "segments.yaml"
    path.write_text(NETWORKS + "allow: []\nallow: [{from: '*', to: '*'}]\n")
    done = City(tmp_path).sentinel("sense", "policy", "check", str(path), code=3)
    assert "'allow' is there twice (line 7)" in done.stderr


def test_the_command_ends_with_what_it_found(tmp_path: Path) -> None:
    city, path = City(tmp_path), tmp_path / "segments.yaml"
    path.write_text(NETWORKS + "allow: [{from: schools, to: hr, ports: [80]}]\n")
    assert city.json("sense", "policy", "check", str(path)) == []
    path.write_text(NETWORKS + "allow: [{from: schools, to: schools}]\n")
    (found,) = city.json("sense", "policy", "check", str(path), code=1)
    assert (found["level"], found["where"]) == ("wrong", "allow 1")
    path.write_text(NETWORKS + "allow: [{from: schools, to: land}]\n")
    assert "there is no segment 'land'" in city.sentinel("sense", "policy", "check", str(path), code=3).stderr


def test_the_labelled_captures_policy_contradicts_its_own_note(samples: Path) -> None:
    found = told((samples / "segments.yaml").read_text("utf-8"))
    assert [one for one in found if one.startswith("wrong: allow 1: lets schools open 445 of townhall")]
    assert [one for one in found if one.startswith("wrong: allow 5: changes nothing")]


SCHOOL, HALL, HR = "10.20.1.5", "10.10.1.20", "10.10.5.20"


def flow(
    src: str = SCHOOL,
    dst: str = HALL,
    port: int = 443,
    *,
    proto: int = TCP,
    state: State = "established",
    sport: int = 50_000,
    day: int = 0,
    packets: int = 4,
) -> Flow:
    start = START + day * DAY
    return Flow(
        time=start,
        end=start + SECOND,
        src=src,
        dst=dst,
        sport=sport,
        dport=port,
        proto=proto,
        state=state,
        packets_out=packets,
        packets_in=0 if state == "unanswered" else packets,
    )


def proposed(flows: Iterable[Flow], more: str = "") -> str:
    document = parsed(NETWORKS + more)
    segments, notes = networks_of(document)
    proposal = Proposal(segments, bans(document, segments.networks), notes)
    for one in flows:
        proposal.see(Sight.of(one))
    return proposal.text("a test")


def rules(text: str) -> list[object]:
    document = parsed(text)
    assert isinstance(document, dict)
    return list(document["allow"])


def test_what_is_usual_and_what_is_rare_stand_apart_with_their_evidence() -> None:
    usual = [flow(port=port, day=day) for port in (443, 444, 53) for day in range(5)]
    text = proposed([*usual, flow(SCHOOL, HR, 445, day=2), flow(HALL, HR, 80, day=9)])
    assert rules(text) == [
        {"from": "schools", "to": "hr", "ports": [445]},
        {"from": "schools", "to": "townhall", "ports": [53, "443-444"]},
        {"from": "townhall", "to": "hr", "ports": [80]},
    ]
    assert "#   443/tcp: 5 flows, 1 client, 1 server, 5 days\n" in text
    assert "#   445/tcp: 1 flow, 1 client, 1 server, 1 day - rare: 10.20.1.5 -> 10.10.5.20\n" in text
    assert "  - {from: schools, to: hr, ports: [445]}  # rare\n" in text


def test_attempts_are_no_use_and_what_goes_one_way_is_if_it_goes_on() -> None:
    scan = [flow(port=port, state="refused") for port in range(1, 100)]
    scan += [flow(port=port, proto=UDP, state="unanswered", packets=1) for port in range(200, 230)]
    syslog = [flow(port=514, proto=UDP, state="unanswered", day=day, packets=4) for day in range(3)]
    text = proposed([*scan, *syslog, flow(port=8, proto=ICMP, state="unanswered")])
    assert rules(text) == [{"from": "schools", "to": "townhall", "ports": [514]}]
    assert "#   514/udp: 3 flows, 1 client, 1 server, 3 days, nobody answered" in text
    assert "#   129 attempts came to nothing and count for nothing" in text


def test_an_answer_whose_question_nobody_saw_is_the_services() -> None:
    seen = [flow(port=8_443, sport=50_001), flow(HALL, SCHOOL, 50_002, sport=8_443, state="midstream")]
    assert rules(proposed(seen)) == [{"from": "schools", "to": "townhall", "ports": [8_443]}]
    assert rules(proposed(seen[1:])) == [{"from": "schools", "to": "townhall", "ports": [8_443]}]


def test_ports_that_a_system_gave_out_are_told_and_not_widened() -> None:
    text = proposed([flow(port=port, day=day) for port in (49_700, 49_702) for day in range(5)])
    assert rules(text) == [{"from": "schools", "to": "townhall", "ports": [49_700, 49_702]}]
    assert "2 of the ports were given out by a system" in text


def test_what_a_note_forbids_is_told_and_not_proposed() -> None:
    text = proposed([flow(dst=HR, port=port, day=day) for port in (445, 443) for day in range(5)],
                    "deny_note: schools may never open 445 towards hr\n")  # fmt: skip
    assert rules(text) == [{"from": "schools", "to": "hr", "ports": [443]}]
    assert "#   445/tcp: 5 flows, 1 client, 1 server, 5 days - NOT PROPOSED: schools may never open 445" in text
    assert told(text) == []


def test_word_of_another_flow_is_no_path_and_breaks_none() -> None:
    unreachable = flow(HALL, SCHOOL, 3, proto=ICMP, state="unanswered", sport=3)
    watch = Violations(Settings(), Scene(segments_of(parsed(NETWORKS))))
    assert list(watch.take(unreachable)) == []
    assert len(list(watch.take(flow(HALL, SCHOOL, 0, proto=ICMP, state="unanswered", sport=8)))) == 1
    text = proposed([unreachable])
    assert rules(text) == []
    assert "attempts" not in text


HOSTS = {
    "townhall": ("10.10.1.20", "10.10.1.21", "2001:db8:1::20"),
    "hr": ("10.10.5.20",),
    "schools": ("10.20.1.5", "10.20.200.7", "2001:db8:20::5"),
}
PORTS = st.one_of(st.sampled_from([0, 22, 53, 80, 443, 444, 445, 514, 8_080, 49_700, 49_701]), st.integers(0, 65_535))


@st.composite
def uses(draw: st.DrawFn) -> Flow:
    """Draw a flow that came about, within a segment or between two."""
    src, dst = (draw(st.sampled_from([host for hosts in HOSTS.values() for host in hosts])) for _ in range(2))
    proto = draw(st.sampled_from([TCP, TCP, UDP, ICMP, 47]))
    state: State = draw(st.sampled_from(["established", "midstream"])) if proto == TCP else "answered"
    port = {ICMP: 0, 47: 0}.get(proto, draw(PORTS))
    return flow(src, dst, port, proto=proto, state=state, sport=draw(PORTS), day=draw(st.integers(0, 6)))


@given(st.lists(uses(), max_size=30))
def test_a_proposal_allows_every_flow_it_was_made_from_and_nothing_between_segments_never_seen(
    flows: list[Flow],
) -> None:
    text = proposed(flows)
    assert [one for one in told(text) if not one.startswith("remark")] == []
    segments = segments_of(parsed(text))
    watch = Violations(Settings(), Scene(segments))
    assert [found for one in flows for found in watch.take(one)] == []
    seen: dict[tuple[str, str], set[int]] = {}
    icmp: set[tuple[str, str]] = set()
    for one in flows:
        src, dst = segments.of(one.src), segments.of(one.dst)
        ways = [(src, dst, one.dport)] + ([(dst, src, one.sport)] if one.state == "midstream" else [])
        for begin, end, port in ways:
            seen.setdefault((begin, end), set()).update([] if one.proto == ICMP else [port])
            icmp |= {(begin, end)} if one.proto == ICMP else set()
    for allowed in segments.allowed:
        ((src,), (dst,)) = allowed.src, allowed.dst
        assert (src, dst) in seen
        ports = {port for low, high in allowed.ports for port in range(low, high + 1)}
        assert ports <= seen[src, dst]
        assert not allowed.icmp or (src, dst) in icmp


NAMES = st.text(min_size=1, max_size=12).filter(lambda name: name != "*")


@given(st.lists(NAMES, unique=True, min_size=2, max_size=4), st.text(max_size=30))
def test_names_and_notes_of_any_kind_come_back_as_they_were(names: list[str], note: str) -> None:
    networks = {name: [ip_network(f"10.{number}.0.0/16")] for number, name in enumerate(names)}
    proposal = Proposal(Segments(networks), (), {"any_note": note})
    for _ in range(5):
        proposal.see(Sight.of(flow("10.0.0.1", "10.1.0.1", 80)))
    text = proposal.text("a test").encode("utf-8").decode("utf-8")
    document = parsed(text)
    assert isinstance(document, dict)
    assert [*document["segments"]] == names
    assert document["any_note"] == note
    one, other, *_ = names
    assert document["allow"] == [{"from": one, "to": other, "ports": [80]}]


@pytest.mark.parametrize("kind", ["embedded", "elasticsearch"])
def test_captures_and_the_stored_flows_of_the_same_propose_the_same(
    kind: str, capture: Callable[[Iterable[Frame]], Path], story: Story, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    more = ""
    if kind == "elasticsearch":
        url, prefix = (request.getfixturevalue(name) for name in ("elastic_url", "elastic_prefix"))
        more = f'[store]\nkind = "elasticsearch"\nurl = "{url}"\nprefix = "{prefix}"\n'
    city = City(tmp_path, more)
    noon_yesterday = (int(city.clock.now().timestamp()) // 86_400 - 1) * 86_400 + 43_200
    begin = noon_yesterday * SECOND
    for number in range(6):
        story.talk(
            begin + number * SECOND, SCHOOL, HALL, 8_080, [(b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 204 No\r\n\r\n")]
        )
        story.look_up(begin + number * SECOND, SCHOOL, HALL, "portal.example.org", ["192.0.2.9"])
    for port in range(30, 60):
        story.knock(begin + port * SECOND, SCHOOL, HR, port, answer=RST | ACK)
    story.ping(begin, HALL, HR, 3)
    path, networks = capture(story.frames), tmp_path / "segments.yaml"
    networks.write_text(NETWORKS)
    pack = load_one(content("parsers") / "sensor")
    for record in FilePass(path, SenseSettings()):
        body = encode(record)
        if type(record) is Flow and body is not None:
            raw = Raw(body, "sensor", city.clock.now(), Origin("sensor", "", "0"))
            city.keep(city.event(fields, datetime.fromtimestamp(begin / SECOND, UTC)) for fields in pack.parse(raw))
    learn = ("sense", "policy", "learn", "--segments", str(networks))
    from_store = city.sentinel(*learn, "--last", "7d").stdout
    from_capture = city.sentinel(*learn, "--pcap", str(path)).stdout
    assert "#   8080/tcp: 6 flows, 1 client, 1 server, 1 day\n" in from_store
    assert "#   30 attempts came to nothing" in from_store
    assert from_store.splitlines()[1:] == from_capture.splitlines()[1:]
    networks.write_text(from_store)
    assert city.json("sense", "policy", "check", str(networks)) == []
    assert rules(from_store) == [
        {"from": "schools", "to": "townhall", "ports": [53, 8_080]},
        {"from": "townhall", "to": "hr", "ports": ["icmp"]},
    ]


def test_learning_needs_to_know_from_what_and_which_networks(tmp_path: Path) -> None:
    city = City(tmp_path)
    assert "Give --pcap FILE" in city.sentinel("sense", "policy", "learn", code=2).stderr
    assert "which networks are there?" in city.sentinel("sense", "policy", "learn", "--last", "7d", code=2).stderr
