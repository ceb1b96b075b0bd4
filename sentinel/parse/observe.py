"""Notes in passing who sent the records of a stretch: what the books of sources are made from, at little cost."""

import re
from functools import lru_cache

from sentinel.core.event import Event, Raw
from sentinel.core.source import Heard, Identity, bucket

HOST_MAX = 253
# RFC 5424, 7.3.1; only what the header's structured data says, not what a message quotes
_NUMBER = re.compile(
    rb'<\d{1,3}>1(?: \S+){5} (?:\[(?!meta )(?:[^"\]]|"(?:[^"\\]|\\.)*")*\])*\[meta (?:[^"\]]|"(?:[^"\\]|\\.)*")*?'
    rb'sequenceId="([0-9]{1,10})"'
)
_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([0-9.]+)):\d{1,5}")


@lru_cache(maxsize=8192)
def address(peer: str) -> str:
    """Return a peer without its port: a sender takes another one each time it connects."""
    found = _PORT.fullmatch(peer)
    return (found[1] or found[2]) if found else peer


class Observer:
    """What was heard, by identity; one stretch long."""

    def __init__(self) -> None:
        self.heard: dict[Identity, Heard] = {}
        self._by_key: dict[tuple[object, ...], Heard] = {}

    def note(self, raw: Raw, event: Event) -> None:
        """Note a record and the first event it became."""
        get = event.fields.get
        host = get("log.syslog.hostname") or get("observer.name") or get("host.name") or ""
        origin = raw.origin
        key = (raw.source, origin.via, origin.peer, origin.identity, host)
        heard = self._by_key.get(key)
        if heard is None:
            heard = self._by_key[key] = self._begin(raw, str(host))
        received = raw.received
        heard.records += 1
        heard.bytes += len(raw.body)
        if received >= heard.last:
            heard.last = received
            heard.last_id = event.id
        elif received < heard.first:
            heard.first = received
        if b"sequenceId" in raw.body and (said := _NUMBER.match(raw.body)) and origin.via.startswith("syslog"):
            heard.numbers.append(int(said[1]))
        lag = received - event.timestamp
        if lag:  # none at all: the record names no time
            number = bucket(lag.total_seconds())
            heard.lag[number] = heard.lag.get(number, 0) + 1

    def _begin(self, raw: Raw, host: str) -> Heard:
        origin = raw.origin
        identity = Identity(raw.source, origin.via, origin.identity or address(origin.peer), host[:HOST_MAX])
        return self.heard.setdefault(identity, Heard(raw.received, raw.received, ""))
