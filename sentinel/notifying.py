"""The process that notifies: takes new alerts out of the book, and lets each channel send at its own pace.

A process of its own, with a thread a channel: neither receiving nor judging waits for it, and a server that hangs holds
up its own channel only.
"""

import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from multiprocessing.connection import Connection
from random import Random
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit
from uuid import uuid4

from sentinel.app import App
from sentinel.config.notify import Channel
from sentinel.config.options import Config
from sentinel.config.quiet import hours, quiet_until
from sentinel.core.alert import Alert
from sentinel.core.audit import SENTINEL
from sentinel.core.detection import LEVELS, Detection, Finding
from sentinel.core.errors import NotThereError, SentinelError, UsageError
from sentinel.core.folders import made as made_folder
from sentinel.core.folders import secret
from sentinel.core.where import AnyOf
from sentinel.lease import Lease, name
from sentinel.processes import begun, follow

if TYPE_CHECKING:
    from sentinel.alert.book import Book
    from sentinel.core.replica import Replica
    from sentinel.notify.door import Target
    from sentinel.notify.message import Words
    from sentinel.notify.outbox import Outbox
    from sentinel.notify.sender import Sender

Talk = Callable[[str], None]
LOOK_SECONDS = 2.0
AGAIN_SECONDS = 5.0
"""So long after its end the process is begun anew."""
ALARM_SECONDS = 30.0
ALERTS_MAX = 1_000
"""So many alerts are taken at a time."""
FIRST_LOOK = timedelta(hours=1)
"""What was raised longer before the first look is not told any more."""
_ENDING_SECONDS = 5.0
_NICENESS = 5
RULE = Detection(
    id="sentinel-notify-failing",
    title="Notifications do not arrive",
    level="high",
    where=AnyOf(()),  # no event raises it
    version="1",
    path="sentinel/notifying.py",
    author="Sentinel",
    attack=(),
    description="A channel has failed for a while. What it has to tell waits and is tried again; look at "
    "`sentinel notify list` and `sentinel doctor`. The alert closes itself when the channel works again.",
)


def keep(config: Config, stop: threading.Event, talk: Talk) -> None:
    """Keep the process at work until `stop`: one that ends is begun anew."""
    while not stop.is_set():
        process, link = begun(notify, "notify", config, talk)
        while process.is_alive() and not stop.wait(0.5):
            continue
        link.close()
        process.join(_ENDING_SECONDS)
        if process.is_alive():
            process.kill()  # what it was sending is sent again
            process.join()
        if not stop.is_set():
            talk(f"the process that notifies ended ({process.exitcode}): it is begun anew")
            stop.wait(AGAIN_SECONDS)


def notify(config: Config, talk: Talk, link: Connection) -> None:
    """Be the process that notifies, until the other end of `link` is closed."""
    follow(_NICENESS)
    try:
        _notify(App(config), talk, link)
    except SentinelError as error:
        talk(f"notify: {error}")
        sys.exit(error.exit_code)


def _notify(app: App, talk: Talk, link: Connection) -> None:
    from sentinel.notify.door import opened
    from sentinel.notify.outbox import open_file

    opened()
    journal = app.journal("notify")
    if journal is None:
        _told(app, talk, link, None)
        return
    made_folder(app.config.data)
    with closing(cast("Replica", open_file(app.config.notify_file, journal))) as db:
        lease = Lease(db, name(app.config.data), app.config.detect.lease_seconds)
        while lease.awaited(link.poll, lambda text: talk(f"notify: {text}"), lambda: None):
            with lease.kept(talk):
                _told(app, talk, link, lease)
            if link.poll(0):
                return


def _told(app: App, talk: Talk, link: Connection, lease: Lease | None) -> None:
    # tell until the end, or until another machine does; what was being sent then is not entered here any more
    stop = threading.Event()
    with app.outbox() as outbox, app.book() as book:
        if lease is not None:
            outbox.guard(lease.check)
        senders = [made(app, channel, outbox, book, talk) for channel in app.config.channels]
        threads = [
            threading.Thread(target=_channel, args=(one, stop, talk), name=one.name, daemon=True) for one in senders
        ]
        for thread in threads:
            thread.start()
        rounds = Rounds(app, outbox, book)
        told = ""
        while not link.poll(LOOK_SECONDS) and (lease is None or not lease.lost.is_set()):
            try:
                rounds.go()
                told = ""
            except SentinelError as error:
                if str(error) != told:
                    talk(f"notify: {error}")
                told = str(error)
        stop.set()
        if lease is not None and lease.lost.is_set():
            for thread in threads:
                thread.join()


def _channel(sender: "Sender", stop: threading.Event, talk: Talk) -> None:
    told = ""
    while not stop.is_set():
        try:
            busy = sender.step()
            told = ""
        except SentinelError as error:
            busy = False
            if str(error) != told:
                talk(f"notify: {sender.name}: {error}")
            told = str(error)
        if not busy:
            stop.wait(LOOK_SECONDS / 2)


def target(channel: Channel) -> "Target":
    """Return where a channel leads; its secret is read when it is needed, raising ConfigError."""
    from sentinel.notify.door import Target

    path = channel.password_file or channel.token_file
    parts = urlsplit(channel.url)
    return Target(
        kind=channel.kind,
        host=channel.host,
        port=channel.port,
        secure=channel.security if channel.kind == "mail" else ("tls" if parts.scheme == "https" else "none"),
        secret=(lambda: secret(path)) if path is not None else str,
        path=f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}",
        user=channel.user,
        sender=channel.sender,
        to=channel.to,
        room=channel.room,
        networks=channel.networks,
    )


