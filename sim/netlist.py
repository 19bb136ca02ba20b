"""Compiles the netlist that place and route would get, with models of the device's cells.

The proof that a block's form for a family, synthesis and `hw.flow.netlist` together
leave the design as it is: run it beside the golden model. Yosys brings models of all
cells but the block RAM, which is `sim/dp16kd.v`.
"""

from __future__ import annotations

import ctypes
import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import Elaboratable, Value

from hw.fabric import Fabric
from hw.flow.run import synthesise
from hw.flow.toolchain import find_yosys

from .cxxrtl import Serial, Streams, compile_script, share

__all__ = ["compile_netlist"]

_BLOCK_RAM = Path(__file__).with_name("dp16kd.v")
_MODELS = ("cells_sim.v", "ccu2c_sim.vh", "common_sim.vh")

#: What is unknown, an open carry input for one, becomes 1: it must not matter.
_SCRIPT = """\
read_json top.json
read_verilog -DNO_INCLUDES cells_sim.v
read_verilog -overwrite dp16kd.v
hierarchy -top top
proc
flatten
setundef -one
opt_expr -mux_bool
opt_merge
opt_expr -mux_bool
opt_clean -purge
"""


def compile_netlist(
    component: Elaboratable,
    *,
    ports: Iterable[Value],
    interface: Streams | Serial,
    name: str,
    change: Callable[[dict[str, Any]], None] | None = None,
) -> ctypes.CDLL:
    """Synthesise ``component`` for ECP5, compile the netlist and load the library.

    Parameters
    ----------
    component, ports, interface, name
        As `sim.cxxrtl.compile_rtl` has them.
    change : callable, optional
        Gets the module ``top`` of the netlist, as Yosys' JSON has it, and may change it.
    """
    text = rtlil.convert(
        component,
        name="top",
        ports=list(ports),
        platform=Fabric(family="ecp5"),
        emit_src=False,
    )
    with tempfile.TemporaryDirectory(prefix="netlist-", dir=_build_folder()) as folder:
        synthesise(text.encode(), family="ecp5", folder=Path(folder))
        design = json.loads(Path(folder, "top.json").read_text(encoding="utf-8"))
    top = design["modules"]["top"]
    if change is not None:
        change(top)
    for cell in top["cells"].values():
        for port, bits in list(cell["connections"].items()):
            if bits == ["x"] and cell["port_directions"][port] == "output":
                del cell["connections"][port]
    # The cells' models replace the empty modules that Yosys writes for them.
    design["modules"] = {"top": top}
    models = share(find_yosys()) / "ecp5"
    files = {
        "top.json": json.dumps(design),
        "dp16kd.v": _BLOCK_RAM.read_text(encoding="utf-8"),
        **{name: (models / name).read_text() for name in _MODELS},
    }
    title = f"the netlist of {name}"
    return compile_script(_SCRIPT, files, interface=interface, name=title, effort="-O1")


def _build_folder() -> Path:
    # Not the system's temporary folder, which YoWASP's programs do not see.
    folder = Path("build")
    folder.mkdir(exist_ok=True)
    return folder
