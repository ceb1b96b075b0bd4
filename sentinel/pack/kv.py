r"""Lines of `key=value key="value with \"quotes\""`, as firewalls write them."""

import re

_PAIR = re.compile(r'([A-Za-z_][\w.\-/]*)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))(?=[\s,;]|$)', re.DOTALL)
_ESCAPE = re.compile(r'\\(["\\])')

PAIRS_MAX = 512


def pairs(text: str) -> dict[str, str]:
    """Return every pair of `text`; of a name given twice the first counts, so that nothing can be overwritten later.

    A value is either in double quotes, with a backslash before a quote or a backslash inside, or runs to the next
    white space. Text that is no pair is passed over.
    """
    found: dict[str, str] = {}
    for name, quoted, bare in _PAIR.findall(text):
        if name not in found:
            found[name] = _ESCAPE.sub(r"\1", quoted) if quoted else bare
            if len(found) >= PAIRS_MAX:
                break
    return found