def tested(app: App, channel: Channel) -> str:
    """Send a test by a channel now; return why it did not arrive, nothing if it did. Raises ConfigError."""
    from sentinel.notify.door import UndeliveredError, deliver, opened
    from sentinel.notify.message import Message

    opened()
    now, leads = app.clock.now(), target(channel)
    leads.secret()
    title, body = words(app.config, channel).test()
    message = Message(uuid4().hex, channel.name, "test", "", "informational", now, now, title=title, body=body)
    try:
        deliver(leads, message, now, message.facts(app.config.notify.site))
    except UndeliveredError as error:
        return str(error)
    return ""


def words(config: Config, channel: Channel) -> "Words":
    """Return how a channel words things."""
    from sentinel.notify.message import Words

    return Words(config.notify.language, config.notify.site, channel.personal)


def made(app: App, channel: Channel, outbox: "Outbox", book: "Book", talk: Talk) -> "Sender":
    """Return what sends by a channel."""
    from sentinel.notify.door import deliver
    from sentinel.notify.sender import Sender, Terms

    options = app.config.notify
    breaks = None if channel.quiet_breaks == "never" else channel.quiet_breaks
    stretches = tuple(map(hours, channel.quiet))
    return Sender(
        name=channel.name,
        terms=Terms(
            quiet=partial(quiet_until, stretches),
            breaks=breaks,
            per_hour=channel.per_hour,
            all_per_hour=options.per_hour,
            give_up=timedelta(hours=options.give_up_hours),
        ),
        words=words(app.config, channel),
        outbox=outbox,
        deliver=partial(deliver, target(channel)),
        look=partial(still_open, book),
        audit=app.audit,
        clock=app.clock,
        chance=Random(),  # noqa: S311  spreads tries, guards nothing
        talk=talk,
    )


def still_open(book: "Book", ids: Sequence[str]) -> list[Alert]:
    """Return the alerts that these have become, each once, the worst first; no closed, no suppressed ones."""
    found: dict[str, Alert] = {}
    for one in ids:
        try:
            alert = book.alert(one)
        except NotThereError:
            continue
        if alert.state != "closed" and alert.suppressed_until is None:
            found[alert.id] = alert
    return sorted(found.values(), key=lambda one: (-LEVELS.index(one.level), -one.count))


class Rounds:
    """What is done again and again: new alerts taken, failing channels told, the daily anchor passed on."""

    def __init__(self, app: App, outbox: "Outbox", book: "Book") -> None:
        from sentinel.notify.outbox import Pace

        options = app.config.notify
        self._app, self._outbox, self._book = app, outbox, book
        self._levels = {one.name: one.level_min for one in app.config.channels}
        self._pace = Pace(timedelta(seconds=options.gather_seconds), timedelta(minutes=options.again_minutes))
        self._give_up = timedelta(hours=options.give_up_hours)
        self._patience = timedelta(minutes=options.alarm_minutes)
        self._looked: datetime | None = None

    def go(self) -> None:
        """Do it once; raises StoreError."""
        now = self._app.clock.now()
        known = self._outbox.cursor("alerts")
        since = now - (FIRST_LOOK if known is None else self._give_up)
        after, cursor = -1, known or 0
        while cursor != after:
            after = cursor
            alerts, cursor = self._book.raised(after, ALERTS_MAX)
            new = [one for one in alerts if one.state == "new" and one.suppressed_until is None]
            if cursor != after:
                shown = [one for one in new if one.raised_at > since]
                self._outbox.take(shown, cursor, self._levels, now, self._pace)
        if self._looked is None or not timedelta() <= now - self._looked < timedelta(seconds=ALARM_SECONDS):
            self._looked = now
            self._alarm(now)
            self._anchor(now)
            self._outbox.forget(now)

    def _alarm(self, now: datetime) -> None:
        there = {one.key: one for one in self._book.open_of(RULE.id)}
        for channel in self._app.config.channels:
            health = self._outbox.health(channel.name)
            key = (("sentinel.channel", channel.name),)
            if health.failing is None:
                if key in there:
                    self._close(there[key])
            elif key not in there and now - health.failing >= self._patience:
                self._book.record([_finding(channel.name, health.failing, health.error)], 0)

    def _close(self, alert: Alert) -> None:
        try:
            self._book.close(alert.id, SENTINEL, "benign", "the channel works again")
        except UsageError:  # somebody was faster
            return

    def _anchor(self, now: datetime) -> None:
        wanted = self._app.config.notify.anchor_channel
        channel = next((one for one in self._app.config.channels if one.name == wanted), None)
        last = self._app.audit.last_anchor() if channel is not None else None
        if channel is not None and last is not None:
            text = f"{last.number}:{last.hash}"
            said = words(self._app.config, channel).anchor(f"{text} {last.at}")
            self._outbox.add(channel.name, "anchor", text, said, now)


def _finding(channel: str, since: datetime, why: str) -> Finding:
    return Finding(
        detection=RULE,
        key=(("sentinel.channel", channel),),
        first_seen=since,
        last_seen=since,
        evidence=(f"notify:{channel}:{since.isoformat()}",),
        summary=f"the channel {channel} has sent nothing since {since:%Y-%m-%d %H:%M} UTC: {why}",
        moments=(since,),
    )
