"""A picture of a training run's curve; needs Matplotlib, an extra, and does without."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from sw.cli import atomic_write

__all__ = ["draw"]

#: Columns that are no curve.
OTHER = ("epoch", "seconds")


def draw(rows: Sequence[dict[str, float]], path: Path, *, title: str) -> bool:
    """Draw losses and rates of ``rows`` over the epochs; whether Matplotlib is there to do it.

    Parameters
    ----------
    rows : sequence of dict
        One per epoch, with "epoch" and any other figures; those named ``...loss`` share an
        axis, all others, which lie between 0 and 1, another.
    path : Path
        Of the PNG.
    """
    if importlib.util.find_spec("matplotlib") is None:
        return False
    # The object interface: no state, no display, no window.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    left = figure.add_subplot(title=title, xlabel="epoch", ylabel="loss")
    right = left.twinx()
    right.set_ylabel("rate")
    right.set_ylim(0, 1)
    epochs = [row["epoch"] for row in rows]
    for index, key in enumerate(key for key in rows[0] if key not in OTHER):
        axis, style = (left, "--") if key.endswith("loss") else (right, "-")
        values = [row[key] for row in rows]
        axis.plot(epochs, values, style, color=f"C{index}", marker=".", label=key.replace("_", " "))
    figure.legend(loc="outside lower center", ncols=4)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
    return True
