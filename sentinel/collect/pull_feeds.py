"""What is asked of an API, page after page: URLs with times and cursors in them, next links, and records of a page."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol
from urllib.parse import quote, urljoin

from sentinel.collect.pull_answers import Content, Form, Record, content
from sentinel.collect.pull_client import Answer, Method, PullError, spoken
from sentinel.collect.pull_marks import Stretch

PAGES_MAX = 10_000
Known = Callable[[Iterable[str]], Awaitable[set[str]]]
"""Returns those names that were kept already."""
Times = Literal["rfc3339", "seconds", "milliseconds"]


class Ask(Protocol):
    """Asks a server, as us and with due patience."""

    async def __call__(self, url: str, /, method: Method = "GET") -> Answer:
        """Return an answer of success; raises PullError."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some records; `cursor` is where to go on behind them, `unit` the name of the whole, which never changes.

    `deep` records could not be written down; `gone` says what was to be here and cannot be had any more.
    """

    records: Sequence[Record]
    cursor: str = ""
    unit: str = ""
    deep: int = 0
    gone: str = ""


class Feed(Protocol):
    """Something that is read by itself, with a mark of its own."""

    @property
    def key(self) -> str:
        """Its name within the source."""

    @property
    def oldest(self) -> timedelta | None:
        """How far back the server can go, None if it has no end."""

    async def ready(self, ask: Ask) -> None:
        """Do what has to be done once before anything can be read."""

    def pages(self, stretch: Stretch, ask: Ask, known: Known) -> AsyncGenerator[Page, None]:
        """Yield the pages of a stretch; the next one is asked for when the last one has been kept."""

    def probe(self, now: datetime) -> str:
        """Return the URL of something small, for those who want to know whether all is well."""

    def doubt(self, answer: Answer) -> str:
        """Return what is odd about the answer to that, empty if nothing is; raises PullError."""


@dataclass(frozen=True, slots=True)
class JsonFeed:
    """An API that gives records as JSON: `url` may hold `{since}`, `{until}` and `{cursor}`."""

    url: str
    form: Form
    times: Times = "rfc3339"
    key: str = ""
    oldest: timedelta | None = None

    async def ready(self, ask: Ask) -> None:
        """Do nothing: there is nothing to be done."""

    async def pages(self, stretch: Stretch, ask: Ask, known: Known) -> AsyncGenerator[Page, None]:
        """Follow next links and cursors to the end."""
        del known
        cursor, url = stretch.cursor, self._filled(stretch, stretch.cursor)
        asked: set[str] = set()
        while url not in asked:
            if len(asked) >= PAGES_MAX:
                raise PullError(f"more than {PAGES_MAX} pages: choose a smaller window_minutes")
            asked.add(url)
            answer = await ask(url)
            found = await asyncio.to_thread(content, answer, self.form)
            yield Page(found.records, found.cursor, deep=found.deep)
            following, cursor = self._following(stretch, url, found, cursor)
            if not following:
                return
            if following in asked and following != url:  # a link to the page itself is how some say: no more yet
                raise PullError(f"the next link leads back to {spoken(following)}")
            url = following

    def _following(self, stretch: Stretch, url: str, found: Content, cursor: str) -> tuple[str, str]:
        if found.next_url:
            return urljoin(url, found.next_url), cursor
        if found.records and found.cursor not in {"", cursor}:
            return self._filled(stretch, found.cursor), found.cursor
        return "", cursor

    def probe(self, now: datetime) -> str:
        """Return the URL of the last minute."""
        return self._filled(Stretch(now - timedelta(minutes=1), now, now), "")

    def doubt(self, answer: Answer) -> str:
        """Return whether an answer has no records where they should be."""
        return "" if content(answer, self.form).records else f"without records at {self.form.records!r}"

    def _filled(self, stretch: Stretch, cursor: str) -> str:
        head, question, query = self.url.partition("?")
        if not cursor:  # the first time there is none: then the parameter is left out
            query = "&".join(part for part in query.split("&") if "{cursor}" not in part)
        url = head + (question + query if query else "")
        return (
            url.replace("{since}", quote(written(stretch.since, self.times), safe=":"))
            .replace("{until}", quote(written(stretch.until, self.times), safe=":"))
            .replace("{cursor}", quote(cursor, safe=""))
        )


def written(moment: datetime, times: Times) -> str:
    """Return a time as an API wants it, in whole seconds or milliseconds."""
    if times == "rfc3339":
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(int(moment.timestamp()) if times == "seconds" else int(moment.timestamp() * 1000))
