"""Packs are loaded from folders; a broken one hurts only itself."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sentinel.core.content import content
from sentinel.core.errors import ConfigError, PackError
from sentinel.parse.packs import load, load_one

MakePack = Callable[..., Path]


def test_a_folder_with_two_files_is_a_pack(folder: Path, make_pack: MakePack) -> None:
    make_pack("oven", toml='aliases = ["Ofen-3000"]\nevent_module = "kitchen"\n[match]\napp = ["oven"]\n')
    packs = load([folder])
    assert packs.refused == ()
    pack = packs.by_name["oven"]
    assert (pack.dataset, pack.module, pack.reference) == ("oven.log", "kitchen", "https://example.org/oven")
    assert packs.hinted("oven") is packs.hinted("ofen_3000") is pack
    assert packs.hinted("kettle") is None


def test_a_broken_pack_hurts_only_itself(folder: Path, make_pack: MakePack) -> None:
    make_pack("good")
    make_pack("raises")
    (folder / "raises" / "parser.py").write_text("1 / 0")
    make_pack("exits")
    (folder / "exits" / "parser.py").write_text("raise SystemExit(3)")
    make_pack("syntax")
    (folder / "syntax" / "parser.py").write_text("def parse(:")
    make_pack("silent")
    (folder / "silent" / "parser.py").write_text("x = 1")
    make_pack("keys", toml="colour = 'red'\n")
    make_pack("all", toml="[match]\npriority = 1\n")
    make_pack("nothing", manifest="")
    (folder / "Bad-Name").mkdir()
    (folder / "empty").mkdir()
    packs = load([folder])
    assert list(packs.by_name) == ["good"]
    reasons = {refused.folder.name: refused.reason for refused in packs.refused}
    assert reasons.keys() == {
        "raises", "exits", "syntax", "silent", "keys", "all", "nothing", "Bad-Name", "empty",
    }  # fmt: skip
    assert all(str(folder) in reason for reason in reasons.values())
    assert "ZeroDivisionError" in reasons["raises"]
    assert "colour" in reasons["keys"]
    assert "there is no pack.toml" in reasons["empty"]


@pytest.mark.parametrize("loose", ["pack.toml", "parser.py", "."])
@pytest.mark.parametrize("bits", [0o020, 0o002])
def test_a_pack_that_others_can_write_is_refused(folder: Path, make_pack: MakePack, loose: str, bits: int) -> None:
    pack = make_pack("oven")
    path = pack / loose
    path.chmod(path.stat().st_mode | bits)
    with pytest.raises(PackError, match="can be written by others"):
        load_one(pack)
    assert load_one(pack, trusted=True).name == "oven"


def test_a_folder_of_packs_that_others_can_write_is_refused(folder: Path, make_pack: MakePack) -> None:
    make_pack("oven")
    folder.chmod(0o777)
    assert [refused.folder.name for refused in load([folder]).refused] == ["oven"]
    assert load([folder], shipped=folder).refused == ()


def test_a_link_is_judged_by_what_it_leads_to(folder: Path, make_pack: MakePack, tmp_path: Path) -> None:
    pack = make_pack("oven")
    elsewhere = tmp_path / "elsewhere.py"
    elsewhere.write_text("def parse(raw): yield {}")
    elsewhere.chmod(0o666)
    (pack / "parser.py").unlink()
    (pack / "parser.py").symlink_to(elsewhere)
    with pytest.raises(PackError, match=r"elsewhere\.py can be written by others"):
        load_one(pack)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_pack_of_another_user_is_refused(make_pack: MakePack) -> None:
    pack = make_pack("oven")
    os.chown(pack / "parser.py", 65534, -1)
    with pytest.raises(PackError, match="belongs to user 65534"):
        load_one(pack)


def test_the_city_may_replace_a_pack_of_ours_but_not_by_a_broken_one(
    folder: Path, make_pack: MakePack, tmp_path: Path
) -> None:
    make_pack("oven")
    own = tmp_path / "own"
    own.mkdir(mode=0o755)
    (folder / "oven").rename(own / "oven")
    make_pack("oven")
    assert load([folder, own]).by_name["oven"].folder.parent == own
    (own / "oven" / "parser.py").write_text("1 / 0")
    packs = load([folder, own])
    assert packs.by_name["oven"].folder.parent == folder
    assert len(packs.refused) == 1


def test_loading_writes_nothing_and_leaves_no_public_module(folder: Path, make_pack: MakePack) -> None:
    pack = make_pack("oven")
    load([folder])
    assert sorted(path.name for path in pack.iterdir()) == ["pack.toml", "parser.py"]
    assert not {"oven", "parser", "parsers"} & sys.modules.keys()


def test_a_folder_that_is_not_there_holds_no_packs(tmp_path: Path) -> None:
    assert list(load([tmp_path / "nowhere"])) == []


def test_shipped_content_is_found_beside_or_inside_the_package(tmp_path: Path) -> None:
    assert (content("parsers") / "sshd" / "pack.toml").is_file()
    package = tmp_path / "site" / "sentinel"
    with pytest.raises(ConfigError, match="no shipped rules"):
        content("rules", package)
    (package / "_content" / "rules").mkdir(parents=True)
    assert content("rules", package) == package / "_content" / "rules"
