"""Improves a synthesised netlist, Yosys' ``top.json``, where Yosys leaves the fabric unused.

On ECP5, in this order:

1. *Registers of block RAM.* A DP16KD takes 5.8 ns from clock to output, 1.0 ns where
   its output registers are on, and Yosys does not use them. Where each bit that is
   read goes to one flip-flop and nowhere else, the flip-flops are dropped and
   ``REGMODE`` becomes OUTREG.
2. *Ends of carry chains.* nextpnr puts a CCU2C in front of a chain whose carry input
   is a constant, and one behind a chain whose carry output has a net, with users or
   not. Both ends are left open where that changes nothing.

The netlist stays equal bit for bit and cycle for cycle, ``tests/hw/flow`` simulate it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sw import cli
from sw.errors import ToolError

__all__ = ["Improvements", "improve"]

#: A bit of a connection: the number of a net, or one of "0", "1", "x" and "z".
Bit = int | str
#: A cell as Yosys writes it: "type", "parameters", "port_directions", "connections".
Cell = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Improvements:
    """What `improve` has done.

    Parameters
    ----------
    output_registers : int
        Read ports of block RAMs whose output registers were turned on.
    flip_flops : int
        Flip-flops that this saves.
    carry_ends : int
        Ends of carry chains left open, a CCU2C each.
    """

    output_registers: int = 0
    flip_flops: int = 0
    carry_ends: int = 0

    def note(self) -> str:
        """A line for logs and reports."""
        return (
            f"{self.flip_flops:,} flip-flops merged into {self.output_registers:,} block RAM "
            f"ports, {self.carry_ends:,} ends of carry chains left open"
        )


def improve(path: Path, family: str) -> Improvements:
    """Improve the netlist in ``path``, in place; the file stays whole whatever happens.

    Parameters
    ----------
    path : Path
        Yosys' JSON, whose top module is ``top``, flat.
    family : str
        Of devices; nothing is done to others than "ecp5".

    Raises
    ------
    ToolError
        The file is none that Yosys wrote.
    """
    if family != "ecp5":
        return Improvements()
    try:
        design = json.loads(path.read_text(encoding="utf-8"))
        netlist = _Netlist(design["modules"]["top"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ToolError(
            f"Yosys ended well but left no readable {path.name}: {error}",
            "Update Yosys, or use the packaged one",
        ) from error
    ports, flip_flops = _use_output_registers(netlist)
    ends = _open_carry_ends(netlist)
    with cli.atomic_write(path) as temporary:
        temporary.write_text(json.dumps(design, separators=(",", ":")), encoding="utf-8")
    return Improvements(output_registers=ports, flip_flops=flip_flops, carry_ends=ends)


class _Netlist:
    """Cells of a module, and who uses each net."""

    def __init__(self, module: dict[str, Any]) -> None:
        self.cells: dict[str, Cell] = module["cells"]
        self.users: dict[Bit, list[tuple[str, str]]] = defaultdict(list)
        for name, cell in self.cells.items():
            for port, bits in cell["connections"].items():
                if cell["port_directions"][port] != "output":
                    for bit in bits:
                        self.users[bit].append((name, port))
        # The world outside is a user without a cell.
        for name, port in module["ports"].items():
            if port["direction"] != "input":
                for bit in port["bits"]:
                    self.users[bit].append(("", name))

    def used(self, cell: Cell, port: str) -> bool:
        """Whether anything uses the output ``port``."""
        bit = _bit(cell, port)
        return isinstance(bit, int) and bool(self.users.get(bit))


def _bit(cell: Cell, port: str) -> Bit:
    """What is connected to a port of one bit; "x" where nothing is."""
    bits = cell["connections"].get(port, [])
    return bits[0] if bits else "x"


def _number(cell: Cell, parameter: str, default: int) -> int:
    """A number among the parameters, which Yosys writes in binary, or as a number."""
    value = cell["parameters"].get(parameter, default)
    return int(value.replace("x", "0"), 2) if isinstance(value, str) else value


def _text(cell: Cell, parameter: str, default: str) -> str:
    """A word among the parameters; Yosys puts a space behind those that look like bits."""
    return str(cell["parameters"].get(parameter, default)).strip()


# Output registers of block RAM.


def _use_output_registers(netlist: _Netlist) -> tuple[int, int]:
    """Turn output registers on; how many ports, and how many flip-flops that saves."""
    ports = flip_flops = 0
    for cell in [c for c in netlist.cells.values() if c["type"] == "DP16KD"]:
        for read in _read_ports(cell):
            merged = _merge(netlist, cell, read)
            ports += bool(merged)
            flip_flops += merged
    return ports, flip_flops


@dataclass(frozen=True, kw_only=True)
class _ReadPort:
    """One that reads: the half whose clock it has, and the halves whose outputs it has."""

    clock: str
    halves: str


def _read_ports(cell: Cell) -> Iterator[_ReadPort]:
    """Ports of a block RAM that may be read.

    nextpnr puts a cell with a port A of 36 bits in the mode PDPW16KD: A writes, B reads
    and, where it is 36 bits wide, has both halves' outputs. Otherwise the halves are
    ports of their own.
    """
    if _number(cell, "DATA_WIDTH_A", 18) == 36:
        wide = _number(cell, "DATA_WIDTH_B", 18) == 36
        yield _ReadPort(clock="B", halves="AB" if wide else "B")
    else:
        yield _ReadPort(clock="A", halves="A")
        yield _ReadPort(clock="B", halves="B")


def _merge(netlist: _Netlist, cell: Cell, read: _ReadPort) -> int:
    """Merge the registers behind a port into it; how many there were, 0 if it cannot be."""
    registers = _registers_behind(netlist, cell, read)
    if not registers:
        return 0
    first = netlist.cells[next(iter(registers.values()))]
    enable, inverted = _enable(first) or ("1", False)
    connections, directions = cell["connections"], cell["port_directions"]
    for port, name in registers.items():
        register = netlist.cells.pop(name)
        for used in ("DI", "CLK", "CE"):
            if isinstance(bit := _bit(register, used), int):
                netlist.users[bit].remove((name, used))
        connections[port] = register["connections"]["Q"]
    for half in read.halves:
        cell["parameters"][f"REGMODE_{half}"] = "OUTREG"
        # Both halves have the enable: of the mode PDPW16KD the vendor names only one.
        connections[f"OCE{half}"] = [enable]
        directions[f"OCE{half}"] = "input"
        cell["parameters"][f"OCE{half}MUX"] = "INV" if inverted else f"OCE{half}"
    return len(registers)


def _registers_behind(netlist: _Netlist, cell: Cell, read: _ReadPort) -> dict[str, str]:
    """The flip-flop behind each output in use of a port; empty if they cannot be merged.

    1. Each bit goes to the data of one flip-flop and nowhere else.
    2. All have the clock of the port, with its edge, and the same enable or none.
    3. None is set or reset, and each starts as 0: as an output register does.
    4. The port has no reset, which would reset the output register too.
    5. Read as 36 bits, half A may take either clock for its output register (the
       vendor does not say; nextpnr takes B): both are the same, or A's is free to be.
    """
    clock = (_bit(cell, f"CLK{read.clock}"), _text(cell, f"CLK{read.clock}MUX", "CLK") == "INV")
    found: dict[str, str] = {}
    enables = set()
    for half in read.halves:
        if _text(cell, f"REGMODE_{half}", "NOREG") != "NOREG":
            return {}
        if _bit(cell, f"RST{half}") not in ("0", "x") or _text(cell, f"RST{half}MUX", "") == "INV":
            return {}
        for port in (f"DO{half}{index}" for index in range(18)):
            if not netlist.used(cell, port):
                continue
            users = netlist.users[_bit(cell, port)]
            name, data = users[0]
            if len(users) > 1 or data != "DI" or netlist.cells[name]["type"] != "TRELLIS_FF":
                return {}
            register = netlist.cells[name]
            inverted = _text(register, "CLKMUX", "CLK") == "INV"
            if (_bit(register, "CLK"), inverted) != clock or not _plain(register):
                return {}
            enables.add(_enable(register))
            found[port] = name
    if len(enables) != 1 or (len(read.halves) == 2 and not _one_clock(cell)):
        return {}
    return found


def _plain(register: Cell) -> bool:
    """Whether a flip-flop is neither set nor reset, starts as 0, and can be enabled."""
    return (
        _bit(register, "LSR") in ("0", "x")
        and _text(register, "LSRMUX", "LSR") == "LSR"
        and _text(register, "LSRMODE", "LSR") == "LSR"
        and _text(register, "REGSET", "RESET") == "RESET"
        and _enable(register) is not None
    )


def _enable(register: Cell) -> tuple[Bit, bool] | None:
    """The net that enables a flip-flop, and whether inverted; "1" if always, None if never."""
    mux, bit = _text(register, "CEMUX", "1"), _bit(register, "CE")
    if mux == "1" or (mux, bit) in (("CE", "1"), ("CE", "x"), ("INV", "0")):
        return "1", False
    return (bit, mux == "INV") if mux in ("CE", "INV") and isinstance(bit, int) else None


def _one_clock(cell: Cell) -> bool:
    """Whether both halves have one clock; the clock of a half that never writes is set."""
    if isinstance(_bit(cell, "CLKA"), str):
        cell["connections"]["CLKA"] = list(cell["connections"]["CLKB"])
        cell["parameters"]["CLKAMUX"] = _text(cell, "CLKBMUX", "CLKB").replace("CLKB", "CLKA")
    same_edge = (_text(cell, "CLKAMUX", "") == "INV") == (_text(cell, "CLKBMUX", "") == "INV")
    return _bit(cell, "CLKA") == _bit(cell, "CLKB") and same_edge


# Ends of carry chains.


def _open_carry_ends(netlist: _Netlist) -> int:
    """Leave ends of carry chains open; how many."""
    ends = 0
    for cell in netlist.cells.values():
        if cell["type"] != "CCU2C":
            continue
        connections = cell["connections"]
        # The port stays: nextpnr looks it up, and takes "x" for unconnected.
        if connections.get("COUT") not in (None, ["x"]) and not netlist.used(cell, "COUT"):
            connections["COUT"] = ["x"]
            ends += 1
        if _bit(cell, "CIN") in ("0", "1") and _ignores_carry(netlist, cell):
            connections["CIN"] = ["x"]
            ends += 1
    return ends


def _ignores_carry(netlist: _Netlist, cell: Cell) -> bool:
    """Whether the carry input changes nothing in use.

    A site makes P of A, B, C and D (bit A + 2B + 4C + 8D of INIT) and G of A and B;
    S = P ^ CIN, and its carry is CIN where P, else G. With P = 0 for all that its
    inputs can be and S unused, the carry in is of no account.
    """
    if netlist.used(cell, "S0"):
        return False
    init = _number(cell, "INIT0", 0)
    inputs = [_bit(cell, f"{letter}0") for letter in "ABCD"]
    return not any(
        init >> index & 1
        for index in range(16)
        if all(bit not in ("0", "1") or int(bit) == index >> i & 1 for i, bit in enumerate(inputs))
    )
