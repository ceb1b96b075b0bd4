"""Wires the stages: makes each as the configuration says; `running` sets them to work."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from sentinel import stores
from sentinel.config import INVENTORY
from sentinel.core.clock import SystemClock
from sentinel.core.content import content
from sentinel.core.errors import ConfigError, UsageError
from sentinel.core.folders import made, secret

if TYPE_CHECKING:
    from sentinel.alert.book import Book
    from sentinel.alert.incidents import IncidentBook
    from sentinel.audit.log import AuditLog
    from sentinel.compare.book import OddBook
    from sentinel.config.inventory import Inventory
    from sentinel.config.options import Config
    from sentinel.core.alert import Desk
    from sentinel.core.calendar import Calendars
    from sentinel.core.case import Cases
    from sentinel.core.journal import Journal
    from sentinel.core.ports import Archive, Clock, Form, Store
    from sentinel.core.reached import Reached
    from sentinel.core.source import Identity, Owner
    from sentinel.detect.choosing import Choice
    from sentinel.detect.past import Past
    from sentinel.detect.rules import Rules
    from sentinel.join.joiner import Joiner
    from sentinel.notify.outbox import Outbox
    from sentinel.parse.assets import Assets
    from sentinel.parse.enrich import Enricher
    from sentinel.parse.opening import Hours
    from sentinel.parse.packs import Packs
    from sentinel.parse.record import Reader
    from sentinel.respond.saved import Questions
    from sentinel.sources.book import SourceBook
    from sentinel.spool.disk import DiskSpool
    from sentinel.store.elastic import ElasticStore
    from sentinel.testing.proof import Proving

PROOF_SECONDS = 10.0
"""So long an answer may take while rules are proven on a node."""


@dataclass
class App:
    """Sentinel as one configuration describes it; every part is made when it is first asked for."""

    config: "Config"
    clock: "Clock" = field(default_factory=SystemClock)
    margin: timedelta = timedelta(days=1)
    """How far around an alert its evidence is looked for."""
    _journals: "dict[str, Journal | None]" = field(default_factory=dict)

    @cached_property
    def packs(self) -> "Packs":
        """Every parser pack: the shipped ones and the city's own."""
        from sentinel.parse.packs import load

        return load([content("parsers"), *self.config.content.packs], shipped=content("parsers"))

    @cached_property
    def reader(self) -> "Reader":
        """What turns a record into events, each source as it is configured; a pack that is not there is refused."""
        from sentinel.parse.record import Reader, Reading
        from sentinel.parse.route import Router

        sources = {}
        for source in self.config.sources:
            if source.pack and self.packs.hinted(source.pack) is None:
                known = ", ".join(sorted(self.packs.by_name))
                raise ConfigError(f"source {source.name!r} asks for a pack {source.pack!r}; there are: {known}")
            sources[source.name] = Reading(source.pack or None, source.zone)
        return Reader(Router(self.packs), sources, enrich=self.enricher)

    @cached_property
    def enricher(self) -> "Enricher | None":
        """What adds to events what is known beside them; None if there is nothing of the kind.

        It serves with the files that can be read and knows the `problems` of the others.
        """
        from sentinel.parse.enrich import Enricher

        config = self.config
        made = Enricher(config.inventory, config.geoip, config.indicators, self.clock, config.calendar)
        wanted = config.geoip or config.indicators or config.inventory != INVENTORY
        return made if wanted or made.inventory.held is not None or made.problems else None

    @cached_property
    def inventory(self) -> "Inventory | None":
        """The inventory, None if there is none; raises ConfigError."""
        from sentinel.config.inventory import load

        return load(self.config.inventory)

    @cached_property
    def calendars(self) -> "Calendars | None":
        """When the places of each class are open, None if there is no such file; raises ConfigError."""
        from sentinel.config.calendar import load

        return load(self.config.calendar)

    @cached_property
    def hours(self) -> "Hours":
        """When senders and addresses are expected to be at work."""
        from sentinel.parse.opening import Hours

        return Hours(self.config.inventory, self.config.calendar, self.clock)

    @cached_property
    def supplied(self) -> dict[str, frozenset[str]]:
        """Every field that some pack can fill, by data set."""
        from sentinel.testing.packs import supplied

        return supplied(self.packs)

    @cached_property
    def rules(self) -> "Rules":
        """The rules that are on, those that are off, and those that are refused, as they were when first asked for."""
        return self.rules_now()

    def rules_now(self) -> "Rules":
        """Read the rules that are on, those that are off, and those that are refused; raises ConfigError."""
        from sentinel.detect.choosing import choose

        return choose(self.rules_in(self.rule_folders), self.choice)

    @property
    def choice(self) -> "Choice":
        """What decides which rules are on; raises ConfigError."""
        from sentinel.detect.choosing import STARTER, Choice, starter, switches

        shipped, fetched = content("rules"), self.config.fetched_dir
        everything = self.config.detect.rules == "all"
        return Choice(starter(shipped / STARTER), switches(self.switches_file), shipped, fetched, everything)

    @property
    def switches_file(self) -> Path:
        """The file of what was decided about single rules, in the first folder of the city's own that is there."""
        from sentinel.detect.choosing import SWITCHES

        own = self.config.content.rules
        return next((one for one in own if one.is_dir()), own[0] if own else self.config.data) / SWITCHES

    @property
    def rule_folders(self) -> list[Path]:
        """The folders of rules that are there: the shipped one, the city's own, what was fetched."""
        from sentinel.detect.fetched import local

        others = (*self.config.content.rules, local(self.config.fetched_dir))
        return [content("rules"), *(path for path in others if path.is_dir())]

    @property
    def proving(self) -> "Proving":
        """What puts rules to the proof, on the kind of store that is configured."""
        from sentinel.testing.proof import Proving, embedded, over

        options = self.config.store
        memory = made(self.config.data) / "proven.json"
        if options.kind == "embedded":
            return Proving(embedded, options.kind, memory)
        return Proving(over(self._scratch), f"{options.kind} {options.url}", memory)

    @contextmanager
    def _scratch(self) -> Iterator["Store"]:
        # indices of their own in the node, gone afterwards; nobody waits long for a node that is away
        prefix = f"{self.config.store.prefix}-proof-{uuid4().hex[:12]}"
        store = stores.elastic(self.config, prefix, "prover", seconds_max=PROOF_SECONDS, attempts=1)
        try:
            yield store
        finally:
            try:
                store.forget()
            finally:
                store.close()

    def rules_in(self, paths: Sequence[Path]) -> "Rules":
        """Read the rules among and below `paths`, with the shipped pipelines; raises UsageError if one is not there."""
        from sentinel.detect.sigma import load

        missing = [str(path) for path in paths if not path.exists()]
        if missing:
            raise UsageError(f"there is no {missing[0]}")
        return load(paths, self.supplied, content("rules"), self.clock.now(), self.config.data / "rules.kept")

    @contextmanager
    def spool(self) -> Iterator["DiskSpool"]:
        """Open the spool; several processes may at once."""
        from sentinel.spool.disk import DiskSpool

        options = self.config.spool
        spool = DiskSpool(
            made(self.config.spool_dir),
            self.clock,
            bytes_max=options.bytes_max,
            ballast_bytes=options.ballast_bytes,
            disk_percent_max=options.disk_percent_max,
            node=self.config.node,
        )
        try:
            yield spool
        finally:
            spool.close()

    @contextmanager
    def reading(self) -> Iterator["Archive"]:
        """Open the store to read; any number of processes may."""
        store = stores.opened(self.config, "reader")
        try:
            yield store
        finally:
            store.close()

    @contextmanager
    def writing(self) -> Iterator["Archive"]:
        """Open the store to write; one process may, the next is told who does."""
        store = stores.opened(self.config, "writer")
        try:
            yield store
        finally:
            store.close()

    @contextmanager
    def keeping(self, store: "Archive | None" = None) -> Iterator["Archive"]:
        """Open the store to amend and to remove; `store` is one that writes, where a process has it open already."""
        if store is not None and (self.config.store.kind == "embedded" or not self.config.store.keys):
            yield store
            return
        kept = stores.opened(self.config, "keeper")
        try:
            yield kept
        finally:
            kept.close()

    @cached_property
    def form(self) -> "Form":
        """How the store that is configured forms events; needs no store."""
        return stores.form(self.config)

    @contextmanager
    def elastic(self, admin: Path | None = None) -> Iterator["ElasticStore"]:
        """Open Elasticsearch to set it up, with what the file `admin` holds; raises ConfigError if it is not the store.

        That is an API key, or `user:password`; without one the key for keeping is used.
        """
        if self.config.store.kind == "embedded":
            raise ConfigError("the store is embedded: it needs no setting up; see `sentinel config explain store.kind`")
        store = stores.elastic(self.config, self.config.store.prefix, "keeper", key=secret(admin) if admin else None)
        try:
            yield store
        finally:
            store.close()

    @contextmanager
    def outbox(self) -> Iterator["Outbox"]:
        """Open what is to be told."""
        from sentinel.notify.outbox import Outbox

        made(self.config.data)
        with Outbox(self.config.notify_file, self.journal("notify")) as outbox:
            yield outbox

    @cached_property
    def audit(self) -> "AuditLog":
        """The audit log: what people do."""
        from sentinel.audit.log import AuditLog

        options = self.config.audit
        return AuditLog(made(self.config.audit_dir), self.clock, options.key_file, options.anchors)

    @contextmanager
    def desk(self) -> Iterator["Desk"]:
        """Open the alerts for people: each action is written down in the audit log before it is done."""
        from sentinel.audit.desk import RecordedDesk

        with self.book() as book:
            yield RecordedDesk(book, self.audit)

    def journal(self, name: str) -> "Journal | None":
        """Return the journal of what machines share that is called `name`; None: nothing is shared."""
        if name not in self._journals:
            self._journals[name] = stores.journal(self.config, name)
        return self._journals[name]

    @contextmanager
    def book(self) -> Iterator["Book"]:
        """Open the book of alerts for Sentinel itself; what people do goes through `desk`."""
        from sentinel.alert.book import Book

        made(self.config.data)
        options = self.config.detect
        quiet = timedelta(hours=options.quiet_hours)
        journal = self.journal("state")
        with Book(self.config.state_file, self.clock, quiet, options.budget_per_hour, journal) as book:
            yield book

    @contextmanager
    def questions(self) -> Iterator["Questions"]:
        """Open the questions that people have saved."""
        from sentinel.respond.saved import Questions

        with Questions(made(self.config.data) / "questions.db", self.clock) as questions:
            yield questions

    @contextmanager
    def odd_book(self) -> Iterator["OddBook"]:
        """Open what came of comparing sites."""
        from sentinel.compare.book import OddBook

        with OddBook(made(self.config.data) / "odd.db") as book:
            yield book

    @contextmanager
    def incidents(self) -> Iterator["IncidentBook"]:
        """Open the incidents; what alerts' events name is read from the store."""
        from sentinel.alert.grouping import Terms
        from sentinel.alert.incidents import IncidentBook
        from sentinel.detect.attack import standing

        def tactics(technique: str) -> tuple[str, ...]:
            return tuple(tactic for one in standing([technique]) for tactic in one.tactics)

        options = self.config.incidents
        terms = Terms(round(options.window_hours * 3_600_000_000), options.shared_max, options.common)
        with self.book() as book, self.reading() as store:
            yield IncidentBook(book, store, self.clock, terms, tactics)

    @contextmanager
    def cases(self) -> Iterator["Cases"]:
        """Open the cases for people: each action is written down in the audit log before it is done."""
        from sentinel.audit.cases import RecordedCases
        from sentinel.cases.book import CaseBook

        made(self.config.data)
        with CaseBook(self.config.cases_file, self.clock, self.journal("cases")) as book:
            yield RecordedCases(book, self.audit)

    @contextmanager
    def past(self, store: "Store") -> Iterator["Past"]:
        """Open what the rules with a history have learnt."""
        from sentinel.detect.past import Past

        past = Past(self.config.history_file, store)
        try:
            yield past
        finally:
            past.shut()

    @contextmanager
    def books(self, *, writer: bool = False) -> Iterator["SourceBook"]:
        """Open the books of sources; one process may enter, any number read."""
        from sentinel.sources.book import Patience, SourceBook

        made(self.config.data)
        patience = Patience(self.config.silent_after, self.hours.seconds)
        with SourceBook(self.config.sources_file, self.clock, patience, writer=writer) as books:
            yield books

    @contextmanager
    def joiner(self, store: "Store", start: "Reached") -> Iterator["Joiner"]:
        """Open what puts together records that are one thing; a new book begins at `start`."""
        from sentinel.join.book import JoinBook
        from sentinel.join.joiner import Joiner

        joins = {pack.name: pack.join for pack in self.packs if pack.join is not None}
        with JoinBook(self.config.joins_file) as book, self.spool() as spool:
            yield Joiner(joins, book, store, spool, self.clock, start=start)

    @cached_property
    def _assets(self) -> "Assets":
        from sentinel.config.inventory import Inventory
        from sentinel.parse.assets import Assets

        return Assets(self.inventory or Inventory())

    def asset(self, field: str, value: str) -> Mapping[str, str]:
        """Return what the inventory says of a host or an address: site, owner, criticality; raises ConfigError."""
        if field.endswith(".ip"):
            return self._assets.of_address(value)
        return self._assets.of_name(value) if field.startswith("host.") else {}

    def owner(self, identity: "Identity") -> "Owner":
        """Return where a sender stands and whose it is, as the inventory says it; raises ConfigError if it is wrong."""
        from sentinel.core.source import Owner

        facts = self._assets.of_sender(identity.source, identity.peer, identity.peer)
        facts = facts or self._assets.of_name(identity.host)
        return Owner(facts.get("site", ""), facts.get("owner", ""))
