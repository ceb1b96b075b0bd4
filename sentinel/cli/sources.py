"""`sentinel sources`: who sends, how often and how late, whose it is, and who has fallen silent."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import Any

import typer

from sentinel import status
from sentinel.app import App
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, show, talk
from sentinel.core.clock import iso
from sentinel.core.errors import Exit
from sentinel.core.source import Identity, hour_of, loss_class, sender_of
from sentinel.sources.book import OTHERS, Sender
from sentinel.status import Status
from sentinel.ui import tables

EXAMPLE = """
sentinel sources
sentinel sources --json
"""
SKEW_TOLD = 60.0
HOURS_TOLD = 24
_LOST_UNSEEN = ("kernel", "overflow")
COLUMNS = (
    "source", "sender", "host", "loss", "site", "owner", "last heard", "every", "lag p50", "lag p95", "zone", "notes",
)  # fmt: skip

verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command()
def sources(json: JsonOption = False, config: ConfigOption = None) -> None:
    """List every sender that has been heard. Ends with 1 if one is silent."""
    app = application(config)
    found = status.look(app)
    silent = {one.identity for one in found.silent}
    lost, missing = _lost(found, app.clock.now()), _missing(found, app.clock.now())
    notes = {one.identity: _notes(one, found.senders, silent, lost) for one in found.senders}
    for identity, number in ((one, missing[one.source, sender_of(one)]) for one in notes):
        if number > 0:
            notes[identity].append(f"{number:,} messages never came within {HOURS_TOLD} h, by its own numbers")
    if json:
        emit(*(_as_json(app, one, notes[one.identity], silent) for one in found.senders))
    elif found.senders:
        show(tables.plain_table(COLUMNS, [_row(app, one, notes[one.identity]) for one in found.senders]))
    never = {source.name for source in app.config.sources} - {one.identity.source for one in found.senders}
    for name in sorted(never):
        talk(f"source {name}: nothing has been heard of it yet")
    if silent:
        raise typer.Exit(Exit.FINDING)


def _zone(app: App, name: str) -> str:
    source = app.config.source(name)
    return "UTC" if source is None else source.zone


def _row(app: App, sender: Sender, notes: Sequence[str]) -> tuple[str, ...]:
    source, via, peer, host = sender.identity
    site, owner = app.owner(sender.identity)
    return (
        source, f"{via} {peer}".strip(), host, loss_class(via), site, owner, tables.local(sender.last),
        _rough(sender.usual), _rough(sender.lag_at(0.5)), _rough(sender.lag_at(0.95)), _zone(app, source),
        "; ".join(notes),
    )  # fmt: skip


def _as_json(app: App, sender: Sender, notes: Sequence[str], silent: set[Identity]) -> dict[str, Any]:
    site, owner = app.owner(sender.identity)
    return {
        "schema": SCHEMA,
        **sender.identity._asdict(),
        "loss_class": loss_class(sender.identity.via),
        "site": site,
        "owner": owner,
        "zone": _zone(app, sender.identity.source),
        "first_heard": iso(sender.first),
        "last_heard": iso(sender.last),
        "records": sender.records,
        "bytes": sender.bytes,
        "cadence_seconds": sender.usual,
        "silent_after_seconds": sender.patience,
        "lag_p50_seconds": sender.lag_at(0.5),
        "lag_p95_seconds": sender.lag_at(0.95),
        "skew_seconds": sender.skew,
        "silent_since": iso(sender.last) if sender.identity in silent else None,
        "notes": list(notes),
    }


def _rough(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    size = abs(seconds)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if size >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.1f} s"


def _missing(found: Status, now: datetime) -> Counter[tuple[str, str]]:
    """Return how many messages that their sender had numbered never came within a day, by source and sender."""
    missing: Counter[tuple[str, str]] = Counter()
    for (hour, source, outcome, sender), number in found.tally.items():
        if outcome == "missing" and hour > hour_of(now) - HOURS_TOLD:
            missing[source, sender] += number
    return missing


def _lost(found: Status, now: datetime) -> Counter[str]:
    """Return how many datagrams this host lost within a day, by source: whose they were nobody knows."""
    lost: Counter[str] = Counter()
    for (hour, source, outcome, reason), number in found.tally.items():
        if outcome == "dropped" and reason in _LOST_UNSEEN and hour > hour_of(now) - HOURS_TOLD:
            lost[source] += number
    return lost


def _notes(sender: Sender, everybody: Sequence[Sender], silent: set[Identity], lost: Mapping[str, int]) -> list[str]:
    notes = [f"silent since {tables.local(sender.last)}"] if sender.identity in silent else []
    if _differs(sender.identity):
        notes.append("claimed host differs from peer")
    hosts, peers = defaultdict(set), defaultdict(set)
    for source, _, peer, host in (one.identity for one in everybody):
        hosts[source, peer].add(host)
        peers[source, host].add(peer)
    source, _, peer, host = sender.identity
    if peer == OTHERS:
        notes.append("more senders than are told apart")
    elif len(hosts[source, peer]) > 1:
        notes.append(f"speaks for {len(hosts[source, peer])} hosts")
    if host and len(peers[source, host]) > 1:
        notes.append(f"host is claimed by {len(peers[source, host])} peers")
    if loss_class(sender.identity.via) == "best effort" and lost.get(source):
        notes.append(
            f"{lost[source]:,} datagrams of this source were lost here within {HOURS_TOLD} h, some perhaps its own"
        )
    skew, via = sender.skew, sender.identity.via
    # what was acknowledged may have waited at the sender, and a flow is told when it is over
    late = loss_class(via) == "acknowledged" or (via == "netflow" and skew is not None and skew > 0)
    if skew is not None and abs(skew) >= SKEW_TOLD and not late:
        notes.append(f"clock {_rough(abs(skew))} {'behind' if skew > 0 else 'ahead'}, or another zone")
    return notes


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
