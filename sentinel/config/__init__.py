"""One TOML file to one frozen value: every option explains itself here, and what is not known is refused.

The text below each option is its documentation: `deploy/sentinel.toml` and `sentinel config explain` are written
from it.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator
from pydantic.fields import FieldInfo

from sentinel.config import reading
from sentinel.config.enrichment import IndicatorList
from sentinel.config.examples import EXAMPLES
from sentinel.config.keeping import AuditOptions, KeptClass, RetentionOptions, SpoolOptions, StoreOptions
from sentinel.config.notify import Channel, NotifyOptions
from sentinel.config.pull import PullSource
from sentinel.config.reading import section_of, validated
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
from sentinel.core.errors import ConfigError
from sentinel.core.retention import Class, Retention

SYSTEM_FILE = Path("/etc/sentinel/sentinel.toml")
INVENTORY, CALENDAR = Path("/etc/sentinel/assets.toml"), Path("/etc/sentinel/calendar.toml")
ENVIRONMENT = "SENTINEL_CONFIG"


class ContentOptions(Section):
    """A city's own packs and rules, beside the ones that Sentinel brings."""

    packs: tuple[Path, ...] = (Path("/etc/sentinel/parsers"),)
    """Folders of parser packs. A folder that is not there is passed over; one that others may write to is refused."""

    rules: tuple[Path, ...] = (Path("/etc/sentinel/rules"),)
    """Folders of Sigma rules, read together with the shipped ones."""


class DetectOptions(Section):
    """How rules are run."""

    every_seconds: float = Field(default=5.0, gt=0, le=3600)
    """How often rules judge what has arrived since their last run."""

    stuck_seconds: float = Field(default=180.0, ge=5, le=3600)
    """A process that judges and shows no sign of life for so long is ended and begun anew; an alert tells of it."""

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

    data: Path = Field(default_factory=lambda: default_data())  # noqa: PLW0108  defined below
    """The folder for everything Sentinel writes: spool, store and state.
    Default: /var/lib/sentinel for root, else ~/.local/state/sentinel."""

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
        return self.data / "state.db"

    @property
    def cases_file(self) -> Path:
        """The file of cases; it holds evidence that is nowhere else."""
        return self.data / "cases.db"

    @property
    def beat_file(self) -> Path:
        """The file that says what the judging process does."""
        return self.data / "judge.beat"

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


def default_data() -> Path:
    """Return the folder for data where the configuration names none."""
    if os.geteuid() == 0:
        return Path("/var/lib/sentinel")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "sentinel"


def find(given: Path | None) -> Path | None:
    """Return the file to read: the one given, $SENTINEL_CONFIG, /etc/sentinel/sentinel.toml, or none at all."""
    if given is not None:
        return given
    named = os.environ.get(ENVIRONMENT)
    if named:
        return Path(named)
    return SYSTEM_FILE if SYSTEM_FILE.exists() else None


def load(given: Path | None = None) -> Config:
    """Read the configuration; without any file every option has its default. Raises ConfigError."""
    path = find(given)
    if path is None:
        return Config()
    return parse(reading.table(path), str(path))


def parse(table: dict[str, Any], where: str = "configuration") -> Config:
    """Turn a table into a configuration; raises ConfigError that names every wrong option and what to do."""
    return validated(Config, table, where)


def explain(key: str) -> str:
    """Return the documentation of one option (`store.url`, `syslog.port`); raises ConfigError with a suggestion."""
    everything = dict(options())
    if key not in everything:
        near = get_close_matches(key, everything, 1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(everything)}"
        raise ConfigError(f"there is no option {key!r}; {hint}")
    return everything[key]


def options() -> Iterator[tuple[str, str]]:
    """Yield the dotted name and the documentation of every option."""
    for name, option in Config.model_fields.items():
        section = section_of(option)
        if section is None:
            yield name, _words(option)
            continue
        for inner, detail in section.model_fields.items():
            yield f"{name}.{inner}", f"{_words(detail)}\nDefault: {_toml(detail)}"


def _words(option: FieldInfo) -> str:
    return " ".join((option.description or "").split())


def _toml(option: FieldInfo) -> str:
    if option.is_required():
        return "none: has to be given"
    if option.default is None:
        return "none"
    return toml_value(option.default)


def toml_value(value: object) -> str:
    """Return a plain value as TOML writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case tuple() | list():
            return "[" + ", ".join(toml_value(item) for item in value) + "]"
        case dict():
            return "{" + ", ".join(f"{name} = {toml_value(item)}" for name, item in value.items()) + "}"
        case str() | Path():
            return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
        case _:
            return str(value)


def example() -> str:
    """Return a whole configuration file with every option at its default, explained and commented out."""
    lines = [
        "# Sentinel's configuration. Every option is listed with its default, commented out;",
        "# `sentinel check` says whether the file is right, `sentinel config explain KEY` what an option means.",
        "# This file is written from sentinel/config: `sentinel config example`.",
        "",
    ]
    for name, option in Config.model_fields.items():
        section = section_of(option)
        if section is None:
            lines += [*_comment(_words(option)), f"# {name} = {EXAMPLES.get(name) or _toml(option)}", ""]
            continue
        many = str(option.annotation).startswith("tuple")
        head = f"[[{name}]]" if many else f"[{name}]"
        lines += [*_comment(" ".join((section.__doc__ or "").split())), f"# {head}", ""]
        for inner, detail in section.model_fields.items():
            value = EXAMPLES.get(inner) or _toml(detail)
            lines += [*_comment(_words(detail)), f"# {inner} = {value}", ""]
    return "\n".join(lines)


def _comment(text: str) -> list[str]:
    lines: list[str] = []
    line = "#"
    for word in text.split():
        if len(line) + len(word) > 110:
            lines.append(line)
            line = "#"
        line += " " + word
    return [*lines, line]
