"""Boards with Ethernet: the top elaborates, and what cannot be built is refused."""

from __future__ import annotations

import dataclasses

import pytest
from amaranth.build import Attrs, Clock, Pins, Resource
from amaranth.vendor import LatticeECP5Platform
from amaranth_boards.resources import LEDResources

import boards
from boards.ethernet import PHYS
from hw.ethernet import EthernetSoC
from hw.flow.ethernet import elaborate, phy_of
from hw.link.liteeth import Address
from hw.link.rgmii import TAP_PS
from sw.errors import PlanError
from sw.model.npz import load, save
from tests.hw.plan.graphs import random_plan
from tests.sw.model.small import small_model


@pytest.fixture
def design(rng, tmp_path, monkeypatch):
    save(small_model(), tmp_path / "model.npz")
    model = load(tmp_path / "model.npz")
    plan = random_plan(rng, model, most_cycles=400)
    monkeypatch.setattr(EthernetSoC, "rtlil", lambda _: b"# LiteEth\n")
    return EthernetSoC(plan, model, clock_hz=75_000_000, address=Address())


class Platform(LatticeECP5Platform):
    """An oscillator and two lamps, on balls that no PHY of a board uses."""

    device, package, speed = "LFE5U-25F", "BG381", "6"
    default_clk = "clk25"
    resources = [
        Resource("clk25", 0, Pins("P3", dir="i"), Clock(25e6), Attrs(IO_TYPE="LVCMOS33")),
        *LEDResources(pins="U16 U17", attrs=Attrs(IO_TYPE="LVCMOS33")),
    ]
    connectors = []


@pytest.mark.parametrize("name", PHYS)
def test_a_board_elaborates(design, name):
    board = dataclasses.replace(
        boards.find("ulx3s", "25F"), name=name, platform=Platform, activity=("led", 1)
    )
    sources = elaborate(board, board.clock_plan(75), design)
    rtlil, constraints = sources.rtlil.decode(), (sources.constraints or b"").decode()
    assert rtlil.endswith("# LiteEth\n")
    for cell, count in {"IDDRX1F": 5, "ODDRX1F": 6, "DELAYG": 11, "liteeth_udp": 1}.items():
        assert rtlil.count(f"cell \\{cell} ") == count
    phy = PHYS[name]
    for balls in (phy.rx_clk, phy.rx_data, phy.tx_data, phy.reset):
        assert all(f'SITE "{ball}"' in constraints for ball in balls.split())
    frequencies = [line for line in constraints.splitlines() if line.startswith("FREQUENCY")]
    wanted = {"rgmii_0__rx_clk__io": "125000000", "divided": "37500000"}
    for clock, hz in wanted.items():
        assert any(clock in line and hz in line for line in frequencies), (clock, frequencies)


def test_delays_are_whole_steps():
    for phy in PHYS.values():
        for delay in (phy.rx_delay_ps, phy.tx_delay_ps):
            assert delay % TAP_PS == 0


def test_a_board_without_ethernet():
    with pytest.raises(PlanError) as caught:
        phy_of(boards.find("ulx3s"))
    assert str(caught.value) == (
        "The ULX3S 85F has no Ethernet that a build can use: the boards that have are "
        "colorlight_i5, colorlight_i9, ecpix5. Leave --link out, or take one of these."
    )
