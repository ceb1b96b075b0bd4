"""Port scans: just enough is one, just too little is none, and the numbers are on the finding."""

from hypothesis import given
from hypothesis import strategies as st

from sentinel.sense.detections.scans import Scan, Scans, ScanWatch, Settings, find_scans
from sentinel.sense.records import SECOND, Flow, State

SCHOOL, TOWN_HALL = "10.20.17.23", "10.10.1.20"
START = (494_444 * 3_600 + 1_000) * SECOND  # 1000 s into an hour


def flow(
    port: int, *, at: float = 0, dst: str = TOWN_HALL, src: str = SCHOOL, state: State = "refused", proto: int = 6
) -> Flow:
    start = START + int(at * SECOND)
    return Flow(
        time=start,
        end=start + SECOND // 10,
        src=src,
        dst=dst,
        proto=proto,
        sport=50_000,
        dport=port,
        packets_out=1,
        packets_in=0 if state == "unanswered" else 1,
        state=state,
    )


def scans(flows: list[Flow], limits: Settings | None = None) -> list[Scan]:
    return list(find_scans(flows, limits))


def test_fifteen_ports_of_one_host_are_a_vertical_scan_and_fourteen_are_none() -> None:
    assert scans([flow(port) for port in range(1, 15)]) == []
    (scan,) = scans([flow(port) for port in range(1, 16)])
    assert (scan.kind, scan.src, scan.target, scan.distinct) == ("scan.vertical", SCHOOL, TOWN_HALL, 15)


def test_twenty_hosts_on_one_port_are_a_horizontal_scan_and_nineteen_are_none() -> None:
    def sweep(count: int) -> list[Flow]:
        return [flow(445, dst=f"10.10.2.{host}", state="unanswered") for host in range(1, count + 1)]

    assert scans(sweep(19)) == []
    (scan,) = scans(sweep(20))
    assert (scan.kind, scan.target, scan.distinct, scan.unanswered) == ("scan.horizontal", "445", 20, 20)


def test_three_probes_no_stack_sends_are_a_stealth_scan_and_two_are_none() -> None:
    assert scans([flow(port, state="probe") for port in (1, 2)]) == []
    (scan,) = scans([flow(port, state="probe") for port in (1, 2, 3)])
    assert (scan.kind, scan.distinct) == ("scan.stealth", 3)


def test_one_port_tried_a_thousand_times_is_no_scan() -> None:
    assert scans([flow(9100, at=number / 10, state="unanswered") for number in range(1000)]) == []


def test_connections_that_came_about_are_no_scan() -> None:
    assert scans([flow(port, state="established") for port in range(1, 100)]) == []
    assert scans([flow(port, state="midstream") for port in range(1, 100)]) == []


def test_ports_of_udp_are_not_counted_here() -> None:
    assert scans([flow(port, state="unanswered", proto=17) for port in range(1, 100)]) == []


def test_the_window_slides() -> None:
    assert scans([flow(port, at=port * 21.5) for port in range(1, 60)]) == []
    # seven before a full five minutes of the clock, eight after: no fixed bucket holds them all
    (scan,) = scans([flow(port, at=100 + port * 20) for port in range(1, 16)])
    assert scan.distinct == 15


def test_a_port_tried_again_counts_where_it_was_tried_last() -> None:
    early = [flow(port, at=0) for port in range(1, 11)]
    late = [flow(port, at=290) for port in range(1, 6)]
    more = [flow(port, at=400) for port in range(11, 20)]
    assert scans([*early, *late, *more]) == []
    (scan,) = scans([*early, *late, *more, flow(20, at=401)])
    assert scan.distinct == 15


def test_the_order_in_which_flows_end_does_not_matter() -> None:
    flows = [flow(port, at=port * 10) for port in range(1, 40)]
    assert scans(flows) == scans(flows[::-1])


def test_a_scan_is_told_when_its_fifteenth_port_has_failed_and_with_all_its_numbers_in_the_end() -> None:
    detector = Scans(Settings())
    told = [list(detector.take(flow(port))) for port in range(1, 40)]
    assert [len(some) for some in told] == [0] * 14 + [1] + [0] * 24
    assert told[14][0].kind == "scan.vertical"
    *_, last = detector.close()
    assert last.numbers["distinct"] == 39


def test_what_is_settled_waits_no_longer() -> None:
    watch = ScanWatch(Settings())
    assert [scan for port in range(1, 16) for scan in watch.see(flow(port))] == []
    (scan,) = watch.see(flow(443, at=301, state="established")) + watch.see(flow(1, at=302))
    assert scan.distinct == 15


def test_one_finding_an_hour_with_everything_counted() -> None:
    found = scans([flow(1 + number % 100, at=number * 2) for number in range(3000)])
    assert [scan.kind for scan in found] == ["scan.vertical", "scan.vertical"]
    assert sum(scan.attempts for scan in found) == 3000
    assert all(scan.distinct == 100 and len(scan.examples) == 20 for scan in found)
    assert found[0].start // (3600 * SECOND) + 1 == found[1].start // (3600 * SECOND)


def test_two_sources_are_two_scans() -> None:
    flows = [flow(port, src=src) for port in range(1, 20) for src in ("10.20.1.1", "10.20.2.2")]
    assert sorted(scan.src for scan in scans(flows)) == ["10.20.1.1", "10.20.2.2"]


def test_the_sentence_gives_the_numbers() -> None:
    refused = [flow(port) for port in range(1, 11)]
    (scan,) = scans([*refused, *(flow(port, state="unanswered") for port in range(11, 21))])
    assert scan.explain() == (
        "10.20.17.23 tried 20 ports of 10.10.1.20 within 300 s and got no connection (20 attempts, 10 without answer, "
        "10 refused or reset; from 15 on it is a scan): 1, 2, 3, 4, 5 …"
    )


def test_what_is_remembered_is_bounded() -> None:
    limits = Settings(keys_max=10, targets_max=30, waiting_max=5)
    noise = [flow(80, dst=f"10.10.{host // 250}.{1 + host % 250}", at=host / 100) for host in range(500)]
    ports = [flow(port, at=6 + port / 1000) for port in range(1, 200)]
    found = scans([*noise, *ports], limits)
    assert {(scan.kind, scan.distinct) for scan in found} == {("scan.horizontal", 30), ("scan.vertical", 30)}


@given(
    ports=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 3000)), max_size=80),
    window=st.integers(1, 600),
    limit=st.integers(1, 20),
)
def test_a_scan_is_found_exactly_if_some_window_holds_enough_ports(
    ports: list[tuple[int, int]], window: int, limit: int
) -> None:
    start = START // (3600 * SECOND) * 3600
    flows = [flow(port, at=at - (START // SECOND - start)) for port, at in ports]
    found = scans(flows, Settings(window_seconds=window, ports=limit))
    best = max((len({port for port, at in ports if end - window <= at <= end}) for _, end in ports), default=0)
    assert [scan.distinct for scan in found] == ([best] if best >= limit else [])
