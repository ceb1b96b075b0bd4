"""What a regular expression cannot match without: literal texts, of which one is in every text it matches.

Looking for literals costs nothing beside the thousands that are looked for anyway; an expression is only searched for
where one of its own was found. Reads no more of RE2's syntax than it is sure of (https://github.com/google/re2/wiki/Syntax):
what it does not know ends a literal, or gives none.
"""

import re

_REPEAT = re.compile(r"\{\d+(?:,\d*)?\}")
_TELLING = frozenset("`^{}+$&*=|<>%#~;!")
"""Characters rare enough to be looked for alone."""


def guard(expression: str) -> tuple[str, ...]:
    """Return ASCII texts, of which every text that `expression` matches holds one, in any case; empty: none known."""
    found: list[str] = []
    for alternative in _alternatives(expression):
        literals = [one for one in _literals(alternative) if len(one) > 1 or one in _TELLING]
        if not literals:
            return ()
        found.append(max(literals, key=len))
    return tuple(dict.fromkeys(found))


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


def _literals(expression: str) -> list[str]:
    # what must be in a text, in an expression without alternatives outside of groups
    found: list[str] = [""]
    at = 0
    while at < len(expression):
        char, after = expression[at], _behind(expression, at)
        literal = ""
        if char == "\\":
            escape = expression[at + 1 : at + 2]
            if escape.isalnum() and escape not in _KNOWN:
                return []
            literal = "" if escape.isalnum() else escape
        elif char not in "[](){}.^$*+?|":
            literal = char
        if literal == "?" or not literal.isascii():  # `?` also stands for text that UTF-8 cannot carry
            literal = ""
        repeat = expression[after : after + 1]
        if repeat and repeat in "*?{":
            literal = ""
        if literal:
            found[-1] += literal
        if not literal or repeat == "+":
            found.append("")
        at = after
    return [one for one in found if one]


_KNOWN = frozenset("dDsSwWbBAz")
"""Escapes that stand for more than one text, or none, and end with their letter."""


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
