"""Block RAM with its output register: words, latency, and the cells it becomes."""

from __future__ import annotations

import json
import re

import pytest
from amaranth.back import rtlil
from amaranth.sim import Simulator

from hw.blocks.ram import Ram
from hw.fabric import Fabric
from hw.flow.toolchain import find_yosys


@pytest.mark.parametrize("pages", [(1,), (5,), (16,), (16, 16, 8, 3), (32, 8)])
@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_words_come_after_their_latency(rng, pages, stall):
    block = Ram(width=6, pages=pages)
    depth = sum(pages)
    words = rng.integers(0, 64, depth).tolist()
    assert block.latency == (2 if len(pages) == 1 else 3)

    async def bench(ctx):
        ctx.set(block.write_en, 1)
        for address in rng.permutation(depth).tolist():
            ctx.set(block.write_addr, address)
            ctx.set(block.write_data, words[address])
            await ctx.tick()
        ctx.set(block.write_en, 0)
        asked: list[int] = []
        while len(asked) < 4 * depth + 20:
            address = int(rng.integers(depth))
            moves = rng.random() >= stall
            ctx.set(block.read_addr, address)
            ctx.set(block.read_en, moves)
            await ctx.tick()
            if moves:
                asked.append(address)
            if len(asked) >= block.latency:
                assert ctx.get(block.read_data) == words[asked[-block.latency]]

    simulator = Simulator(block)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize(
    ("pages", "blocks"), [((512,), 1), ((3920,), 2), ((8192,), 4), ((4096, 2048), 3)]
)
def test_no_logic_for_collisions(tmp_path, pages, blocks):
    """A page is its block RAMs and a register, with one enable and without a reset."""
    text = rtlil.convert(Ram(width=8, pages=pages), name="top", platform=Fabric(family="ecp5"))
    (tmp_path / "top.il").write_text(text, encoding="utf-8")
    script = "read_rtlil top.il; synth_ecp5 -nowidelut -top top -json top.json"
    find_yosys().run(["-p", script], cwd=tmp_path, log=tmp_path / "yosys.log")
    cells = json.loads((tmp_path / "top.json").read_text())["modules"]["top"]["cells"].values()
    kinds = [cell["type"] for cell in cells]
    assert kinds.count("DP16KD") == blocks
    if len(pages) == 1:
        assert set(kinds) == {"DP16KD", "TRELLIS_FF"}
        assert kinds.count("TRELLIS_FF") == 8
    rams = [cell for cell in cells if cell["type"] == "DP16KD"]
    outputs = {
        bit for cell in rams for port, bits in cell["connections"].items() if port[:2] == "DO"
        for bit in bits
    }  # fmt: skip
    behind = [cell for cell in cells if set(cell["connections"].get("DI", [])) & outputs]
    assert len(behind) == 8 * len(pages)
    for cell in behind:
        assert cell["connections"]["CE"] == rams[0]["connections"]["CEB"]
        assert cell["connections"].get("LSR", ["0"]) in ([], ["0"], ["x"])


def test_a_page_has_room_for_the_addresses_of_others() -> None:
    """CXXRTL stops at an address beyond a memory even where nothing is read or written."""
    text = rtlil.convert(Ram(width=8, pages=(4096, 4096, 3000)), name="top")
    assert sorted(re.findall(r"memory width 8 size (\d+)", text)) == ["4096"] * 3
