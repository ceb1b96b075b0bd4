"""What `sentinel doctor` says of followed files: whether the patterns name any, and what of them cannot be read."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from sentinel.collect import matching
from sentinel.collect.identity import family
from sentinel.core.check import Check

SHOWN_MAX = 5
"""So many files are named of each fault; further ones are only counted."""


def file_checks(name: str, patterns: Sequence[str]) -> Iterator[Check]:
    """Yield what is to be said of the files of the source `name`."""
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
    foreign = [(seen, said) for seen in found.values() if (said := _foreign(seen.path))]
    for fault in _shown([f"{seen.path} is {said}" for seen, said in foreign]):
        yield Check(title, "fail", fault, _advice(fault))
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


def _foreign(path: Path) -> str:
    try:
        return matching.foreign(path)
    except OSError:
        return ""  # told already


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
