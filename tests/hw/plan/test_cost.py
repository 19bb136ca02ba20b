"""The area model against place and route of single blocks (tests/baselines/size.json)."""

from __future__ import annotations

import pytest

from benchmarks.cost_model import Case, cases, errors
from boards import BOARDS
from hw.plan.block_ram import DP16KD
from hw.plan.cost import Cost, Share, link_cost
from hw.plan.link import LinkConfig
from hw.plan.memory import block_rams, lut_ram, rom_luts
from sw.errors import PlanError

CASES = cases()

#: Greatest relative errors of LUTs and flip-flops: with the coefficients of today, and
#: of blocks that are left out of the fit.
LIMITS = {
    "SystolicArray": {"comb": (0.07, 0.09), "ff": (0.03, 0.03)},
    "weights as logic": {"comb": (0.05, 0.06), "ff": (0.05, 0.05)},
    "LineBuffer": {"comb": (0.08, 0.13), "ff": (0.07, 0.08)},
    "ColumnOrder": {"comb": (0.07, 0.10), "ff": (0.10, 0.10)},
    "Pool": {"comb": (0.07, 0.10), "ff": (0.07, 0.10)},
    "WidthConverter": {"comb": (0.0, 0.0), "ff": (0.0, 0.0)},
    "Head": {"comb": (0.10, 0.10), "ff": (0.10, 0.10)},
}

#: Of small blocks, so many cells are as good.
CELLS = {"comb": 20, "ff": 12}


def _within(case: Case, resource: str, error: float, limit: float) -> bool:
    return abs(error) <= max(limit, CELLS[resource] / case.measured[resource])


@pytest.mark.parametrize("kind", LIMITS)
@pytest.mark.parametrize("resource", CELLS)
def test_blocks(kind: str, resource: str) -> None:
    """Every block, and every block by coefficients that were fitted to the others."""
    fitted, crossed = LIMITS[kind][resource]
    found = errors([case for case in CASES if case.kind == kind], resource)
    assert found
    wrong = [
        f"{e.case.name}: {e.fitted:+.1%}, left out {e.crossed:+.1%}"
        for e in found
        if not _within(e.case, resource, e.fitted, fitted)
        or not _within(e.case, resource, e.crossed, crossed)
    ]
    assert not wrong


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_block_ram_is_exact(case: Case) -> None:
    assert case.terms.bram == case.measured["dp16kd"]
    assert case.terms.bram_bits <= case.terms.bram * DP16KD.bits
    assert bool(case.terms.bram_bits) == bool(case.terms.bram)


@pytest.mark.parametrize(
    ("width", "depth", "count"),
    [(36, 512, 1), (18, 1024, 1), (9, 2048, 1), (1, 16384, 1), (37, 512, 2), (36, 513, 2),
     (8, 4096, 2), (64, 144, 2), (10, 1000, 1)],
)  # fmt: skip
def test_block_rams(width: int, depth: int, count: int) -> None:
    assert block_rams(width, depth) == count


def test_rom_of_one_word_is_free() -> None:
    assert rom_luts(64, 1) == 0
    assert rom_luts(8, 16) == pytest.approx(8, rel=0.01)


def test_distributed_ram() -> None:
    """Six sites for 16 words of 4 bits, and a multiplexer a bit for 16 words more."""
    assert lut_ram(4, 16) == 6
    assert lut_ram(5, 16) == 12
    assert lut_ram(4, 32) == 2 * 6 + 4


def test_packed_is_the_part_of_the_bits_in_use() -> None:
    assert Cost(bram=2, bram_bits=DP16KD.bits).packed == 0.5
    assert Cost(lut=7).packed is None
    assert (Cost(bram=1, bram_bits=5) + Cost(bram=2, bram_bits=6)).bram_bits == 11


def test_link_has_its_frames_in_block_ram() -> None:
    link = LinkConfig(elements=3072, code_bits=8, scores=10, score_bits=16)
    cost = link_cost(link)
    assert cost.bram == link.buffer_blocks + 1
    assert cost.bram_bits == 8 * (link.buffer_bytes + 512)


@pytest.mark.parametrize("value", [0, -0.1, 1.2])
def test_share_out_of_range(value: float) -> None:
    with pytest.raises(PlanError, match=f"the share of lut is {value}; it must be above 0"):
        Share.of(value, BOARDS["ulx3s"]["12F"].budget)


def test_share_of_a_number_is_of_logic() -> None:
    assert Share.of(0.3, BOARDS["ulx3s"]["85F"].budget) == Share(lut=0.3, ff=0.3)


def test_more_of_a_small_device_is_filled() -> None:
    share = Share.of(None, BOARDS["icebreaker"]["UP5K"].budget)
    assert (share.lut, share.ff, share.bram, share.spram) == (0.75, 0.75, 1.0, 1.0)
    assert Share.of(0.9, BOARDS["icebreaker"]["UP5K"].budget).bram == 1.0


@pytest.mark.parametrize(("size", "lut"), [("12F", 0.6), ("45F", 0.6), ("85F", 0.5)])
def test_less_of_a_large_device_is_filled(size: str, lut: float) -> None:
    share = Share.of(None, BOARDS["ulx3s"][size].budget)
    assert share.lut == lut
    assert share.bram == Share().bram
