"""What is sent for an id: the same words whenever they are asked for, so that anybody can say what should be stored."""

import re
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import orjson

_BEGUN = datetime(2026, 11, 27, tzinfo=UTC)
_ID = re.compile(r" id=(\d{9}) ")


def line(number: int) -> str:
    """Return the syslog line (RFC 5424) of an id; some are long, all have letters beyond ASCII."""
    seed = blake2b(b"%d" % number, digest_size=16).hexdigest()
    words = f"Grüße {seed} " * (1 + number % 7 + 60 * (number % 101 == 0))
    moment = _BEGUN + timedelta(milliseconds=number)
    return f"<13>1 {moment:%Y-%m-%dT%H:%M:%S.%f}Z pc{number % 5} load - - - id={number:09d} {words}end"


def beat(number: int) -> bytes:
    """Return the event in which Filebeat would send the line of an id; an id is read from one place, always."""
    return orjson.dumps(
        {
            "@timestamp": (_BEGUN + timedelta(milliseconds=number)).isoformat(),
            "@metadata": {"beat": "filebeat", "type": "_doc", "version": "8.15.0"},
            "agent": {"id": "0b3ec0de-0000-4000-8000-00000000000f", "type": "filebeat"},
            "log": {"offset": number, "file": {"path": "/var/log/load.log"}},
            "message": line(number),
        }
    )


def number_of(text: str) -> int | None:
    """Return the id whose line `text` holds, None if it holds none."""
    found = _ID.search(text)
    return int(found[1]) if found else None


def holds(text: str, number: int) -> bool:
    """Say whether `text` is what was sent for this id, by whatever entrance."""
    if text.startswith("{"):
        try:
            said = orjson.loads(text)
        except orjson.JSONDecodeError:
            return False
        text = str(said.get("message"))
    return text == line(number)
