"""A trial for each test, with the embedded store or with Elasticsearch."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.door import Door
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


@pytest.fixture
def door(elastic_url: str) -> Iterator[Door]:
    """Return a door before Elasticsearch."""
    with Door(elastic_url.removeprefix("http://")) as door:
        yield door


@pytest.fixture
def door_trial(trial_with: Callable[..., Trial], door: Door, elastic_prefix: str) -> Trial:
    """Return a trial with Elasticsearch behind the door, and a spool of 4 MiB."""
    store = f'[store]\nkind = "elasticsearch"\nurl = "{door.url}"\nprefix = "{elastic_prefix}"\ntimeout_seconds = 5\n'
    return trial_with(f"{SPOOL}bytes_max = 4194304\n{store}")


@pytest.fixture(params=["embedded", pytest.param("elasticsearch", marks=pytest.mark.elastic)])
def any_trial(request: pytest.FixtureRequest) -> Trial:
    """Return a trial with each store in turn."""
    found: Trial = request.getfixturevalue("trial" if request.param == "embedded" else "elastic_trial")
    return found
