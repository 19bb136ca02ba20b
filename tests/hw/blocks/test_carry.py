"""Adders on carry chains: both forms against integers, and against each other by proof."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Cat, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator, SimulatorContext

import boards
from hw.blocks.carry import Choice, Lanes, add_fields
from hw.blocks.popcount import MatchSum
from hw.fabric import Fabric, family_of
from hw.flow.toolchain import find_yosys
from hw.plan.array import MatchSumConfig

#: Builds operands of an adder from its input: left, right, rider, and their places in it.
Operands = Callable[[Value], tuple[list[Lanes | Choice], list[Lanes], Lanes | None]]


class Adder(wiring.Component):
    """`add_fields` on its own, with one input that all operands are cut from."""

    def __init__(
        self, *, bits: list[int], operands: Operands, width: int, carry_out: bool = True
    ) -> None:
        self.bits, self.operands, self.carry_out = bits, operands, carry_out
        sums = len(bits) * (max(bits) + carry_out)
        super().__init__({"operand": In(width), "sums": Out(sums)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        left, right, rider = self.operands(self.operand)
        planes = add_fields(
            m,
            platform,
            name="adder",
            bits=self.bits,
            left=left,
            right=right,
            rider=rider,
            carry_out=self.carry_out,
        )
        m.d.comb += self.sums.eq(Cat(*planes))
        return m


def matches(fields: int, bits: int, second: int, riders: int) -> Operands:
    """Raw lanes of ``bits`` bits, the second of ``second`` fields only, and raw riders."""

    def operands(value: Value) -> tuple[list[Lanes | Choice], list[Lanes], Lanes | None]:
        def take(count: int) -> Value:
            nonlocal value
            part, value = value[:count], value[count:]
            return part

        left: list[Lanes | Choice] = [Lanes(take(fields), take(fields)) for _ in range(bits)]
        right = [Lanes(take(second), take(second)) for _ in range(bits)] if second else []
        return left, right, Lanes(take(riders), take(riders)) if riders else None

    return operands


def numbers(bits: list[int], left: int, right: int, riders: int) -> Operands:
    """Numbers of ``left`` and ``right`` bits, at most ``bits`` of a field, and riders of a bit."""
    fields = len(bits)

    def operands(value: Value) -> tuple[list[Lanes | Choice], list[Lanes], Lanes | None]:
        def plane(index: int, place: int) -> Lanes:
            mask = sum(1 << field for field, width in enumerate(bits) if place < width)
            return Lanes(value[index * fields : (index + 1) * fields] & mask)

        first: list[Lanes | Choice] = [plane(i, i) for i in range(left)]
        second = [plane(left + i, i) for i in range(right)]
        rider = value[(left + right) * fields :][:riders]
        return first, second, Lanes(rider) if riders else None

    return operands


def accumulator(bits: int, right: int, *, start: bool) -> Operands:
    """A register or a start value, a number and a raw rider."""

    def operands(value: Value) -> tuple[list[Lanes | Choice], list[Lanes], Lanes | None]:
        later, rider, value = value[0], Lanes(value[1], value[2]), value[3:]
        first = [value[bits + i] if start else None for i in range(bits)]
        left: list[Lanes | Choice] = [Choice(later, value[i], first[i]) for i in range(bits)]
        return left, [Lanes(value[2 * bits + i]) for i in range(right)], rider

    return operands


ADDERS: dict[str, tuple[list[int], Operands, int, bool]] = {
    "three matches a field": ([1] * 5, matches(5, 1, 5, 5), 30, True),
    "some fields of fewer": ([1] * 5, matches(5, 1, 3, 2), 20, True),
    "one match a field": ([1] * 3, matches(3, 1, 0, 0), 6, True),
    "wide lanes": ([3] * 2, matches(2, 3, 2, 0), 24, True),
    "several chains": ([1] * 60, matches(60, 1, 60, 60), 360, True),
    "numbers": ([3] * 3, numbers([3] * 3, 3, 3, 2), 20, True),
    "numbers of several widths": ([2, 3, 1], numbers([2, 3, 1], 3, 3, 3), 21, True),
    "a short number": ([4], numbers([4], 4, 2, 1), 7, True),
    "a number and a rider": ([4], numbers([4], 4, 0, 1), 5, True),
    "no carry out": ([4], numbers([4], 4, 2, 1), 7, False),
    "accumulator with start": ([5], accumulator(5, 3, start=True), 16, False),
    "accumulator from 0": ([5], accumulator(5, 3, start=False), 16, False),
}


def adder(name: str) -> Adder:
    bits, operands, width, carry_out = ADDERS[name]
    return Adder(bits=bits, operands=operands, width=width, carry_out=carry_out)


@pytest.mark.parametrize("name", ADDERS)
def test_sums(name, rng):
    """The plain form against integers."""
    block = adder(name)
    count = len(block.bits)
    left, right, rider = block.operands(block.operand)
    operands = [[o.value() for o in side] for side in (left, right, [rider] if rider else [])]

    async def check(ctx: SimulatorContext) -> None:
        for trial in range(30):
            ends = (0, 2 ** len(block.operand) - 1)
            word = ends[trial] if trial < 2 else int.from_bytes(rng.bytes(60), "little")
            ctx.set(block.operand, word % 2 ** len(block.operand))
            sums = ctx.get(block.sums)
            for field in range(count):
                expected = sum(
                    (ctx.get(bit) >> field & 1) << place
                    for side in operands
                    for place, bit in enumerate(side)
                )
                places = max(block.bits) + block.carry_out
                found = sum((sums >> i * count + field & 1) << i for i in range(places))
                assert found == expected % 2**places

    simulator = Simulator(block)
    simulator.add_testbench(check)
    simulator.run()


@pytest.mark.parametrize("name", ADDERS)
def test_cells_are_equal(name, tmp_path):
    prove_equal(adder(name), tmp_path)


@pytest.mark.parametrize("name", ["wide lanes", "numbers", "numbers of several widths"])
def test_chains_of_ice40_are_equal(name, tmp_path):
    prove_equal(adder(name), tmp_path, family="ice40")
    text = rtlil.convert(adder(name), platform=Fabric(family="ice40"), emit_src=False)
    assert text.count("cell $add") == len(ADDERS[name][0])


@pytest.mark.parametrize("family", ["ecp5", "ice40"])
@pytest.mark.parametrize(
    ("simd", "lane_bits"), [(1, 1), (4, 1), (7, 1), (16, 1), (22, 1), (3, 3), (5, 2)]
)
def test_match_sums_are_equal(simd, lane_bits, family, tmp_path):
    config = MatchSumConfig(simd=simd, lane_bits=lane_bits)
    prove_equal(MatchSum(config=config), tmp_path, cycles=max(config.delays) + 2, family=family)


@pytest.mark.parametrize("lane_bits", [1, 2])
def test_wide_match_sums_of_ice40_are_equal(lane_bits, tmp_path):
    """Levels of chains, with riders and without."""
    config = MatchSumConfig(simd=36 // lane_bits, lane_bits=lane_bits)
    assert any(len(level.bits) > 1 and max(level.bits) >= 3 for level in config.levels)
    prove_equal(MatchSum(config=config), tmp_path, max(config.delays) + 2, family="ice40")


def test_families_of_boards_are_those_of_their_flow():
    assert family_of(boards.find("icebreaker").platform()) == "ice40"
    assert family_of(boards.find("ulx3s").platform()) == "ecp5"
    assert family_of(None) is None


def test_last_carry_is_not_connected(tmp_path):
    """nextpnr would lead it out of the chain, which costs a CCU2C."""
    text = rtlil.convert(adder("numbers"), platform=Fabric(family="ecp5"), emit_src=False)
    cells, carries = text.count(r"cell \CCU2C"), text.count(r"connect \COUT")
    # Three fields of 4 sites and a boundary, in pairs.
    assert (cells, carries) == (7, 6)


def prove_equal(
    block: wiring.Component, folder: Path, cycles: int = 1, family: str = "ecp5"
) -> None:
    """Prove with Yosys that a block's plain form and that of a family are equal.

    The blocks are feed-forward: what comes out depends on the last ``cycles`` inputs.
    """
    yosys = find_yosys()
    for name, platform in (("plain", None), ("cells", Fabric(family=family))):
        text = rtlil.convert(block, name=name, platform=platform, emit_src=False)
        (folder / f"{name}.il").write_text(text)
    read = (
        "read_rtlil plain.il; hierarchy -top plain; proc; flatten; design -stash plain;"
        " read_rtlil cells.il; read_verilog -D NO_INCLUDES +/ecp5/cells_sim.v;"
        " hierarchy -top cells; proc; flatten; design -stash cells;"
        " design -copy-from plain plain; design -copy-from cells cells"
    )
    proof = (
        "miter -equiv -make_outputs -flatten plain cells miter; hierarchy -top miter; flatten;"
        f" opt -full miter; sat -verify -prove trigger 0 -seq {cycles} -prove-skip {cycles - 1}"
        " miter"
    )
    yosys.run(["-p", f"{read}; {proof}"], cwd=folder, log=folder / "proof.log")
