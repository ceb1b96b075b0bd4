"""The options of what is kept on disk: the spool, the store, the audit log."""

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from sentinel.config.sources import Name, Section
from sentinel.core.retention import STANDARD


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

    other_urls: tuple[str, ...] = ()
    """Elasticsearch only: further nodes of the same cluster; who does not answer is left alone for a while."""

    prefix: Name = "sentinel"
    """Elasticsearch only: what the names of all indices begin with."""

    timeout_seconds: float = Field(default=30.0, ge=1)
    """Elasticsearch only: how long an answer may take; then it is asked again, and events wait in the spool."""

    ca_cert: Path | None = None
    """Elasticsearch only: the certificate file of the authority that signed the cluster's certificate."""

    api_key_file: Path | None = None
    """Elasticsearch only: a file (mode 0600) that holds the API key; keys never stand in this file itself."""

    keys: Path | None = None
    """Elasticsearch only: the folder with a key for each role, as `sentinel store setup` makes them, instead of one
    key for all: `reader`, `writer` and `keeper`, of which a machine needs those of what it does."""

    snapshots: str = ""
    """Elasticsearch only: the snapshot repository, as the server knows it, that `sentinel backup` uses."""

    shards: int = Field(default=1, ge=1, le=64)
    """Elasticsearch only: into so many parts a day of a class is divided; a part should stay below 50 GB."""

    replicas: int | None = Field(default=None, ge=0, le=4)
    """Elasticsearch only: so many copies of each part there are. Default: one as soon as there is a second node."""


class RetentionOptions(Section):
    """How long events are kept. Each removal is entered into the audit log; what a case needs is copied first."""

    days: int = Field(default=90, ge=1, le=3650)
    """So many days after the day of its arrival (UTC) an event is kept, unless its class says otherwise."""

    disk_percent: float = Field(default=85.0, gt=0, le=100)
    """Once the disk of the embedded store is so full, an alert tells of it. Elasticsearch has watermarks of its own."""


class KeptClass(Section):
    """A class of data sets that are kept for a time of their own. Of several that fit the first counts."""

    name: Name
    """What the class is called: in receipts, and in the names of Elasticsearch's indices."""

    days: int = Field(ge=1, le=3650)
    """So many days its events are kept."""

    datasets: tuple[str, ...] = Field(min_length=1)
    """Values of event.dataset; `netflow.*` means all that begin so."""

    since: date
    """The first day (UTC) of the class, one that has not begun yet: what arrived before stays what it was. A class is
    never changed or taken out while there are events of it, but for its days: records that come again would be stored
    twice."""

    @field_validator("name")
    @classmethod
    def _own(cls, name: str) -> str:
        if name == STANDARD:
            msg = f"{STANDARD!r} is the class of all others; its days are retention.days"
            raise ValueError(msg)
        return name


class AuditOptions(Section):
    """The audit log: what people do, written down so that nobody can change it unseen."""

    key_file: Path | None = None
    """The file (mode 0600) with the key that entries are signed with. Without one it is made: `key`, beside the log."""

    anchors: Path | None = None
    """The file of anchors, which tell how far the log had come on a day. On another disk or host it shows that the log
    was cut off; without one it is `anchors.jsonl`, beside the log."""
