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


#: Extras, and the tests that are collected where they are installed.
EXTRAS = {
    "torch": ("tests/train_torch", "make venv-train"),
    "onnxruntime": ("tests/benchmarks/test_golden_speed.py", "pip install 'binarray[bench]'"),
    "pyosys": ("tests/hw/flow/test_pyosys.py", "pip install 'binarray[native]'"),
}


def pytest_report_header() -> list[str]:
    """Says whether the tests of extras are among those collected."""
    return [
        f"{package}: installed, {tests} is collected"
        if importlib.util.find_spec(package)
        else f"{package}: not installed, {tests} is left out ({remedy} adds it)"
        for package, (tests, remedy) in EXTRAS.items()
    ]
