"""A file system that forgets: when the power is cut, what was not synchronised is gone (after LazyFS, used by etcd).

Run as `forgetful.py DISK MOUNT [lies]` it takes up the folder DISK, holds every change in memory, and on one line of
JSON (`seed`, or null; `amid_sync`, to wait until somebody waits for fsync) refuses everything from then on, leaves in
DISK what the disk kept, says what it did not keep, and ends. The disk is as strict as POSIX allows: fsync or fdatasync
of a file keeps its bytes and its size, fsync of a folder keeps the names in it, and neither does the other's work,
though ext4 would keep the name of a new file with its first fsync. A rename within a folder is one change. With a seed
the disk has also written some of the rest by itself: of each file some of the changes, in their order, some of them
torn between sectors; of each folder some of the names. Modes and times are kept at once. With `lies` fsync is idle.
"""

import errno
import json
import os
import random
import shutil
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

SECTOR = 512
SYNC_SECONDS = 0.01
"""What a disk that turns takes; for so long what was written is still in danger."""
AMID_SECONDS_MAX = 10.0
Content = TypeVar("Content")
Target_contra = TypeVar("Target_contra", contravariant=True)
Names = dict[str, "File | Folder"]


class Change(Protocol[Target_contra]):
    """Something that happens to what a file or a folder holds."""

    @property
    def size(self) -> int:
        """How many bytes or names it brings."""

    def make(self, content: Target_contra) -> None:
        """Do it."""

    def torn(self, chance: random.Random) -> Self:
        """Return what is left of it if it is broken off somewhere."""


class Write(NamedTuple):
    """Bytes written at a place; None instead of bytes ends the file there, with zeros if it was shorter."""

    at: int
    data: bytes | None

    @property
    def size(self) -> int:
        return len(self.data or b"")

    def make(self, content: bytearray) -> None:
        if self.data is None:
            del content[self.at :]
        content.extend(bytes(max(0, self.at - len(content))))
        if self.data is not None:
            content[self.at : self.at + len(self.data)] = self.data

    def torn(self, chance: random.Random) -> "Write":
        if self.data is None:
            return self
        end = (self.at + chance.randrange(len(self.data) + 1)) // SECTOR * SECTOR
        return Write(self.at, self.data[: max(0, end - self.at)])


class Naming(NamedTuple):
    """Names that a folder gains, or with None loses."""

    names: "dict[str, File | Folder | None]"

    @property
    def size(self) -> int:
        return len(self.names)

    def make(self, content: Names) -> None:
        for name, node in self.names.items():
            if node is None:
                content.pop(name, None)
            else:
                content[name] = node

    def torn(self, chance: random.Random) -> "Naming":
        del chance  # a folder's changes are journalled
        return self


@dataclass(eq=False)
class Node(Generic[Content]):
    """What programs see, what the disk has, and the changes in between, the first of them number `begun`."""

    live: Content
    kept: Content
    mode: int
    changed: int = field(default_factory=time.time_ns)
    undone: list[Change[Content]] = field(default_factory=list)
    begun: int = 0

    def change(self, change: Change[Content]) -> None:
        """Make a change, in memory."""
        change.make(self.live)
        self.undone.append(change)
        self.changed = time.time_ns()

    def sync(self, upto: int) -> None:
        """Have the disk keep the changes before number `upto`."""
        count = max(0, upto - self.begun)
        for change in self.undone[:count]:
            change.make(self.kept)
        del self.undone[:count]
        self.begun += count

    def survive(self, chance: random.Random | None) -> int:
        """Have the disk keep by itself what `chance` wants; returns how many bytes or names it did not."""
        lost = 0
        for change in self.undone:
            some = change if chance is not None and chance.random() < 0.5 else None
            if some is not None and chance is not None and chance.random() < 0.3:
                some = change.torn(chance)
            if some is not None:
                some.make(self.kept)
            lost += change.size - (some.size if some is not None else 0)
        self.undone.clear()
        return lost


class File(Node[bytearray]):
    """A file of bytes."""


class Folder(Node[Names]):
    """A folder of names."""


def taken_up(path: Path) -> File | Folder:
    """Return what is on the disk at a path; all of it is kept."""
    status = path.stat()
    if path.is_dir():
        names = {one.name: taken_up(one) for one in path.iterdir()}
        return Folder(dict(names), names, status.st_mode, status.st_mtime_ns)
    content = path.read_bytes()
    return File(bytearray(content), bytearray(content), status.st_mode, status.st_mtime_ns)


