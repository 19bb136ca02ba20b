"""Fixtures that every test may use."""

from __future__ import annotations

import importlib.util
import os
import zlib

import numpy as np
import pytest


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Generator seeded from the test's name, or from BINARRAY_SEED to repeat a failure."""
    given = os.environ.get("BINARRAY_SEED")
    seed = int(given) if given else zlib.crc32(request.node.name.encode())
    print(f"seed: BINARRAY_SEED={seed}")
    return np.random.default_rng(seed)


def pytest_report_header() -> str:
    """Says whether the tests of training are among those collected."""
    if importlib.util.find_spec("torch"):
        return "torch: installed, tests/train_torch is collected"
    return "torch: not installed, tests/train_torch is left out (make venv-train adds it)"
