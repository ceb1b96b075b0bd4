"""What a folder of rules comes to: loaded, refused by reason, able to fire by log; how long it takes, how much memory.

    python tests/bench/rules.py sigma/rules

Each line is from a process of its own: `cold` reads every file, `kept` what the first kept of them (the reference),
`matcher` goes on to a matcher that has met an event of each rule. Seconds are of the CPU, memory is the most there was.
"""

import argparse
import json
import multiprocessing
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from sentinel.core.content import content
from sentinel.detect.coverage import coverage
from sentinel.detect.matcher import Matcher
from sentinel.detect.sigma import load
from sentinel.detect.witness import cases
from sentinel.parse.packs import load as load_packs
from sentinel.testing.bench import START
from sentinel.testing.bench_detect import own_peak_rss
from sentinel.testing.packs import supplied

NAMED = re.compile(r"'[^']*'|\bfield .*? (?=is)|(?<=supplies) .*|(?<=log source) .*?(?=:)")


def measured(what: str, paths: list[Path], kept: Path) -> dict[str, object]:
    """Return what loading comes to, in a process that does nothing else."""
    fields = supplied(load_packs([content("parsers")], shipped=content("parsers")))
    before, begin = own_peak_rss(), time.process_time()
    rules = load(paths, fields, content("rules"), START, kept)
    said: dict[str, object] = {"what": what, "loaded": len(rules.detections), "refused": len(rules.refused)}
    if what == "matcher":
        first = (next(iter(cases(one.where))).fields for one in rules.detections)
        said["met"] = sum(map(bool, Matcher(rules.detections).each(first, lambda *_: None)))
    said["cpu_seconds"] = round(time.process_time() - begin, 2)
    said["rss_mb"], said["rss_mb_before"] = round(own_peak_rss() / 1e6, 1), round(before / 1e6, 1)
    if what == "cold":
        reached = coverage(rules.detections, fields, fields)
        said["refused_because"] = dict(Counter(NAMED.sub("…", one.reason) for one in rules.refused).most_common())
        said["able_to_fire"] = sum(bool(one.by) for one in reached)
        said["able_to_fire_on"] = dict(Counter(name for one in reached for name in one.by).most_common())
    return said


def main() -> None:
    """Measure each way of loading."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("paths", type=Path, nargs="+", help="rule files or folders")
    paths = options.parse_args().paths
    with tempfile.TemporaryDirectory() as folder:
        for what in ("cold", "kept", "matcher"):
            with multiprocessing.get_context("spawn").Pool(1) as alone:
                said = alone.apply(measured, (what, paths, Path(folder) / "rules.kept"))
            sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
