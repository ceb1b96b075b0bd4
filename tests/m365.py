"""A tenant of Microsoft 365 as its Management Activity API shows it, with the rules by which that refuses questions."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

from tests.api import Asked, Reply, reply

TENANT = "11111111-2222-4333-8444-555555555555"
CLIENT = "99999999-8888-4777-8666-555555555555"
SECRET = "a~secret.of+the/tenant=0123456789"  # noqa: S105  for the tests alone
ROOT = f"/api/v1.0/{TENANT}/activity/feed"
FORMAT = "%Y-%m-%dT%H:%M:%S"


@dataclass
class Blob:
    """Some records that became available at a time; `gone` ones are listed and cannot be had."""

    name: str
    kind: str
    created: datetime
    records: list[dict[str, object]]
    gone: bool = False


@dataclass
class Tenant:
    """What it has, who may ask, and what was fetched; `page` blobs are listed at once."""

    now: Callable[[], datetime]
    subscribed: set[str] = field(default_factory=set)
    blobs: list[Blob] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    spans: list[timedelta] = field(default_factory=list)
    tokens: int = 0
    page: int = 2

    def add(self, kind: str, created: datetime, *records: dict[str, object]) -> Blob:
        blob = Blob(f"{created:%Y%m%d%H%M%S}${len(self.blobs)}", kind, created, list(records))
        self.blobs.append(blob)
        return blob

    def script(self, asked: Asked) -> Reply:
        if asked.path == f"/{TENANT}/oauth2/v2.0/token":
            return self._token(asked)
        if asked.headers.get("Authorization") != f"Bearer token-{self.tokens}":
            return reply({"error": {"code": "AF10001", "message": "The permission set is not sufficient."}}, 401)
        if asked.path == f"{ROOT}/subscriptions/list":
            return reply([{"contentType": one, "status": "enabled", "webhook": None} for one in self.subscribed])
        if asked.path == f"{ROOT}/subscriptions/start":
            return self._start(asked)
        if asked.path == f"{ROOT}/subscriptions/content":
            return self._content(asked)
        return self._blob(asked.path.removeprefix(f"{ROOT}/audit/"))

    def _token(self, asked: Asked) -> Reply:
        said = dict(parse_qsl(asked.body.decode()))
        wanted = {
            "grant_type": "client_credentials",
            "client_id": CLIENT,
            "client_secret": SECRET,
            "scope": "https://manage.office.com/.default",
        }
        if said != wanted:
            words = f"AADSTS7000215: Invalid client secret provided: {said.get('client_secret')}"
            return reply({"error": "invalid_client", "error_description": words}, 401)
        self.tokens += 1
        return reply({"token_type": "Bearer", "expires_in": 3599, "access_token": f"token-{self.tokens}"})

    def _start(self, asked: Asked) -> Reply:
        kind = asked.query["contentType"]
        if asked.method != "POST" or kind in self.subscribed:
            return reply({"error": {"code": "AF20024", "message": "The subscription is already enabled."}}, 400)
        self.subscribed.add(kind)
        return reply({"contentType": kind, "status": "enabled", "webhook": None})

    def _content(self, asked: Asked) -> Reply:
        kind = asked.query["contentType"]
        if kind not in self.subscribed:
            return reply({"error": {"code": "AF20022", "message": "No subscription found."}}, 400)
        start, end = (
            datetime.strptime(asked.query[name], FORMAT).replace(tzinfo=UTC) for name in ("startTime", "endTime")
        )
        self.spans.append(end - start)
        if end - start > timedelta(hours=24) or start < self.now() - timedelta(days=7) or start > end:
            return reply({"error": {"code": "AF20030", "message": "Start time and end time must be …"}}, 400)
        found = [one for one in self.blobs if one.kind == kind and start <= one.created < end]
        first = int(asked.query.get("nextPage", "0"))
        host = asked.headers["Host"]
        listed = [
            {
                "contentUri": f"https://{host}{ROOT}/audit/{one.name}",
                "contentId": one.name,
                "contentType": kind,
                "contentCreated": f"{one.created:%Y-%m-%dT%H:%M:%S}.000Z",
                "contentExpiration": f"{one.created + timedelta(days=7):%Y-%m-%dT%H:%M:%S}.000Z",
            }
            for one in found[first : first + self.page]
        ]
        if len(found) <= first + self.page:
            return reply(listed)
        query = "&".join(f"{name}={value}" for name, value in asked.query.items() if name != "nextPage")
        return reply(listed, NextPageUri=f"https://{host}{asked.path}?{query}&nextPage={first + self.page}")

    def _blob(self, name: str) -> Reply:
        for one in self.blobs:
            if one.name == name and not one.gone:
                self.fetched.append(name)
                return Reply(200, json.dumps(one.records).encode(), {"Content-Type": "application/json; charset=utf-8"})
        return reply({"error": {"code": "AF20051", "message": "Content requested has already expired."}}, 400)
