"""The options of Sentinel, section by section, as one frozen value."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from sentinel.config import CALENDAR, INVENTORY, default_data, state_file
from sentinel.config.enrichment import IndicatorList
from sentinel.config.keeping import AuditOptions, KeptClass, RetentionOptions, SpoolOptions, StoreOptions
from sentinel.config.notify import Channel, NotifyOptions
from sentinel.config.pull import PullSource
from sentinel.config.sense import SenseOptions
from sentinel.config.sources import (
    BeatsSource,
    FileSource,
    HttpSource,
    JournaldSource,
    NetflowSource,
    RelpSource,
    Section,
    Source,
    SyslogSource,
)
from sentinel.config.watching import MetricsOptions, SilenceOptions
from sentinel.core.event import NODES_MAX
from sentinel.core.retention import Class, Retention


class ContentOptions(Section):
    """A city's own packs and rules, beside the ones that Sentinel brings."""

    packs: tuple[Path, ...] = (Path("/etc/sentinel/parsers"),)
    """Folders of parser packs. A folder that is not there is passed over; one that others may write to is refused."""

    rules: tuple[Path, ...] = (Path("/etc/sentinel/rules"),)
    """Folders of Sigma rules, read together with the shipped ones."""


class DetectOptions(Section):
    """How rules are run."""

    rules: Literal["starter", "all"] = "starter"
    """Which of the rules that Sentinel brings, or that were fetched, are on: those of the starter set and those
    switched on, or all but those switched off. Rules in folders of your own are on unless switched off."""

    every_seconds: float = Field(default=5.0, gt=0, le=3600)
    """How often rules judge what has arrived since their last run."""

    stuck_seconds: float = Field(default=180.0, ge=5, le=3600)
    """A process that judges and shows no sign of life for so long is ended and begun anew; an alert tells of it."""

    lease_seconds: float = Field(default=15.0, ge=1, le=600)
    """Where several machines share an Elasticsearch, one judges; another takes over if that one gives no sign of life
    for so long."""

    quiet_hours: float = Field(default=24.0, gt=0)
    """After so many hours without a repeat, the same thing is a new alert instead of a higher count."""

    budget_per_hour: int = Field(default=100, ge=1)
    """So many alerts may one rule begin within an hour; beyond that all of it becomes one alert with a count. A rule's
    own `sentinel: {budget_per_hour: …}` comes first."""


class IncidentOptions(Section):
    """Which alerts belong together."""

    window_hours: float = Field(default=24.0, gt=0, le=24 * 31)
    """Alerts that name the same host, user, address, mail address or file within so many hours are one incident."""

    shared_max: int = Field(default=20, ge=2, le=10_000)
    """What more alerts than that are about joins none of them: a server that everybody uses. Who acts (a source
    address, a sender of mail) and files may be in ten times as many."""

    common: tuple[str, ...] = ()
    """Names, addresses and networks that never join alerts: DNS servers, proxies, scanners of your own."""


