"""What every test may use: `--bless`, and how many examples hypothesis draws."""

import os

import pytest
from hypothesis import HealthCheck, settings

# examples run beside other work on few cores: only what is wrong may fail, never what is slow
_PATIENT = [HealthCheck.too_slow]
settings.register_profile("dev", deadline=None, max_examples=100, suppress_health_check=_PATIENT)
settings.register_profile("ci", deadline=None, max_examples=300, suppress_health_check=_PATIENT, print_blob=True)
settings.register_profile("long", deadline=None, max_examples=20_000, suppress_health_check=_PATIENT, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--bless`."""
    parser.addoption("--bless", action="store_true", help="write expectations anew; read them afterwards")


@pytest.fixture
def blessing(request: pytest.FixtureRequest) -> bool:
    """Say whether expectations are to be written rather than compared."""
    return bool(request.config.getoption("--bless"))
