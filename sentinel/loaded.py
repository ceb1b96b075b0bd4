"""What every process of Sentinel's own needs, loaded once: the process they are forked from imports this module."""

import gc
import importlib
import signal

from sentinel.core.content import content
from sentinel.parse.packs import load

_NEEDED = (
    "sentinel.detect.runner",
    "sentinel.detect.schedule",
    "sentinel.judge",
    "sentinel.parse.prepare",
    "sentinel.parse.workers",
    "sentinel.running",
    "sentinel.store.duck",
    "sentinel.store.embedded",
)

for _name in _NEEDED:
    importlib.import_module(_name)
load([content("parsers")], content("parsers"))
gc.collect()
gc.freeze()
for _number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(_number, signal.SIG_IGN)  # it ends when nobody is left who may want a process
