"""The packet sensor's options."""

from pathlib import Path

from pydantic import Field

from sentinel.config.sources import Name, Port, Section

Number = int | float | bool | str


class SenseOptions(Section):
    """The packet sensor: `sentinel sense`."""

    interfaces: tuple[str, ...] = ()
    """The interfaces that `sentinel sense` listens to if none is named on the command line."""

    filter: str = ""
    """What is captured, as a filter of libpcap (man pcap-filter), for example "not port 9200". Empty: everything."""

    learn_days: float = Field(default=7.0, ge=0)
    """For so many days what is seen on interfaces is taken for normal; hosts and services that come later are new."""

    metrics_port: Port = 0
    """On this port of 127.0.0.1 the sensor answers Prometheus; 0: it does not."""

    segments: Path | None = None
    """The file that says which networks belong to which segment, and which paths between segments are allowed."""

    detections: dict[Name, dict[str, Number | tuple[str, ...]]] = Field(default={})
    """The numbers of detections that are not to be as they are, by family:
    `[sense.detections.scans]` with `ports = 30`. What is not known is refused."""
