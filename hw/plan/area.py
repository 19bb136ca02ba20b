"""Terms of each block's area, which `hw.plan.cost` adds up.

The term "sites" is of LUT sites that are counted as the block is built: carry chains
(`hw.plan.carry`) and distributed RAM; "registers" of flip-flops. The others count what
synthesis makes of plain logic: bits of a word that pass a multiplexer, loops of
counters, or the one control of a block.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from math import ceil, log2, sqrt

from hw.plan.array import FEW_STARTS, ArrayConfig, ThresholdConfig
from hw.plan.carry import chain_sites
from hw.plan.constant_cost import constant_cost
from hw.plan.match_sum import MatchSumConfig
from hw.plan.memory import (
    Memory,
    block_rams,
    fifo_of,
    lut_ram,
    memory_cost,
    memory_of,
    rom_bits,
    rom_luts,
    weights_of,
)
from hw.plan.stream import (
    ColumnOrderConfig,
    HeadConfig,
    LineBufferConfig,
    PoolConfig,
    WidthConfig,
)
from hw.plan.weights import WeightConfig

__all__ = [
    "Terms",
    "array_terms",
    "column_order_terms",
    "head_terms",
    "line_buffer_terms",
    "pool_terms",
    "width_terms",
]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How many of each term; a name is a key of `LUT` or `FLIP_FLOP` of `hw.plan.cost`.

    ``bram`` and ``bram_bits`` are block RAMs and the bits kept in them, ``spram`` memories of
    256 Kbit, and ``memories`` all other memories but those of constants in LUTs.
    """

    lut: dict[str, float] = field(default_factory=dict)
    ff: dict[str, float] = field(default_factory=dict)
    bram: int = 0
    bram_bits: int = 0
    spram: int = 0
    memories: tuple[Memory, ...] = ()


@cache
def match_sum_counts(config: MatchSumConfig) -> tuple[int, int, int]:
    """LUT sites and flip-flops of one match sum, level by level as it is built.

    The third figure is the flip-flops, for all rows together, of codes that come late.
    """
    sites = sum(
        chain_sites(level.bits, level.longest_chain) for level in config.levels if level.bits
    )
    registers = sum(
        maximum.bit_length()
        for level in config.levels
        if level.registered
        for maximum in level.maxima
    )
    return sites, registers, config.lane_bits * sum(config.delays)


