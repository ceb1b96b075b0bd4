"""A text in which a regular expression occurs: RE2's syntax read once, the shortest way through taken.

What comes out is proven by RE2 itself; where that fails (an odd boundary, `$` in the middle) there is no sample.
Syntax: https://github.com/google/re2/wiki/Syntax.
"""

from collections.abc import Iterator

from sentinel.core.regex import compile_regex

REPEATED_MAX = 1000  # as in RE2
_CLASSES = {"d": "0", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a", "p": "a", "P": "-"}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_POSIX = {
    "alpha": "a", "digit": "0", "alnum": "a", "upper": "A", "lower": "a", "space": " ", "blank": " ", "punct": "-",
    "word": "a", "xdigit": "0", "print": "a", "graph": "a", "cntrl": "\t", "ascii": "a",
}  # fmt: skip
_CANDIDATES = "a0A -_.~/\\x\t\u00e9"


def samples(regex: str, flags: str = "") -> Iterator[str]:
    """Yield some texts in which the expression occurs, none if none was found."""
    pattern = compile_regex(regex, flags)
    seen: set[str] = set()
    for optional, later in ((0, False), (1, False), (0, True), (1, True)):
        try:
            text = _Reading(regex, flags, optional=optional, later=later).whole()
        except (IndexError, ValueError, RecursionError):
            continue
        for one in (text, f" {text} ", f"x{text}x"):
            if one not in seen and pattern.search(one) is not None:
                seen.add(one)
                yield one
                break


class _Reading:
    """One way through an expression: `optional` times what may be left out, the last alternative if `later`."""

    def __init__(self, regex: str, flags: str, *, optional: int, later: bool) -> None:
        self._regex = regex
        self._at = 0
        self._optional = optional
        self._later = later
        self._flags = set(flags)

    def whole(self) -> str:
        text = self._alternatives()
        if self._at < len(self._regex):
            raise ValueError("a parenthesis too many")
        return text

    def _peek(self, text: str) -> bool:
        return self._regex.startswith(text, self._at)

    def _next(self) -> str:
        char = self._regex[self._at]
        self._at += 1
        return char

    def _until(self, end: str) -> str:
        stop = self._regex.index(end, self._at)
        text, self._at = self._regex[self._at : stop], stop + len(end)
        return text

    def _alternatives(self) -> str:
        found = [self._sequence()]
        while self._peek("|"):
            self._at += 1
            found.append(self._sequence())
        return found[-1] if self._later else found[0]

    def _sequence(self) -> str:
        parts: list[str] = []
        while self._at < len(self._regex) and not self._peek("|") and not self._peek(")"):
            if self._peek("\\Q"):
                self._at += 2
                parts.append(self._until("\\E"))
                continue
            parts.append(self._repeated(self._atom()))
        return "".join(parts)

    def _repeated(self, text: str) -> str:
        while self._at < len(self._regex) and self._regex[self._at] in "*+?{":
            begin = self._at
            match self._next():
                case "*" | "?":
                    text *= self._optional
                case "+":
                    pass
                case _:
                    bounds = self._until("}").split(",") if "}" in self._regex[self._at :] else [""]
                    if not bounds[0].isdigit():
                        self._at = begin  # a brace that stands for itself
                        return text + self._next()
                    text *= min(int(bounds[0]) or self._optional, REPEATED_MAX)
        return text

    def _atom(self) -> str:
        match self._next():
            case "(":
                return self._group()
            case "[":
                return self._class()
            case "\\":
                return self._escape()
            case ".":
                return "x"
            case "^" | "$":
                return ""
            case char:
                return char

    def _group(self) -> str:
        if self._peek("?P<") or self._peek("?<"):
            self._until(">")
        elif self._peek("?"):
            self._at += 1
            while self._next() not in ":)":
                pass
            if self._regex[self._at - 1] == ")":  # flags for what follows
                return ""
        text = self._alternatives()
        if self._next() != ")":
            raise ValueError("a parenthesis is missing")
        return text

    def _escape(self) -> str:
        char = self._next()
        if char in _CLASSES:
            if char in "pP":
                self._until("}") if self._peek("{") else self._next()
            return _CLASSES[char]
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char in "bBAzZ":
            return ""
        if char == "x":
            if self._peek("{"):
                self._at += 1
                return chr(int(self._until("}"), 16))
            self._at += 2
            return chr(int(self._regex[self._at - 2 : self._at], 16))
        return char

    def _class(self) -> str:
        # the text of the class is tried as it stands: the first candidate that RE2 finds in it
        begin = self._at - 1
        if self._peek("^"):
            self._at += 1
        first = self._at
        while (char := self._next()) != "]" or self._at == first + 1:
            if char == "\\":
                self._at += 1
            elif char == "[" and self._peek(":"):
                self._until(":]")
        whole = self._regex[begin : self._at]
        members = [one for one in whole[1:-1] if one not in "^[]\\:-"]
        named = [text for name, text in _POSIX.items() if f":{name}:" in whole]
        held = compile_regex(f"^{whole}$", "".join(sorted(self._flags)))
        candidates: list[str] = [*members, *named, *_CANDIDATES, "\\", "[", "]", "^", ":", "-"]
        for one in candidates:
            if held.search(one) is not None:
                return one
        raise ValueError(f"nothing found for {whole}")
