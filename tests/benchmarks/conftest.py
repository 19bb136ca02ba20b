"""The benchmark that needs an extra is collected where it is installed."""

from __future__ import annotations

import importlib.util

NEEDED = ("onnx", "onnxruntime", "threadpoolctl")

collect_ignore = (
    []
    if all(importlib.util.find_spec(name) is not None for name in NEEDED)
    else ["test_golden_speed.py"]
)
