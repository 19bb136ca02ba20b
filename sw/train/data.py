"""The data sets by the name they had before `sw.train.datasets`."""

from __future__ import annotations

from sw.train.datasets.base import Dataset
from sw.train.datasets.idx import FASHION_CLASSES, FASHION_FOLDER, load_idx_dataset, read_idx

__all__ = ["FASHION_CLASSES", "FASHION_FOLDER", "Dataset", "load_idx_dataset", "read_idx"]
