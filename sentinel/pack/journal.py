"""Entries of the systemd journal as JSON, as the syslog messages they would have been.

So the packs for sshd, Postfix and all others read them, whether the collector follows the journal or a file or an
HTTP client brings what `journalctl -o json` wrote. Fields: systemd.journal-fields(7).
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sentinel.core.errors import ParseError
from sentinel.core.event import Raw
from sentinel.pack import structured, text

_SIGN = b'"__REALTIME_TIMESTAMP"'
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SAID = frozenset({"MESSAGE", "PRIORITY", "SYSLOG_FACILITY", "SYSLOG_IDENTIFIER", "_HOSTNAME", "__CURSOR"})
_SPOILT = re.compile(r"[^!#-<>-\\^-~]")
_ESCAPED = str.maketrans({'"': '\\"', "\\": "\\\\", "]": "\\]"})
_NONE = "-"


def unwrapped(raw: Raw) -> Raw:
    """Return the record with the message in place of the entry; a record that is no entry comes back as it is."""
    if not raw.body.startswith(b"{") or _SIGN not in raw.body:
        return raw
    try:
        entry = structured.json_object(text.decode(raw.body))
    except ParseError:
        return raw
    return replace(raw, body=message_of(entry)) if "MESSAGE" in entry else raw


def message_of(entry: Mapping[str, object]) -> bytes:
    """Return a journal entry (systemd.journal-fields(7)) as an RFC 5424 message."""
    priority, facility = _number(entry.get("PRIORITY"), 7, 6), _number(entry.get("SYSLOG_FACILITY"), 23, 1)
    moment = _EPOCH + timedelta(microseconds=_number(entry.get("__REALTIME_TIMESTAMP"), 1 << 55, 0))
    app = _text(entry.get("SYSLOG_IDENTIFIER")) or _text(entry.get("_COMM"))
    words = (_text(entry.get("_HOSTNAME")), app, _text(entry.get("_PID")) or _text(entry.get("SYSLOG_PID")))
    host, app, pid = (_SPOILT.sub("_", word)[:size] or _NONE for word, size in zip(words, (255, 48, 128), strict=True))
    kept = "".join(
        f' {_SPOILT.sub("_", name)[:32]}="{_text(value).translate(_ESCAPED)}"'
        for name, value in entry.items()
        if name not in _SAID and value is not None
    )
    time = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    head = f"<{facility * 8 + priority}>1 {time} {host} {app} {pid} - [journald@32473{kept}] "
    return head.encode("utf-8", "replace") + _bytes(entry.get("MESSAGE"))


def _number(value: object, most: int, usual: int) -> int:
    known = isinstance(value, str) and value.isdecimal() and len(value) < 20
    return int(str(value)) if known and int(str(value)) <= most else usual


def _text(value: object) -> str:
    return _bytes(value).decode("utf-8", "replace")


def _bytes(value: object) -> bytes:
    """Return a field: text, the numbers of its bytes where it is no text, or the first of several."""
    if isinstance(value, list):
        try:
            return bytes(value)
        except (TypeError, ValueError):
            return b"" if not value or isinstance(value[0], list) else _bytes(value[0])
    return b"" if value is None else str(value).encode("utf-8", "replace")
