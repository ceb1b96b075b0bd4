"""What every wrapping of a Windows event spells in its own way: keywords in numbers and words, GUIDs.

https://learn.microsoft.com/windows/win32/wes/defining-keywords-used-to-classify-types-of-events
"""

from functools import lru_cache

_AUDIT_FAILURE, _AUDIT_SUCCESS = 0x10000000000000, 0x20000000000000
_CLASSIC = 1 << 63
_ALL = (1 << 64) - 1


def audited(keywords: str) -> str | None:
    """Return `success` or `failure` as a record's keywords (a number, or words in English or German) say, or None."""
    try:
        bits = int(keywords, 0)
    except ValueError:
        said = keywords.lower().replace("_", " ")
        if said.endswith(("audit failure", "failure audit", "gescheitert")):
            return "failure"
        return "success" if said.endswith(("audit success", "success audit", "erfolgreich")) else None
    if bits & _AUDIT_FAILURE:
        return "failure"
    return "success" if bits & _AUDIT_SUCCESS else None


@lru_cache(256)
def keywords(said: str) -> str:
    """Return keywords as an event log writes them (`0x8020000000000000`); other words stay as they are."""
    try:
        return f"0x{int(said, 0) & _ALL:016x}"
    except ValueError:
        bits = {"failure": _AUDIT_FAILURE, "success": _AUDIT_SUCCESS}.get(audited(said) or "")
        return said if bits is None else f"0x{_CLASSIC | bits:016x}"


@lru_cache(512)
def guid(said: str) -> str:
    """Return a GUID as Windows shows it: in braces and capitals."""
    return f"{{{said.strip('{}').upper()}}}"
