"""The one door to the Public Suffix List: which part of a name somebody has registered.

The list (https://publicsuffix.org, in the package `publicsuffixlist`) is a file; nothing is fetched.
"""

from functools import cache, lru_cache

from publicsuffixlist import PublicSuffixList

__all__ = ["registered"]

KNOWN_MAX = 20_000


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=True)


@lru_cache(maxsize=KNOWN_MAX)
def registered(name: str) -> str:
    """Return the registered domain of a host name in lower case; empty for a bare label and for a public suffix.

    Suffixes under which private persons get names (`ddns.example`, a cloud's `web.app`) count as public ones.
    """
    return _suffixes().privatesuffix(name.rstrip(".").lower()) or ""
