"""The options of what tells how Sentinel and its senders fare: silence, metrics."""

from pydantic import Field

from sentinel.config.sources import Port, Section


class SilenceOptions(Section):
    """When a sender counts as silent."""

    minutes: float = Field(default=15.0, ge=0)
    """A sender heard regularly that says nothing for so long, and longer than it is used to, raises an alert.
    0: never."""


class MetricsOptions(Section):
    """Figures for Prometheus, on this machine only (127.0.0.1)."""

    port: Port = 9465
    """The port of http://127.0.0.1:9465/metrics while Sentinel runs; 0 for none."""
