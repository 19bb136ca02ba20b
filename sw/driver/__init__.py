"""The driver: frames to an accelerator, scores back."""

from sw.driver.accelerator import Accelerator, Evaluation, Throughput

__all__ = ["Accelerator", "Evaluation", "Throughput"]
