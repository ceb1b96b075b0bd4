"""Who we are to an API: a token from a file, or one that is fetched with a secret (OAuth 2, RFC 6749, 4.4).

Files are read again whenever they are needed, so a renewed secret needs no restart. What a server says in words may
quote a secret: `redacted` takes out every one that was ever shown.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from urllib.parse import quote, urlencode

import orjson
from pydantic import SecretStr

from sentinel.collect.pull_answers import complaint
from sentinel.collect.pull_client import Client, PullError, Question
from sentinel.core.errors import ConfigError
from sentinel.core.folders import secret

WORDS_MAX = 300
_LIFE_SECONDS = 3600.0
_EARLY_SECONDS = 300.0
_SHOWN_MAX = 8
_HIDDEN = "(secret)"


def shown(path: Path) -> str:
    """Return the secret in `path`; raises ConfigError if others may read it or no header can hold it."""
    value = secret(path)
    if not value or not value.isascii() or not value.isprintable():
        raise ConfigError(f"{path}: has to hold one line of printable characters, the secret")
    return value


class Tokens(ABC):
    """What a request shows of us."""

    def __init__(self) -> None:
        self._shown: list[SecretStr] = []

    @abstractmethod
    async def headers(self, client: Client) -> dict[str, str]:
        """Return the headers that show who we are; raises PullError if they cannot be had."""

    def refused(self) -> bool:
        """Hear that they were not accepted; say whether there may be others now."""
        return False

    def showing(self, value: str) -> str:
        """Remember a secret, so that it is taken out of what servers say; return it."""
        if all(one.get_secret_value() != value for one in self._shown):
            self._shown = [*self._shown[1 - _SHOWN_MAX :], SecretStr(value)]
        return value

    def redacted(self, text: str) -> str:
        """Return what a server said as it may be shown: one line, not long, without any secret of ours."""
        for one in self._shown:
            value = one.get_secret_value()
            for form in (value, quote(value), quote(value, safe="")):
                text = text.replace(form, _HIDDEN)
        return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:WORDS_MAX]


class Nobody(Tokens):
    """For servers that ask nobody who he is."""

    async def headers(self, client: Client) -> dict[str, str]:
        """Return none."""
        del client
        return {}


class FileToken(Tokens):
    """A token that stands in a file, shown as `header: scheme token`."""

    def __init__(self, path: Path, *, header: str = "Authorization", scheme: str = "Bearer") -> None:
        super().__init__()
        self._path, self._header, self._scheme = path, header, scheme
        self._last = SecretStr("")

    async def headers(self, client: Client) -> dict[str, str]:
        """Return the header."""
        del client
        try:
            token = await asyncio.to_thread(shown, self._path)
        except ConfigError as error:
            raise PullError(str(error)) from None
        self._last = SecretStr(self.showing(token))
        return {self._header: f"{self._scheme} {token}".strip()}

    def refused(self) -> bool:
        """Say whether the file holds another one by now."""
        try:
            return shown(self._path) != self._last.get_secret_value()
        except ConfigError:
            return False


class ClientCredentials(Tokens):
    """A token fetched with an id and a secret, and renewed before it expires."""

    def __init__(
        self, url: str, client_id: str, secret_file: Path, scope: str, *, seconds: Callable[[], float] = monotonic
    ) -> None:
        super().__init__()
        self._url, self._client_id, self._file, self._scope = url, client_id, secret_file, scope
        self._seconds = seconds
        self._token = SecretStr("")
        self._until = 0.0
        self._turn = asyncio.Lock()

    async def headers(self, client: Client) -> dict[str, str]:
        """Return the header, with a token that is valid for a while."""
        async with self._turn:
            if self._seconds() >= self._until:
                await self._fetch(client)
            return {"Authorization": f"Bearer {self._token.get_secret_value()}"}

    def refused(self) -> bool:
        """Forget the token: another is fetched."""
        self._until = 0.0
        return True

    async def _fetch(self, client: Client) -> None:
        try:
            key = self.showing(await asyncio.to_thread(shown, self._file))
        except ConfigError as error:
            raise PullError(str(error)) from None
        form = {"grant_type": "client_credentials", "client_id": self._client_id, "client_secret": key}
        if self._scope:
            form["scope"] = self._scope
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await client.ask(Question(self._url, kind, "POST", urlencode(form).encode()))
        if answer.status != 200:
            said = self.redacted(complaint(answer))
            raise PullError(
                f"no token from the token server, status {answer.status}{': ' + said if said else ''}",
                status=answer.status,
                passing=answer.status == 429 or answer.status >= 500,
            )
        token, life = _granted(answer.body)
        self._token = SecretStr(self.showing(token))
        self._until = self._seconds() + life - min(_EARLY_SECONDS, life / 5)


def _granted(body: bytes) -> tuple[str, float]:
    try:
        said = orjson.loads(body)
        token, life = said["access_token"], float(said.get("expires_in", _LIFE_SECONDS))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        token, life = None, 0.0
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise PullError("the token server answered without a token", passing=True)
    return token, min(max(life, 0.0), 86_400.0)
