"""Surveys for the console's screens: how everything fares, who sends, what the rules can see."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from sentinel import status
from sentinel.app import App
from sentinel.config.duty import load
from sentinel.core.alert import Record
from sentinel.core.clock import local_zone
from sentinel.core.errors import ConfigError, StoreError
from sentinel.core.ports import Span
from sentinel.core.source import Identity, Outcome, Tally, hour_of, loss_class, sender_of
from sentinel.core.where import Exists
from sentinel.detect.attack import standing, tactics, techniques
from sentinel.detect.breaker import Breaker
from sentinel.detect.coverage import Reach, coverage
from sentinel.detect.documents import read_text
from sentinel.sources.book import OTHERS, Sender
from sentinel.status import Status
from sentinel.testing.packs import supplied
from sentinel.ui.console.surveys import (
    Books,
    Deadline,
    OnCall,
    Overview,
    RuleNumbers,
    RulesSurvey,
    RuleSurvey,
    SourcesSurvey,
    TechniqueSurvey,
)
from sentinel.ui.senders import HOURS_TOLD, Note, SenderSurvey

ACTIVE = timedelta(days=1)
DATASETS_MAX = 10_000
SKEW_TOLD_SECONDS = 60.0
LOST_UNSEEN = ("kernel", "overflow")
"""Why datagrams were dropped whose sender nobody knows."""
_LOST = ("dropped", "missing")


class Surveyor:
    """Looks at one Sentinel, from any process, whether it runs or not."""

    def __init__(self, app: App) -> None:
        self._app = app

    def overview(self) -> Overview:
        """Look how everything fares."""
        app, found = self._app, status.look(self._app)
        now = app.clock.now()
        midnight = _midnight(now)
        hours, lost = _by_hour(found.tally, hour_of(now))
        recent = {one: number for one, number in found.tally.items() if one.hour > hour_of(now) - HOURS_TOLD}
        return Overview(
            at=now,
            midnight=midnight,
            running=found.running,
            judging=found.judging,
            hours=hours,
            lost=lost,
            senders=len(found.senders),
            silent=tuple(_named(one) for one in found.silent),
            unheard=unheard(app, found),
            spool=found.spool.bytes / app.config.spool.bytes_max,
            full=found.spool.full,
            short=found.short,
            store_lag=found.store_lag,
            detect_lag=found.detect_lag,
            datagrams_lost=sum(
                number for one, number in recent.items() if one.outcome == "dropped" and one.reason in LOST_UNSEEN
            ),
            dead_letters=sum(
                number
                for one, number in recent.items()
                if one.outcome == "deadletter" and one.hour >= hour_of(midnight)
            ),
            books=_books(found),
            deadlines=self._deadlines(),
            on_call=_on_call(app, now),
        )

    def sources(self) -> SourcesSurvey:
        """Look who has been heard."""
        found = status.look(self._app)
        return SourcesSurvey(tuple(senders(self._app, found)), unheard(self._app, found))

    def rule_numbers(self) -> RuleNumbers:
        """Count the rules."""
        rules = self._app.rules
        return RuleNumbers(len(rules.detections), len(self._aside()), len(rules.refused))

    def rules(self) -> RulesSurvey:
        """Say of every rule how it stands, and of every technique what is there for it."""
        app = self._app
        rules, aside = app.rules, self._aside()
        arriving, problem = active(app)
        with app.book() as book:
            records = {one.rule_id: one for one in book.records()}
        rows = [
            _rule(one, aside.get(one.detection.id, ""), records.get(one.detection.id))
            for one in coverage(rules.detections, app.supplied, arriving)
        ]
        rows += [
            replace(_rule(Reach(one.detection, (), ""), "", records.get(one.detection.id)), state="off", why=one.why)
            for one in rules.off
        ]
        rows += [
            RuleSurvey(id="", title=Path(one.path).stem, level=None, state="refused", why=one.reason, path=one.path)
            for one in rules.refused
        ]
        return RulesSurvey(tuple(rows), tuple(_techniques(rows)), problem)

    def sigma(self, path: str) -> str:
        """Return a rule's file as it is; raises RuleError if it cannot be read."""
        return read_text(Path(path))

    def _aside(self) -> dict[str, str]:
        with self._app.book() as book:
            return Breaker(book, self._app.rules.detections).aside(self._app.clock.now())

    def _deadlines(self) -> tuple[Deadline, ...]:
        with self._app.cases() as cases:
            found = [Deadline(one.number, one.title, one.deadline) for one in cases.cases() if one.deadline is not None]
        return tuple(sorted(found, key=lambda one: one.at))


