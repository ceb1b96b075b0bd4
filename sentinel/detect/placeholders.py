"""Lists of values that rules ask for by `%name%` (modifier `expand`): the file `placeholders.yml` of a folder of rules.

    admins: [root, administrator]
    tunnels: [192.0.2.1]

A value stands for itself: `*` and `?` in it are no wildcards.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from sentinel.core.errors import RuleError
from sentinel.detect.documents import read_documents

FILE = "placeholders.yml"
Placeholders = Mapping[str, tuple[str, ...]]


def load_placeholders(folders: Iterable[Path]) -> tuple[Placeholders, tuple[RuleError, ...]]:
    """Read FILE of each of `folders` that has one; a file that cannot be used is left out as a whole and returned.

    A name given by two files is an error: which list a rule meant could not be seen from the rule.
    """
    found: dict[str, tuple[str, ...]] = {}
    refused: list[RuleError] = []
    for path in dict.fromkeys(folder.resolve() / FILE for folder in folders):
        if path.exists():
            try:
                found.update(_lists(path, found))
            except RuleError as error:
                refused.append(error)
    return found, tuple(refused)


def _lists(path: Path, known: Placeholders) -> dict[str, tuple[str, ...]]:
    lists: dict[str, tuple[str, ...]] = {}
    for document in read_documents(path):
        for name, given in document.items():
            if name in known or name in lists:
                raise RuleError(path, f"the placeholder {name} is given a second time")
            if not isinstance(given, list) or not given:
                raise RuleError(path, f"the placeholder {name} needs a list of values")
            if not all(isinstance(one, str | int) and not isinstance(one, bool) for one in given):
                raise RuleError(path, f"the placeholder {name} holds something other than texts and whole numbers")
            lists[name] = tuple(map(str, given))
    return lists
