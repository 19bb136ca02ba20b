"""Every board in every size: it is found, its clock and UART are legal, it elaborates."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from itertools import pairwise

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

import boards
from boards import ecp5, gowin, ice40
from boards.ecp5 import OUTPUT_RANGE, PFD_RANGE, VCO_RANGE, solve_pll
from boards.ecp5_usb import USB_TOLERANCE, Ecp5UsbClocks
from hw.flow.top import elaborate
from hw.plan.fabric import FABRICS
from hw.plan.link import uart_divisor
from sw.errors import PlanError, UserError
from sw.protocol import UART_BIT_CYCLES, UART_ERROR

BUDGETS = {"ecp5": ecp5.BUDGETS, "ice40": ice40.BUDGETS, "gowin": gowin.BUDGETS}
#: The PLL of each family.
CELLS = {"ecp5": "EHXPLLL", "ice40": "SB_PLL40", "gowin": "rPLL"}
EVERY = [board for sizes in boards.BOARDS.values() for board in sizes.values()]


def ids(board: boards.Board) -> str:
    return f"{board.name}-{board.size}"


class Detector(wiring.Component):
    """An echo that says it has found what it hears."""

    def __init__(self) -> None:
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "found": Out(1)})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.d.sync += [self.tx.eq(self.rx), self.found.eq(~self.rx)]
        return m


def test_the_largest_size_is_the_default() -> None:
    assert boards.find("ulx3s").size == "85F"
    assert boards.find("ULX3S", "12f") is boards.BOARDS["ulx3s"]["12F"]


def test_unknown_board_lists_those_there_are() -> None:
    with pytest.raises(UserError) as caught:
        boards.find("icebreaker2")
    assert str(caught.value) == (
        f"There is no board 'icebreaker2': the boards are {', '.join(boards.BOARDS)}. "
        "Give --board one of them, or add it as docs/boards.md says."
    )
    assert caught.value.exit_status == 1


@pytest.mark.parametrize(
    ("name", "start"),
    [
        (
            "crosslinknx_evn",
            "The CrossLink-NX evaluation board 'crosslinknx_evn' is not built for: Yosys 0.70 and "
            "nextpnr-nexus do not agree on carry chains, on which the arrays stand. ",
        ),
        (
            "gatemate_evb",
            "The GateMate evaluation board 'gatemate_evb' is not built for: Amaranth has no "
            "platform for its FPGA. ",
        ),
    ],
)
def test_boards_that_are_refused(name: str, start: str) -> None:
    assert set(boards.REFUSED) == {"crosslinknx_evn", "gatemate_evb"} and name not in boards.BOARDS
    with pytest.raises(PlanError) as caught:
        boards.find(name.upper())
    assert str(caught.value) == (
        f"{start}Take --target verilog for the core alone, and build that with the vendor's "
        "tools; docs/boards.md says what was tried."
    )


def test_unknown_size_lists_those_there_are() -> None:
    with pytest.raises(UserError) as caught:
        boards.find("ulx3s", "100F")
    assert str(caught.value) == (
        "The ulx3s has no size '100F': its sizes are 12F, 25F, 45F, 85F. "
        "Give --size one of them, or leave it out for the largest."
    )


@pytest.mark.parametrize("board", EVERY, ids=ids)
def test_board_elaborates(board: boards.Board) -> None:
    """With its clock, UART and lamps, those of a detector too."""
    sources = elaborate(board, board.clock_plan(board.default_clock_mhz), Detector())
    rtlil, constraints = sources.rtlil.decode(), (sources.constraints or b"").decode()
    assert f"cell \\{CELLS[board.family]}" in rtlil
    lamps = [lamp for lamp in (board.heartbeat, board.activity, board.found) if lamp is not None]
    outputs = [*lamps, *board.idle]
    ports = {"_".join(map(str, port[:2])) + "".join(f"__{x}" for x in port[2:]) for port in outputs}
    assert len(ports) == len(outputs) and lamps
    for port in (*ports, "uart_0__rx", "uart_0__tx"):
        assert f"{port}__io" in rtlil and f"{port}__io" in constraints
    # Nothing else but the oscillator.
    placed = {"ecp5": "LOCATE COMP", "ice40": "set_io", "gowin": "IO_LOC"}[board.family]
    assert constraints.count(placed) == len(outputs) + 3
    assert board.clock_plan(board.default_clock_mhz).hz == round(board.default_clock_mhz * 1e6)


def test_names_are_those_of_the_command_line() -> None:
    for name, sizes in boards.BOARDS.items():
        assert name == name.lower() and name.isidentifier()
        for size, board in sizes.items():
            assert (board.name, board.size) == (name, size)


class ByteEcho(wiring.Component):
    """An echo of bytes, which come and go by USB."""

    def __init__(self) -> None:
        byte = stream.Signature(8)
        super().__init__({"i_bytes": In(byte), "o_bytes": Out(byte)})

    def elaborate(self, platform) -> Module:
        m = Module()
        wiring.connect(m, wiring.flipped(self.i_bytes), wiring.flipped(self.o_bytes))
        return m


@pytest.mark.parametrize("board", [b for b in EVERY if b.usb_clocks], ids=ids)
def test_usb(board: boards.Board) -> None:
    clock = board.clock_plan(board.default_clock_mhz)
    rtlil = elaborate(board, clock, ByteEcho()).rtlil.decode()
    fast = Ecp5UsbClocks(clock.generator()).plan
    assert abs(fast.output_mhz / 48 - 1) <= USB_TOLERANCE
    assert f"parameter \\CLKOS_DIV {fast.output_divider}" in rtlil
    assert f"parameter \\CLKOS2_DIV {4 * fast.output_divider}" in rtlil


def test_usb_clock_out_of_reach() -> None:
    """From 19 MHz the nearest is 48.133, 0.28 % more."""
    with pytest.raises(PlanError) as caught:
        Ecp5UsbClocks(solve_pll(19.0, 50.0).generator())
    assert str(caught.value) == (
        "The PLL makes no 48 MHz within 0.25% of the board's 19 MHz, as USB needs it. "
        "Take --link uart."
    )


@pytest.mark.parametrize("board", EVERY, ids=ids)
def test_default_clock_is_made_and_gives_a_fast_baud(board: boards.Board) -> None:
    clock = board.clock_plan(board.default_clock_mhz)
    assert clock.hz == round(board.default_clock_mhz * 1e6)
    # A quarter of the clock, or the best there is.
    assert board.baud(clock.hz) == max(b for b in board.bauds if b * UART_BIT_CYCLES <= clock.hz)


@pytest.mark.parametrize("board", EVERY, ids=ids)
def test_budget_is_the_families(board: boards.Board) -> None:
    # The UPduino has no way to load the UP5K's memories of 256 Kbit.
    sprams = {"icebreaker": 4, "upduino": 0}.get(board.name, 0)
    assert board.budget.spram == sprams
    devices = BUDGETS[board.family].values()
    assert board.budget in [replace(device, spram=sprams) for device in devices]
    assert board.budget.bram_bits == {"ice40": 4096}.get(board.family, 18432)
    assert board.budget.dsp >= 0 and 0 < board.budget.bram < board.budget.ff
    assert FABRICS[board.budget.fabric].small_memories == (board.family == "ice40")


@pytest.mark.parametrize("board", EVERY, ids=ids)
def test_bauds_are_within_two_percent(board: boards.Board) -> None:
    """At clocks that the board makes from 16 to 200 MHz, which are close together."""
    made = set()
    for mhz in range(16, 201, 3):
        with contextlib.suppress(PlanError):
            made.add(board.clock_plan(mhz).hz)
    assert len(made) > 40
    for hz in made:
        divisor = round(hz / (baud := board.baud(hz)))
        assert divisor >= UART_BIT_CYCLES
        assert abs(hz / divisor / baud - 1) <= UART_ERROR
        assert uart_divisor(clock_hz=hz, baud=baud) == divisor


# Figures of nextpnr-ecp5's own utilisation report.
@pytest.mark.parametrize(
    ("size", "lut", "bram", "dsp"),
    [
        ("12F", 24288, 56, 28),
        ("25F", 24288, 56, 28),
        ("45F", 43848, 108, 72),
        ("85F", 83640, 208, 156),
    ],
)
def test_budgets(size: str, lut: int, bram: int, dsp: int) -> None:
    budget = boards.find("ulx3s", size).budget
    assert (budget.lut, budget.ff, budget.bram, budget.dsp) == (lut, lut, bram, dsp)


@pytest.mark.parametrize("tenths", [*range(32, 1000, 7), *range(1000, 4001, 50)])
def test_pll_is_within_the_data_sheet(tenths: int) -> None:
    asked = tenths / 10
    try:
        plan = solve_pll(25.0, asked)
    except PlanError:
        # With small output dividers there are gaps between the multiples of the PFD's clock.
        assert asked > 100
        return
    assert PFD_RANGE[0] <= plan.pfd_mhz <= PFD_RANGE[1]
    assert VCO_RANGE[0] <= plan.vco_mhz <= VCO_RANGE[1]
    assert OUTPUT_RANGE[0] <= plan.loop_mhz <= OUTPUT_RANGE[1]
    assert OUTPUT_RANGE[0] <= plan.output_mhz <= OUTPUT_RANGE[1]
    for divider in (
        plan.reference_divider,
        plan.feedback_divider,
        plan.loop_divider,
        plan.output_divider,
    ):
        assert 1 <= divider <= 128
    assert abs(plan.output_mhz - asked) <= 0.01 * asked


def test_pll_is_exact_where_it_can_be() -> None:
    for asked in (12, 25, 48.0769230769, 50, 60, 62.5, 75, 80, 90, 100, 105, 120, 125, 150):
        assert solve_pll(25.0, asked).output_mhz == pytest.approx(asked, rel=1e-9)


@pytest.mark.parametrize("asked", [0.0, -1.0, 3.0, 401.0, float("nan"), float("inf")])
def test_clock_out_of_range(asked: float) -> None:
    with pytest.raises(PlanError) as caught:
        solve_pll(25.0, asked)
    assert str(caught.value) == (
        f"A clock of {asked:g} MHz is out of the PLL's reach: it makes 3.125 to 400 MHz. "
        "Ask for a --clock in that range."
    )


def test_clock_between_two_settings() -> None:
    with pytest.raises(PlanError) as caught:
        solve_pll(25.0, 271.9)
    assert str(caught.value) == (
        "A clock of 271.9 MHz is more than 1% from any that the PLL makes of the board's "
        "25 MHz. Ask for the nearest one, --clock 275."
    )


@pytest.mark.parametrize("mhz", [50, 62.5, 75, 100, 120])
def test_uart_is_at_3_megabaud(mhz: float) -> None:
    board = boards.find("ulx3s")
    assert board.baud(board.clock_plan(mhz).hz) == 3_000_000


def test_clocks_up_to_200_mhz_are_close_together() -> None:
    """Every whole MHz has a setting within 1 %, and the fastest baud from it."""
    board = boards.find("ulx3s")
    made = [board.clock_plan(mhz).hz for mhz in range(100, 201)]
    assert all(board.baud(hz) == board.bauds[0] for hz in made)
    steps = sorted(set(made))
    assert max(b - a for a, b in pairwise(steps)) <= 3_200_000


def test_clock_too_slow_for_the_uart() -> None:
    with pytest.raises(PlanError) as caught:
        boards.find("ulx3s").baud(300_000)
    assert str(caught.value) == (
        "A clock of 0.3 MHz divides to none of the rates of the ULX3S 85F's UART "
        "(3000000, 2000000, 1500000, 1000000, 750000, 500000, 115200 baud) within 2%. "
        "Ask for a multiple of 3 MHz, for instance --clock 75."
    )


def test_a_clock_gives_way_to_the_uart_alone() -> None:
    board = boards.find("ecpix5", "85F")
    assert board.fastest_clock_mhz(115.4) == 110
    assert board.baud(110_000_000) == 12_000_000 > board.baud(115_000_000)
    assert board.fastest_clock_mhz(115.4, uart=False) == pytest.approx(115, rel=0.01)