def pe_counts(config: ArrayConfig) -> tuple[int, int]:
    """LUT sites and flip-flops of a PE: match sum, accumulator, result."""
    sites, registers, _ = match_sum_counts(config.match_sum)
    bits = config.match_bits + config.has_start
    folded = config.synapse_folds > 1
    if folded or config.has_start or config.match_sum.has_carry:
        # The boundary of the rider and a site a bit, in pairs; nothing is carried out.
        sites += 2 * -(-(bits + 1) // 2)
    if folded:
        registers += bits
    if not folded or config.thresholds is None or config.has_start:
        registers += config.pe_bits
    return sites, registers


def array_terms(config: ArrayConfig, *, trained: bool = True) -> Terms:
    """Systolic array: PEs, weight memories, thresholds, hop registers, output FIFO.

    ``trained``: single levels lie as those of a trained network do, and not anywhere.
    """
    if config.weight_memory == "logic":
        return _logic_terms(config)
    columns, hops, weights = config.columns, config.hops, config.weights
    word = config.rows * columns * config.out_bits
    pe_sites, pe_registers = pe_counts(config)
    # Counters of beats and folds, of the weights' address and of the thresholds'.
    turns = (config.synapse_folds, config.neuron_folds,
             1 if config.thresholds is None else config.neuron_folds)  # fmt: skip
    counters = sum((number - 1).bit_length() for number in turns) + weights.address_bits
    lut: dict[str, float] = {
        "array": 1,
        "address": counters,
        "sites": config.rows * columns * pe_sites + lut_ram(word, config.fifo_depth),
    }
    registers, blocks, bits = float(config.rows * columns * pe_registers + counters), 0, 0
    memories = fifo_of(word, config.fifo_depth)
    if weights.depth > 1 and weights.memory == "block":
        memories += weights_of(weights, hops)
        # The first register behind the memory is in the block RAM.
        blocks += hops * weights.block_rams
        bits += hops * weights.width * weights.depth
        registers += hops * weights.width
        lut["page"] = hops * (weights.width + weights.part) * (weights.pages - 1)
        if weights.ninths:
            # The register that gathers them, and a choice between it and what is read.
            lut["sites"] += hops * weights.width
            registers += hops * weights.width
    elif weights.sprams:
        # Two registers behind the memory; loading has the array's own address.
        registers += hops * (2 * weights.width + 1)
        lut["sites"] += hops * (3 + weights.sprams)
    elif weights.depth > 1:
        lut["rom"] = hops * rom_luts(weights.width, weights.depth)
        registers += hops * rom_bits(weights.width, weights.depth)
    if weights.depth > 1:
        # Flips of late lanes; the memory itself brings some of them a cycle late.
        sums = config.match_sum
        registers += config.rows * (sum(sums.delays) - sum(sums.flip_delays))
    registers += _registers_between(config)
    if config.thresholds is not None:
        more = _threshold_terms(config.thresholds, config, trained)
        for name, number in more.lut.items():
            lut[name] = lut.get(name, 0) + number
        registers += more.ff["registers"]
        blocks, bits = blocks + more.bram, bits + more.bram_bits
        memories += more.memories
    return Terms(
        lut=lut,
        ff={"array": 1, "registers": registers},
        bram=blocks,
        bram_bits=bits,
        spram=hops * weights.sprams,
        memories=memories,
    )


def _registers_between(config: ArrayConfig) -> int:
    """Flip-flops outside of PEs and memories."""
    columns, hops, weights = config.columns, config.hops, config.weights
    # Codes wait for their weights, hop along, and some ride late.
    delays = weights.latency_cycles + hops - 1
    late = match_sum_counts(config.match_sum)[2]
    codes = columns * (delays * config.simd * config.lane_bits + late)
    # The weight address, and what tells PEs of a fold's beats.
    control = hops * (weights.address_bits + 3)
    # The word that leaves, and what there is of it after each segment.
    gathered = sum(range(config.segment, hops, config.segment)) * config.rows_per_hop
    return codes + control + (config.rows + gathered) * columns * config.out_bits


def _logic_terms(config: ArrayConfig) -> Terms:
    """Weights as logic: adders with a register each, lanes that wait for theirs, thresholds."""
    sums, given = constant_cost(config.rows, config.simd, config.lane_bits), config.thresholds
    word = config.rows * config.columns * config.out_bits
    lut = {"logic": 1.0, "sites": config.columns * sums.lut + lut_ram(word, config.fifo_depth)}
    # The lanes are registered in front of the sums.
    registers = config.columns * float(sums.ff + config.simd * config.lane_bits) + 2 * word
    if given is None or given.levels > 1:
        more = Terms(ff={"registers": 0}) if given is None else _threshold_terms(given, config)
        for name, number in more.lut.items():
            lut[name] = lut.get(name, 0) + number
        return Terms(
            lut=lut,
            ff={"logic": 1, "registers": registers + more.ff["registers"]},
            bram=more.bram,
            bram_bits=more.bram_bits,
            memories=more.memories + fifo_of(word, config.fifo_depth),
        )
    # A constant threshold takes half of the sites that one of several border classes does.
    units, bits = config.rows * config.columns, config.match_bits
    lut["sites"] += units * (bits + 1) / (2 if given.classes == 1 else 1)
    if given.classes > 1:
        lut |= {"rom": units * rom_luts(bits, given.classes), "border": config.columns}
        registers += units * rom_bits(bits, given.classes)
    return Terms(
        lut=lut,
        ff={"logic": 1, "registers": registers},
        memories=fifo_of(word, config.fifo_depth),
    )


def _start_bits(array: ArrayConfig) -> float:
    """Bits of start values that differ from each other, for trained thresholds.

    1. Sums of N lanes of random signs, each of 0 to c, spread by about ``sqrt(N) * c / 2``
       about the middle, and batch norm puts thresholds where the sums are: 98 of 100 of the
       examples' within four times that.
    2. So ``log2(4 * sqrt(N) * c)`` low bits are as good as random, and what is above them
       is one more bit, seen through inverters: on which side of the middle the level lies.
    """
    spread = 4 * sqrt(array.fan_in) * (2**array.lane_bits - 1)
    return min(array.match_bits, log2(spread) + 1)


def _threshold_terms(config: ThresholdConfig, array: ArrayConfig, trained: bool = True) -> Terms:
    """Thresholds of all rows: their memories, and several levels' comparisons a column.

    A single level is compared in the accumulator, which starts from it; columns whose
    pixels have the same border classes share it.
    """
    depth = config.classes * array.neuron_folds
    walks = len({config.x_classes[column :: array.columns] for column in range(array.columns)})
    hop_bits = walks * array.hops * (depth - 1).bit_length()
    border = {"border": walks} if config.classes > 1 else {}
    if array.has_start:
        if config.memory == "block" and depth > FEW_STARTS:
            # Their register is block RAM's. At most: bits that are alike in all words vanish.
            number, width = walks * array.rows, config.match_bits + 1
            return Terms(
                lut=dict(border),
                ff={"registers": hop_bits},
                bram=number * block_rams(width, depth),
                bram_bits=number * width * depth,
                memories=memory_of(width, depth, "block", number),
            )
        # The highest bit is set for a threshold of 0 alone.
        width = config.match_bits
        start_bits = _start_bits(array) if trained else width
        start = walks * rom_luts(start_bits, depth) if depth > 1 else 0
        registers = walks * rom_bits(width, depth) if depth > FEW_STARTS else 0
        return Terms(
            lut={"start": array.rows * start, **border},
            ff={"registers": array.rows * registers + hop_bits},
        )
    units = array.rows * array.columns
    width = config.levels * config.match_bits + 1
    # Of each level a comparison on a chain, its end included, and its inversion; then the count.
    compare = 2 * ceil(config.match_bits / 2) + 1
    luts = units * (config.levels * compare + config.out_bits)
    registers, rom, blocks = units * (config.out_bits + config.levels + 1.0), 0.0, 0
    memories: tuple[Memory, ...] = ()
    if depth > 1 and config.memory == "block":
        levels = WeightConfig(depth=depth, width=width)
        blocks, memories = units * levels.block_rams, weights_of(levels, units)
    elif depth > 1:
        rom = units * rom_luts(width, depth)
        registers += units * rom_bits(width, depth)
    return Terms(
        lut={"sites": luts, "rom": rom, **border},
        ff={"registers": registers + hop_bits},
        bram=blocks,
        bram_bits=units * width * depth if blocks else 0,
        memories=memories,
    )


def line_buffer_terms(config: LineBufferConfig) -> Terms:
    """Line buffer: memories, window registers in parallel mode, counters."""
    if config.mode == "wire":
        return Terms()
    word = config.i_lanes * config.lane_bits
    sites, blocks = memory_cost(word, config.depth, config.memory)
    # What leaves distributed RAM has a register, which block RAM has inside.
    read = config.banks * word if config.memory == "lut" else 0
    if config.mode == "serial":
        # Words of a group are rotated, bit by bit of the number of places.
        rotate = config.columns * word * (config.columns - 1).bit_length()
        loops = (config.pixel_beats, *config.kernel, config.repeats, config.groups,
                 config.output_height)  # fmt: skip
        lut = {
            "serial": 1,
            "counter": sum((turns - 1).bit_length() for turns in loops),
            "columns": int(config.columns > 1),
            "sites": config.banks * sites + rotate,
        }
        return Terms(
            lut=lut,
            ff={
                "serial": 1,
                "counter": lut["counter"],
                "registers": config.columns * word + read,
            },
            bram=config.banks * blocks,
            bram_bits=config.memory_bits if blocks else 0,
            memories=memory_of(word, config.depth, config.memory, config.banks),
        )
    # Columns that are rotated and shift, a copy of the window, and a multiplexer where it
    # goes out in parts.
    window = config.fan_in * config.lane_bits
    parts = window - config.simd * config.lane_bits
    steps = [1 << bit for bit in range((config.banks - 1).bit_length())]
    rotate = word * sum(min(config.banks, config.kernel[0] + step - 1) for step in steps)
    return Terms(
        lut={
            "parallel": 1,
            "parts": int(parts > 0),
            "sites": config.banks * sites + rotate + parts,
        },
        ff={"parallel": 1, "registers": 2 * window + read},
        bram=config.banks * blocks,
        bram_bits=config.memory_bits if blocks else 0,
        memories=memory_of(word, config.depth, config.memory, config.banks),
    )


def column_order_terms(config: ColumnOrderConfig) -> Terms:
    """Column order: a memory a column, or a register, and a multiplexer between them."""
    word = config.lanes * config.lane_bits
    if config.columns == 1:
        return Terms()
    if not config.depth:
        return width_terms(
            WidthConfig(i_lanes=config.i_lanes, o_lanes=config.lanes, lane_bits=config.lane_bits)
        )
    sites, blocks = memory_cost(word, config.depth, config.memory)
    return Terms(
        lut={
            "order": 1,
            "sites": config.columns * sites + word * (config.columns - 1),
        },
        ff={"order": 1, "registers": word},
        bram=config.columns * blocks,
        bram_bits=config.columns * word * config.depth if blocks else 0,
        memories=memory_of(word, config.depth, config.memory, config.columns),
    )


def pool_terms(config: PoolConfig) -> Terms:
    """Pool: a comparison a lane, a row of partial results, the beat while that is read."""
    word = config.lanes * config.lane_bits
    sites, blocks = memory_cost(word, config.depth, config.memory)
    return Terms(
        lut={
            "pool": 1,
            # Greater of two bits, and where there are several which of two codes is.
            "sites": sites + word * (1 + (config.lane_bits > 1)),
        },
        ff={"pool": 1, "registers": word * (2 + config.read_cycles + (config.pixel_beats == 1))},
        bram=blocks,
        bram_bits=word * config.depth if blocks else 0,
        memories=memory_of(word, config.depth, config.memory) if config.read_cycles else (),
    )


def width_terms(config: WidthConfig) -> Terms:
    """Width converter: a shift register, or two of a whole group where neither side divides."""
    i_bits, o_bits = config.i_lanes * config.lane_bits, config.o_lanes * config.lane_bits
    if i_bits == o_bits:
        return Terms()
    if o_bits % i_bits == 0:
        return Terms(lut={"sites": 6}, ff={"registers": o_bits + 3})
    if i_bits % o_bits == 0:
        return Terms(lut={"sites": i_bits + 6}, ff={"registers": i_bits + 3})
    group = config.block_lanes * config.lane_bits
    return Terms(lut={"sites": group + 10}, ff={"registers": 2 * group + 5})


def head_terms(config: HeadConfig) -> Terms:
    """Head: the beat's shift register, constants, an adder, and argmax's comparison."""
    argmax, score = config.kind == "argmax", config.score_bits
    index = (config.elements - 1).bit_length()
    adder = 2 * ceil(score / 2) + 2
    apart = width_terms(WidthConfig(i_lanes=config.lanes, o_lanes=1, lane_bits=config.match_bits))
    # The constants of a long head are in block RAM.
    block = config.elements > 64
    blocks = block_rams(score, config.elements) if block else 0
    # Matches, constant and score; of argmax the best score, its index and its rank instead.
    registers = config.match_bits + 2 * score + index + argmax * (score + 3 * index)
    return Terms(
        lut={
            "head": 1 + 4 * argmax,
            "rom": 0.0 if block else rom_luts(score, config.elements),
            "sites": adder * (1 + argmax) + apart.lut.get("sites", 0),
        },
        ff={"registers": registers + apart.ff.get("registers", 0)},
        bram=blocks,
        bram_bits=score * config.elements if block else 0,
        memories=memory_of(score, config.elements, "block") if block else (),
    )
