"""The sensor's settings as the configuration has them, and the process that senses beside the others of a run."""

import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from multiprocessing.connection import Connection
from pathlib import Path

from sentinel import metrics
from sentinel.app import App
from sentinel.config.options import Config
from sentinel.core.calendar import Calendar
from sentinel.core.errors import SentinelError
from sentinel.core.event import Raw
from sentinel.processes import follow
from sentinel.sense.live import Live, LiveSettings
from sentinel.sense.memory import FILE as MEMORY_FILE
from sentinel.sense.segments import Segments, read_segments
from sentinel.sense.settings import SenseSettings


def settings(app: App, segments: Path | None = None, learn: Path | None = None) -> SenseSettings:
    """Return how packets are judged; `segments` instead of the configured file, `learn` a capture of normal days."""
    policy = segments or app.config.sense.segments

    def calendar_of(address: str) -> Calendar | None:
        app.hours.refresh()
        return app.hours.of_address(address)

    return SenseSettings(
        tuning=app.config.sense.detections,
        segments=read_segments(policy) if policy else Segments(),
        calendar_of=calendar_of,
        learn=learn,
    )


def sense(config: Config, talk: Callable[[str], None], link: Connection) -> None:
    """Be the process that senses on the configured interfaces, until the other end of `link` is closed."""
    follow(0)
    app, options = App(config), config.sense
    live_settings = LiveSettings(
        sense=settings(app), bpf=options.filter, memory=config.data / MEMORY_FILE, learn_days=options.learn_days
    )
    try:
        with app.spool() as spool:

            def put(raws: Sequence[Raw]) -> None:
                spool.put(list(raws))

            live = Live(options.interfaces, live_settings, put, app.clock)
            with metrics.sensing(options.metrics_port, live.wires) if options.metrics_port else nullcontext():
                talk(f"listening: sensor {', '.join(options.interfaces)}")
                link.send_bytes(b"ready")
                live.run(lambda: link.poll(0))
    except SentinelError as error:
        talk(f"sensor: {error}")
        sys.exit(error.exit_code)
