"""Reads what STIX 2.1 indicators compare: single values joined with OR, nothing that needs more than one event."""

import re
from collections.abc import Mapping
from typing import Any

PATTERN_MAX = 100_000
_PATH = r"""(?P<path>[a-z0-9-]+:[A-Za-z0-9_.'"\[\]*-]+)"""
_TEXT = r"'((?:[^'\\]|\\.)*)'"
_TOKEN = re.compile(
    rf"\s*(?:{_PATH}\s*(?P<operator>=|IN\b|ISSUBSET\b)\s*(?P<values>{_TEXT}|\(\s*{_TEXT}(?:\s*,\s*{_TEXT})*\s*\))"
    r"|(?P<or>OR\b)|(?P<open>[\[(])|(?P<close>[\])]))"
)
_ONE = re.compile(_TEXT)
_HASH = re.compile(r"file:hashes\.(?:'[A-Za-z0-9-]+'|\"[A-Za-z0-9-]+\"|[A-Za-z0-9-]+)")
_PATHS = frozenset({
    "ipv4-addr:value", "ipv6-addr:value", "domain-name:value", "url:value", "email-addr:value",
    "email-message:from_ref.value", "email-message:sender_ref.value",
    "network-traffic:dst_ref.value", "network-traffic:src_ref.value",
})  # fmt: skip
_SUBSETS = frozenset({"ipv4-addr:value", "ipv6-addr:value"})

REVOKED = "revoked"
FOREIGN = "a pattern in another language than STIX"
COMPOUND = "a pattern that is more than values joined with OR"


def objects(document: object) -> list[object] | None:
    """Return the objects of a bundle, or of a bare list of STIX objects; None if it is neither."""
    if isinstance(document, dict):
        listed = document.get("objects")
        return listed if isinstance(listed, list) and "Event" not in document else None
    if isinstance(document, list) and document:
        alike = all(isinstance(one, dict) and "--" in str(one.get("id", "")) for one in document)
        return document if alike else None
    return None


def values(indicator: Mapping[str, Any]) -> list[str] | str:
    """Return the values any one of which the indicator stands for, or why it cannot be used."""
    if indicator.get("revoked"):
        return REVOKED
    if indicator.get("pattern_type", "stix") != "stix":
        return FOREIGN
    pattern = indicator.get("pattern")
    if not isinstance(pattern, str) or len(pattern) > PATTERN_MAX:
        return COMPOUND
    return _compared(pattern.strip())


def _compared(pattern: str) -> list[str] | str:
    found: list[str] = []
    opened: list[str] = []
    at, wanted = 0, True
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None:
            return COMPOUND
        at = token.end()
        if token["path"]:
            if not wanted or "[" not in opened:
                return COMPOUND
            if not _usable(token["path"], token["operator"]):
                return f"a pattern on {token['path'][:60]}"
            found += [re.sub(r"\\(.)", r"\1", one) for one in _ONE.findall(token["values"])]
            wanted = False
        elif token["or"]:
            if wanted:
                return COMPOUND
            wanted = True
        elif token["open"]:
            if not wanted:
                return COMPOUND
            opened.append(token["open"])
        elif wanted or not opened or opened.pop() + token["close"] not in {"[]", "()"}:
            return COMPOUND
    return found if found and not opened and not wanted else COMPOUND


def _usable(path: str, operator: str) -> bool:
    if operator == "ISSUBSET":
        return path in _SUBSETS
    return path in _PATHS or _HASH.fullmatch(path) is not None
