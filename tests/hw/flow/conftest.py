"""The tests of pyosys, an extra, are collected where it is installed (see `tests.conftest`)."""

from __future__ import annotations

import importlib.util

collect_ignore = [] if importlib.util.find_spec("pyosys") else ["test_pyosys.py"]
