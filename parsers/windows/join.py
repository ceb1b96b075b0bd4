"""One script of the parts in which PowerShell logs it: a text that a rule looks for may lie across two of them.

A script of more than about 20,000 characters comes as several events 4104 with one ScriptBlockId, in order.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

from sentinel.pack import Fields, Value, text

QUIET = timedelta(seconds=30)
_DATA = "winlog.event_data."
_OF_A_PART = (_DATA + "MessageNumber", "winlog.record_id", "message")


def key(event: Mapping[str, Value]) -> str | None:
    """Return host and script of a part, None for scripts that are whole and for everything else."""
    if event.get("event.code") != "4104" or event.get(_DATA + "MessageTotal", "1") == "1":
        return None
    script = event.get(_DATA + "ScriptBlockId")
    return None if script is None else f"{event.get('host.name', '')} {script}"


def ends(event: Mapping[str, Value]) -> bool:
    """Say whether this is the last part."""
    return event.get(_DATA + "MessageNumber") == event.get(_DATA + "MessageTotal")


def whole(parts: Sequence[Fields]) -> Fields:
    """Return the event of the whole script; of a part that came twice the first counts.

    A record that holds several events may hold others beside the part.
    """
    ours = Counter(name for part in parts if (name := key(part)) is not None).most_common(1)
    joined: Fields = {}
    texts: dict[int, str] = {}
    for part in parts:
        if ours and key(part) != ours[0][0]:
            continue
        joined = part | joined
        number = text.number(str(part.get(_DATA + "MessageNumber", "")))
        if number is not None:
            texts.setdefault(number, str(part.get(_DATA + "ScriptBlockText", "")))
    for name in _OF_A_PART:
        joined.pop(name, None)
    joined[_DATA + "ScriptBlockText"] = "".join(said for _, said in sorted(texts.items()))
    return joined | {"event.dataset": "windows.script", "event.action": "script-logged"}
