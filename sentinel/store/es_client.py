"""The way to an Elasticsearch server: a client that waits and reads only so much, and its errors in words."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import urllib3
from elastic_transport import ConnectionError as Unreachable
from elastic_transport import (
    ConnectionTimeout,
    NodeConfig,
    SerializationError,
    TlsError,
    TransportError,
    Urllib3HttpNode,
)
from elasticsearch import (
    ApiError,
    AuthenticationException,
    AuthorizationException,
    Elasticsearch,
    OrjsonSerializer,
    UnsupportedProductError,
)

from sentinel.core.errors import StoreError
from sentinel.store.es_bulk import BUSY, Trouble, divisible
from sentinel.store.es_words import reason

_ANSWER_SECONDS_MAX = 60.0
_LEFT_ALONE_SECONDS = 10.0
_LEFT_ALONE_SECONDS_MAX = 60.0
"""A node that did not answer is asked again after so long, twice as long the next time, while others do."""
_HURRIED_SECONDS = 5.0
"""So long an answer may take while the process ends."""


class _Haste:
    """Whether the process is about to end, and which nodes have kept it waiting since."""

    on = False
    silent: ClassVar[set[str]] = set()


def hurry(*, on: bool) -> None:
    """Say that the process is about to end: a node that keeps it waiting once is asked nothing more by any client."""
    _Haste.on = on
    _Haste.silent.clear()


class TooLargeError(StoreError):
    """An answer was larger than we take; the same question in smaller pieces may do."""


class _TooMuchError(TransportError):
    """More bytes than an answer may have."""


class BoundedNode(Urllib3HttpNode):
    """Reads no answer for longer than a request may take, however slowly it trickles, nor a larger one than we take."""

    ANSWER_BYTES_MAX = 32 << 20

    def __init__(self, config: NodeConfig) -> None:
        """Stand between the client and its connections."""
        super().__init__(config)
        ask = self.pool.urlopen

        def bounded(*args: Any, **options: Any) -> urllib3.BaseHTTPResponse:  # noqa: ANN401  passed on
            options["preload_content"] = False
            hurried = _Haste.on
            if hurried:
                if self.base_url in _Haste.silent:
                    raise urllib3.exceptions.ReadTimeoutError(self.pool, "", "nobody waits any more")
                options["timeout"] = _HURRIED_SECONDS
            try:
                response = ask(*args, **options)
            except urllib3.exceptions.TimeoutError:
                if hurried:
                    _Haste.silent.add(self.base_url)
                raise
            until = time.monotonic() + (config.request_timeout or _ANSWER_SECONDS_MAX)
            try:
                whole = self._whole(response, until)
            except BaseException:
                response.close()
                raise
            finally:
                response.release_conn()  # also a broken one: its place is wanted
            return urllib3.HTTPResponse(whole, response.headers, response.status)

        self.pool.urlopen = bounded  # type: ignore[method-assign]  # the class has no better place for it

    def _whole(self, response: urllib3.BaseHTTPResponse, until: float) -> bytes:
        whole = bytearray()
        while part := response.read1(1 << 20):
            whole += part
            if len(whole) > self.ANSWER_BYTES_MAX:
                raise _TooMuchError("too large")
            if time.monotonic() > until:
                raise urllib3.exceptions.ReadTimeoutError(self.pool, "", "the answer trickles")
        return bytes(whole)


def spoken(url: str) -> str:
    """Return an address as it may stand in a message: without a password."""
    return url.rsplit("@", maxsplit=1)[-1]


def connected(urls: Sequence[str], api_key: str | None, ca_cert: Path | None, timeout_seconds: float) -> Elasticsearch:
    """Return a client for the nodes at `urls`; raises StoreError if one is no address.

    `api_key` is a key as the server encodes it, or `user:password`.
    """
    user, told, password = (api_key or "").partition(":")
    who: dict[str, Any] = {"basic_auth": (user, password)} if told else {"api_key": api_key}
    trust = {"ca_certs": str(ca_cert)} if ca_cert else {}
    try:
        return Elasticsearch(
            list(urls),
            **who,
            request_timeout=timeout_seconds,
            max_retries=0,
            retry_on_timeout=False,
            dead_node_backoff_factor=_LEFT_ALONE_SECONDS,
            max_dead_node_backoff=_LEFT_ALONE_SECONDS_MAX,
            node_class=BoundedNode,
            serializers={"application/vnd.elasticsearch+json": OrjsonSerializer()},
            **trust,  # type: ignore[arg-type]  # the client tells an absent argument from None
        )
    except (ValueError, OSError) as error:
        raise StoreError(
            f"the address of Elasticsearch cannot be used: {','.join(map(spoken, urls))}: {error}"
        ) from error


def explained(error: ApiError | TransportError, url: str, timeout_seconds: float) -> StoreError:
    """Return what went wrong with a request to `url` that might take so long, in words."""
    kind: type[StoreError] = StoreError
    match error:
        case UnsupportedProductError():
            what = "is not Elasticsearch 8 or 9 (OpenSearch and other relatives will not do)"
        case AuthenticationException():
            what = "does not accept the API key"
        case AuthorizationException():
            what = f"does not allow this with the API key given: {complaint(error)}"
        case ApiError():
            what = f"answers with status {error.meta.status}: {complaint(error)}"
        case TlsError():
            what = f"cannot be trusted: {error.message}; is ca_cert the authority that signed its certificate?"
        case ConnectionTimeout():
            what = f"does not answer within {timeout_seconds:g} seconds"
        case Unreachable(__cause__=_TooMuchError()):
            kind, what = TooLargeError, f"answers with more than {BoundedNode.ANSWER_BYTES_MAX} bytes"
        case Unreachable():
            what = f"cannot be reached ({error.message}): is it running, and is http or https right?"
        case SerializationError():
            what = "answers with something that is not its JSON"
        case _:
            what = f"cannot be used: {error}"
    return kind(f"Elasticsearch at {url} {what}")


def may_pass(error: ApiError | TransportError) -> bool:
    """Say whether the same request may succeed later."""
    if isinstance(error, ApiError):
        return error.meta.status in BUSY
    lasting = isinstance(error, TlsError) or isinstance(error.__cause__, _TooMuchError)
    return isinstance(error, Unreachable | ConnectionTimeout | SerializationError) and not lasting


def trouble(error: ApiError | TransportError, url: str, timeout_seconds: float) -> Trouble:
    """Return what a bulk request to `url` that failed as a whole means for the next."""
    divide = isinstance(error, ApiError) and divisible(error.meta.status, error.body)
    pressed = error.meta.status in {413, 429} if isinstance(error, ApiError) else isinstance(error, ConnectionTimeout)
    said = explained(error, url, timeout_seconds)
    answered = isinstance(error, ApiError)
    return Trouble(said, error, may_pass(error), retry_after(error), divide=divide, pressed=pressed, answered=answered)


def retry_after(error: ApiError | TransportError) -> str | None:
    """Return the pause the server asks for, as it says it."""
    return error.meta.headers.get("retry-after") if isinstance(error, ApiError) else None


def complaint(error: ApiError) -> str:
    """Return what the server says is wrong, in our words where we have some."""
    body = error.body
    return (reason(body.get("error")) if isinstance(body, dict) else str(body)[:200]) or error.message
