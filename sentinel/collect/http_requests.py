"""HTTP/1.1 requests out of bytes (h11 reads them), their bodies out of gzip, their records out of the bodies.

No sockets here: bytes in, requests out, bytes of the answers out.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import h11
import orjson

from sentinel.collect.lines import UTF16_MARKS, Line, Lines
from sentinel.collect.records import XmlEvents

HEAD_MAX = 16 * 1024
BODY_MAX = 16 << 20
"""Bytes of one body, sent or unpacked."""
RATIO_MAX = 100
"""A gzip body that unpacks to more than so many times its size is an attack (after the first 64 KiB)."""
_RATIO_FROM = 64 << 10
_LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "text/plain"})
_XML = frozenset({"application/xml", "text/xml"})


class BadRequestError(Exception):
    """A request that is refused: its status, and what the sender should do."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(slots=True)
class Request:
    """One request as far as it is there; `headers` by lower-case name."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytearray = field(default_factory=bytearray)
    received: int = 0
    whole: bool = False


class Requests:
    """One connection's requests, one after the other; `next` gives each twice: when its head is there, and whole."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_MAX)
        self._request: Request | None = None
        self._unpacking: zlib._Decompress | None = None
        self._head_only = False

    @property
    def held(self) -> int:
        """How many bytes of an unfinished body are kept in memory."""
        return 0 if self._request is None else len(self._request.body)

    @property
    def begun(self) -> bool:
        """Say whether something of a request is there and not answered."""
        return self._http.their_state is not h11.IDLE or bool(self._http.trailing_data[0])

    def feed(self, data: bytes) -> None:
        """Take the next bytes; empty bytes say that none follow."""
        self._http.receive_data(data)

    def next(self) -> Request | None:
        """Return what is next, None while more bytes are needed or an answer is due; raises BadRequestError."""
        try:
            return self._next()
        except h11.RemoteProtocolError as error:
            raise BadRequestError(error.error_status_hint, f"this is no HTTP/1.1 request: {error}") from error

    def _next(self) -> Request | None:
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                return self._begun(event)
            if isinstance(event, h11.Data):
                self._take(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                return self._ended()
            else:  # NEED_DATA, PAUSED, ConnectionClosed
                return None

    def _begun(self, event: h11.Request) -> Request:
        headers = {bytes(name).decode("ascii"): bytes(value).decode("latin-1") for name, value in event.headers}
        self._head_only = event.method == b"HEAD"
        path = bytes(event.target).decode("latin-1").partition("?")[0]
        self._request = Request(bytes(event.method).decode("ascii"), path, headers)
        coding = headers.get("content-encoding", "identity").strip().lower()
        if coding not in {"identity", "gzip", "x-gzip"}:
            raise BadRequestError(415, f"Content-Encoding {coding[:40]} is not read here: send gzip or none")
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > BODY_MAX:
            raise BadRequestError(413, f"a body has at most {BODY_MAX} bytes: send fewer records at once")
        self._unpacking = None if coding == "identity" else zlib.decompressobj(31)
        return self._request

    def _take(self, data: bytes) -> None:
        request = self._request
        if request is None:
            return
        request.received += len(data)
        room = BODY_MAX - len(request.body)
        if self._unpacking is not None:
            data = self._unpacked(data, room + 1)
            if len(request.body) + len(data) > max(_RATIO_FROM, RATIO_MAX * request.received):
                raise BadRequestError(413, f"the body unpacks to more than {RATIO_MAX} times its size")
        if len(data) > room:
            raise BadRequestError(413, f"a body has at most {BODY_MAX} bytes: send fewer records at once")
        request.body += data

    def _unpacked(self, data: bytes, room: int) -> bytes:
        unpacking = self._unpacking
        assert unpacking is not None  # noqa: S101  for the type checker: the caller has looked
        try:
            plain = unpacking.decompress(data, room)
            while unpacking.unused_data and len(plain) < room:  # a body may be several gzip members (RFC 1952, 2.2)
                rest, self._unpacking = unpacking.unused_data, zlib.decompressobj(31)
                unpacking = self._unpacking
                plain += unpacking.decompress(rest, room - len(plain))
        except zlib.error as error:
            raise BadRequestError(400, f"the body is no gzip ({error})") from error
        if unpacking.unconsumed_tail:
            raise BadRequestError(413, f"a body has at most {BODY_MAX} bytes unpacked: send fewer records at once")
        return plain

    def _ended(self) -> Request | None:
        request, self._request = self._request, None
        if request is None:
            return None
        if self._unpacking is not None and request.received and not self._unpacking.eof:
            raise BadRequestError(400, "the gzip body ends in the middle")
        request.whole = True
        return request

    def carry_on(self) -> bytes:
        """Return what a sender waits for that asked whether it may send its body; empty if it did not ask."""
        if not self._http.they_are_waiting_for_100_continue:
            return b""
        head = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
        return self._http.send(head) or b""

    def answer(self, status: int, said: dict[str, object], headers: dict[str, str] | None = None) -> bytes:
        """Return the bytes of an answer; afterwards the next request may be read, unless `over`."""
        body = orjson.dumps(said)
        head = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        head += list((headers or {}).items())
        if self._http.their_state not in {h11.DONE, h11.MUST_CLOSE, h11.CLOSED}:
            head.append(("Connection", "close"))  # the rest of this request is not read
        if self._http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return b""
        parts = [
            self._http.send(h11.Response(status_code=status, headers=head)),
            self._http.send(h11.Data(data=body)) if not self._head_only else b"",
            self._http.send(h11.EndOfMessage()),
        ]
        self._turn()
        return b"".join(part or b"" for part in parts)

    def _turn(self) -> None:
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()

    @property
    def over(self) -> bool:
        """Say whether the connection has to be closed."""
        return self._http.our_state in {h11.MUST_CLOSE, h11.CLOSED, h11.ERROR} or self._http.their_state in {
            h11.CLOSED,
            h11.ERROR,
        }


def lines_of(content_type: str, body: bytes) -> list[Line]:
    """Return the records of a body, each as one line (see `lines.Line`); raises BadRequestError."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in _LINES:
        return list(_cut(body))
    if kind == "application/json":
        return list(_cut(b"\n".join(_elements(body))))
    if kind in _XML:
        cutter = XmlEvents(UTF16_MARKS.get(body[:2], ""))
        found = [event for event in (*cutter.feed(body), *cutter.end()) if event.body]
        if not any(event.body.startswith(b"<Event") for event in found):
            raise BadRequestError(400, "there is no <Event> in this XML")
        return found
    raise BadRequestError(
        415, "say what the body is: Content-Type application/x-ndjson, application/json, application/xml or text/plain"
    )


def _elements(body: bytes) -> list[bytes]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(400, f"the body is no JSON: {error}") from error
    if isinstance(said, list):
        return [orjson.dumps(one) for one in said]
    if isinstance(said, dict):
        return [orjson.dumps(said)]
    raise BadRequestError(400, "the body has to be a JSON object or an array of objects")


def _cut(body: bytes) -> Iterator[Line]:
    cutter = Lines()
    for line in (*cutter.feed(body), *cutter.end()):
        if line.body.strip():
            yield line if line.note != "unfinished" else line._replace(note="")