def _on_call(app: App, now: datetime) -> OnCall | None:
    try:
        roster = load(app.config.duty)
    except ConfigError as error:
        return OnCall(problem=str(error))  # of use without it too
    if roster is None:
        return None
    found = roster.at(now)
    return OnCall() if found is None else OnCall(found[0].who, found[0].reach, found[1])


def unheard(app: App, found: Status) -> tuple[str, ...]:
    """Return the configured sources of which nothing has ever been heard."""
    return tuple(sorted({one.name for one in app.config.sources} - {one.identity.source for one in found.senders}))


def _midnight(now: datetime) -> datetime:
    return now.astimezone(local_zone(now)).replace(hour=0, minute=0, second=0, microsecond=0)


def _named(sender: Sender) -> str:
    return f"{sender.identity.source} {sender.identity.host or sender.identity.peer}".strip()


def _by_hour(tally: Tally, now: int) -> tuple[tuple[int | None, ...], tuple[int, ...]]:
    received: Counter[int] = Counter()
    lost: Counter[int] = Counter()
    for account, number in tally.items():
        if account.outcome == "received":
            received[account.hour] += number
        elif account.outcome in _LOST:
            lost[account.hour] += number
    first = min((account.hour for account in tally if account.hour), default=now + 1)
    hours = range(now - HOURS_TOLD + 1, now + 1)
    return tuple(received[hour] if hour >= first else None for hour in hours), tuple(lost[hour] for hour in hours)


def _books(found: Status) -> Books:
    told = found.balance
    return Books(told.received, told.split, told.ends, told.waiting, told.problems)


def senders(app: App, found: Status) -> list[SenderSurvey]:
    """Return everybody who was heard, with what strikes about each; raises ConfigError for a wrong inventory."""
    silent = {one.identity for one in found.silent}
    now = hour_of(app.clock.now())
    recent = Counter({one: number for one, number in found.tally.items() if one.hour > now - HOURS_TOLD})
    lost: Counter[str] = Counter()
    missing: Counter[tuple[str, str]] = Counter()
    booked: defaultdict[str, Counter[tuple[Outcome, str]]] = defaultdict(Counter)
    for (_hour, source, outcome, reason), number in recent.items():
        booked[source][outcome, "" if outcome == "missing" else reason] += number
        if outcome == "missing":
            missing[source, reason] += number
        elif outcome == "dropped" and reason in LOST_UNSEEN:
            lost[source] += number
    crowd = _Crowd(found.senders)
    return [
        _survey(
            app,
            one,
            tuple(_notes(one, crowd, silent, lost[one.identity.source], missing)),
            tuple((*what, number) for what, number in sorted(booked[one.identity.source].items())),
            silent=one.identity in silent,
        )
        for one in found.senders
    ]


def _survey(
    app: App, one: Sender, notes: tuple[Note, ...], booked: tuple[tuple[Outcome, str, int], ...], *, silent: bool
) -> SenderSurvey:
    site, owner = app.owner(one.identity)
    configured = app.config.source(one.identity.source)
    return SenderSurvey(
        identity=one.identity,
        loss=loss_class(one.identity.via),
        site=site,
        owner=owner,
        zone="UTC" if configured is None else configured.zone,
        first=one.first,
        last=one.last,
        records=one.records,
        bytes=one.bytes,
        usual=one.usual,
        patience=one.patience,
        lag_p50=one.lag_at(0.5),
        lag_p95=one.lag_at(0.95),
        skew=one.skew,
        silent=silent,
        notes=notes,
        booked=booked,
    )


