"""How to get the programs that load bitstreams: each an instruction, for a message."""

from __future__ import annotations

__all__ = ["DFU_UTIL", "ICEPROG", "OPENFPGALOADER"]

OPENFPGALOADER = (
    "Install openFPGALoader (apt install openfpgaloader, or the Python package openfpgaloader)"
)
DFU_UTIL = "Install dfu-util (apt install dfu-util), which dfu-suffix comes with"
ICEPROG = "Install iceprog (apt install fpga-icestorm)"
