"""Microsoft 365's unified audit log by the Office 365 Management Activity API.

https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference

A content type is subscribed to once. Its records then come in blobs, which are listed by the time at which they became
available (24 hours at once, 7 days back) and fetched one by one; a blob never changes, so one that was kept is not
fetched again, however often the lists name it.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urljoin

import orjson

from sentinel.collect.pull_answers import Form, at, content
from sentinel.collect.pull_client import Answer, PullError
from sentinel.collect.pull_feeds import PAGES_MAX, Ask, Known, Page
from sentinel.collect.pull_marks import Stretch

CONTENT_TYPES = ("Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", "DLP.All")
OLDEST = timedelta(days=7, minutes=-10)
WINDOW = timedelta(hours=24)
_FORM = Form(id="Id")
_BLOBS = Form(id="contentId")
_SUBSCRIPTIONS = Form(id="contentType")
_ALREADY = "AF20024"
_NOT_SUBSCRIBED = ("AF20022", "AF20023")
_EXPIRED = ("AF20050", "AF20051")
_GONE = (404, 410)


@dataclass(frozen=True, slots=True)
class AuditFeed:
    """One content type of one tenant."""

    root: str
    tenant: str
    key: str
    oldest: timedelta | None = OLDEST

    def _url(self, what: str, **parameters: str) -> str:
        asked = {**parameters, "PublisherIdentifier": self.tenant}
        query = "&".join(f"{name}={quote(value, safe=':')}" for name, value in asked.items())
        return f"{self.root.rstrip('/')}/api/v1.0/{self.tenant}/activity/feed/subscriptions/{what}?{query}"

    def probe(self, now: datetime) -> str:
        """Return the URL of the list of subscriptions."""
        del now
        return self._url("list")

    def doubt(self, answer: Answer) -> str:
        """Return whether this content type is not subscribed to."""
        return "" if self._subscribed(answer) else f"{self.key} is not subscribed to yet: `sentinel run` does it"

    async def ready(self, ask: Ask) -> None:
        """Subscribe, unless that has been done."""
        if not self._subscribed(await ask(self._url("list"))):
            await self._subscribe(ask)

    def _subscribed(self, answer: Answer) -> bool:
        listed = content(answer, _SUBSCRIPTIONS).records
        states = {one.id: at(orjson.loads(one.body), "status") for one in listed}
        return states.get(self.key) == "enabled"

    async def _subscribe(self, ask: Ask) -> None:
        try:
            await ask(self._url("start", contentType=self.key), "POST")
        except PullError as error:
            if _ALREADY not in str(error):
                raise

    async def pages(self, stretch: Stretch, ask: Ask, known: Known) -> AsyncGenerator[Page, None]:
        """Yield the content of each blob that was not kept yet."""
        times = {"startTime": _time(stretch.since), "endTime": _time(stretch.until)}
        url = self._url("content", contentType=self.key, **times)
        asked: set[str] = set()
        while url:
            if url in asked or len(asked) >= PAGES_MAX:
                raise PullError("the list of contents does not come to an end")
            asked.add(url)
            try:
                answer = await ask(url)
            except PullError as error:
                if any(code in str(error) for code in _NOT_SUBSCRIBED):
                    await self._subscribe(ask)  # somebody had ended it
                    raise PullError(f"{error}: subscribed again", status=error.status, passing=True) from error
                raise
            blobs = content(answer, _BLOBS).records
            kept = await known(blob.id for blob in blobs)
            for blob in blobs:
                if blob.id not in kept:
                    yield await self._blob(blob.id, str(at(orjson.loads(blob.body), "contentUri")), ask)
            following = answer.headers.get("nextpageuri", "")
            url = urljoin(url, following) if following else ""

    async def _blob(self, name: str, url: str, ask: Ask) -> Page:
        try:
            answer = await ask(f"{url}{'&' if '?' in url else '?'}PublisherIdentifier={self.tenant}")
        except PullError as error:
            if error.status not in _GONE and not any(code in str(error) for code in _EXPIRED):
                raise
            return Page((), unit=name, gone="a blob of records has expired before it was fetched")
        found = await asyncio.to_thread(content, answer, _FORM)
        return Page(found.records, unit=name, deep=found.deep)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
