"""Data sets for training: `open_dataset` reads every format; needs no PyTorch.

docs/data.md says which formats there are, where the data come from and their licences.
"""

from __future__ import annotations

from sw.train.datasets.base import Boxes, Dataset, DetectionDataset, Frames
from sw.train.datasets.opening import open_dataset

__all__ = ["Boxes", "Dataset", "DetectionDataset", "Frames", "open_dataset"]
