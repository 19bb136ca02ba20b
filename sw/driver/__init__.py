"""The driver: frames to an accelerator, scores back."""

from sw.driver.accelerator import Accelerator
from sw.driver.asynchronous import AsyncAccelerator, AsyncStream
from sw.driver.calls import Evaluation, Stream, Throughput
from sw.driver.pool import AcceleratorPool
from sw.driver.session import HostCounters

__all__ = [
    "Accelerator",
    "AcceleratorPool",
    "AsyncAccelerator",
    "AsyncStream",
    "Evaluation",
    "HostCounters",
    "Stream",
    "Throughput",
]
