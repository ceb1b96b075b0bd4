"""A trial for each test, with the embedded store or with Elasticsearch."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.oracle import Oracle
from tests.faults.trial import SPOOL, Trial


@pytest.fixture
def trial_with(tmp_path: Path) -> Iterator[Callable[[str], Trial]]:
    """Return what makes a trial with more tables in its configuration; the spool's are replaced by them."""
    with ExitStack() as stack:

        def made(more: str = SPOOL) -> Trial:
            trial = Trial(tmp_path, stack.enter_context(Oracle(tmp_path / "oracle.db")), more)
            stack.callback(trial.running.stop, signal.SIGKILL)
            return trial

        yield made


@pytest.fixture
def trial(trial_with: Callable[..., Trial]) -> Trial:
    """Return a trial with the embedded store."""
    return trial_with()


@pytest.fixture
def elastic_trial(trial_with: Callable[..., Trial], elastic_url: str, elastic_prefix: str) -> Trial:
    """Return a trial with Elasticsearch."""
    store = f'[store]\nkind = "elasticsearch"\nurl = "{elastic_url}"\nprefix = "{elastic_prefix}"\n'
    return trial_with(SPOOL + store)


@pytest.fixture(params=["embedded", pytest.param("elasticsearch", marks=pytest.mark.elastic)])
def any_trial(request: pytest.FixtureRequest) -> Trial:
    """Return a trial with each store in turn."""
    found: Trial = request.getfixturevalue("trial" if request.param == "embedded" else "elastic_trial")
    return found
