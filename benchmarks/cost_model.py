"""How far off the area model is, for blocks that it was not fitted to.

``python -m benchmarks.cost_model`` compares `hw.plan.cost` with place and route of single
blocks (``tests/baselines/size.json``, written by `benchmarks.size`). It runs no tools.

1. Most of an area is counted (`hw.plan.area`). The terms of what is left, plain logic,
   have a coefficient each, none of them negative.
2. Coefficients are fitted, kind of block by kind of block, to least squares of the
   relative error: a large array counts as much as a small one.
3. *Fitted* errors are those of the coefficients that stand in `hw.plan.cost`.
   *Cross-validated* ones are of blocks that were left out of the fit, one at a time: what
   to expect of a block that was never measured.

The clock of whole chips is compared in `benchmarks.chip_clock`.

``--fit`` prints the coefficients to put into `hw.plan.cost`; ``--json``
all errors.
Block RAM is counted, and any difference is an error. NumPy is enough: there are at most
a handful of coefficients to a kind of block, so a plain solution without those that
would be negative does.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.plan.area import (
    Terms,
    array_terms,
    column_order_terms,
    head_terms,
    line_buffer_terms,
    pool_terms,
    width_terms,
)
from hw.plan.array import ArrayConfig, ThresholdConfig
from hw.plan.cost import COUNTED, FLIP_FLOP, LUT, weighed
from hw.plan.stream import (
    ColumnOrderConfig,
    HeadConfig,
    LineBufferConfig,
    PoolConfig,
    WidthConfig,
)
from sw import cli

__all__ = [
    "Case",
    "Errors",
    "cases",
    "errors",
    "fit",
]

BASELINE = Path(__file__).parents[1] / "tests" / "baselines" / "size.json"

#: Arrays whose weights are logic have little in common with the others.
LOGIC = "weights as logic"

#: Config and terms of a kind of block.
KINDS: dict[str, tuple[Callable[..., Any], Callable[[Any], Terms]]] = {
    # `benchmarks.size` draws thresholds over a third of their range.
    "SystolicArray": (ArrayConfig, partial(array_terms, trained=False)),
    LOGIC: (ArrayConfig, array_terms),
    "LineBuffer": (LineBufferConfig, line_buffer_terms),
    "ColumnOrder": (ColumnOrderConfig, column_order_terms),
    "Pool": (PoolConfig, pool_terms),
    "WidthConverter": (WidthConfig, width_terms),
    "Head": (HeadConfig, head_terms),
}

#: What is predicted: its name in the baseline, and the coefficients of today.
RESOURCES = {"comb": LUT, "ff": FLIP_FLOP}

#: What figures are called in tables.
LABELS = {"comb": "LUT", "ff": "FF"}

#: How strongly a fit is held to the coefficients of today: only where cases do not tell.
HOLD = 1e-3


@dataclass(frozen=True, kw_only=True)
class Case:
    """A measured block.

    Attributes
    ----------
    name, kind : str
    terms : Terms
    measured : dict
        ``comb``, ``ff``, ``dp16kd`` and ``fmax_mhz``.
    """

    name: str
    kind: str
    terms: Terms
    measured: dict[str, float]

    def of(self, resource: str) -> dict[str, float]:
        """The terms of a resource."""
        return self.terms.lut if resource == "comb" else self.terms.ff

    def error(self, resource: str, coefficients: dict[str, float]) -> float:
        """Relative error with these coefficients; above 0 where too much is predicted."""
        return weighed(self.of(resource), coefficients) / self.measured[resource] - 1


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Relative errors of a case for one resource."""

    case: Case
    resource: str
    fitted: float
    crossed: float


def config_of(entry: dict[str, Any]) -> Any:
    """The config of an entry of the baseline."""
    values = _tuples(entry["config"])
    if thresholds := values.get("thresholds"):
        values["thresholds"] = ThresholdConfig(**_tuples(thresholds))
    return KINDS[entry["block"]][0](**values)


