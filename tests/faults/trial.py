"""A trial: a real Sentinel with every entrance open, an oracle, producers, a count of the faults, and the judgement."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.faults import judge
from tests.faults.judge import Verdict
from tests.faults.oracle import Oracle
from tests.faults.producer import NETWORK, File, Http, Producer
from tests.running import Running, eventually

ACKNOWLEDGED = ("relp", "beats", "http", "file")
EVERY = ("tcp", *ACKNOWLEDGED)
READY_SECONDS_MAX = 45.0
"""Five seconds is what is promised on a quiet machine; this one may have other things to do."""
HEAL_SECONDS = 180.0
LATE_SECONDS = 60.0
PAUSE_SECONDS = 0.05
"""Between two batches, where much is not the point: what is sent has to be drained before it can be judged."""
SPOOL = "[spool]\nballast_bytes = 0\n"


def configuration(folder: Path, more: str = "") -> str:
    """Return a configuration with all entrances of the producers, every port any free one."""
    token = folder / "token"
    token.write_text(Http.token)
    token.chmod(0o600)
    return (
        f'data = "{folder}/data"\ninventory = "{folder}/assets.toml"\n'
        '[[syslog]]\nname = "city"\nport = 0\n[[relp]]\nname = "relay"\nport = 0\n'
        '[[beats]]\nname = "beats"\nport = 0\n'
        f'[[http]]\nname = "web"\nport = 0\ntoken_file = "{token}"\n'
        f'[[files]]\nname = "log"\npaths = ["{folder}/load.log"]\n'
        "[detect]\nevery_seconds = 0.5\n[metrics]\nport = 0\n"
        f'[content]\npacks = ["{folder}/packs"]\nrules = ["{folder}/rules"]\n'
        f"{more}"
    )


class Trial:
    """One configuration on trial; `running` is its Sentinel, `faults` counts what really happened to it."""

    def __init__(self, folder: Path, oracle: Oracle, more: str = SPOOL) -> None:
        config = folder / "sentinel.toml"
        config.write_text(configuration(folder, more))
        self.running = Running(folder, config)
        self.oracle = oracle
        self.faults: Counter[str] = Counter()
        self.ready_seconds: list[float] = []
        self.log = folder / "load.log"

    def start(self, kill_at: str = "") -> None:
        """Start Sentinel, to die at a kill point if one is named."""
        self.running.environment.pop("SENTINEL_KILL_AT", None)
        if kill_at:
            self.running.environment["SENTINEL_KILL_AT"] = kill_at
        self.running.prepare()
        begun = time.monotonic()
        try:
            self.running.start()
        except AssertionError:
            process = self.running.process
            if not kill_at or process is None or process.poll() is None:
                raise  # else it has come to the point before it was ready
        else:
            self.ready_seconds.append(time.monotonic() - begun)

    def port(self, kind: str) -> Callable[[], int]:
        """Return what says where an entrance listens at the moment."""
        return lambda: self.running.ports.get(kind, 0)

    def producer(self, kind: str, **pace: float) -> Producer:
        """Return a producer for an entrance."""
        batch, pause = int(pace.get("batch", 20)), pace.get("pause", 0.01)
        if kind == "file":
            return File(self.oracle, self.log, batch=batch, pause=pause)
        return NETWORK[kind](self.oracle, self.port(kind), batch=batch, pause=pause)

    @contextmanager
    def producing(self, kinds: Sequence[str] = EVERY, **pace: float) -> Iterator[list[Producer]]:
        """Have producers at work."""
        with ExitStack() as stack:
            yield [stack.enter_context(self.producer(kind, **pace)) for kind in kinds]

    def kill(self) -> None:
        """Kill Sentinel as `kill -9` does."""
        assert self.running.stop(signal.SIGKILL) == -signal.SIGKILL
        self.faults["kill -9"] += 1

    def died(self, seconds: float) -> bool:
        """Say whether Sentinel ends by itself within so long; if so its remains are cleared away."""
        process = self.running.process
        assert process is not None, "it was never started"
        end = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        if process.poll() is None:
            return False
        self.running.process = None
        return True

    def judged(self, kinds: Sequence[str] = ACKNOWLEDGED) -> Verdict:
        """Heal, see that something fresh passes by every entrance, stop in order, look at the books, and judge."""
        if self.running.process is None:
            self.start()
        fresh = [number for kind in kinds for number in self.producer(kind).once()]
        known = self.oracle.known()

        def there() -> bool:
            found, _ = judge.stored(self.running.config)
            return known.acked | set(fresh) <= set(found)

        config = self.running.config
        eventually(lambda: not judge.waiting(config), HEAL_SECONDS)
        end = time.monotonic() + LATE_SECONDS
        while not there() and time.monotonic() < end:
            time.sleep(0.5)  # a followed file is read every now and then; what never comes is the verdict's to tell
        eventually(lambda: not judge.waiting(config), HEAL_SECONDS)
        (status,) = self.running.json("status")
        assert status["balanced"], status["problems"]
        assert self.running.stop() == 0
        assert judge.unbalanced(config) == []
        assert max(self.ready_seconds) < READY_SECONDS_MAX, self.ready_seconds
        return judge.verdict(self.oracle.known(), *judge.stored(config), self.faults)
