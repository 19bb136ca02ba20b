"""Integer graphs and models: their data, their legality and their file format."""

from sw.model.model import Detection, Model, Preprocessing, Vectors
from sw.model.npz import load, save
from sw.model.verify import verify

__all__ = ["Detection", "Model", "Preprocessing", "Vectors", "load", "save", "verify"]
