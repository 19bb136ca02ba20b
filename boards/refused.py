"""Boards that were tried and are not built for: what is wrong, and what to do instead.

docs/boards.md has what was tried.
"""

from __future__ import annotations

__all__ = ["REFUSED"]

_INSTEAD = (
    "Take --target verilog for the core alone, and build that with the vendor's tools; "
    "docs/boards.md says what was tried"
)

#: A message and a remedy by the name that one would give.
REFUSED = {
    "crosslinknx_evn": (
        "The CrossLink-NX evaluation board 'crosslinknx_evn' is not built for: Yosys 0.70 and "
        "nextpnr-nexus do not agree on carry chains, on which the arrays stand",
        _INSTEAD,
    ),
    "gatemate_evb": (
        "The GateMate evaluation board 'gatemate_evb' is not built for: Amaranth has no "
        "platform for its FPGA",
        _INSTEAD,
    ),
}
