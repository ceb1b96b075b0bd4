"""Every shipped pack keeps its promises."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.content import content
from sentinel.core.errors import ParseError
from sentinel.core.event import Origin, Raw
from sentinel.parse.packs import Pack, load, load_one, plain
from sentinel.testing import packs as harness

SHIPPED = content("parsers")
FOLDERS = sorted(path for path in SHIPPED.iterdir() if (path / "pack.toml").is_file())
every_pack = pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)


@every_pack
def test_a_pack_reads_its_samples_as_written_beside_them(folder: Path, blessing: bool) -> None:  # noqa: FBT001  a fixture
    if blessing:
        harness.bless(folder)
    assert not [str(problem) for problem in harness.check(folder)]


def test_no_shipped_pack_is_refused_and_no_two_claim_one_name() -> None:
    packs = load([SHIPPED], shipped=SHIPPED)
    assert packs.refused == ()
    claims = Counter(plain(hint) for pack in packs for hint in {pack.name, *pack.aliases})
    assert [hint for hint, count in claims.items() if count > 1] == []


@every_pack
def test_nothing_but_parse_error_leaves_a_pack(folder: Path) -> None:
    pack = load_one(folder, trusted=True)
    bodies = [raw.body for path in harness.samples(folder) for raw in harness.records(path)]

    @given(body=st.one_of(st.binary(max_size=400), st.text(max_size=200).map(str.encode), mutated(bodies)))
    def reads_or_refuses(body: bytes) -> None:
        _read(pack, body)

    reads_or_refuses()


def mutated(bodies: list[bytes]) -> st.SearchStrategy[bytes]:
    """Draw a sample with something cut out, put in or doubled."""

    @st.composite
    def draw_one(draw: st.DrawFn) -> bytes:
        body = draw(st.sampled_from(bodies))
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, len(body)))
        middle = draw(
            st.one_of(
                st.just(b""),
                st.binary(max_size=12),
                st.text(max_size=8).map(str.encode),
                st.just(body[start:end] * 2),
                st.sampled_from(
                    [b'"', b"=", b"-1", b"99999999999999999999", b"\0", b"{", b"<", b"\xff", b",,", b"nan"]
                ),
            )
        )
        return body[:start] + middle + (b"" if draw(st.booleans()) and middle == b"" else body[end:])

    return draw_one()


def _read(pack: Pack, body: bytes) -> None:
    try:
        documents = list(pack.parse(Raw(body, pack.name, harness.RECEIVED, Origin("sample"))))
    except ParseError:
        return
    for document in documents:
        assert list(harness.faults(document)) == []
