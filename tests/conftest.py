"""Let tests import `reference`, and make property tests reproducible."""

import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

settings.register_profile("mpsnh", deadline=None, derandomize=True)
settings.load_profile("mpsnh")


@pytest.fixture(autouse=True)
def no_default_client():
    """Forget clients that lost their scheduler, which dask goes on to take for its default."""
    if "dask" in sys.modules:
        for name in ("scheduler", "shuffle"):
            sys.modules["dask"].config.config.pop(name, None)
