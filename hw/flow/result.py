"""What the tools found out about a design."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Counts", "Implementation", "Routed"]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Resources in use: LUT sites, flip-flops, block RAMs, multipliers, memories of 256 Kbit."""

    lut: int
    ff: int
    bram: int
    dsp: int
    spram: int = 0

    def summary(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Routed(Counts):
    """Resources of a placed and routed design, and the clock it reaches, in MHz."""

    fmax_mhz: float

    def counts(self) -> Counts:
        return Counts(
            lut=self.lut,
            ff=self.ff,
            bram=self.bram,
            dsp=self.dsp,
            spram=self.spram,
        )


@dataclass(frozen=True, kw_only=True)
class Implementation:
    """A design turned into a bitstream.

    Parameters
    ----------
    folder : Path
        The cache entry: the bitstream and the tools' logs ``*.log``.
    bitstream : str
        Name of the bitstream in it.
    routed : Routed
        As nextpnr reports.
    synthesised : Counts
        As Yosys counts cells, before placing.
    netlist : str
        What was improved in Yosys' netlist.
    seconds : dict
        Wall-clock time of "synthesise", "place_and_route" and "pack" when they ran.
    tools : dict
        Version and kind of each tool, by name.
    cached : bool
        Whether the tools ran in an earlier build.
    """

    folder: Path
    bitstream: str
    routed: Routed
    synthesised: Counts
    netlist: str
    seconds: dict[str, float]
    tools: dict[str, str]
    cached: bool
