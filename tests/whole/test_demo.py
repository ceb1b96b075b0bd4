"""The demo: a model city is attacked through the real entrances, and every rule about the city finds its part."""

import os
import re
import subprocess
import sys


def test_every_rule_about_the_city_raises_an_alert() -> None:
    command = [sys.executable, "-m", "sentinel", "demo"]
    wide = os.environ | {"COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=wide)
    assert done.returncode == 0, done.stderr
    assert re.search(r"demo: \d+ alerts out of log lines, an event log and a capture", done.stderr)
    assert "A known indicator of an attack was seen" in done.stdout
