"""Windows events that arrive as text: Snare's columns, and the labels of a rendered message."""

import re
from collections.abc import Container, Mapping

from sentinel.core.errors import ParseError

_TIME = re.compile(r"(?:\w{3} )?(\w{3}) +(\d{1,2}) (\d\d:\d\d:\d\d(?:\.\d+)?) (\d{4})")
_GAP = re.compile(r"\t+|[\r\n]+|#01[125]| {2,}")
_COUNTER = re.compile(r"\t+\d{0,20}$")
_PART = re.compile(r"[A-Za-zäöü ]{1,60}\((\d{1,6}) (?:of|von) (\d{1,6})\):")
_MARKS = ("ScriptBlock ID:", "ScriptBlock-ID:")
_FLAT = re.compile(r"  (\w{1,60}):(?= |$)")
_COLUMNS = ("", "channel", "", "", "code", "provider", "user", "", "keywords", "computer", "", "", "message")


def snare(message: str) -> tuple[dict[str, str], str | None]:
    """Return a Snare line as `winevent.Record.system` and its time as `syslog` writes it (`Nov 23 2026 08:15:00`).

    https://docs.nxlog.co/integrate/snare.html lists the columns. Raises ParseError if there are too few.
    """
    cells = message.replace("#011", "\t").split("\t")
    at = next((at for at, cell in enumerate(cells) if cell.endswith("MSWinEventLog")), -1)
    cells = [cell.strip() for cell in cells[at + 1 :]]
    if len(cells) < 10 or not cells[4].isdecimal():
        raise ParseError("a Snare line with too few columns")
    # the last column may hold tabs of its own; a number at the very end is Snare's counter
    cells[12:] = [_COUNTER.sub("", "\t".join(cells[12:]))]
    system = {name: cell for name, cell in zip(_COLUMNS, cells, strict=False) if name and cell}
    user = system.get("user", "")
    if "\\" in user:
        system["domain"], _, system["user"] = user.partition("\\")
    elif user in {"N/A", "Unknown User"}:
        del system["user"]
    stamp = _TIME.match(cells[3])
    return system, f"{stamp[1]} {stamp[2]} {stamp[4]} {stamp[3]}" if stamp else None


def flattened(message: str, names: Container[str]) -> dict[str, str]:
    """Return the data of a message of `Name: value` lines whose line ends became blanks, as Snare sends it.

    Only `names` are taken for names. One that stands twice is left out: a value that imitates the rest of the message
    shall decide nothing.
    """
    pieces = _FLAT.split("  " + message)
    found: dict[str, str] = {}
    twice: set[str] = set()
    last = ""
    for name, value in zip(pieces[1::2], pieces[2::2], strict=True):
        if name not in names:
            if last:
                found[last] += f"  {name}:{value}"
            continue
        if name in found:
            twice.add(name)
        found[name], last = value, name
    return {name: value.strip() for name, value in found.items() if name not in twice}


def labelled(message: str, sections: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, str]:
    """Return the event data that a rendered message (`Subject:  Account Name:  x …`) shows.

    `sections` gives each heading's prefix (`Subject`, `Target`), `labels` each label's name; a name with `{}` takes
    the prefix and needs one. A label that stands twice under one heading is left out: a user name that imitates the
    rest of the message shall decide nothing.
    """
    found: dict[str, str] = {}
    seen: dict[str, int] = {}
    prefix = waiting = ""
    for piece in _GAP.split(message):
        label, colon, value = piece.strip().partition(":")
        value = value.strip(" :")
        if colon and label in sections and not value:
            prefix, waiting = sections[label], ""
        elif colon and label in labels and (prefix or "{}" not in labels[label]):
            waiting = labels[label].format(prefix)
            seen[waiting] = seen.get(waiting, 0) + 1
            if value:
                found[waiting], waiting = value, ""
        elif waiting and piece.strip():
            found.setdefault(waiting, piece.strip())
            waiting = ""
    return {name: value for name, value in found.items() if seen[name] == 1}


def script(message: str) -> dict[str, str]:
    """Return the event data of PowerShell's 4104 from its message in English or German, nothing if it is none.

    The script stands between the message's own words; what comes last there is PowerShell's.
    """
    part = _PART.match(message)
    if part is None:
        return {}
    body, mark, rest = max((message[part.end() :].rpartition(mark) for mark in _MARKS), key=lambda cut: len(cut[0]))
    if not mark:
        return {}
    found = {"MessageNumber": part[1], "MessageTotal": part[2], "ScriptBlockText": body.strip()}
    words = rest.split(None, 1)
    if words:
        found["ScriptBlockId"] = words[0]
    path = words[1].partition(":")[2].strip() if len(words) > 1 else ""
    return found | {"Path": path} if path else found
