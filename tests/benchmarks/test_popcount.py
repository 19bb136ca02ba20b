"""The benchmark of popcounts: its forms count, a small one is measured, docs have its tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from amaranth.sim import Simulator, SimulatorContext

from benchmarks import popcount
from benchmarks.popcount_forms import FORMS, Harness, Popcount
from benchmarks.stored import stored
from hw.plan.match_sum import MatchSumConfig

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("form", FORMS)
def test_forms_count(form: str, rng: np.random.Generator) -> None:
    for lanes in (4, 7, 8, 13, 36):
        block = Popcount(form, lanes)
        words = [(0, 0), (2**lanes - 1, 0)]
        words += [tuple(int(w) for w in rng.integers(0, 2**lanes, 2)) for _ in range(8)]

        async def check(ctx: SimulatorContext, block=block, words=words) -> None:
            for codes, flips in words:
                ctx.set(block.codes, codes)
                ctx.set(block.flips, flips)
                await ctx.tick()
                assert ctx.get(block.sum) == (codes ^ flips).bit_count()

        simulator = Simulator(block)
        simulator.add_clock(1e-6)
        simulator.add_testbench(check)
        simulator.run()


def test_a_small_one_is_measured() -> None:
    for name in ("UP5K/4 looked up, then adders/4", "GW2AR-18/one sum/4"):
        found = popcount.measure(name)
        assert 4 <= found["cells"] <= 16
        # The sum's, and nothing of the harness.
        assert found["flip_flops"] == 3
        assert found["fmax_mhz"] > 20


def test_the_harness_counts_its_bits() -> None:
    assert Harness(Popcount("one sum", 5)).bits == 5 + 5 + 3


def test_every_form_has_every_size() -> None:
    known = stored(popcount.BASELINE)
    assert list(known) == list(popcount.CASES)
    for device, sizes in popcount.LANES.items():
        for lanes in sizes:
            vectors = known[f"{device}/MatchSum, vectors/{lanes}"]["flip_flops"]
            config = MatchSumConfig(simd=lanes)
            assert vectors >= sum(m.bit_length() for m in config.levels[-1].maxima)


def test_the_tables_of_the_docs_are_the_baselines() -> None:
    page = (ROOT / "docs" / "blocks.md").read_text(encoding="utf-8")
    assert popcount.tables(stored(popcount.BASELINE)).strip() in page
