"""Writes exceptions: chosen fields of an event become a Sigma filter file for the rules about single events."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from sentinel.core.errors import ForbiddenError, RuleError, UsageError
from sentinel.core.event import Scalar
from sentinel.core.wildcard import escaped
from sentinel.detect.exceptions import Exemption, Terms, terms

if TYPE_CHECKING:
    from sentinel.detect.documents import Document
    from sentinel.detect.linking import Plain
    from sentinel.detect.pipelines import LogSource

FOLDER = "exceptions"
"""In a folder of rules, where exceptions are written to."""
TITLE_MAX = 250
Conditions = Mapping[str, Sequence[Scalar]]
"""By field: the values of which one must be there; all fields must have one."""


def exception(title: str, origins: Iterable["Plain"], conditions: Conditions, terms: Terms) -> str:
    """Return the text of a filter file: what meets all `conditions` is no hit of the rules `origins` any more.

    Raises UsageError for an empty text: in Sigma it would mean events without the field, too.
    """
    from sentinel.detect.documents import written  # noqa: PLC0415  YAML, for who reads or writes some

    if empty := [field for field, values in conditions.items() if "" in values]:
        raise UsageError(
            f"{empty[0]} may be empty, and an exception to that would be one to events without it: leave it out"
        )
    by_source: dict[LogSource, list[Plain]] = {}
    for one in origins:
        by_source.setdefault(one.logsource, []).append(one)
    excepted: Document = {field: _said(values) for field, values in conditions.items()}
    documents: list[Document] = [
        {
            "title": title[:TITLE_MAX],
            "logsource": dict(_named(source)),
            "filter": {
                "rules": [one.detection.id for one in rules],
                "excepted": excepted,
                "condition": "not excepted",
            },
            "sentinel": {"reason": terms.reason, "owner": terms.owner, "expires": _until(terms.expires)},
        }
        for source, rules in by_source.items()
    ]
    return written(documents)


def file_name(rule_path: str, conditions: Conditions) -> str:
    """Return what such a file is called: the same rule and conditions, the same file."""
    digest = blake2b(
        repr(sorted((field, tuple(values)) for field, values in conditions.items())).encode(), digest_size=4
    )
    return f"{Path(rule_path).stem}_{digest.hexdigest()}.yml"


def put(folder: Path, name: str, text: str) -> Path:
    """Write `text` as `name` in `folder`, wholly or not at all; raises UsageError if it is there, ForbiddenError."""
    path = folder / name
    if path.exists():
        raise UsageError(f"{path} is such an exception already: change it there, or remove it first")
    aside = path.with_suffix(".new")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside.write_text(text, "utf-8")
        aside.rename(path)
    except OSError as error:
        raise ForbiddenError(
            f"{path}: cannot be written: {error.strerror}; run as a user who may change rules"
        ) from error
    return path


def expired(folders: Iterable[Path], now: datetime) -> list[Exemption]:
    """Return the exceptions in `exceptions/` of the folders that have expired, without reading any rule."""
    found: list[Exemption] = []
    for path in sorted(one for folder in folders for one in (folder / FOLDER).glob("*.yml")):
        from sentinel.detect.documents import read_documents  # noqa: PLC0415  as above

        try:
            for document in read_documents(path):
                own = terms(path, document.get("sentinel"))
                if own.expires <= now:
                    found.append(Exemption(str(path), str(document.get("title", "")), (), own, expired=True))
        except RuleError:
            continue  # told by whoever reads the rules
    return found


class Renewal:
    """Knows when rules have to be read anew: an exception was added, changed or removed, or one has expired.

    `folders` are those of the city's own rules, `also` further files that count; what lies there counts as read from
    now on. With `rules` every rule below `folders` is looked at too.
    """

    def __init__(self, folders: Iterable[Path], also: Iterable[Path] = (), *, rules: bool = False) -> None:
        self._folders = tuple(folder if rules else folder / FOLDER for folder in folders)
        self._also = tuple(also)
        self._pattern = "**/*.y*ml" if rules else "*.yml"
        self._end: datetime | None = None
        self._seen = self._files()

    def until(self, exceptions: Iterable[Exemption]) -> None:
        """Say which exceptions were found: the first that ends is a reason to read anew."""
        self._end = min((one.terms.expires for one in exceptions if not one.expired), default=None)

    def due(self, now: datetime) -> bool:
        """Say whether something has changed since it was made."""
        return (self._end is not None and self._end <= now) or self._files() != self._seen

    def _files(self) -> frozenset[tuple[str, int, int]]:
        found: set[tuple[str, int, int]] = set()
        below = (one for folder in self._folders for one in folder.glob(self._pattern))
        for path in (*self._also, *below):
            try:
                about = path.stat(follow_symlinks=path not in self._also)  # where a link leads to is what changes
            except OSError:
                continue  # not there, or gone again
            found.add((str(path), about.st_mtime_ns, about.st_size))
        return frozenset(found)


def _said(values: Sequence[Scalar]) -> object:
    plain = [escaped(value) if isinstance(value, str) else value for value in values]
    return plain[0] if len(plain) == 1 else plain


def _named(source: "LogSource") -> Iterable[tuple[str, str]]:
    return ((name, value) for name, value in zip(("product", "category", "service"), source, strict=True) if value)


def _until(moment: datetime) -> date | datetime:
    # a day's end is written as the day
    utc = moment.astimezone(UTC)
    return (
        (utc - timedelta(days=1)).date() if (utc.hour, utc.minute, utc.second, utc.microsecond) == (0, 0, 0, 0) else utc
    )
