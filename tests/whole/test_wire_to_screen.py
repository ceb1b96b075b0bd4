"""From the wire to the screen: a line goes into a socket, an alert comes out on the command line."""

import signal
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.running import Running

Patiently = Callable[..., Any]
ATTACKER = "203.0.113.66"


def failed(at: int) -> str:
    now = datetime.now(UTC)
    stamp = f"{now:%b} {now.day:2d} {now:%H:%M:%S}"
    return f"<86>{stamp} srv sshd[{at}]: Failed password for root from {ATTACKER} port {40000 + at} ssh2"


def test_a_line_becomes_an_event_and_many_become_one_alert(city: "Running", patiently: Patiently) -> None:
    city.start()
    city.udp(*(failed(at) for at in range(30)))
    patiently(lambda: len(city.json("query", f"source.ip:{ATTACKER}")) == 30)
    alerts = patiently(lambda: city.json("alerts", "list"))
    (brute,) = [alert for alert in alerts if "failed SSH logins" in alert["title"]]
    assert ATTACKER in brute["key"].values()
    city.tcp(*(failed(at) for at in range(30, 60)))
    patiently(lambda: city.json("alerts", "list")[0]["count"] > brute["count"])
    assert len([alert for alert in city.json("alerts", "list") if alert["rule_id"] == brute["rule_id"]]) == 1


def test_an_alert_is_worked_from_the_command_line(city: "Running", patiently: Patiently) -> None:
    city.start()
    city.udp(*(failed(at) for at in range(30)))
    alert = patiently(lambda: city.json("alerts", "list"))[0]["id"]
    city.sentinel("alerts", "ack", alert[:6], "--note", "ich schaue nach")
    city.sentinel("alerts", "close", alert[:6], "--verdict", "false_positive", "--note", "Pen-Test")
    (told,) = city.json("alerts", "show", alert[:6])
    assert told["state"] == "closed"
    assert told["verdict"] == "false_positive"
    assert told["evidence_events"]
    assert [change["what"] for change in told["history"]][-2:] != []
    assert all(change["who"] for change in told["history"])
    assert city.sentinel("alerts", "close", alert[:6], "--verdict", "benign", code=2).stderr
    assert city.sentinel("alerts", "close", alert[:6], "--verdict", "maybe", code=2).stderr


def test_a_followed_file_is_read_as_it_grows(city: "Running", patiently: Patiently) -> None:
    city.start()
    line = "Nov 23 09:00:00 mx1 postfix/smtpd[1]: connect from mail.example.org[192.0.2.25]\n"
    mail = city.folder / "mail.log"
    mail.write_text(line)
    patiently(lambda: len(city.json("query", "source.ip:192.0.2.25 since 2026-01-01")) == 1)
    with mail.open("a") as more:
        more.write(line * 2)
    patiently(lambda: len(city.json("query", "source.ip:192.0.2.25 since 2026-01-01")) == 3)


def test_a_restart_neither_loses_nor_repeats(city: "Running", patiently: Patiently) -> None:
    city.start()
    city.tcp(*(failed(at) for at in range(30)))
    before = patiently(lambda: city.json("alerts", "list"))
    assert city.stop() == 0
    city.start()
    city.tcp(*(failed(at) for at in range(100, 103)))
    patiently(lambda: len(city.json("query", f"source.ip:{ATTACKER}")) == 33)
    after = patiently(lambda: city.json("alerts", "list"))
    assert {alert["id"] for alert in after} == {alert["id"] for alert in before}


def test_what_cannot_be_read_waits_as_a_dead_letter_until_its_pack_is_mended(
    city: "Running", patiently: Patiently
) -> None:
    pack = city.folder / "packs" / "kasse"
    pack.mkdir(parents=True)
    (pack / "pack.toml").write_text(
        'title = "Kasse"\ndataset = "kasse.log"\nreference = "https://kasse.example/"\n[match]\napp = ["kasse"]\n'
    )
    parser = pack / "parser.py"
    head = '"""Reads the till."""\nfrom sentinel.pack import ParseError, Raw, syslog\n\n\n'
    parser.write_text(head + 'def parse(raw: Raw):\n    """Refuse."""\n    raise ParseError("not yet understood")\n')
    city.start()
    city.udp("<13>Nov 23 09:00:00 pc1 kasse: Bürger Müller zahlt 12,50")
    (letter,) = patiently(lambda: city.json("deadletter", "list"))
    assert letter["event.kind"] == "pipeline_error"
    assert "Bürger Müller" in letter["event.original"]
    city.stop()
    parser.write_text(head + 'def parse(raw: Raw):\n    """Read."""\n    yield syslog.fields(syslog.read(raw))\n')
    city.start()
    assert city.json("deadletter", "replay", "--all", "--source", "nobody")[0]["records"] == 0
    (again,) = city.json("deadletter", "replay", "--all", "--source", letter["sentinel.source"])
    assert again["dead_letters"] == [letter["event.id"]]
    patiently(lambda: not city.json("deadletter", "list"))
    city.sentinel("deadletter", "show", letter["event.id"][:8])
    assert len(city.json("query", "event.dataset:kasse.log since 2026-01-01")) == 1


def test_records_that_are_replayed_are_stored_once(city: "Running", patiently: Patiently) -> None:
    city.start()
    city.tcp(*(failed(at) for at in range(50)))
    patiently(lambda: len(city.json("query", f"source.ip:{ATTACKER}", "--limit", "500")) == 50)
    records = city.folder / "records.jsonl"
    records.write_bytes(city.sentinel("spool", "cat", "--json").stdout)
    city.sentinel("replay", str(records))
    city.tcp(failed(1000))
    patiently(lambda: len(city.json("query", f"source.ip:{ATTACKER}", "--limit", "500")) >= 51)
    assert len(city.json("query", f"source.ip:{ATTACKER}", "--limit", "500")) == 51


def test_a_line_that_attacks_the_terminal_is_shown_and_does_nothing(city: "Running", patiently: Patiently) -> None:
    city.start()
    hostile = "\x1b]0;owned\x07\x1b[2J[red]x[/red][/etc/passwd]\u202egnp"
    city.udp(f"<13>Nov 23 09:00:00 pc1 tool: {hostile} needle")
    patiently(lambda: city.json("query", "needle since 2026-01-01"))
    shown = city.sentinel("query", "needle since 2026-01-01").stdout.decode()
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\u202e" not in shown
    assert "[red]" in shown.replace("\n", "")


def test_an_orderly_end_says_so(city: "Running") -> None:
    city.start()
    assert city.stop(signal.SIGINT) == 0
    assert any("on disk" in line for line in city.said)
