"""The doctor looks at the sensor, too."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sentinel.sense.checks import checks, learning
from sentinel.sense.memory import write_memory


def test_what_keeps_the_sensor_from_working_is_said_with_what_to_do(tmp_path: Path) -> None:
    policy = tmp_path / "segments.yaml"
    policy.write_text("segments: {amt: [10.0.0.0/8]}\n")
    well = {one.name: one for one in checks(["lo"], policy, {})}
    assert (well["detections"].state, well["walls"].name) == ("ok", "walls")
    assert "1 segments" in well["detections"].found
    policy.write_text("segments: {amt: [10.0.0.1/8]}\n")
    ill = {one.name: one for one in checks(["nowhere0"], policy, {})}
    assert (ill["detections"].state, ill["interface nowhere0"].state) == ("fail", "fail")
    assert "host bits set" in ill["detections"].found
    assert "wireshark" in ill["interface nowhere0"].advice


def test_how_far_the_sensor_has_come_with_learning_is_said(tmp_path: Path) -> None:
    begun, file = datetime(2026, 11, 23, 8, tzinfo=UTC), tmp_path / "sense.json"
    (nothing,) = learning(file, 7, begun)
    assert "not learned anything yet" in nothing.found
    write_memory(file, begun, {"habits.Habits": {}}, {"hosts": 1_200, "known": 300})
    (meanwhile,) = learning(file, 7, begun + timedelta(days=1))
    assert "is learned until 2026-11-30 08:00 UTC; of 300 of 1,200 hosts a week or more is known" in meanwhile.found
    (afterwards,) = learning(file, 7, begun + timedelta(days=9))
    assert "was learned until 2026-11-30" in afterwards.found
    file.write_text("{")
    (damaged,) = learning(file, 7, begun)
    assert (damaged.state, "learning begins anew" in damaged.found) == ("warn", True)
