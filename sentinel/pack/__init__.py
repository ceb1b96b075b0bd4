"""All that a parser pack may import.

In: one raw record. Out: flat ECS documents. Must stay true: everything here is pure, never guesses silently, and
costs microseconds; a pack that needs more asks for a new tool here, not for a library of its own.

    from sentinel.pack import Fields, ParseError, Raw, kv, syslog, text, when
"""

from sentinel.core.errors import ParseError
from sentinel.core.event import Fields, Raw, Scalar, Value
from sentinel.pack import common, community, document, kv, maillog, prose, sendmail, structured, syslog, text, when

__all__ = [
    "Fields", "ParseError", "Raw", "Scalar", "Value", "common", "community", "document", "kv", "maillog", "prose",
    "sendmail", "structured", "syslog", "text", "when",
]  # fmt: skip
