"""`sentinel status`: whether the books balance, and how far each stage has come."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import typer

from sentinel import status as looking
from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, show, talk
from sentinel.core.clock import iso
from sentinel.core.errors import Exit
from sentinel.core.source import Account
from sentinel.roles import ALL
from sentinel.spool.survey import SpoolStats
from sentinel.status import Balance, Status
from sentinel.ui import tables

EXAMPLE = """
sentinel status
sentinel status --json
"""
HOURS_TOLD = 24

verb = typer.Typer(add_completion=False, rich_markup_mode=None)


@verb.command()
def status(json: JsonOption = False, config: ConfigOption = None) -> None:
    """Say whether all that was received is accounted for. Ends with 1 if not, if a sender is silent or rules stand."""
    app = application(config)
    found = looking.look(app)
    if json:
        with app.spool() as spool:
            emit(_as_json(found) | {"waiting": _accounts(looking.waiting(spool, found.progress.through))})
    else:
        show(tables.plain_table(("what", "state"), _rows(found)))
        for problem in found.balance.problems:
            talk(f"the books do not balance: {problem}", "red")
    if not found.well:
        raise typer.Exit(Exit.FINDING)


def _rows(found: Status) -> list[tuple[str, str]]:
    away = ", ".join(
        f"{source}: {outcome} {number:,} ({reason})"
        for (source, (outcome, reason)), number in found.turned_away.items()
    )
    silent = ", ".join(
        f"{one.identity.source} {one.identity.host or one.identity.peer} since {tables.local(one.last)}"
        for one in found.silent
    )
    running = "at work" if found.running else f"not at work since {_moment(found.progress.known)}"
    oldest = f", the oldest {_seconds(found.store_lag.total_seconds())} old" if found.balance.waiting else ""
    rows = [
        ("sentinel run", running if found.roles == ALL else f"{running}; role: {found.roles}"),
        ("books", books_line(found.balance)),
        ("spool", f"{found.balance.waiting:,} records wait{oldest}; {found.spool.bytes / (1 << 20):,.1f} MiB"),
        *_spool_rows(found.spool),
        *(("store", one) for one in found.short),
        ("rules", _judging(found)),
        ("senders", f"{len(found.senders)} known, {len(found.silent)} silent{': ' if silent else ''}{silent}"),
        ("connections", away or "none refused"),
    ]
    if found.notifications:
        rows.append(("notifications", _told(found)))
    if found.expired:
        named = ", ".join(f"{one.title} ({one.terms.owner})" for one in found.expired)
        rows.append(("exceptions", f"{len(found.expired)} expired: {named}"))
    if found.balance.skipped:
        rows.append(("not booked", f"{found.balance.skipped:,} records, dealt with while the books were lost"))
    return rows


def _judging(found: Status) -> str:
    if not found.roles.detect:
        return "run on the machine with the role detect"
    return found.judging or f"{_seconds(found.detect_lag.total_seconds())} behind"


def _told(found: Status) -> str:
    states = Counter[str]()
    for (_, state), number in found.notifications.items():
        states[state] += number
    said = ", ".join(f"{states[state]:,} {state}" for state in ("sent", "waiting", "failed"))
    return said + "".join(f"; {name} fails: {health.error}" for name, health in found.mute.items())


def _spool_rows(spool: SpoolStats) -> Iterator[tuple[str, str]]:
    if spool.full:
        yield "spool is full", f"{spool.full}; senders wait, datagrams are dropped and counted"
    if spool.quarantined_bytes:
        yield "spool damage", f"{spool.quarantined_bytes:,} bytes lie in quarantine/ for you to look at"
    for problem in spool.problems:
        yield "spool", problem


def books_line(balance: Balance) -> str:
    """Return the equation in one line."""
    names = {"stored": "stored", "duplicate": "known before", "deadletter": "dead letters"}
    split = f" + {balance.split:,} split off" if balance.split else ""
    ends = " + ".join(f"{number:,} {names.get(name, name)}" for name, number in balance.ends.items())
    verdict = "do not balance" if balance.problems else "balance"
    return f"{verdict}: {balance.received:,} received{split} = {ends} + {balance.waiting:,} in spool"


def _seconds(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds < 600 else f"{seconds / 60:,.0f} min"


def _moment(moment: datetime | None) -> str:
    return "ever" if moment is None else tables.local(moment)


def _as_json(found: Status) -> dict[str, Any]:
    balance, recent = found.balance, max((account.hour for account in found.tally), default=0) - HOURS_TOLD
    return {
        "schema": SCHEMA,
        "well": found.well,
        "running": found.running,
        "role": str(found.roles),
        "balanced": not balance.problems,
        "problems": balance.problems,
        "received": balance.received,
        "split": balance.split,
        **balance.ends,
        "in_spool": balance.waiting,
        "not_booked": balance.skipped,
        "spool_bytes": found.spool.bytes,
        "spool_full": found.spool.full,
        "spool_quarantined_bytes": found.spool.quarantined_bytes,
        "spool_problems": found.spool.problems,
        "store_problems": found.short,
        "store_lag_seconds": found.store_lag.total_seconds(),
        "detect_lag_seconds": found.detect_lag.total_seconds(),
        "judging": found.judging,
        "exceptions_expired": [one.path for one in found.expired],
        "notifications": [
            {"channel": channel, "state": state, "number": number}
            for (channel, state), number in sorted(found.notifications.items())
        ],
        "channels_failing": sorted(found.mute),
        "senders": len(found.senders),
        "silent": [one.identity._asdict() | {"since": iso(one.last)} for one in found.silent],
        "hours": _accounts({account: number for account, number in found.tally.items() if account.hour > recent}),
    }


def _accounts(tally: Mapping[Account, int]) -> list[dict[str, Any]]:
    return [
        {
            "hour": iso(datetime.fromtimestamp(account.hour * 3600, tz=UTC)),
            "source": account.source,
            "outcome": account.outcome,
            "reason": account.reason,
            "number": number,
        }
        for account, number in sorted(tally.items())
    ]
