"""The options of what is kept on disk: the spool, the store, the audit log."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from sentinel.config.sources import Name, Section


class SpoolOptions(Section):
    """The spool: every record is on disk here before anything else happens to it."""

    bytes_max: int = Field(default=8 << 30, ge=1 << 20)
    """How large the spool may grow while the store cannot be reached; then senders wait and UDP drops are counted."""

    disk_percent_max: float = Field(default=95.0, gt=0, le=100)
    """Once the disk of the spool is so full, by whomever, nothing more is accepted until there is room again."""

    ballast_bytes: int = Field(default=64 << 20, ge=0)
    """Space kept in reserve, so that Sentinel can still write down where it is when the disk is full; 0 for none."""


class StoreOptions(Section):
    """Where events are kept."""

    kind: Literal["embedded", "elasticsearch"] = "embedded"
    """"embedded" keeps events in files below the data folder; "elasticsearch" keeps them in a cluster."""

    url: str = "http://127.0.0.1:9200"
    """Elasticsearch only: the address of the cluster (8.x or 9.x)."""

    prefix: Name = "sentinel"
    """Elasticsearch only: what the names of all indices begin with."""

    timeout_seconds: float = Field(default=30.0, ge=1)
    """Elasticsearch only: how long an answer may take; then it is asked again, and events wait in the spool."""

    ca_cert: Path | None = None
    """Elasticsearch only: the certificate file of the authority that signed the cluster's certificate."""

    api_key_file: Path | None = None
    """Elasticsearch only: a file (mode 0600) that holds the API key; keys never stand in this file itself."""


class AuditOptions(Section):
    """The audit log: what people do, written down so that nobody can change it unseen."""

    key_file: Path | None = None
    """The file (mode 0600) with the key that entries are signed with. Without one it is made: `key`, beside the log."""

    anchors: Path | None = None
    """The file of anchors, which tell how far the log had come on a day. On another disk or host it shows that the log
    was cut off; without one it is `anchors.jsonl`, beside the log."""
