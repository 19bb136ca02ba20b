"""Sums of products in LUTs: the cells against the plain form, by proof."""

from __future__ import annotations

import pytest

from hw.blocks.product_sum import ProductSum
from hw.plan.product_sum import ProductSumConfig
from tests.hw.blocks.test_carry import prove_equal


@pytest.mark.parametrize(
    ("simd", "lane_bits", "weight_bits"), [(3, 3, 4), (2, 5, 2), (2, 4, 3), (3, 1, 3)]
)
def test_cells_are_equal(simd, lane_bits, weight_bits, tmp_path):
    """Digits of codes, and of weights of even and odd width; codes of a bit."""
    config = ProductSumConfig(
        simd=simd,
        lane_bits=lane_bits,
        levels=2**lane_bits - 1,
        weight_bits=weight_bits,
        multiplier="lut",
    )
    prove_equal(ProductSum(config=config), tmp_path, cycles=config.latency_cycles + 1)


def test_levels_of_additions():
    """Five lanes of 8 bits by 8: three levels over the lanes, two over the four digits."""
    config = ProductSumConfig(simd=5, lane_bits=8, levels=255, weight_bits=8, multiplier="lut")
    assert config.tree == ((1, 1, 1, 1, 1), (2, 2, 1), (4, 1), (5,))
    assert [len(level) for level in config.joins] == [4, 2, 1]
    assert (config.sum_values.start, config.sum_values[-1]) == (-5 * 127 * 255, 5 * 127 * 255)
    assert config.latency_cycles == 6
