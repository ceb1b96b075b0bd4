"""The model city: the same for a seed, read by the packs without a dead letter, true about its stories."""

import socket
import threading
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from sentinel.app import App
from sentinel.cli.replay import _records
from sentinel.cli.tree import app as command_line
from sentinel.config import load
from sentinel.core.clock import ManualClock
from sentinel.core.errors import SentinelError, UsageError
from sentinel.core.event import Entry, Event, Raw
from sentinel.parse.record import Reader
from sentinel.testing.city import City, folder
from sentinel.testing.city.living import DELAY, records, spoken, weeks
from sentinel.testing.city.sending import send
from sentinel.testing.city.town import PROXY, people, schools
from sentinel.testing.scene import known

WEEK = datetime(2026, 11, 16, tzinfo=UTC)  # with Buß- und Bettag, a public holiday in Saxony, on its Wednesday
TUESDAY = WEEK + timedelta(days=1)
HOUR = timedelta(hours=1)
SLOW_CLOCK = "fw-schule-17"
VENDORS = {
    "auth.log", "bind.log", "dhcp.log", "exchange.tracking", "fortinet.firewall", "nginx.access", "pfsense.filterlog",
    "postfix.log", "squid.access", "sshd.log", "windows.eventlog",
}  # fmt: skip
STORIES = {
    "forgotten_administrator", "invoice_fraud", "kerberoasting", "log_clearing", "mail_in_a_thread",
    "personnel_files_at_night", "phishing_to_ransomware", "portal_attack", "portal_spraying", "print_spooler",
    "school_beacon", "school_false_router", "slow_scan", "tax_data_over_dns", "tax_data_over_https",
    "vpn_without_second_factor",
}  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the week's Monday, made by the command."""
    target = tmp_path_factory.mktemp("city") / "city"
    words = ["simulate", str(target), "--start", "2026-11-16", "--days", "1", "--scale", "0.001", "--seed", "3"]
    command_line(words, standalone_mode=False)
    return target


@pytest.fixture(scope="module")
def reader(written: Path) -> Reader:
    """Return the shipped packs, with the city's inventory and calendar."""
    return App(load(written / "sentinel.toml")).reader


def read(reader: Reader, raws: Iterable[Raw]) -> list[Event]:
    return [event for seq, raw in enumerate(raws, start=1) for event in reader.read(Entry(seq, raw.received, raw))]


def bodies(city: City, begin: datetime, hours: float) -> list[bytes]:
    return [line.body for line in city.lines(begin, begin + hours * HOUR)]


def test_the_same_seed_writes_the_same_bytes_from_wherever_it_is_asked() -> None:
    whole = bodies(City(5, 0.001), TUESDAY + 8 * HOUR, 1)
    assert len(whole) > 500
    assert whole == bodies(City(5, 0.001), TUESDAY + 8 * HOUR, 0.4) + bodies(City(5, 0.001), TUESDAY + 8.4 * HOUR, 0.6)
    assert set(whole).isdisjoint(line for line in bodies(City(6, 0.001), TUESDAY + 8 * HOUR, 1) if b"filterlog" in line)


def test_volume_follows_the_scale() -> None:
    small, large = (len(bodies(City(1, scale), TUESDAY + 9 * HOUR, 0.1)) for scale in (0.02, 0.2))
    assert 5 < large / small < 11  # firewalls that only ask for the time do so at every scale


def test_nights_and_holidays_are_quiet() -> None:
    def offices(day: int, hour: int) -> int:
        begin = WEEK + timedelta(days=day, hours=hour)
        return sum(line.device == PROXY.address for line in City(1, 0.01).lines(begin, begin + HOUR / 2))

    workday = offices(1, 9)
    assert offices(2, 9) < workday / 20  # Buß- und Bettag
    assert offices(5, 9) < workday / 20
    assert offices(1, 2) < workday / 20
    assert offices(1, 11) < workday * 0.7  # lunch


