"""Where an address is and whose network it belongs to, from files in MaxMind's format.

The files are the operator's; an entry of an unexpected shape says nothing, a file that is broken is left out and named.
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path

import maxminddb

from sentinel.core.event import Scalar
from sentinel.parse.prefixes import inside
from sentinel.parse.watched import Watched

_LANGUAGE = "en"
Place = Mapping[str, Scalar]


def opened(path: Path) -> maxminddb.Reader:
    """Open a file and read from it once; raises OSError or ValueError."""
    try:
        reader = maxminddb.open_database(path)
        reader.get("192.0.2.1")
    except (maxminddb.InvalidDatabaseError, UnicodeDecodeError, TypeError, KeyError) as error:
        raise ValueError(f"is no MaxMind database: {error}; fetch it again") from error
    return reader


class Geo:
    """Several files, asked one after another; what an earlier one says counts."""

    def __init__(self, files: tuple[Path, ...]) -> None:
        self.files = [Watched(path, opened) for path in files]

    def of_address(self, text: str) -> Place:
        """Return what the files say of an address: `geo.*` and `as.*` as far as they are known."""
        found: dict[str, Scalar] = {}
        if inside(text):
            return found
        address = ip_address(text)
        for file in self.files:
            if file.held is None:
                continue
            try:
                record = file.held.get(address)
            except (maxminddb.InvalidDatabaseError, ValueError) as error:
                # a database of IPv4 alone raises ValueError for an IPv6 address: it has nothing to say
                if isinstance(error, maxminddb.InvalidDatabaseError):
                    file.held, file.problem = None, f"{file.path}: is damaged: {error}; fetch it again"
                continue
            if isinstance(record, dict):
                for name, value in _read(record):
                    found.setdefault(name, value)
        return found


def _read(record: Mapping[str, object]) -> Iterator[tuple[str, Scalar]]:
    country, region = _part(record, "country"), _first(record.get("subdivisions"))
    code = country.get("iso_code")
    said = {
        "geo.continent_code": _part(record, "continent").get("code"),
        "geo.country_iso_code": code,
        "geo.country_name": _name(country),
        "geo.region_iso_code": f"{code}-{region['iso_code']}" if code and region.get("iso_code") else None,
        "geo.region_name": _name(region),
        "geo.city_name": _name(_part(record, "city")),
        "as.organization.name": record.get("autonomous_system_organization"),
    }
    for name, value in said.items():
        if isinstance(value, str) and value:
            yield name, value[:1_000]
    number = record.get("autonomous_system_number")
    if isinstance(number, int) and 0 < number < 1 << 32:
        yield "as.number", number


def _part(record: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = record.get(name)
    return part if isinstance(part, dict) else {}


def _first(listed: object) -> Mapping[str, object]:
    first = listed[0] if isinstance(listed, list) and listed else None
    return first if isinstance(first, dict) else {}


def _name(part: Mapping[str, object]) -> object:
    return _part(part, "names").get(_LANGUAGE)
