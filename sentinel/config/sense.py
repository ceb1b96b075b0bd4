"""The packet sensor's options."""

from pathlib import Path

from pydantic import Field

from sentinel.config.sources import Name, Section

Number = int | float | bool | str


class SenseOptions(Section):
    """The packet sensor: `sentinel sense`."""

    segments: Path | None = None
    """The file that says which networks belong to which segment, and which paths between segments are allowed."""

    detections: dict[Name, dict[str, Number | tuple[str, ...]]] = Field(default={})
    """The numbers of detections that are not to be as they are, by family:
    `[sense.detections.scans]` with `ports = 30`. What is not known is refused."""