class Config(Section):
    """All options of Sentinel."""

    data: Path = Field(default_factory=default_data)
    """The folder for everything Sentinel writes: spool, store and state.
    Default: /var/lib/sentinel for root, else ~/.local/state/sentinel."""

    node: int = Field(default=0, ge=0, lt=NODES_MAX)
    """The number of this machine, where several with one Elasticsearch collect: each needs its own, and keeps it as
    long as its data folder."""

    inventory: Path = INVENTORY
    """The file of which networks, hosts and senders belong to which site and owner; read again when it changes."""

    calendar: Path = CALENDAR
    """The file of opening hours, holidays and maintenance by the inventory's classes; read again when it changes."""

    duty: Path = Path("/etc/sentinel/duty.toml")
    """The file that says who is on call when; read again whenever the console looks."""

    geoip: tuple[Path, ...] = ()
    """MaxMind's files (.mmdb) of countries and cities, or of autonomous systems; read again when they change."""

    syslog: tuple[SyslogSource, ...] = (SyslogSource(),)
    """Syslog listeners."""

    relp: tuple[RelpSource, ...] = ()
    """RELP listeners."""

    beats: tuple[BeatsSource, ...] = ()
    """Beats and other senders of Lumberjack."""

    netflow: tuple[NetflowSource, ...] = ()
    """Flows that routers, firewalls and probes export."""

    http: tuple[HttpSource, ...] = ()
    """Senders over HTTP."""

    files: tuple[FileSource, ...] = ()
    """Followed files."""

    journald: tuple[JournaldSource, ...] = ()
    """systemd journals."""

    pull: tuple[PullSource, ...] = ()
    """APIs that are asked."""

    spool: SpoolOptions = SpoolOptions()
    """The spool."""

    store: StoreOptions = StoreOptions()
    """The store."""

    retention: RetentionOptions = RetentionOptions()
    """Retention."""

    classes: tuple[KeptClass, ...] = ()
    """Data sets that are kept for a time of their own."""

    content: ContentOptions = ContentOptions()
    """Packs and rules of your own."""

    detect: DetectOptions = DetectOptions()
    """Detection."""

    incidents: IncidentOptions = IncidentOptions()
    """Incidents."""

    silence: SilenceOptions = SilenceOptions()
    """Silence."""

    audit: AuditOptions = AuditOptions()
    """The audit log."""

    notify: NotifyOptions = NotifyOptions()
    """Notifications."""

    channels: tuple[Channel, ...] = ()
    """Ways to tell people."""

    metrics: MetricsOptions = MetricsOptions()
    """Metrics."""

    sense: SenseOptions = SenseOptions()
    """The packet sensor."""

    indicators: tuple[IndicatorList, ...] = ()
    """Lists of indicators."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Config":
        sources, lists = [one.name for one in self.sources], [one.name for one in self.indicators]
        channels = [one.name for one in self.channels]
        if self.notify.anchor_channel and self.notify.anchor_channel not in channels:
            msg = f"notify.anchor_channel: there is no channel {self.notify.anchor_channel!r}"
            raise ValueError(msg)
        classes = [one.name for one in self.classes]
        unique = (("sources", sources), ("lists of indicators", lists), ("channels", channels), ("classes", classes))
        for what, names in unique:
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                msg = f"two {what} are named {twice[0]!r}: give each its own name"
                raise ValueError(msg)
        return self

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every source of every kind."""
        tables = (getattr(self, name) for name in Config.model_fields)
        return tuple(one for table in tables if isinstance(table, tuple) for one in table if isinstance(one, Source))

    @property
    def collect_dir(self) -> Path:
        """The folder in which entrances remember how far they have come."""
        return self.data / "collect"

    @property
    def spool_dir(self) -> Path:
        """The folder of the spool."""
        return self.data / "spool"

    @property
    def store_dir(self) -> Path:
        """The folder of the embedded store."""
        return self.data / "store"

    @property
    def state_file(self) -> Path:
        """The file of alerts and detection cursors."""
        return state_file(self.data)

    @property
    def cases_file(self) -> Path:
        """The file of cases; it holds evidence that is nowhere else."""
        return self.data / "cases.db"

    @property
    def beat_file(self) -> Path:
        """The file that says what the judging process does."""
        return self.data / "judge.beat"

    @property
    def store_word(self) -> Path:
        """The file that says what the store is short of, as `sentinel run` sees it."""
        return self.data / "store.word"

    @property
    def judge_lock(self) -> Path:
        """The file that says who judges."""
        return self.data / "judge.lock"

    @property
    def sources_file(self) -> Path:
        """The file of the books of sources."""
        return self.data / "sources.db"

    @property
    def joins_file(self) -> Path:
        """The file of what is still being put together."""
        return self.data / "joins.db"

    @property
    def history_file(self) -> Path:
        """The file of what rules with a history have learnt."""
        return self.data / "history.db"

    @property
    def notify_file(self) -> Path:
        """The file of what is to be told, and was."""
        return self.data / "notify.db"

    @property
    def fetched_dir(self) -> Path:
        """The folder of rules that were fetched from others."""
        return self.data / "sigmahq"

    @property
    def audit_dir(self) -> Path:
        """The folder of the audit log."""
        return self.data / "audit"

    @property
    def repairs_dir(self) -> Path:
        """The folder of repairs: what was amended, and what it was before."""
        return self.data / "repairs"

    def silent_after(self, name: str) -> float:
        """Return after how many seconds a sender of this source is silent; 0: never, as for one not configured."""
        source = self.source(name)
        if source is None:
            return 0.0
        minutes = self.silence.minutes if source.silence_minutes is None else source.silence_minutes
        return minutes * 60

    @property
    def kept_for(self) -> Retention:
        """How long what is kept."""
        classes = (Class(one.name, one.days, one.datasets, one.since) for one in self.classes)
        return Retention(self.retention.days, tuple(classes))

    @property
    def stuck_after(self) -> float:
        """Return after how many seconds without a sign of life the process that judges stands still."""
        return self.detect.stuck_seconds + self.detect.every_seconds

    @property
    def detect_every(self) -> timedelta:
        """The time between two runs of the rules."""
        return timedelta(seconds=self.detect.every_seconds)

    def source(self, name: str) -> Source | None:
        """Return the source of this name."""
        return next((source for source in self.sources if source.name == name), None)
