"""What all documents of Sigma have in common, and how pySigma is asked."""

import json
import re
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar, cast

from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.policy import SigmaPolicy
from sigma.policy.regex_engine import RegexEngine, RegexPattern
from sigma.rule import SigmaRule

from sentinel.core.detection import LEVELS, Detection
from sentinel.core.errors import RuleError
from sentinel.core.regex import compile_regex
from sentinel.core.where import Where
from sentinel.detect.documents import Document

WORDS = frozenset({"title_de", "response", "blind_spots"})
"""What a rule may say to people under `sentinel`, beyond what Sigma has keys for."""
TEXT_MAX = 2_000
_TECHNIQUE = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)", re.IGNORECASE)


class _Re2(RegexEngine):
    """Lets pySigma check regular expressions by the engine that will run them."""

    def compile(self, pattern: str, flags: int = 0) -> RegexPattern:
        """Compile `pattern`; the flags are applied where the expression becomes a `Where`."""
        del flags
        return cast("RegexPattern", compile_regex(pattern))

    @property
    def error(self) -> type[Exception]:
        """What `compile` raises."""
        return ValueError


POLICY = SigmaPolicy(regex_engine=_Re2())
_Made = TypeVar("_Made")


def ask(path: Path, work: Callable[[], _Made]) -> _Made:
    """Return what pySigma answers; raises RuleError, whatever it raises.

    It answers odd input with SigmaError, but also with TypeError, AttributeError and others of Python's own.
    """
    try:
        return work()
    except (RuleError, MemoryError):
        raise
    except SigmaError as error:
        raise RuleError(path, f"not valid Sigma: {' '.join(str(error).split())[:300]}") from error
    except ValueError as error:  # ours: a field name, a network or an expression that `Where` does not take
        raise RuleError(path, str(error)) from error
    except Exception as error:  # see above
        raise RuleError(path, f"not valid Sigma: {type(error).__name__}: {str(error)[:200]}") from error


def described(
    path: Path, document: Document, rule: SigmaRule | SigmaCorrelationRule, where: Where, fold_by: tuple[str, ...]
) -> Detection:
    """Return a rule as a Detection, with what it says about itself; raises RuleError."""
    if rule.id is None:
        raise RuleError(path, "a rule needs an id (a UUID): alerts are told apart by it")
    if rule.status is not None and rule.status.name.lower() in {"deprecated", "unsupported"}:
        raise RuleError(path, f"its status is {rule.status.name.lower()}")
    level = "medium" if rule.level is None else rule.level.name.lower()
    if level not in LEVELS:
        raise RuleError(path, f"unknown level {level!r}")
    digest = blake2b(json.dumps(document, sort_keys=True, default=str).encode(), digest_size=8)
    digest.update(repr(where).encode("utf-8", "surrogatepass"))
    title_de, response, blind_spots = _words(path, document.get("sentinel"))
    techniques = (_TECHNIQUE.fullmatch(str(tag)) for tag in rule.tags)
    return Detection(
        id=str(rule.id),
        title=str(rule.title),
        level=level,
        where=where,
        version=digest.hexdigest(),
        path=str(path),
        fold_by=fold_by,
        attack=tuple(found[1].upper() for found in techniques if found),
        author=rule.author or "",
        description=(rule.description or "").strip(),
        falsepositives=tuple(str(one) for one in rule.falsepositives),
        references=tuple(str(one) for one in rule.references),
        title_de=title_de,
        response=response,
        blind_spots=blind_spots,
        license=str(document.get("license") or "")[:TEXT_MAX],
    )


def _words(path: Path, own: object) -> tuple[str, str, tuple[str, ...]]:
    said = own if isinstance(own, dict) else {}
    spots = said.get("blind_spots", [])
    if not isinstance(spots, list):
        raise RuleError(path, "blind_spots must be a list of sentences")
    texts = [said.get("title_de", ""), said.get("response", ""), *spots]
    if not all(isinstance(one, str) and len(one) <= TEXT_MAX for one in texts):
        raise RuleError(path, f"title_de, response and blind_spots are texts of at most {TEXT_MAX:,} characters")
    title_de, response, *rest = (str(one).strip() for one in texts)
    return title_de, response, tuple(rest)