def test_there_are_as_many_people_and_devices_as_in_the_city() -> None:
    assert len({person.address for person in people()}) == len({person.login for person in people()}) == 2000
    assert (len(schools()), sum(school.devices for school in schools())) == (85, 15_000)
    assert {line.device for line in City(1, 0.0001).lines(WEEK, WEEK + HOUR / 2)} >= {
        school.firewall.address for school in schools()
    }


def test_every_vendors_lines_are_read_by_its_pack_at_their_time(reader: Reader) -> None:
    city, told = City(2, 0.004), ()
    some = [*records(city, TUESDAY + 6.8 * HOUR, TUESDAY + 7.6 * HOUR, told)]
    # a night of backups, updates and a scan of the city's own
    some += records(city, TUESDAY + 19.8 * HOUR, TUESDAY + 21.1 * HOUR, told)
    some += records(city, WEEK + timedelta(days=6, hours=1), WEEK + timedelta(days=6, hours=1.3), told)
    events = read(reader, (one.raw for one in some))
    assert Counter(event.fields["event.dataset"] for event in events).keys() == VENDORS
    wrong = {
        str(event.fields["host.name"])
        for event in events
        if not timedelta(0) <= event.ingested - event.timestamp - DELAY < timedelta(seconds=1)
    }
    assert wrong == {SLOW_CLOCK}


def test_stories_are_read_without_a_dead_letter_and_have_twins(reader: Reader) -> None:
    plays = weeks(City(2, 0.004), WEEK, WEEK + timedelta(days=7))
    assert {play.name for play in plays} == STORIES == {name for name, *_ in known()}
    for play in plays:
        assert [one.decisive for one in play.told if not one.twin].count(True) == 1, play.name
        assert play.first <= play.decided <= play.last < WEEK + timedelta(days=7)
        assert any(one.twin for one in play.told), play.name
    events = read(reader, (one.raw for one in spoken(plays)))
    unread = [event for event in events if event.fields["event.dataset"] not in VENDORS]
    assert [event.fields["event.original"] for event in unread] == []


def test_three_stories_follow_public_reports() -> None:
    assert {about.after for _, about, _ in known()} - {""} == {
        "Anhalt-Bitterfeld, July 2021", "Kammergericht Berlin, September 2019", "Südwestfalen-IT, October 2023",
    }  # fmt: skip


def test_the_truth_names_lines_that_are_there_and_replay_keeps_when_they_came(written: Path, reader: Reader) -> None:
    truth = orjson.loads((written / "truth.json").read_bytes())
    raws = [found for _, found in _records(written / "records-2026-11-16.jsonl") if isinstance(found, Raw)]
    by_name = {raw.origin.position: raw for raw in raws}
    named = [one for story in truth["stories"] for one in story["events"]]
    assert truth["stories"]
    assert len(by_name) == len(raws)
    assert {one["record"] for one in named} == {name for name in by_name if any(story in name for story in STORIES)}
    for one in named[::20]:
        (event, *_) = read(reader, [by_name[one["record"]]])
        assert event.ingested == datetime.fromisoformat(one["at"]) + DELAY


def test_a_second_run_writes_the_same_files(written: Path, tmp_path: Path) -> None:
    folder.write(tmp_path, City(3, 0.001), WEEK, WEEK + 3 * HOUR)
    again = (tmp_path / "records-2026-11-16.jsonl").read_bytes()
    assert (written / "records-2026-11-16.jsonl").read_bytes().startswith(again)
    for capture in (tmp_path / "captures").glob("*.pcap"):
        assert capture.stat().st_size <= (written / "captures" / capture.name).stat().st_size


