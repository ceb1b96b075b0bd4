"""The doctor looks at the sensor, too."""

from pathlib import Path

from sentinel.sense.checks import checks


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
