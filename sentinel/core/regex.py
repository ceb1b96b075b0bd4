"""The one door to RE2: regular expressions of rules and responders, linear in time by construction.

Syntax: https://github.com/google/re2/wiki/Syntax. Look-around and back-references do not exist there and are
refused when the expression is read, never when an event arrives.
"""

from functools import lru_cache
from typing import Protocol, cast

import re2

PATTERN_MAX = 16_384
_MEMORY_BYTES_MAX = 64 << 20


class Pattern(Protocol):
    """A compiled expression."""

    def search(self, text: str | bytes, /) -> object | None:
        """Return something true if the expression occurs anywhere in `text`; UTF-8 is what it is fastest with."""


@lru_cache(maxsize=8192)
def compile_regex(expression: str, flags: str = "") -> Pattern:
    """Compile `expression` with `flags` out of `i`, `m`, `s`; raises ValueError with RE2's own reason."""
    if len(expression) > PATTERN_MAX:
        msg = f"regular expression longer than {PATTERN_MAX} characters"
        raise ValueError(msg)
    if set(flags) - set("ims"):
        msg = f"unknown regular expression flags {flags!r}: only i, m and s exist"
        raise ValueError(msg)
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES_MAX
    options.never_capture = True  # nobody asks what a group matched
    prefix = f"(?{flags})" if flags else ""
    try:
        return cast("Pattern", re2.compile(prefix + expression, options))
    except re2.error as error:
        reason = error.args[0] if error.args else "not understood"
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        msg = f"regular expression not in RE2's syntax: {text}"
        raise ValueError(msg) from error
