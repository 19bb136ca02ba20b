"""Integer graphs and models: their data, their legality and their file format."""

from sw.model.model import Model, Preprocessing, Vectors

__all__ = ["Model", "Preprocessing", "Vectors"]
