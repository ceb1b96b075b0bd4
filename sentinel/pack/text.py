"""Bytes to text, and text to the numbers, addresses and names that ECS fields hold."""

import re
import socket
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable

from sentinel.core.event import Fields, Value

NOTHING = frozenset({"", "-", "N/A", "n/a", "(null)", "null", "none", "<none>", "unknown"})
"""What vendors write where they have nothing to say."""

_MAC = re.compile(r"[0-9A-Fa-f]{2}([:-]?)(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}")


def decode(body: bytes) -> str:
    """Return the record as text: UTF-16 and UTF-8 by their marks, then UTF-8, then Windows-1252/Latin-1."""
    return decoded(body)[0]


def decoded(body: bytes) -> tuple[str, bool]:
    """Return the record as text (see `decode`), and whether it is that and not only what could be made of it."""
    if body.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        try:
            return body.decode("utf-16"), True
        except UnicodeDecodeError:
            return body.decode("utf-16", "replace"), False
    body = body.removeprefix(BOM_UTF8)
    try:
        return body.decode("utf-8"), True
    except UnicodeDecodeError:
        pass
    try:
        return body.decode("cp1252"), True
    except UnicodeDecodeError:
        return body.decode("latin-1"), False


def given(value: str | None) -> str | None:
    """Return `value` without surrounding space, None if the vendor meant "nothing"."""
    if value is None:
        return None
    value = value.strip()
    return None if value in NOTHING else value


def number(value: str | int | None) -> int | None:
    """Return a whole number (decimal, or hexadecimal with 0x), None if it is none; fits 64 bits signed."""
    if isinstance(value, str):
        if not value.isascii():
            return None
        try:
            value = int(value, 16 if value[:2] in {"0x", "0X"} else 10)
        except ValueError:
            return None
    return value if value is not None and -(1 << 63) <= value < 1 << 63 else None


def port(value: str | int | None) -> int | None:
    """Return a port number from 0 to 65535, else None."""
    found = number(value)
    return found if found is not None and 0 <= found <= 65535 else None


def address(value: str | None) -> str | None:
    """Return an IP address in its canonical text, None if it is none.

    A zone (`fe80::1%eth0`) and brackets are taken off; IPv4-mapped IPv6 becomes IPv4.
    """
    if not value:
        return None
    value = value.strip("[] ").partition("%")[0]
    try:
        if ":" in value:
            packed = socket.inet_pton(socket.AF_INET6, value)
            if packed.startswith(b"\0" * 10 + b"\xff\xff"):
                return socket.inet_ntop(socket.AF_INET, packed[12:])
            return socket.inet_ntop(socket.AF_INET6, packed)
        socket.inet_pton(socket.AF_INET, value)
    except (OSError, ValueError):
        return None
    return value


def mac(value: str | None) -> str | None:
    """Return a MAC address as ECS writes it (`00-00-5E-00-53-23`), None if it is none."""
    if value is None or not _MAC.fullmatch(value):
        return None
    digits = re.sub(r"[^0-9A-Fa-f]", "", value).upper()
    return "-".join(digits[at : at + 2] for at in range(0, 12, 2))


def basename(path: str) -> str:
    """Return the last part of a Windows or POSIX path."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]


def put(fields: Fields, pairs: Iterable[tuple[str, Value | None]]) -> Fields:
    """Set every pair that has a value (not None, not empty) and return `fields`."""
    for name, value in pairs:
        if value is not None and value not in ("", ()):
            fields[name] = value
    return fields


def user(name: str | None, prefix: str = "user") -> Fields:
    r"""Return `DOMAIN\user`, `user@domain` or a bare name as `user.name` and `user.domain` below `prefix`."""
    name = given(name)
    if name is None:
        return {}
    if "\\" in name:
        domain, _, bare = name.partition("\\")
        return put({}, [(f"{prefix}.domain", domain), (f"{prefix}.name", bare)])
    if name.count("@") == 1 and not name.startswith("@"):
        bare, _, domain = name.partition("@")
        return put({}, [(f"{prefix}.name", bare), (f"{prefix}.domain", domain), (f"{prefix}.email", name)])
    return {f"{prefix}.name": name}
