"""What `sentinel doctor` says of followed files: whether the patterns name any, and what of them cannot be read."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from sentinel.collect import matching
from sentinel.collect.identity import family
from sentinel.collect.lines import UTF16_MARKS
from sentinel.core.check import Check

SHOWN_MAX = 5
"""So many files are named of each fault; further ones are only counted."""


def file_checks(name: str, patterns: Sequence[str], encoding: str = "auto") -> Iterator[Check]:
    """Yield what is to be said of the files of the source `name`, which are read in `encoding`."""
    title = f"files {name}"
    found, refused = matching.look(patterns, [])
    wanted = [seen for seen in found.values() if seen.wanted]
    for fault in _shown(refused):
        yield Check(
            title, "fail", fault, "let Sentinel's user read it: a group of the file, or setfacl -m u:sentinel:r"
        )
    for pattern in patterns:
        if not any(matching.names(pattern)):
            yield _nothing(title, pattern)
    heads = {seen.path: _head(seen.path) for seen in found.values()}
    foreign = [(path, said) for path, head in heads.items() if (said := matching.foreign(head))]
    for fault in _shown([f"{path} is {said}" for path, said in foreign]):
        yield Check(title, "fail", fault, _advice(fault))
    for fault in _shown([f"{path} looks like UTF-16 without its mark" for path in heads if _unmarked(heads[path])]):
        if encoding == "auto":
            yield Check(title, "warn", fault, 'encoding = "utf-16-le" (or "utf-16-be") in a [[files]] table of its own')
    strangers = sorted({path for seen in wanted for path in _unknown_relatives(seen.family)})
    for fault in _shown([f"{path} may be a rotated file under a name that is not known as one" for path in strangers]):
        advice = "rotate to NAME.1 or NAME-20261123, or name it in `paths`: else what was not read before is lost"
        yield Check(title, "warn", fault, advice)
    if wanted and len(refused) + len(foreign) < len(found):
        size = sum(seen.size for seen in wanted)
        yield Check(title, "ok", f"{len(wanted)} files, {size:,} bytes")


def _shown(faults: Sequence[str]) -> Iterator[str]:
    yield from faults[:SHOWN_MAX]
    if len(faults) > SHOWN_MAX:
        yield f"{len(faults) - SHOWN_MAX} further files likewise"


def _nothing(title: str, pattern: str) -> Check:
    folder = Path(pattern)
    while any(sign in str(folder) for sign in "*?["):
        folder = folder.parent
    if folder == Path(pattern):
        folder = folder.parent
    if not folder.is_dir():
        return Check(title, "warn", f"{pattern}: there is no folder {folder}", "create it, or mend `paths`")
    if not os.access(folder, os.R_OK | os.X_OK):
        return Check(title, "fail", f"{folder} may not be looked into", "let Sentinel's user read and enter the folder")
    return Check(title, "warn", f"{pattern} names no file yet", "mend `paths`, unless the file is still to come")


def _head(path: Path) -> bytes:
    try:
        return matching.head(path)
    except OSError:
        return b""  # told already


def _unmarked(head: bytes) -> bool:
    # every second byte of UTF-16 is zero in most of what programs write
    half = len(head) // 2
    return head[:2] not in UTF16_MARKS and half > 0 and max(head[::2].count(0), head[1::2].count(0)) > half // 2


def _advice(fault: str) -> str:
    if "event log" in fault:
        return "sentinel import FILE.evtx, or send it with Winlogbeat or NXLog; leave it out of `paths`"
    return "rotate with gzip, or leave it out of `paths`"


def _unknown_relatives(plain: Path) -> Iterator[Path]:
    """Yield files such as `app.log.old` and `app.log.1.xz`, which are not followed when `app.log` becomes them."""
    try:
        names = os.listdir(plain.parent)  # noqa: PTH208  names are enough
    except OSError:
        return
    for name in names:
        path = plain.with_name(name)
        known = family(path) == plain
        if name.startswith(plain.name + ".") and not known and path.is_file():
            yield path
