"""Where rules that were fetched lie: each state in a folder of its own, and a link that names the present one.

`current/local` holds the rules that are read, which an operator may change; `current/upstream.zip` the same as upstream
had them. A new state is complete and on disk before the link is put in the place of the old one: whoever reads sees
the one or the other, whatever happens in between.
"""

import json
import os
import shutil
import zipfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from sentinel.core import kill
from sentinel.core.clock import iso
from sentinel.core.durable import sync_folder
from sentinel.core.errors import ForbiddenError
from sentinel.core.lock import HeldLock
from sentinel.detect.merging import Merged, merged
from sentinel.detect.upstream import Files, below, rules_of

CURRENT = "current"
LICENCE = "Detection Rule License 1.1, https://github.com/SigmaHQ/Detection-Rule-License"
"""Under which SigmaHQ's rules are, if a rule says nothing else."""
_STATE = "state-"
_UPSTREAM = "upstream.zip"


def local(folder: Path) -> Path:
    """Return where the rules lie that were fetched into `folder`."""
    return folder / CURRENT / "local"


def fetch(folder: Path, given: Path, now: datetime) -> Merged:
    """Take the rules of a checkout or archive into `folder`; what was changed there stays.

    Raises UsageError for what cannot be taken, StoreBusyError while another process fetches, ForbiddenError if it
    cannot be written.
    """
    fresh = rules_of(given)
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        lock = HeldLock(folder / "lock", "{holder} fetches rules already; wait for its end")
    except OSError as error:
        raise ForbiddenError(f"{folder}: cannot be written: {error.strerror}") from error
    try:
        found = merged(_before(folder), fresh, below(local(folder)))
        _replace(folder, fresh, found.files, {"from": given.name, "at": iso(now), "licence": LICENCE})
    except OSError as error:
        raise ForbiddenError(f"{folder}: cannot be written: {error.strerror}; the rules are as they were") from error
    finally:
        lock.release()
    return found


def _before(folder: Path) -> Files:
    kept = folder / CURRENT / _UPSTREAM
    if not kept.exists():
        return {}
    with zipfile.ZipFile(kept) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _replace(folder: Path, fresh: Files, files: Files, said: dict[str, str]) -> None:
    before = (folder / CURRENT).readlink().name if (folder / CURRENT).is_symlink() else ""
    number = int(before.removeprefix(_STATE) or 0) + 1
    state = folder / f"{_STATE}{number}"
    for left in folder.iterdir():  # what an earlier try left behind, and all but the state before
        if left.name.startswith(_STATE) and left.name != before:
            shutil.rmtree(left)
    _written(state, fresh, files, said)
    kill.point("fetch.written")
    os.sync()  # thousands of files at once
    kill.point("fetch.synced")
    link = folder / f"{CURRENT}.new"
    with suppress(FileNotFoundError):
        link.unlink()
    link.symlink_to(state.name)
    kill.point("fetch.before_rename")
    link.replace(folder / CURRENT)
    sync_folder(folder)


def _written(state: Path, fresh: Files, files: Files, said: dict[str, str]) -> None:
    for name, body in files.items():
        path = state / "local" / name
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        path.write_bytes(body)
        path.chmod(0o640)
    (state / "local").mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(state / _UPSTREAM, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in sorted(fresh.items()):
            archive.writestr(name, body)
    (state / "about.json").write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", "utf-8")
