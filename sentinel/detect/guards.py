"""What a regular expression cannot match without: literal texts, of which one is in every text it matches; a length.

Looking for literals costs nothing beside the thousands that are looked for anyway; an expression is only searched for
where one of its own was found. Reads no more of RE2's syntax than it is sure of (https://github.com/google/re2/wiki/Syntax):
what it does not know ends a literal, or gives none.
"""

import re

_REPEAT = re.compile(r"\{(\d+)(?:,\d*)?\}")
SPELLINGS_MAX = 4
_TELLING = frozenset("`^{}+$&*=|<>%#~;!")
"""Characters rare enough to be looked for alone."""


def guard(expression: str) -> tuple[str, ...]:
    """Return ASCII texts, of which every text that `expression` matches holds one, in any case; empty: none known."""
    found: list[str] = []
    for alternative in _alternatives(expression):
        literals = [one for one in _literals(alternative) if len(one[0]) > 1 or one[0] in _TELLING]
        if not literals:
            return ()
        longest: list[str] = max(literals, key=lambda one: len(one[0]))
        found += longest
    return tuple(dict.fromkeys(found))


def least(expression: str) -> int:
    """Return how many characters any text has at least that `expression` matches; groups count for nothing."""
    return min(map(_least, _alternatives(expression)))


def _least(expression: str) -> int:
    length = at = 0
    while at < len(expression):
        char, after = expression[at], _behind(expression, at)
        escape = expression[at + 1 : at + 2] if char == "\\" else ""
        if escape.isalnum() and escape not in _KNOWN:
            return 0
        one = 0 if char in "^$(){*+?" or escape in _EMPTY else 1
        repeat = expression[after : after + 1]
        if repeat == "{" and (times := _REPEAT.match(expression, after)):
            one *= int(times[1])
            after = times.end()
            if expression.startswith(("*", "{"), after):
                return 0
        elif repeat and repeat in "*?":
            one = 0
        length += one
        at = after
    return length


def _alternatives(expression: str) -> list[str]:
    # cut at each `|` outside of groups
    found: list[str] = []
    begin = at = 0
    while at < len(expression):
        if expression[at] == "|":
            found.append(expression[begin:at])
            begin = at + 1
        at = _behind(expression, at)
    return [*found, expression[begin:]]


def _literals(expression: str) -> list[list[str]]:
    # what must be in a text, each in all its spellings, in an expression without alternatives outside of groups
    found: list[list[str]] = [[""]]
    at = 0
    while at < len(expression):
        char, after = expression[at], _behind(expression, at)
        literal = ""
        if char == "\\":
            escape = expression[at + 1 : at + 2]
            if escape.isalnum() and escape not in _KNOWN:
                return []
            literal = "" if escape.isalnum() else escape
        elif char == "[":
            literal = _few(expression[at + 1 : after - 1])
        elif char not in "](){}.^$*+?|":
            literal = char
        if "?" in literal or not literal.isascii():  # `?` also stands for text that UTF-8 cannot carry
            literal = ""
        if expression.startswith("{1}", after):
            after += 3
        repeat = expression[after : after + 1]
        if repeat and repeat in "*?{":
            literal = ""
        if literal:
            found[-1] = [one + another for one in found[-1] for another in literal]
        if not literal or repeat == "+" or len(found[-1]) > SPELLINGS_MAX:
            found.append([""])
        at = after
    return [one for one in found if one[0]]


def _few(inside: str) -> str:
    # the characters of a class that are worth looking for one by one
    return inside if len(inside) <= SPELLINGS_MAX and not set(inside) & set("^-[]\\") else ""


_KNOWN = frozenset("dDsSwWbBAz")
"""Escapes that stand for more than one text, or none, and end with their letter."""
_EMPTY = frozenset("bBAz")


def _behind(expression: str, at: int) -> int:
    # where the next element begins
    match expression[at]:
        case "\\":
            return at + 2
        case "[":
            return _behind_class(expression, at)
        case "(":
            depth = 0
            while at < len(expression):
                depth += (expression[at] == "(") - (expression[at] == ")")
                if depth == 0:
                    return at + 1
                at = at + 1 if expression[at] in "()" else _behind(expression, at)
            return at
        case "{":
            repeat = _REPEAT.match(expression, at)
            return repeat.end() if repeat else at + 1
        case _:
            return at + 1


def _behind_class(expression: str, at: int) -> int:
    at += 2 if expression.startswith("[^", at) else 1
    at += expression.startswith("]", at)
    while at < len(expression) and expression[at] != "]":
        if expression.startswith("[:", at):
            end = expression.find(":]", at)
            at = end + 2 if end > 0 else at + 1
        else:
            at += 2 if expression[at] == "\\" else 1
    return at + 1
