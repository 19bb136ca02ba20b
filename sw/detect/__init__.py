"""Detection on the host: from a detector's integer scores to boxes, and how good they are.

`find` takes the scores of the golden model or of an accelerator; `evaluate` compares what was
found with true boxes. `python -m sw.detect` draws boxes on pictures.
"""

from __future__ import annotations

from sw.detect.boxes import Figures, average_precision, evaluate, iou, match, suppress
from sw.detect.decoding import Found, decode, find, levels, objects

__all__ = [
    "Figures",
    "Found",
    "average_precision",
    "decode",
    "evaluate",
    "find",
    "iou",
    "levels",
    "match",
    "objects",
    "suppress",
]
