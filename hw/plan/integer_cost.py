"""Area of the integer array: counted as it is built, `LUT` and `FLIP_FLOP` for its control."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import ceil

from hw.plan.area import Terms, match_sum_counts
from hw.plan.cost import Cost, total
from hw.plan.integer import IntegerArrayConfig
from hw.plan.memory import block_rams, fifo_of, lut_ram, memory_of, rom_bits, rom_luts, weights_of
from hw.plan.product_sum import ProductSumConfig

__all__ = ["FLIP_FLOP", "LUT", "integer_cost", "integer_terms"]

#: LUT sites of each of a term; what is counted site by site takes one.
LUT: dict[str, float] = {"integer": 20.0, "counter": 0.6, "page": 0.75, "border": 25.0}

#: Flip-flops of each of a term; of "registers" one.
FLIP_FLOP: dict[str, float] = {"border": 14.0}


def _bits(values: range) -> int:
    """Bits of a register of these values."""
    low, high = values.start, values[-1]
    if low >= 0:
        return high.bit_length()
    return max(high.bit_length(), (-low - 1).bit_length()) + 1


def _even(sites: int) -> int:
    """Sites of a chain: they come in pairs."""
    return sites + sites % 2


@cache
def product_sum_counts(config: ProductSumConfig) -> tuple[int, int]:
    """LUT sites and flip-flops of a row's sum of products."""
    sites = registers = 0
    for number, values in enumerate(config.products):
        width = _bits(values)
        if config.multiplier == "lut":
            last = config.splits_weights and number == len(config.products) - 1
            plain = config.digit_bits[number] == 1 and not last
            sites += config.simd * (width if plain else _even(width + 1))
        for level, lanes in enumerate(config.tree):
            widths = [_bits(range(values.start * count, values[-1] * count + 1)) for count in lanes]
            registers += sum(widths)
            if level:
                added = len(config.tree[level - 1]) // 2
                sites += sum(_even(width) for width in widths[:added])
    for before, after in zip(config.joins, config.joins[1:], strict=False):
        widths = [_bits(values) for values in after]
        registers += sum(widths)
        sites += sum(_even(width) for width in widths[: len(before) // 2])
    return sites, registers


def _row_counts(config: IntegerArrayConfig) -> tuple[int, int]:
    """LUT sites and flip-flops of a row, its accumulator included."""
    total = config.sum_bits
    if config.multiplier == "planes":
        sites, registers, _ = match_sum_counts(config.match_sum)
        # Accumulator and finished sum; the start value is added in a chain of its own, but one
        # that is the same everywhere has few bits that are not 0.
        added = 0 if config.starts_alike else _even(total)
        return sites + _even(total + 1) + added, registers + 2 * total + config.acc_bits
    sites, registers = product_sum_counts(config.product_sum)
    added = config.fold_beats > 1 or config.has_start
    return sites + added * _even(total + 1), registers + total


def integer_terms(config: IntegerArrayConfig) -> Terms:
    """Rows, weight memory, start values, codes that wait for their weights, output FIFO."""
    weights, word = config.weights, config.rows * config.acc_bits
    sites, registers = (config.rows * count for count in _row_counts(config))
    turns = (config.synapse_folds, config.passes, config.neuron_folds)
    counters = sum((number - 1).bit_length() for number in turns) + weights.address_bits
    # The FIFO's two addresses and its level, the credits.
    places = 3 * config.fifo_depth.bit_length() + config.credits.bit_length()
    lut: dict[str, float] = {
        "integer": 1,
        "counter": counters + places,
        "sites": sites + lut_ram(word, config.fifo_depth),
    }
    ff: dict[str, float] = {}
    registers += counters + places + 4 * config.result_cycles + word
    registers += weights.latency_cycles * config.simd * config.lane_bits
    if config.multiplier == "planes":
        registers += config.lane_bits * sum(config.match_sum.delays)
    blocks, bits, memories = 0, 0, fifo_of(word, config.fifo_depth)
    if weights.depth > 1 and weights.memory == "block":
        # The first register behind the memory is in the block RAM.
        blocks, bits = weights.block_rams, weights.width * weights.depth
        memories += weights_of(weights, 1)
        registers += weights.width * (1 + weights.ninths)
        lut["page"] = (weights.width + weights.part) * (weights.pages - 1)
        lut["sites"] += weights.width * weights.ninths
    elif weights.depth > 1:
        lut["rom"] = rom_luts(weights.width, weights.depth)
        registers += ceil(rom_bits(weights.width, weights.depth))
    if config.has_start and config.start_depth > 1 and not config.starts_alike:
        width = config.rows * config.start_bits
        if config.start_kind == "block":
            blocks += block_rams(width, config.start_depth)
            bits += width * config.start_depth
            memories += memory_of(width, config.start_depth, "block")
        else:
            lut["rom"] = lut.get("rom", 0) + rom_luts(width, config.start_depth)
            registers += ceil(rom_bits(width, config.start_depth))
    if config.classes > 1:
        lut["border"] = ff["border"] = 1
    return Terms(
        lut=lut,
        ff={**ff, "registers": registers},
        bram=blocks,
        bram_bits=bits,
        memories=memories,
    )


@cache
def integer_cost(config: IntegerArrayConfig) -> Cost:
    """Integer array: its products or match sums, memories, output FIFO."""
    return replace(total(integer_terms(config), LUT, FLIP_FLOP), dsp=config.dsp)
