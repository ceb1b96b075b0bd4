"""The demo: a model city is attacked through the real entrances, and every rule that is broken finds its part."""

import os
import re
import subprocess
import sys

from sentinel.core.content import content
from sentinel.testing.demo import BREAKS


def test_every_rule_that_the_morning_breaks_raises_an_alert() -> None:
    rules = {path.stem for path in content("rules").rglob("*.yml")}
    assert rules >= BREAKS, "a rule that was renamed would be waited for no longer"
    command = [sys.executable, "-m", "sentinel", "demo"]
    wide = os.environ | {"COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=wide)
    assert done.returncode == 0, done.stderr
    assert re.search(r"demo: \d+ alerts out of log lines, an event log and a capture", done.stderr)
    assert "A known indicator of an attack was seen" in done.stdout
