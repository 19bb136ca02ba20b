"""These tests are collected where PyTorch, an extra, is installed.

The header of the report says so, see `tests.conftest`.
"""

from __future__ import annotations

import importlib.util

import pytest

HAS_TORCH = importlib.util.find_spec("torch") is not None

collect_ignore_glob = [] if HAS_TORCH else ["test_*.py"]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tiny networks: threads would only wait for one another."""
    if HAS_TORCH:
        import torch

        torch.set_num_threads(1)