class _Crowd:
    """Which hosts a peer speaks for, and which peers claim a host."""

    def __init__(self, everybody: Sequence[Sender]) -> None:
        self.hosts: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self.peers: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for source, _via, peer, host in (one.identity for one in everybody):
            self.hosts[source, peer].add(host)
            self.peers[source, host].add(peer)


def _notes(
    sender: Sender, crowd: _Crowd, silent: set[Identity], lost: int, missing: Counter[tuple[str, str]]
) -> Iterator[Note]:
    identity = sender.identity
    source, via, peer, host = identity
    if identity in silent:
        yield Note("silent", at=sender.last)
    if _differs(identity):
        yield Note("differs")
    if peer == OTHERS:
        yield Note("crowd")
    elif len(crowd.hosts[source, peer]) > 1:
        yield Note("hosts", len(crowd.hosts[source, peer]))
    if host and len(crowd.peers[source, host]) > 1:
        yield Note("claimed", len(crowd.peers[source, host]))
    if loss_class(via) == "best effort" and lost:
        yield Note("lost", lost)
    skew = sender.skew
    # what was acknowledged may have waited at the sender, and a flow is told when it is over
    late = loss_class(via) == "acknowledged" or (via == "netflow" and skew is not None and skew > 0)
    if skew is not None and abs(skew) >= SKEW_TOLD_SECONDS and not late:
        yield Note("clock", skew)
    if missing[source, sender_of(identity)] > 0:
        yield Note("missing", missing[source, sender_of(identity)])


def _differs(identity: Identity) -> bool:
    """Say whether what records claim contradicts what the connection shows; a name cannot contradict an address."""
    _, _, peer, host = identity
    if not host or not peer or peer.startswith("/"):
        return False
    if _is_address(host):
        return _is_address(peer) and ip_address(peer) != ip_address(host)
    kind, _, name = peer.partition(":")
    return kind == "dns" and name.lower().split(".")[0] != host.lower().split(".")[0]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def active(app: App) -> tuple[frozenset[str], str]:
    """Return the data sets that are being sent, and what the store cannot tell of them.

    A data set counts as sent if a source is configured with its pack, or an event of it was stored within a day.
    """
    hinted = (app.packs.hinted(source.pack) for source in app.config.sources if source.pack)
    found = set(supplied(pack for pack in hinted if pack is not None))
    now = app.clock.now()
    try:
        with app.reading() as store:
            day = Span(now - ACTIVE, now, "ingested")
            rows = store.tally(Exists("event.dataset"), day, ["event.dataset"], DATASETS_MAX)
    except StoreError as error:
        return frozenset(found), str(error)
    return frozenset(found | {str(name) for (name,), _ in rows}), ""


def _rule(reach: Reach, aside: str, record: Record | None) -> RuleSurvey:
    rule = reach.detection
    return RuleSurvey(
        id=rule.id,
        title=rule.title,
        level=rule.level,
        state="aside" if aside else "on" if reach.by else "never",
        why=aside or reach.lacks,
        path=rule.path,
        by=reach.by,
        alerts=record.alerts if record else 0,
        open=record.open if record else 0,
        verdicts=record.verdicts if record else 0,
        false_positives=record.false_positive_ratio if record else None,
        attack=rule.attack,
        description=rule.description,
        falsepositives=rule.falsepositives,
        author=rule.author,
        references=rule.references,
        title_de=rule.title_de,
        response=rule.response,
        blind_spots=rule.blind_spots,
        license=rule.license,
    )


def _techniques(rules: Sequence[RuleSurvey]) -> Iterator[TechniqueSurvey]:
    having: defaultdict[str, list[RuleSurvey]] = defaultdict(list)
    for rule in (one for one in rules if one.state != "off"):
        for technique in standing(rule.attack):
            having[technique.id].append(rule)
    for short, name in tactics().items():
        of = [one for one in techniques().values() if short in one.tactics and not one.withdrawn]
        for one in sorted(of, key=lambda one: (one.id not in having, one.id)):
            those = having.get(one.id, [])
            yield TechniqueSurvey(
                tactic=name,
                id=one.id,
                name=one.name,
                rules=len(those),
                able=sum(rule.state == "on" for rule in those),
                fired=sum(rule.alerts for rule in those),
            )
