"""Figures for Prometheus, on 127.0.0.1 only: what `sentinel status` says and the sensor's, asked anew each time."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from socket import create_connection
from threading import Thread
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sentinel.core.errors import ConfigError, SentinelError
from sentinel.core.ports import Clock
from sentinel.core.source import ENDS
from sentinel.status import Status

if TYPE_CHECKING:
    from sentinel.sense.wire import Wire

HOST = "127.0.0.1"


class _Figures(Collector):
    def __init__(self, look: Callable[[], Status], clock: Clock) -> None:
        self._look = look
        self._clock = clock

    def describe(self) -> list[Metric]:
        """Say nothing beforehand: nothing is looked at before somebody asks."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every figure."""
        up = GaugeMetricFamily("sentinel_up", "1 if the other figures could be found out")
        try:
            status = self._look()
        except SentinelError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from _events(status)
        yield from _gauges(status)
        told = GaugeMetricFamily("sentinel_notifications", "Notifications", labels=["channel", "state"])
        for labels, number in status.notifications.items():
            told.add_metric(labels, number)
        yield told
        heard = GaugeMetricFamily(
            "sentinel_source_last_seen_seconds", "Seconds since a source was last heard", labels=["source"]
        )
        latest = {one.identity.source: one.last for one in sorted(status.senders, key=lambda one: one.last)}
        for source, last in latest.items():
            heard.add_metric([source], max(0.0, (self._clock.now() - last).total_seconds()))
        yield heard


def _events(status: Status) -> Iterator[Metric]:
    received: Counter[str] = Counter()
    ends: Counter[tuple[str, str, str]] = Counter()
    away: Counter[tuple[str, str, str]] = Counter()
    kernel: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    for (_, source, outcome, reason), number in status.tally.items():
        if outcome == "received":
            received[source] += number
        elif outcome in ENDS:
            ends[source, outcome, reason] += number
        elif outcome == "missing":
            missing[source] += number
        elif outcome != "split":
            away[source, outcome, reason] += number
        if (outcome, reason) == ("dropped", "kernel"):
            kernel[source] += number
    family = CounterMetricFamily("sentinel_events_received", "Records received", labels=["source"])
    for source, number in received.items():
        family.add_metric([source], number)
    yield family
    family = CounterMetricFamily("sentinel_events", "What became of events", labels=["source", "outcome", "reason"])
    for labels, number in ends.items():
        family.add_metric(labels, number)
    yield family
    family = CounterMetricFamily(
        "sentinel_connections", "Connections refused or ended by us", labels=["source", "outcome", "reason"]
    )
    for labels, number in away.items():
        family.add_metric(labels, number)
    yield family
    family = CounterMetricFamily("sentinel_udp_kernel_drops", "Datagrams the kernel could not keep", labels=["source"])
    for source, number in kernel.items():
        family.add_metric([source], number)
    yield family
    gauge = GaugeMetricFamily(
        "sentinel_messages_missing", "Messages numbered by their sender that never came", labels=["source"]
    )
    for source, number in missing.items():
        gauge.add_metric([source], number)
    yield gauge


def _gauges(status: Status) -> Iterator[Metric]:
    for name, words, value in (
        ("spool_bytes", "Bytes of the spool's segments", status.spool.bytes),
        ("spool_full", "1 if senders wait because there is no room in the spool", bool(status.spool.full)),
        ("spool_quarantined_bytes", "Bytes found damaged in the spool", status.spool.quarantined_bytes),
        ("spool_records", "Records that are not stored yet", status.balance.waiting),
        ("store_problems", "What the store is short of", len(status.short)),
        ("spool_oldest_seconds", "Age of the oldest record that is not stored yet", status.store_lag.total_seconds()),
        ("detect_lag_seconds", "Age of the oldest record that is not judged yet", status.detect_lag.total_seconds()),
        ("judge_still", "1 if the process that judges is gone or stands still", bool(status.judging)),
        ("sources_silent", "Senders that have fallen silent", len(status.silent)),
        ("notify_channels_failing", "Channels that only fail at present", len(status.mute)),
        ("books_unbalanced", "Problems of the books; 0 if they balance", len(status.balance.problems)),
    ):
        yield GaugeMetricFamily(f"sentinel_{name}", words, value)


class _Wires(Collector):
    def __init__(self, wires: Sequence["Wire"]) -> None:
        self._wires = wires

    def describe(self) -> list[Metric]:
        """Say nothing beforehand."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every figure of every interface."""
        for name, words, number in (
            ("packets", "Packets seen", lambda wire: wire.sifter.packets),
            ("packets_shown", "Packets shown to tshark", lambda wire: wire.sifter.shown),
            ("packets_missed", "Packets shown to tshark that it did not answer", lambda wire: wire.missed),
            ("packets_dropped", "Packets the kernel could not keep", lambda wire: wire.dropped),
            ("flows_evicted", "Flows cut short because there were too many", lambda wire: wire.sifter.table.evicted),
            ("restarts", "Times dumpcap ended without being asked to", lambda wire: wire.restarts),
            ("dissector_failures", "Times tshark ended without being asked to", lambda wire: wire.failures),
        ):
            yield self._family(CounterMetricFamily(f"sentinel_sensor_{name}", words, labels=["interface"]), number)
        for name, words, value in (
            ("up", "1 if packets come", lambda wire: wire.up),
            ("flows", "Flows that go on", lambda wire: len(wire.sifter.table)),
            ("lag_seconds", "How far tshark is behind", lambda wire: wire.lag_seconds),
            ("per_flow", "Packets of each direction that are shown to tshark", lambda wire: wire.per_flow),
        ):
            yield self._family(GaugeMetricFamily(f"sentinel_sensor_{name}", words, labels=["interface"]), value)

    def _family(self, family: CounterMetricFamily | GaugeMetricFamily, number: Callable[["Wire"], float]) -> Metric:
        for wire in self._wires:
            family.add_metric([wire.interface], number(wire))
        return family


@contextmanager
def sensing(port: int, wires: Sequence["Wire"]) -> Iterator[int]:
    """Answer for the sensor's interfaces at http://127.0.0.1:PORT/metrics from a thread, as `served` does."""
    with _answering(port, _Wires(wires), "[sense] metrics_port") as taken:
        yield taken


@contextmanager
def served(port: int, look: Callable[[], Status], clock: Clock) -> Iterator[int]:
    """Answer at http://127.0.0.1:PORT/metrics from a thread; yields the port (0 takes any). Raises ConfigError."""
    with _answering(port, _Figures(look, clock), "[metrics] port") as taken:
        yield taken


@contextmanager
def _answering(port: int, figures: Collector, option: str) -> Iterator[int]:
    registry = CollectorRegistry()
    registry.register(figures)
    try:
        server, thread = start_http_server(port, HOST, registry)
    except OSError as error:
        raise ConfigError(f"no metrics: port {port} of {HOST}: {error.strerror}; set {option}") from error
    try:
        yield server.server_port
    finally:
        ending = Thread(target=server.shutdown)
        ending.start()
        with suppress(OSError):  # it looks twice a second whether it is to end, and whenever somebody comes
            create_connection((HOST, server.server_port), 1).close()
        ending.join()
        server.server_close()
        thread.join()
