"""Binarray's software: models, importers, training, the golden model and the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sw.driver import Accelerator, AcceleratorPool, AsyncAccelerator

__all__ = ["Accelerator", "AcceleratorPool", "AsyncAccelerator"]


def __getattr__(name: str) -> object:
    """Load the driver when it is asked for, so that the rest of `sw` does without a link."""
    if name in __all__:
        from sw import driver

        return getattr(driver, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
