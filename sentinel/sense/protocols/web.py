"""HTTP/1 (RFC 9112): requests and responses, and of a request what a detection may look at, without its secrets.

The value of Authorization and of Cookie headers is never kept; of Basic (RFC 7617) the user's name is, which stands
before the first colon. Values of fields that are named like a password are blanked in a URI and in a form.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote_plus

from sentinel.sense.applications import Http
from sentinel.sense.columns import AT, Cells, number
from sentinel.sense.flows import Live
from sentinel.sense.protocols.common import LIST_MAX, Pending, cut, ends, plain
from sentinel.sense.select import REQUESTS
from sentinel.sense.sift import Shown

__all__ = ["BODY_BYTES", "HEAD_CHARS", "http", "words"]

HEAD_CHARS = 4096
BODY_BYTES = 512
_LOGIN_CHARS_MAX = 512

_METHOD, _URI, _STATUS = AT["http.request.method"], AT["http.request.uri"], AT["http.response.code"]
_SECRET_HEADERS = re.compile(
    rb"(?im)^((?:proxy-)?authorization|cookie|set-cookie|x-api-key|x-auth-token)[ \t]*:[^\r\n]*"
)
_AUTHORIZATION = re.compile(rb"(?im)^authorization[ \t]*:[ \t]*([a-z]+)[ \t]*([^\s]*)")
_FORM_TYPE = re.compile(rb"(?im)^content-type[ \t]*:[ \t]*application/x-www-form-urlencoded")
_HIDDEN = r"[^&;=?\s]{0,64}(?:pass|pwd|kennw|secret|token)[^&;=?\s]{0,64}"
_SECRET_PAIR = re.compile(rf"(?i)(^|[&;?])({_HIDDEN})=[^&;\s]*")
_SECRET_JSON = re.compile(r'(?i)("[^"]{0,64}(?:pass|pwd|kennw|secret|token)[^"]{0,64}"\s*:\s*)"[^"]*"?')
_BLANK = r"\1\2="


class Waiting(Pending):
    """A request whose form has not been seen yet: it comes in the next packet of the same side."""

    def __init__(self, request: Http) -> None:
        self.request = request
        self.told = False

    def record(self, flow: Live) -> Http:  # noqa: ARG002  what it is of is known already
        """Return the request as it is known."""
        return self.request


def words(cells: Cells, shown: Shown) -> Iterator[Http]:
    """Yield the request that waited for its form, which this packet has; keep the beginning of one that goes on."""
    flow = shown.side.flow
    if shown.side is not flow.out or not shown.payload:
        return
    waiting = flow.notes.get("form")
    if isinstance(waiting, Waiting) and shown.frame > waiting.request.frame:
        del flow.notes["form"]
        yield _filled(waiting.request, shown.payload if shown.payload[:4] not in REQUESTS else b"")
    if shown.payload[:4] in REQUESTS and not cells[_METHOD]:
        flow.notes["http.begun"] = shown.payload


def http(cells: Cells, shown: Shown) -> Iterator[Http]:
    """Yield the record of a request or a response."""
    flow = shown.side.flow
    if cells[_METHOD]:
        found = _request(cells, shown)
        flow.notes["http.request"] = found
        if found.content_length and not found.body and found.form == ("",):
            flow.notes["form"] = Waiting(replace(found, form=()))
            return
        yield found if found.form != ("",) else replace(found, form=())
    elif cells[_STATUS]:
        asked = flow.notes.get("http.request")
        head, _, body = shown.payload.partition(b"\r\n\r\n")
        yield Http(
            **ends(shown),
            kind="response",
            method=asked.method if isinstance(asked, Http) else "",
            host=asked.host if isinstance(asked, Http) else "",
            uri=asked.uri if isinstance(asked, Http) else "",
            status=number(cells[_STATUS]),
            content_type=cut(cells[AT["http.content_type"]]),
            content_length=number(cells[AT["http.content_length_header"]]),
            server=cut(cells[AT["http.server"]]),
            location=cut(_without_secrets(cells[AT["http.location"]])),
            body=body[:BODY_BYTES] if head.startswith(b"HTTP") else b"",
        )


def _request(cells: Cells, shown: Shown) -> Http:
    # form ("",): there is to be one, but it is not in this packet
    begun = shown.side.flow.notes.pop("http.begun", b"")
    payload = shown.payload
    if payload[:4] not in REQUESTS and isinstance(begun, bytes):
        payload = begun + payload
    head, _, body = payload.partition(b"\r\n\r\n")
    auth, user = _login(head)
    length = number(cells[AT["http.content_length_header"]])
    found = Http(
        **ends(shown),
        method=cut(cells[_METHOD]),
        host=cut(cells[AT["http.host"]]),
        uri=cut(_without_secrets(cells[_URI])),
        user_agent=cut(cells[AT["http.user_agent"]]),
        referrer=cut(_without_secrets(cells[AT["http.referer"]])),
        content_type=cut(cells[AT["http.content_type"]]),
        content_length=length,
        auth=auth,
        user=user,
        head=_head(head),
    )
    form = bool(_FORM_TYPE.search(head))
    if form and not body:
        return replace(found, form=("",))
    return _filled(found, body) if form or body else found


def _filled(request: Http, body: bytes) -> Http:
    text = body[:4096].decode("utf-8", "replace")
    form: tuple[str, ...] = ()
    if "x-www-form-urlencoded" in request.content_type.lower():
        names = (pair.partition("=")[0] for pair in text.split("&"))
        form = tuple(plain(cut(unquote_plus(name))) for name in names if name)[:LIST_MAX]
    hidden = _SECRET_JSON.sub(r'\1""', _SECRET_PAIR.sub(_BLANK, text))
    return replace(request, form=form, body=hidden.encode()[:BODY_BYTES])


def _login(head: bytes) -> tuple[str, str]:
    found = _AUTHORIZATION.search(head)
    if found is None:
        return "", ""
    scheme = found[1].lower().decode("ascii")
    if scheme != "basic":
        return scheme, ""
    # four characters are three bytes; what stands behind the colon is never decoded
    user = b""
    for at in range(0, min(len(found[2]), _LOGIN_CHARS_MAX), 4):
        try:
            user += b64decode(found[2][at : at + 4])
        except (Base64Error, ValueError):
            break
        if b":" in user:
            return scheme, plain(cut(user.partition(b":")[0].decode("utf-8", "replace")))
    return scheme, ""


def _head(head: bytes) -> str:
    # the header lines, behind the request line
    lines = head.partition(b"\r\n")[2]
    return _SECRET_HEADERS.sub(rb"\1:", lines).decode("utf-8", "replace")[:HEAD_CHARS]


def _without_secrets(uri: str) -> str:
    return _SECRET_PAIR.sub(_BLANK, uri)
