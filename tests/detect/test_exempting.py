"""An exception that is written keeps exactly what it names quiet, whatever characters that holds."""

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel.core.errors import ForbiddenError, UsageError
from sentinel.core.where import AllOf, AnyOf, Is, holds
from sentinel.detect.exceptions import Terms
from sentinel.detect.exempting import exception, put
from sentinel.detect.sigma import load

RULE = """\
title: Failed login
id: 11111111-0000-4000-8000-000000000001
logsource: {product: linux, service: sshd}
detection: {sel: {event.outcome: failure}, condition: sel}
"""
TERMS = Terms("announced: 'scan' # 4711", "Security team", datetime(2027, 2, 1, 8, 30, tzinfo=UTC))
NAMES = st.sampled_from(["user.name", "source.ip", "process.command_line", "source.port"])
TEXTS = st.text(st.sampled_from("aÄß*?\\%$: #'\"\n\x1b[{-"), max_size=8) | st.sampled_from(["null", "1", "true", "~"])
VALUES = st.lists(TEXTS.filter(bool) | st.integers(0, 99) | st.booleans(), min_size=1, max_size=3)


@given(conditions=st.dictionaries(NAMES, VALUES, min_size=1, max_size=3), event=st.dictionaries(NAMES, TEXTS))
def test_what_is_written_means_what_was_chosen(
    conditions: dict[str, list[str | int | bool]], event: dict[str, str]
) -> None:
    with TemporaryDirectory() as folder:
        rule, path = Path(folder) / "rule.yml", Path(folder) / "exception.yml"
        rule.write_text(RULE, "utf-8")
        before = load([rule])
        (detection,) = before.detections
        path.write_text(exception("An exception", before.origins[detection.id], conditions, TERMS), "utf-8")
        after = load([Path(folder)], now=datetime(2027, 1, 1, tzinfo=UTC))
    assert not after.refused
    assert after.exceptions[0].terms == TERMS
    chosen = AllOf(tuple(AnyOf(tuple(Is(field, one) for one in each)) for field, each in conditions.items()))
    named = {field: each[0] for field, each in conditions.items()}
    for one in (event, named, named | event):
        hit = {"event.dataset": "sshd.log", "event.outcome": "failure", **one}
        assert holds(after.detections[0].where, hit) == (not holds(chosen, hit))


def test_an_empty_text_is_no_exception_for_in_sigma_it_means_an_absent_field_too() -> None:
    with pytest.raises(UsageError, match="leave it out"):
        exception("An exception", (), {"user.name": ["x"], "host.name": ["", "y"]}, TERMS)


def test_an_exception_is_never_written_over_another(tmp_path: Path) -> None:
    put(tmp_path / "new", "x.yml", "a: 1\n")
    with pytest.raises(UsageError, match="such an exception already"):
        put(tmp_path / "new", "x.yml", "a: 2\n")
    (tmp_path / "file").write_text("")
    with pytest.raises(ForbiddenError, match="who may change rules"):
        put(tmp_path / "file" / "folder", "x.yml", "a: 2\n")
