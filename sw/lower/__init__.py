"""Float graph to integer graph: named passes, thresholds by bisection."""

from sw.lower.passes import lower

__all__ = ["lower"]
