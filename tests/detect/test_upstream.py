"""A checkout or archive of rules is read as far as it is one; whatever else it is, it is refused and harms nobody."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.errors import UsageError
from sentinel.detect import upstream
from sentinel.detect.upstream import rules_of

RULES = {"rules/linux/a.yml": b"title: a\n", "rules-threat-hunting/b.yml": b"title: b\n"}
BESIDE = {
    "README.md": b"x",
    "deprecated/old.yml": b"title: old\n",
    "tests/rules.py": b"x",
    "rules/linux/notes.txt": b"x",
}


def zipped(path: Path, files: Mapping[str, bytes], top: str = "") -> Path:
    """Return a zip file of these files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(top + name, body)
    return path


def tarred(path: Path, files: Mapping[str, bytes], top: str = "", mode: str = "w:gz") -> Path:
    """Return a tar file of these files."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]  # the mode is a parameter of the test
        for name, body in files.items():
            info = tarfile.TarInfo(top + name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return path


@pytest.mark.parametrize("top", ["", "sigma-master/"])
def test_a_checkout_a_zip_and_every_tar_hold_the_same_rules(tmp_path: Path, top: str) -> None:
    everything = RULES | BESIDE
    for name, body in everything.items():
        (tmp_path / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "checkout" / name).write_bytes(body)
    assert rules_of(tmp_path / "checkout") == RULES
    assert rules_of(zipped(tmp_path / "a.zip", everything, top)) == RULES
    for ending in ("w", "w:gz", "w:bz2", "w:xz"):
        assert rules_of(tarred(tmp_path / "a.tar", everything, top, ending)) == RULES


HOSTILE = ["../rules/a.yml", "/rules/a.yml", "rules/../../a.yml", "rules\\..\\a.yml", "C:/rules/a.yml", "rules//a.yml",
           "rules/a\x1b[2J.yml", "rules/" + "a" * 300 + ".yml", "x/" * 600 + "a.yml"]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_path_is_refused_with_all_that_is_beside_it(tmp_path: Path, name: str) -> None:
    for archive in (
        zipped(tmp_path / "a.zip", RULES | {name: b"title: x\n"}),
        tarred(tmp_path / "a.tar", RULES | {name: b"title: x\n"}),
    ):
        with pytest.raises(UsageError, match="is refused: it holds the path"):
            rules_of(archive)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.tar", "a.zip"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_a_link_or_a_device_among_the_rules_is_refused(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("rules/a.yml")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(UsageError, match="is a link or a device"):
        rules_of(tmp_path / "a.tar")


def test_a_link_in_a_zip_or_a_checkout_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("rules/a.yml")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    (tmp_path / "checkout" / "rules").mkdir(parents=True)
    (tmp_path / "checkout" / "rules" / "a.yml").symlink_to("/etc/passwd")
    for path in (tmp_path / "a.zip", tmp_path / "checkout"):
        with pytest.raises(UsageError, match="is a link or a device"):
            rules_of(path)


def test_bombs_are_refused_before_they_unpack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "BYTES_MAX", 1 << 20)
    big = {f"rules/{number}.yml": b"#" * 500_000 for number in range(4)}
    beside = {"regression_data/x.evtx": b"\0" * (4 << 20)} | RULES
    header = tarfile.TarInfo("rules/a.yml")
    header.size = 1 << 40  # a header that promises a terabyte
    (tmp_path / "lie.tar.gz").write_bytes(gzip.compress(header.tobuf() + b"#" * (4 << 20)))
    for path in (
        zipped(tmp_path / "big.zip", big),
        tarred(tmp_path / "big.tar.gz", big),
        tarred(tmp_path / "beside.tar.gz", beside),
    ):
        with pytest.raises(UsageError, match="unpacks to more than 1 MiB"):
            rules_of(path)
    with pytest.raises(UsageError):
        rules_of(tmp_path / "lie.tar.gz")


def test_a_rule_too_large_and_one_given_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="larger than 524288 bytes"):
        rules_of(zipped(tmp_path / "a.zip", {"rules/a.yml": b"#" * 600_000}))
    with pytest.raises(UsageError, match="twice"):
        rules_of(zipped(tmp_path / "b.zip", {"rules/a.yml": b"x", "rules/A.yml": b"y"}))


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "ENTRIES_MAX", 3)
    for path in (zipped(tmp_path / "a.zip", RULES | BESIDE), tarred(tmp_path / "a.tar", RULES | BESIDE)):
        with pytest.raises(UsageError, match="more than 3 files"):
            rules_of(path)


@pytest.mark.parametrize("files", [{}, {"README.md": b"x"}, {"other/a.yml": b"x"}])
def test_what_holds_no_rules_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(UsageError, match="holds no rules below a folder rules"):
        rules_of(zipped(tmp_path / "a.zip", files))
    with pytest.raises(UsageError, match="neither a checkout nor"):
        rules_of(tmp_path / "nothing.zip")


@given(cut=st.integers(0, 2_000), flip=st.integers(0, 2_000), packed=st.sampled_from(["zip", "tar.gz", "tar.xz"]))
def test_a_damaged_archive_is_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int, packed: str
) -> None:
    path = tmp_path_factory.mktemp("damaged") / f"a.{packed}"
    if packed == "zip":
        zipped(path, RULES | BESIDE)
    else:
        tarred(path, RULES | BESIDE, mode=f"w:{packed[4:]}")
    body = bytearray(path.read_bytes())
    if flip < len(body):
        body[flip] ^= 0xFF
    path.write_bytes(body[: max(1, len(body) - cut)])
    try:
        found = rules_of(path)
    except UsageError:
        return
    assert set(found) <= {*RULES, *found}
