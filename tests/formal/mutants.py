"""Broken copies of blocks, which a proof is to refute."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from typing import Any

__all__ = ["mutant"]


def mutant(block: type, old: str, new: str) -> Any:
    """``block`` from a copy of its module in which ``old``, which occurs once, is ``new``."""
    module = inspect.getmodule(block)
    assert module is not None
    text = inspect.getsource(module)
    assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {module.__name__}"
    spec = importlib.util.spec_from_loader(f"{module.__name__}_mutant", loader=None)
    assert spec is not None
    copy = importlib.util.module_from_spec(spec)
    code = compile(text.replace(old, new), f"<mutant of {module.__name__}>", "exec")
    sys.modules[spec.name] = copy  # where dataclasses look
    try:
        exec(code, vars(copy))
    finally:
        del sys.modules[spec.name]
    return getattr(copy, block.__name__)
