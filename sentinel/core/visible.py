"""Text of strangers made harmless wherever it is shown: terminal, subject of a mail, chat.

Log lines are written by strangers: escape sequences, bidirectional overrides and line feeds in them must never act.
What is not printable is shown, without loss: C0 controls as their pictures (`␛`), anything else as `‹U+202E›`.
"""

import unicodedata

_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "␡"}
_COMBINING_MAX = 8


def visible(text: str) -> str:
    """Return `text` such that no character of it can act on what shows it; printable text comes back as it is."""
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = 0
    for char in text:
        if not char.isprintable():
            shown.append(_PICTURES.get(ord(char)) or f"‹U+{ord(char):04X}›")
            marks = 0
        elif unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me"}:
            marks += 1
            # a tower of marks covers the lines above it
            shown.append(char if marks <= _COMBINING_MAX else f"‹U+{ord(char):04X}›")
        else:
            marks = 0
            shown.append(char)
    return "".join(shown)
