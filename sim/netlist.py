"""Compiles the netlist that place and route would get, with models of the device's cells.

The proof that a block's form for a family, synthesis and `hw.flow.netlist` together
leave the design as it is: run it beside the golden model. Yosys brings models of all
cells but ECP5's block RAM, which is `sim/dp16kd.v`.
"""

from __future__ import annotations

import ctypes
import json
import re
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

#: Yosys' models of each family's cells.
_MODELS = {
    "ecp5": ("cells_sim.v", "ccu2c_sim.vh", "common_sim.vh"),
    "ice40": ("cells_sim.v",),
    "gowin": ("cells_sim.v",),
}

#: How they are read.
_READ = {
    "ecp5": "read_verilog -DNO_INCLUDES cells_sim.v\nread_verilog -overwrite dp16kd.v\n",
    "ice40": "read_verilog cells_sim.v\n",
    "gowin": "read_verilog cells_sim.v\n",
}

#: What follows it all. The backend of Yosys 0.70 crashes on the RAM's bit by bit writes.
_LAST = {"ice40": "memory -nomap\n"}

#: What is unknown, an open carry input for one, becomes 1: it must not matter.
_SCRIPT = """\
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
    family: str = "ecp5",
) -> ctypes.CDLL:
    """Synthesise ``component``, compile the netlist and load the library.

    Parameters
    ----------
    component, ports, interface, name
        As `sim.cxxrtl.compile_rtl` has them.
    change : callable, optional
        Gets the module ``top`` of the netlist, as Yosys' JSON has it, and may change it.
    family : str
        Of devices: "ecp5", "ice40" or "gowin".
    """
    text = rtlil.convert(
        component,
        name="top",
        ports=list(ports),
        platform=Fabric(family=family),
        emit_src=False,
    )
    with tempfile.TemporaryDirectory(prefix="netlist-", dir=_build_folder()) as folder:
        synthesise(text.encode(), family=family, folder=Path(folder))
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
    models = share(find_yosys()) / family
    files = {
        "top.json": json.dumps(design),
        **{name: _model((models / name).read_text()) for name in _MODELS[family]},
    }
    if family == "ecp5":
        files["dp16kd.v"] = _BLOCK_RAM.read_text(encoding="utf-8")
    script = "read_json top.json\n" + _READ[family] + _SCRIPT + _LAST.get(family, "")
    title = f"the netlist of {name}"
    return compile_script(script, files, interface=interface, name=title, effort="-O1")


def _model(text: str) -> str:
    """Cell models, with that of the SPRAM as Yosys can make a memory of it.

    Else it makes 262,144 registers. What is taken off is the loop that empties it when its power
    goes, and that its sleep is asynchronous; nothing here takes the power off or lets it sleep.
    """
    lost = r"^\talways @\(negedge POWEROFF\) begin\n.*?^\tend\n"
    text = re.sub(lost, "", text, flags=re.M | re.S)
    return text.replace("always @(posedge CLOCK, posedge off)", "always @(posedge CLOCK)")


def _build_folder() -> Path:
    # Not the system's temporary folder, which YoWASP's programs do not see.
    folder = Path("build")
    folder.mkdir(exist_ok=True)
    return folder