def _tuples(config: dict[str, Any]) -> dict[str, Any]:
    """A config's fields from JSON, which has lists for tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}


def cases(path: Path = BASELINE) -> list[Case]:
    """All measured blocks."""
    entries = json.loads(path.read_text(encoding="utf-8"))
    return [
        Case(
            name=entry["name"],
            kind=LOGIC if entry["config"].get("weight_memory") == "logic" else entry["block"],
            terms=KINDS[entry["block"]][1](config_of(entry)),
            measured=entry["result"],
        )
        for entry in entries
    ]


def fit(some: Sequence[Case], resource: str) -> dict[str, float]:
    """Coefficients of the terms that occur in ``some``, cases of one kind."""
    names = sorted({name for case in some for name in case.of(resource)} - set(COUNTED))
    if not names:
        return {}
    measured = np.array([case.measured[resource] for case in some])
    counted = [sum(case.of(resource).get(name, 0) for name in COUNTED) for case in some]
    table = np.array([[case.of(resource).get(name, 0) for name in names] for case in some])
    today = np.array([RESOURCES[resource][name] for name in names])
    found = _not_negative(table / measured[:, None], 1 - np.array(counted) / measured, today)
    return dict(zip(names, found.tolist(), strict=True))


def _not_negative(
    table: NDArray[np.float64], wanted: NDArray[np.float64], today: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Least squares without negative results: they are made 0, the lowest first."""
    # A weak pull to today's, in parts of what a term contributes, settles what no case tells.
    pull = np.diag(HOLD / np.maximum(today, 1))
    system = np.vstack([table, pull])
    right = np.concatenate([wanted, pull @ today])
    found = np.zeros(len(today))
    used = np.ones(len(today), np.bool_)
    while used.any():
        found[used] = np.linalg.lstsq(system[:, used], right, rcond=None)[0]
        if found.min() >= 0:
            break
        used &= found > found.min()
        found[:] = 0
    return found


def errors(some: Sequence[Case], resource: str) -> list[Errors]:
    """Fitted and cross-validated errors of all cases."""
    result = []
    for case in some:
        others = [c for c in some if c.kind == case.kind and c is not case]
        # A term that no other case has keeps its coefficient of today.
        without = RESOURCES[resource] | fit(others, resource)
        result.append(
            Errors(
                case=case,
                resource=resource,
                fitted=case.error(resource, RESOURCES[resource]),
                crossed=case.error(resource, without),
            )
        )
    return result


def summary(found: Sequence[Errors]) -> str:
    """Median and worst of each kind of block, fitted and cross-validated."""
    lines = [f"{'':18}{'':6}{'cases':>6}{'median':>9}{'worst':>9}{'median, left out':>18}"
             f"{'worst, left out':>17}"]  # fmt: skip
    for resource in RESOURCES:
        for kind in KINDS:
            mine = [e for e in found if e.case.kind == kind and e.resource == resource]
            if not mine:
                continue
            fitted = [abs(error.fitted) for error in mine]
            crossed = [abs(error.crossed) for error in mine]
            lines.append(
                f"{kind:18}{LABELS[resource]:6}{len(mine):>6}{statistics.median(fitted):>9.1%}"
                f"{max(fitted):>9.1%}{statistics.median(crossed):>18.1%}{max(crossed):>17.1%}"
            )
    return "\n".join(lines)


def table(found: Sequence[Errors]) -> str:
    """Every case: what was measured, and how far off the model is."""
    lines = [f"{'block':52}{'':>6}{'routed':>8}{'fitted':>9}{'left out':>10}"]
    lines += [
        f"{e.case.name:52}{LABELS[e.resource]:>6}{e.case.measured[e.resource]:>8.0f}{e.fitted:>+9.1%}"
        f"{e.crossed:>+10.1%}"
        for e in found
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost_model", description=__doc__)
    parser.add_argument("--fit", action="store_true", help="print coefficients for hw.plan.cost")
    parser.add_argument("--json", action="store_true", help="print errors as JSON")
    args = parser.parse_args()
    known = cases()
    if args.fit:
        for resource in RESOURCES:
            for kind in KINDS:
                for name, value in fit([c for c in known if c.kind == kind], resource).items():
                    print(f"{LABELS[resource]:5}{kind:18}{name:12}{value:8.2f}")
        return 0
    found = [error for resource in RESOURCES for error in errors(known, resource)]
    if args.json:
        print(json.dumps([_plain(error) for error in found], indent=1))
        return 0
    print(table(found))
    print()
    print(summary(found))
    wrong = [c.name for c in known if c.terms.bram != c.measured["dp16kd"]]
    print(f"block RAM: {', '.join(wrong) + ' wrong' if wrong else 'exact'}")
    return 1 if wrong else 0


def _plain(error: Errors) -> dict[str, Any]:
    return {
        "name": error.case.name,
        "resource": error.resource,
        "routed": error.case.measured[error.resource],
        "fitted": round(error.fitted, 4),
        "crossed": round(error.crossed, 4),
    }


if __name__ == "__main__":
    cli.run(main)