def left(node: File | Folder, path: Path) -> None:
    """Write to the disk what it has kept."""
    if isinstance(node, Folder):
        path.mkdir(exist_ok=True)
        for name, one in node.kept.items():
            left(one, path / name)
    else:
        path.write_bytes(node.kept)
    path.chmod(stat.S_IMODE(node.mode))
    os.utime(path, ns=(node.changed, node.changed))


class Memory:
    """The file system, as mfusepy calls it: paths begin with "/", `fh` numbers what is open, errors are OSErrors."""

    use_ns = flag_nopath = flag_nullpath_ok = True

    def __init__(self, disk: Path, *, lies: bool) -> None:
        self._disk, self._lies = disk, lies
        root = taken_up(disk)
        assert isinstance(root, Folder)
        self._root = root
        self._turn = threading.RLock()
        self._amid_sync = threading.Event()
        self._off = False
        self._open: dict[int, File | Folder] = {}
        self._last = 0

    def cut(self, chance: random.Random | None, *, amid_sync: bool) -> dict[str, dict[str, int]]:
        """Cut the power; returns how many bytes and names are lost, by path."""
        if amid_sync:
            self._amid_sync.wait(AMID_SECONDS_MAX)
        with self._turn:
            self._off = True
            lost: dict[str, dict[str, int]] = {"bytes": {}, "names": {}}
            for path, node in list(self._all("/", self._root)):
                if count := node.survive(chance):
                    lost["names" if isinstance(node, Folder) else "bytes"][path] = count
            for old in self._disk.iterdir():
                shutil.rmtree(old) if old.is_dir() else old.unlink()
            left(self._root, self._disk)
        return lost

    def _all(self, path: str, node: File | Folder) -> Iterator[tuple[str, File | Folder]]:
        yield path, node
        if isinstance(node, Folder):
            # what was removed may come back, with what it held
            gone = [one for one in node.kept.items() if node.live.get(one[0]) is not one[1]]
            for name, one in [*node.live.items(), *gone]:
                yield from self._all(f"{path.rstrip('/')}/{name}", one)

    @contextmanager
    def _powered(self) -> Iterator[None]:
        with self._turn:
            if self._off:
                raise OSError(errno.EIO, "the power is off")
            yield

    def _node(self, path: str | None, fh: int | None = None) -> File | Folder:
        if fh is not None:
            return self._open[fh]
        if path is None:
            raise OSError(errno.ENOTSUP, "not of an open file")
        node: File | Folder = self._root
        for name in PurePosixPath(path).parts[1:]:
            if not isinstance(node, Folder):
                raise OSError(errno.ENOTDIR, path)
            if name not in node.live:
                raise OSError(errno.ENOENT, path)
            node = node.live[name]
        return node

    def _file(self, path: str | None, fh: int | None) -> File:
        node = self._node(path, fh)
        if not isinstance(node, File):
            raise OSError(errno.EISDIR, path)
        return node

    def _place(self, path: str) -> tuple[Folder, str]:
        pure = PurePosixPath(path)
        folder = self._node(str(pure.parent))
        if not isinstance(folder, Folder):
            raise OSError(errno.ENOTDIR, path)
        return folder, pure.name

    def _opened(self, node: File | Folder) -> int:
        self._last += 1
        self._open[self._last] = node
        return self._last

    # -- what programs ask for

    def getattr(self, path: str | None, fh: int | None = None) -> dict[str, Any]:
        with self._powered():
            node = self._node(path, fh)
            size = len(node.live) if isinstance(node, File) else 0
            return {
                **dict.fromkeys(("st_atime", "st_mtime", "st_ctime"), node.changed),
                "st_mode": node.mode,
                "st_nlink": 1,
                "st_size": size,
                "st_blocks": -(-size // SECTOR),
                "st_uid": os.getuid(),
                "st_gid": os.getgid(),
            }

    def statfs(self, _path: str) -> dict[str, int]:
        with self._powered():
            found = os.statvfs(self._disk)
            return {name: getattr(found, name) for name in dir(found) if name.startswith("f_") and name != "f_fsid"}

    def open(self, path: str, flags: int) -> int:
        with self._powered():
            file = self._file(path, None)
            if flags & os.O_TRUNC and file.live:
                file.change(Write(0, None))
            return self._opened(file)

    def create(self, path: str, mode: int, flags: int) -> int:
        with self._powered():
            folder, name = self._place(path)
            if name in folder.live:
                if flags & os.O_EXCL:
                    raise OSError(errno.EEXIST, path)
                return self.open(path, flags)
            file = File(bytearray(), bytearray(), stat.S_IFREG | stat.S_IMODE(mode))
            folder.change(Naming({name: file}))
            return self._opened(file)

    def read(self, path: str | None, size: int, offset: int, fh: int) -> bytes:
        with self._powered():
            return bytes(self._file(path, fh).live[offset : offset + size])

    def write(self, path: str | None, data: bytes, offset: int, fh: int) -> int:
        with self._powered():
            self._file(path, fh).change(Write(offset, data))
            return len(data)

    def truncate(self, path: str | None, length: int, fh: int | None = None) -> int:
        with self._powered():
            self._file(path, fh).change(Write(length, None))
            return 0

    def fsync(self, path: str | None, _datasync: int, fh: int) -> int:
        with self._powered():
            node = self._node(path, fh)
            upto = node.begun + len(node.undone)
            if node.undone:
                self._amid_sync.set()
        time.sleep(SYNC_SECONDS)
        with self._powered():
            self._amid_sync.clear()
            if not self._lies:
                node.sync(upto)
        return 0

    fsyncdir = fsync

    def release(self, _path: str | None, fh: int) -> int:
        with self._turn:
            del self._open[fh]
            return 0

    releasedir = release

    def opendir(self, path: str) -> int:
        with self._powered():
            return self._opened(self._node(path))

    def readdir(self, path: str | None, fh: int) -> list[str]:
        with self._powered():
            return [".", "..", *self._node(path, fh).live]

    def mkdir(self, path: str, mode: int) -> int:
        with self._powered():
            folder, name = self._place(path)
            if name in folder.live:
                raise OSError(errno.EEXIST, path)
            folder.change(Naming({name: Folder({}, {}, stat.S_IFDIR | stat.S_IMODE(mode))}))
            return 0

    def unlink(self, path: str) -> int:
        with self._powered():
            folder, name = self._place(path)
            folder.change(Naming({name: None}))
            return 0

    def rmdir(self, path: str) -> int:
        with self._powered():
            if self._node(path).live:
                raise OSError(errno.ENOTEMPTY, path)
            return self.unlink(path)

    def rename(self, old: str, new: str) -> int:
        with self._powered():
            node = self._node(old)
            (source, before), (target, after) = self._place(old), self._place(new)
            if isinstance(node, Folder) and after in target.live:
                raise OSError(errno.ENOTSUP, "a folder in the place of something else")
            if source is target:
                source.change(Naming({before: None, after: node}))
            else:
                source.change(Naming({before: None}))
                target.change(Naming({after: node}))
            return 0

    def chmod(self, path: str | None, mode: int) -> int:
        with self._powered():
            self._node(path).mode = mode  # the kernel gives the kind of file, too
            return 0

    def chown(self, *_owner: object) -> int:
        with self._powered():
            return 0

    def utimens(self, path: str | None, times: tuple[int, int] | None = None) -> int:
        with self._powered():
            self._node(path).changed = times[1] if times else time.time_ns()
            return 0


def serve(disk: Path, mount: Path, *, lies: bool) -> None:
    """Be the file system until the power is cut."""
    from mfusepy import FUSE  # noqa: PLC0415  it needs libfuse, which not everybody who imports this has

    class Mounted(FUSE):  # type: ignore[misc]
        """Says which open file is truncated; mfusepy keeps that to itself, and a file may have no path any more."""

        def truncate_fuse_3(self, path: bytes | None, length: int, fip: Any) -> int:  # noqa: ANN401  a C pointer
            fh = fip.contents.fh if fip else None
            done: int = self.operations.truncate(path.decode() if path is not None else None, length, fh)
            return done

    memory = Memory(disk, lies=lies)

    def listen() -> None:
        for line in sys.stdin:
            asked = json.loads(line)
            chance = None if asked["seed"] is None else random.Random(asked["seed"])  # noqa: S311  faults, not secrets
            print(json.dumps(memory.cut(chance, amid_sync=asked["amid_sync"])), flush=True)  # noqa: T201  the answer
            os._exit(0)  # whoever waits for an answer learns that there is nobody

    threading.Thread(target=listen, daemon=True).start()
    # the kernel keeps what it has read, so that all programs see the same pages of a file that they map
    Mounted(memory, str(mount), foreground=True, kernel_cache=True, hard_remove=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]), lies="lies" in sys.argv[3:])
