"""What the flow asks of a family of devices; `hw.flow.families` has those that there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from hw.flow.reading import achieved_mhz, load_json
from hw.flow.result import Counts, Routed

__all__ = ["Family", "cells_by_type"]


class Family(ABC):
    """What to tell Yosys, nextpnr and the packer, and how to read what they answer.

    Attributes
    ----------
    CONSTRAINTS : str
        The file of pins, and of clocks where the format has them.
    BITSTREAM : str
        The file that the packer leaves.
    SYNTHESIS, SYNTHESIS_FLAGS : str
        Yosys's command, and its options.
    BEFORE_MEMORY : str
        Yosys commands before memories are mapped, a line each.
    NEXTPNR : str
        Its name, for errors.
    """

    CONSTRAINTS: str
    BITSTREAM = "top.bit"
    SYNTHESIS: str
    SYNTHESIS_FLAGS = ""
    BEFORE_MEMORY = ""
    NEXTPNR: str

    def synthesis_script(self, flags: str | None = None) -> str:
        """Yosys commands from ``top.il`` to ``top.json`` and cell counts in ``cells.json``.

        Memories are mapped module by module, before the synthesis makes the design flat: Yosys's
        passes on memories take long in a large flat design. An enable must be seen as such for
        a register to become a memory's own.

        Parameters
        ----------
        flags : str, optional
            Instead of `SYNTHESIS_FLAGS`.
        """
        synthesis = f"{self.SYNTHESIS} {self.SYNTHESIS_FLAGS if flags is None else flags} -top top"
        return (
            "read_rtlil top.il\n"
            "hierarchy -top top\n"
            "proc\n"
            "opt_expr\n"
            "opt_clean\n"
            "opt_dff\n"
            "opt_clean\n"
            f"{self.BEFORE_MEMORY}"
            "memory -nomap\n"
            f"{synthesis} -run map_ram:map_ffram\n"
            f"{synthesis} -json top.json\n"
            "tee -q -o cells.json stat -json\n"
        )

    @abstractmethod
    def count_cells(self, path: Path) -> Counts:
        """Resources of a synthesised design at least, from ``cells.json`` and what is beside it."""

    def place_options(self, fill: float) -> list[str]:
        """Router and density for a design that takes a part ``fill``, 0 to 1, of the LUTs."""
        return []

    @abstractmethod
    def place_files(self, *, clock_mhz: float, constrained: bool) -> list[str]:
        """Constraints, the clock where they lack it, and ``top.config``, which nextpnr writes."""

    def place_arguments(
        self,
        device: str,
        *,
        fill: float,
        seed: int,
        clock_mhz: float,
        constrained: bool = True,
        options: Sequence[str] | None = None,
    ) -> list[str]:
        """Arguments of nextpnr: ``top.json`` to ``top.config`` and ``routed.json``.

        Parameters
        ----------
        device : str
            Options that name device, package and speed grade.
        fill : float
            Part of the LUTs in use, 0 to 1; chooses the options.
        seed : int
            Of the placer.
        clock_mhz : float
            The clock asked for.
        constrained : bool
            Whether pins are given in `CONSTRAINTS`.
        options : sequence of str, optional
            Instead of those of `place_options`.
        """
        return [
            *device.split(),
            *("--json", "top.json", "--report", "routed.json"),
            *self.place_files(clock_mhz=clock_mhz, constrained=constrained),
            *(self.place_options(fill) if options is None else options),
            *("--seed", str(seed)),
            # A missed clock is ours to report, with the frequency that was reached.
            "--timing-allow-fail",
        ]

    @abstractmethod
    def pack_arguments(self, device: str) -> list[str]:
        """Arguments of the packer: ``top.config`` to `BITSTREAM`; ``device`` as of nextpnr."""

    @abstractmethod
    def used(self, sites: dict[str, int], folder: Path) -> Counts:
        """Resources of a routed design.

        Parameters
        ----------
        sites : dict
            How many of each kind of cell nextpnr reports to be in use.
        folder : Path
            Where the synthesised design lies.
        """

    def read_routed(self, path: Path, clock_mhz: float) -> Routed:
        """Resources and clock of a routed design, from ``routed.json``.

        Parameters
        ----------
        path : Path
            nextpnr's report.
        clock_mhz : float
            The clock asked for: of several domains, the one constrained to it counts.

        Raises
        ------
        ToolError
            The report is missing, or has no clock.
        PlanError
            Another clock, that of a PHY say, misses its own constraint.
        """
        report = load_json(path, self.NEXTPNR)
        sites = {name: int(entry["used"]) for name, entry in report["utilization"].items()}
        return Routed(
            **self.used(sites, path.parent).summary(),
            fmax_mhz=achieved_mhz(report, clock_mhz, path, self.NEXTPNR),
        )


def cells_by_type(path: Path) -> dict[str, int]:
    """How many cells of each type there are, from ``cells.json``."""
    return load_json(path, "Yosys").get("design", {}).get("num_cells_by_type", {})
