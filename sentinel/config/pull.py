"""The options of sources that Sentinel fetches itself: APIs with JSON over HTTPS."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from sentinel.config.sources import Source

M365_URL = "https://manage.office.com"
M365_TOKEN_URL = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"  # noqa: S105  an address
M365_SCOPE = "https://manage.office.com/.default"
M365_WINDOW_MINUTES = 24 * 60
Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+: ?[ -~]+$")]
_PLACE = re.compile(r"\{([^{}]*)\}")
_PLACES = frozenset({"since", "until", "cursor"})
_ID = re.compile(r"[0-9A-Za-z.-]{1,255}")


class PullSource(Source):
    """An API that Sentinel asks at intervals for what is new; `kind = "m365"` knows Microsoft 365's audit log."""

    kind: Literal["json", "m365"] = "json"
    """"json": any API, by the options below; "m365": the Office 365 Management Activity API, by tenant_id, client_id
    and client_secret_file."""

    url: str = ""
    """The https address, in which {since}, {until} and {cursor} are filled in, such as
    "https://api.example.org/v1/events?from={since}&to={until}". For "m365": only if the tenant is in another cloud."""

    tenant_id: str = ""
    """"m365": the tenant's id or domain."""

    content_types: tuple[str, ...] = ()
    """"m365": which logs; empty: all (Audit.AzureActiveDirectory, Audit.Exchange, Audit.SharePoint, Audit.General,
    DLP.All)."""

    token_file: Path | None = None
    """A file (mode 0600) that holds a token; it is read again at each request."""

    token_header: str = Field(default="Authorization", pattern=r"^[A-Za-z0-9-]+$")
    """The header that shows the token of token_file."""

    token_scheme: str = Field(default="Bearer", pattern=r"^[A-Za-z0-9-]*$")
    """The word before the token in that header; "" for none."""

    token_url: str = ""
    """OAuth 2 client credentials instead of a token: the address that gives tokens. "m365" knows its own."""

    client_id: str = ""
    """OAuth 2: who we are."""

    client_secret_file: Path | None = None
    """OAuth 2: a file (mode 0600) that holds the secret; it is read again whenever a token is fetched."""

    scope: str = ""
    """OAuth 2: what the token is for, such as "https://graph.microsoft.com/.default"."""

    headers: tuple[Header, ...] = ()
    """Further headers, such as "X-Tenant: city"; no secrets, they would stand in this file."""

    ca_cert: Path | None = None
    """The certificates of those who sign the servers' certificates, PEM; without it those that the system trusts."""

    hosts: tuple[str, ...] = ()
    """Further servers ("host" or "host:port") to which next links may lead; without them only that of url."""

    format: Literal["json", "ndjson"] = "json"
    """Whether an answer is JSON, or a record a line."""

    records: str = ""
    """Where the records lie in an answer, a dotted path such as "data.events"; "": the answer is the list itself."""

    id: str = ""
    """Where a record says what it is called, a dotted path such as "id". What is called the same is kept once."""

    next_path: str = ""
    """Where an answer has the address of the next page, such as "@odata.nextLink"."""

    next_header: str = ""
    """The header that has the address of the next page: "Link" (RFC 8288) or any that holds an address."""

    cursor_path: str = ""
    """Where an answer has what {cursor} is to be filled with for what follows; it is remembered when that is kept."""

    times: Literal["rfc3339", "seconds", "milliseconds"] = "rfc3339"
    """How {since} and {until} are written."""

    interval_seconds: float = Field(default=60, ge=1, le=86_400)
    """How often to ask."""

    overlap_minutes: float = Field(default=10, ge=0, le=10_080)
    """How much of what was read is read again each time, for records that become visible late; it needs id."""

    window_minutes: float = Field(default=60, gt=0, le=43_200)
    """How much is asked for at once when there is much to catch up on; more than overlap_minutes, at most a day for
    "m365"."""

    start_hours: float = Field(default=24, ge=0)
    """How far back to begin the first time."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        for problem in (*self._addresses(), *self._identity(), *self._preset()):
            raise ValueError(problem)
        return self

    def _addresses(self) -> list[str]:
        found = [
            f"{name} is no https address: {value.partition('?')[0]}"
            for name, value in (("url", self.url), ("token_url", self.token_url))
            if value and not _https(value)
        ]
        if not self.url and self.kind == "json":
            found.append("url is missing: the address to ask")
        elif self.kind == "json" and not ("{since}" in self.url or "{cursor}" in self.url):
            found.append("url needs a place {since} or {cursor}: how else would the server know what is new?")
        found += [f"url has a place {{{name}}}: there are {{since}}, {{until}} and {{cursor}}"
                  for name in _PLACE.findall(self.url) if name not in _PLACES]  # fmt: skip
        if self.cursor_path and "{cursor}" not in self.url:
            found.append("cursor_path needs a place {cursor} in url")
        return found

    def _identity(self) -> list[str]:
        found = []
        oauth = (self.client_id, self.client_secret_file)
        if any(oauth) != all(oauth):
            found.append("client_id and client_secret_file belong together: give both or none")
        if self.token_url and not all(oauth):
            found.append("token_url needs client_id and client_secret_file")
        if all(oauth) and not self.token_url and self.kind == "json":
            found.append("client_id and client_secret_file need token_url")
        if self.token_file is not None and any(oauth):
            found.append("token_file and client_id are two ways of showing who we are: choose one")
        return found

    def _preset(self) -> list[str]:
        found = []
        if self.window_minutes <= self.overlap_minutes:
            found.append("window_minutes has to be more than overlap_minutes")
        if self.kind == "json":
            if self.overlap_minutes and not self.id and "{cursor}" not in self.url:
                found.append("without id nobody knows what is the same: give id, or overlap_minutes = 0")
            if self.tenant_id or self.content_types:
                found.append('tenant_id and content_types are for kind = "m365"')
            return found
        if not (self.client_id and _ID.fullmatch(self.tenant_id)):
            found.append('kind = "m365" needs tenant_id, client_id and client_secret_file')
        if self.window_minutes > M365_WINDOW_MINUTES:
            found.append('window_minutes is at most 1440 (a day) for kind = "m365"')
        given = [name for name in ("records", "id", "next_path", "next_header", "cursor_path") if getattr(self, name)]
        if given:
            found.append(f'{given[0]} is for kind = "json"')
        return found


def _https(value: str) -> bool:
    try:
        parts = urlsplit(_PLACE.sub("x", value))
        return parts.scheme == "https" and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        return False