def test_what_sentinel_is_told_of_the_city_is_right(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command_line(["check", "--config", str(written / "sentinel.toml")], standalone_mode=False)
    assert "94 networks" in capsys.readouterr().err
    command_line(["sense", "policy", "check", str(written / "segments.yaml")], standalone_mode=False)
    assert "nothing is wrong" in capsys.readouterr().err
    shipped = Path(__file__).parents[2] / "rules"
    excepted = [shipped / "dns" / "dns_coded_names.yml", shipped / "firewall" / "firewall_slow_scan.yml"]
    excepted.append(shipped / "firewall" / "firewall_server_upload.yml")
    app = App(load(written / "sentinel.toml"), ManualClock(WEEK))
    rules = app.rules_in([*app.config.content.rules, *excepted])
    assert [(one.expired, one.terms.owner) for one in rules.exceptions] == [(False, "IT-Amt")] * 3
    assert not rules.refused


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--start", "gestern"], "not a day"),
        (["--days", "400", "--scale", "1"], "ask for less"),
        (["--to", "localhost"], "not HOST:PORT"),
        (["--to", "localhost:1", "--start", "2026-11-16"], "leave out --start"),
    ],
)
def test_what_cannot_be_simulated_is_refused(tmp_path: Path, words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        command_line(["simulate", str(tmp_path), *words], standalone_mode=False)
    assert list(tmp_path.iterdir()) == []


def test_records_that_are_there_are_not_mixed_with_others(written: Path) -> None:
    with pytest.raises(UsageError, match="holds records already"):
        command_line(["simulate", str(written)], standalone_mode=False)


def test_nobody_who_listens_is_said(tmp_path: Path) -> None:
    with pytest.raises(SentinelError, match="is `sentinel run` listening there"):
        command_line(["simulate", str(tmp_path), "--to", "127.0.0.1:1", "--minutes", "1"], standalone_mode=False)


def test_a_source_falls_silent_and_comes_back() -> None:
    city = City(1, 0.004)
    plays = weeks(city, WEEK, WEEK + timedelta(days=7))
    (silence,) = (one for play in plays for one in play.silences)
    heard = [
        one.line.at
        for one in records(city, silence.begin - HOUR, silence.end + HOUR, plays)
        if one.line.device == silence.device
    ]
    assert any(at < silence.begin for at in heard)
    assert any(at >= silence.end for at in heard)
    assert not any(silence.begin <= at < silence.end for at in heard)


def test_in_real_time_each_line_is_sent_when_it_is_written() -> None:
    clock = ManualClock(TUESDAY + 9 * HOUR)
    lines = list(City(1, 0.002).lines(clock.now(), clock.now() + timedelta(minutes=5)))
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        clock.advance(timedelta(seconds=seconds))

    with _Listening() as (port, heard):
        sent = send(lines, "127.0.0.1", port, clock, sleep)
    assert (
        (sent.udp, sent.tcp)
        == (len(heard["udp"]), len(heard["tcp"]))
        == tuple(sum((line.via == "syslog-udp") is udp for line in lines) for udp in (True, False))
    )
    assert heard["tcp"] == [line.body for line in lines if line.via != "syslog-udp"]
    assert clock.now() == lines[-1].at
    assert min(naps) > 0


class _Listening:
    """Sockets for datagrams and a stream at one port, and what they hear."""

    def __enter__(self) -> tuple[int, dict[str, list[bytes]]]:
        self._stream = socket.create_server(("127.0.0.1", 0))
        port: int = self._stream.getsockname()[1]
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._datagrams.bind(("127.0.0.1", port))
        self._heard: dict[str, list[bytes]] = {"udp": [], "tcp": []}
        self._thread = threading.Thread(target=self._hear)
        self._thread.start()
        return port, self._heard

    def _hear(self) -> None:
        connection, _ = self._stream.accept()
        with connection, connection.makefile("rb") as said:
            while length := b"".join(iter(lambda: said.read(1).strip(), b"")):
                self._heard["tcp"].append(said.read(int(length)))

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)
        self._datagrams.settimeout(0)
        try:
            while True:
                self._heard["udp"].append(self._datagrams.recv(65_536))
        except BlockingIOError:
            self._datagrams.close()
            self._stream.close()
