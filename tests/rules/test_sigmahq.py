"""SigmaHQ's regression data goes the way of any event file; what does not raise its rule is told with the reason."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sentinel.app import App
from sentinel.config import load as options
from sentinel.core.errors import UsageError
from sentinel.testing.evtxfile import WindowsEvent, write_evtx
from sentinel.testing.sigmahq import Outcome, folders, run
from tests.cli.test_cli import sentinel

REAL = Path(__file__).parents[2] / "../shared/samples/sigmahq"
RULE = """\
title: Whoami
id: 00000000-0000-4000-8000-000000000001
logsource: {product: windows, category: process_creation}
detection:
  selection: {Image|endswith: \\whoami.exe, CommandLine|contains: /all}
  filter: {ParentImage|endswith: \\agent.exe}
  condition: selection and not filter
"""
INFO = """\
id: 00000000-0000-4000-8000-0000000000ff
rule_metadata:
  - {id: 00000000-0000-4000-8000-000000000001, title: Whoami}
regression_tests_info:
  - {name: Positive, type: evtx, provider: Microsoft-Windows-Sysmon, match_count: COUNT, path: PATH}
"""
AT = "regression_data/rules/windows/whoami/1.json"
Checkout = Callable[..., Path]


def started(command: str, image: str = r"C:\Windows\System32\whoami.exe", **more: str) -> dict[str, object]:
    system = {
        "Provider": {"#attributes": {"Name": "Microsoft-Windows-Sysmon"}},
        "EventID": 1,
        "TimeCreated": {"#attributes": {"SystemTime": "2026-11-23T05:24:53.088849Z"}},
        "EventRecordID": 83237,
        "Channel": "Microsoft-Windows-Sysmon/Operational",
        "Computer": "ws-0815.stadt.example",
    }
    return {"Event": {"System": system, "EventData": {"Image": image, "CommandLine": command, **more}}}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return what writes a checkout with one rule and one event file, printed over several lines as SigmaHQ does."""

    def write(*events: object, rule: str = RULE, count: str = "1", path: str = AT) -> Path:
        top = tmp_path / "sigma"
        for name in ("rules/windows", str(Path(AT).parent)):
            (top / name).mkdir(parents=True, exist_ok=True)
        (top / "rules" / "windows" / "whoami.yml").write_text(rule)
        (top / AT).write_text("\n".join(json.dumps(event, indent=2) for event in events) + "\n")
        (top / AT).with_name("info.yml").write_text(INFO.replace("COUNT", count).replace("PATH", path))
        return top

    return write


@pytest.fixture
def app(tmp_path: Path) -> App:
    path = tmp_path / "sentinel.toml"
    path.write_text(f'data = "{tmp_path}/data"\n')
    return App(options(path))


def outcome(app: App, top: Path) -> Outcome:
    (one,) = run(top, app.rules_in(folders(top)), app.reader, app.clock)[0]
    return one


def test_each_event_of_a_printed_file_counts(app: App, checkout: Checkout) -> None:
    one = outcome(app, checkout(started("whoami /all"), started("whoami"), started("WHOAMI /ALL"), count="2"))
    assert (one.found, one.events, one.raised, one.why) == (True, 3, 2, "")


def test_fewer_than_stated_is_a_miss_and_more_is_not(app: App, checkout: Checkout) -> None:
    assert not outcome(app, checkout(started("whoami /all"), count="2")).found
    assert outcome(app, checkout(started("whoami /all"), started("whoami.exe /all"), count="1")).found


@pytest.mark.parametrize(
    ("events", "rule", "kind", "said"),
    [
        ([started("whoami /groups")], RULE, "condition", "'*/all*'"),
        ([started("whoami /all", ParentImage=r"C:\agent.exe")], RULE, "condition", "no Like"),
        ([started("x", image="")], RULE, "field", "process.executable"),
        ([started("whoami /all")], RULE.replace("process_creation", "file_event"), "lane", "they are windows"),
        ([started("whoami /all")], RULE.replace("CommandLine|contains", "Nothing.of.it|nope"), "refused", "nope"),
        ([started("whoami /all")], RULE.replace("0001", "0002"), "refused", "no rule"),
        ([], RULE, "unread", "no record"),
    ],
)
def test_a_miss_is_explained(
    app: App, checkout: Checkout, events: list[object], rule: str, kind: str, said: str
) -> None:
    one = outcome(app, checkout(*events, rule=rule))
    assert not one.found
    assert (one.kind, said in one.why) == (kind, True), one.why


def test_a_description_without_its_event_file_is_told(app: App, checkout: Checkout) -> None:
    for path in ("regression_data/gone.evtx", "../outside.json"):
        top = checkout(started("whoami /all"), path=path)
        outcomes, (wrong,) = run(top, app.rules_in(folders(top)), app.reader, app.clock)
        assert (outcomes, path in wrong.reason) == ([], True)


def test_what_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="regression_data"):
        folders(tmp_path)


def test_an_operator_sees_what_was_found_and_what_was_missed(tmp_path: Path, checkout: Checkout) -> None:
    top = str(checkout(started("whoami /all")))
    done = sentinel("rules", "test", "--sigmahq", top, data=tmp_path)
    assert (done.returncode, "1 of 1 event files raise their rule" in done.stderr) == (0, True)
    checkout(started("whoami /priv"))
    done = sentinel("rules", "test", "--sigmahq", top, "--json", data=tmp_path)
    (said,) = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1
    assert (said["found"], said["raised"], said["stated"], said["kind"]) == (False, 0, 1, "condition")


def test_an_event_log_beside_it_is_run_as_well(app: App, checkout: Checkout) -> None:
    top = checkout(started("whoami /all"))
    event = WindowsEvent(
        "Microsoft-Windows-Sysmon",
        1,
        "Microsoft-Windows-Sysmon/Operational",
        "ws-0815.stadt.example",
        7,
        datetime(2026, 11, 23, tzinfo=UTC),
        {"Image": r"C:\Windows\System32\whoami.exe", "CommandLine": "whoami  /all"},
    )
    write_evtx((top / AT).with_suffix(".evtx"), [event])
    outcomes, _ = run(top, app.rules_in(folders(top)), app.reader, app.clock)
    assert [(one.sample.path.suffix, one.raised) for one in outcomes] == [(".evtx", 1), (".json", 1)]


@pytest.mark.skipif(not REAL.is_dir(), reason="no snapshot of SigmaHQ beside the checkout")
def test_every_event_file_of_the_snapshot_raises_its_rule(app: App) -> None:
    outcomes, wrong = run(REAL, app.rules_in(folders(REAL)), app.reader, app.clock)
    assert (wrong, [one for one in outcomes if not one.found]) == ([], [])
    assert len(outcomes) >= 232
